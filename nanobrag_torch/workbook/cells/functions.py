"""Functions and values that a notebook parameter names in text."""

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.workbook import project
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
    file = project.find(place)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{place} cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def values(text: str) -> dict[str, Tensor]:
    """The float64 tensors in "width: 1.5, height: 2", or with equals signs. Raises ``InputError`` for anything else.

    papermill reads no default that contains an equals sign, so a parameters cell is written with colons.
    """
    found: dict[str, Tensor] = {}
    for item in text.split(","):
        name, sign, value = (part.strip() for part in item.replace("=", ":").partition(":"))
        try:
            found[name] = torch.tensor(float(value), dtype=torch.float64)
        except ValueError:
            sign = ""
        if not sign or not name.isidentifier():
            raise InputError.of("doctor", "values", item.strip(), "name=number, name=number", "Write numbers.")
    return found
