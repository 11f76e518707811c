"""Errors of the workbook: InputError (bad input, nothing started) and Blocked (an obstacle, nothing concluded)."""

from typing import Any


class InputError(ValueError):
    """Input that cannot be run as it stands; nothing was started."""

    @classmethod
    def of(cls, owner: str, field: str, given: Any, allowed: str, remedy: str) -> "InputError":
        """Error in the form that all of the package uses.

        Args:
            owner: file or command that complains.
            field: name of the field or option.
            given: value as it was given.
            allowed: values that are allowed, in words.
            remedy: next step for the user, as a sentence.
        """
        return cls(f"{owner}, {field}: got {given!r}; allowed: {allowed}. {remedy}".rstrip())


class Blocked(RuntimeError):
    """An obstacle outside the question: the evidence could not be taken, and nothing is concluded from that."""
