"""Griffe extension: what docstrings write in the manner of Sphinx becomes Markdown.

Roles (``:func:`name```) become plain code, and the double colon before an indented example a single one.
"""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod|obj):(`+)~?([^`]+)\1")
_LITERAL = re.compile(r"(?<=\S)::(?=\n\s*\n)")


class Roles(griffe.Extension):
    """Rewrite every docstring."""

    def on_instance(self, *, obj: griffe.Object | griffe.Alias, **_: Any) -> None:
        """Rewrite the docstring of one object as it is loaded."""
        if not obj.is_alias and obj.docstring is not None:
            obj.docstring.value = _LITERAL.sub(":", _ROLE.sub(r"`\2`", obj.docstring.value))
