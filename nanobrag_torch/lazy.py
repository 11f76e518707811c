"""Public names of a module that are loaded when they are first asked for, so that importing the module costs little."""

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(module: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Functions ``__getattr__`` and ``__dir__`` of a module (PEP 562).

    Args:
        module: name of the module that offers the names.
        homes: public name to its home, as "package.module:attribute", or "package.module" for a module; one that
            begins with a dot is relative to a module that is a package.

    Raises:
        AttributeError: by ``__getattr__``, for a name that is not public; the message lists those that are.
    """

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}; public names: {', '.join(homes)}")
        place, _, attribute = homes[name].partition(":")
        found = import_module(place, module)
        found = getattr(found, attribute) if attribute else found
        setattr(sys.modules[module], name, found)
        return found

    def names() -> list[str]:
        return sorted({*vars(sys.modules[module]), *homes})

    return load, names
