"""Griffe extension: roles of Sphinx in docstrings (``:func:`name```) become plain code, which Markdown shows."""

import re
from typing import Any

import griffe

_ROLE = re.compile(r":(?:attr|class|data|exc|func|meth|mod|obj):(`+)~?([^`]+)\1")


class Roles(griffe.Extension):
    """Rewrite the roles in every docstring."""

    def on_instance(self, *, obj: griffe.Object | griffe.Alias, **_: Any) -> None:
        """Rewrite the docstring of one object as it is loaded."""
        if not obj.is_alias and obj.docstring is not None:
            obj.docstring.value = _ROLE.sub(r"`\2`", obj.docstring.value)
