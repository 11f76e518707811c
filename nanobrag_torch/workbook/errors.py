"""The two ways in which a run cannot be: the input is wrong, or something stands in the way."""

from typing import Any


class InputError(ValueError):
    """What the user gave cannot be run as it stands."""

    @classmethod
    def of(cls, owner: str, field: str, given: Any, allowed: str, remedy: str) -> "InputError":
        """The error that says what was given, what is allowed and what to do, as all of the package does."""
        return cls(f"{owner}, {field}: got {given!r}; allowed: {allowed}. {remedy}".rstrip())


class Blocked(RuntimeError):
    """An obstacle outside the question: the evidence could not be taken, and nothing is concluded from that."""
