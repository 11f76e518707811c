"""Functions and values that a notebook parameter names in text."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.workbook.errors import InputError


def function(name: str) -> Callable[[dict[str, Tensor]], Tensor]:
    """The function that ``name`` says: "package.module:function", or "file.py:function" below the working folder.

    Raises ``InputError`` where there is none.
    """
    place, colon, attribute = name.rpartition(":")
    allowed = "package.module:function or file.py:function"
    try:
        if not colon:
            raise ImportError("no colon")
        found = getattr(_module(place), attribute)
    except (ImportError, AttributeError, OSError, SyntaxError) as error:
        raise InputError.of("doctor", "model", name, allowed, f"{error}.") from None
    if not callable(found):
        raise InputError.of("doctor", "model", name, allowed, "It is not a function.")
    return found


def _module(place: str) -> Any:
    if not place.endswith(".py"):
        return importlib.import_module(place)
    spec = importlib.util.spec_from_file_location(Path(place).stem, place)
    if spec is None or spec.loader is None:
        raise ImportError(f"{place} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def values(text: str) -> dict[str, Tensor]:
    """The float64 tensors in "width=1.5, height=2". Raises ``InputError`` for anything else."""
    found: dict[str, Tensor] = {}
    for item in text.split(","):
        name, equals, value = (part.strip() for part in item.partition("="))
        try:
            found[name] = torch.tensor(float(value), dtype=torch.float64)
        except ValueError:
            equals = ""
        if not equals or not name.isidentifier():
            raise InputError.of("doctor", "values", item.strip(), "name=number, name=number", "Write numbers.")
    return found
