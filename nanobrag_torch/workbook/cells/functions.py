"""Functions and values that a notebook parameter names in text."""

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.cells import losses
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.investigations import import_failure


def function(name: str) -> Callable[[dict[str, Tensor]], Tensor]:
    """Function that ``name`` says: "package.module:function", or "file.py:function" below the project.

    Raises:
        InputError: there is none, or its module fails on import; the message ends in the last line of its traceback.
    """
    place, colon, attribute = name.rpartition(":")
    allowed = "package.module:function or file.py:function"
    if not colon:
        raise InputError.of("doctor", "model", name, allowed, "There is no colon in it.")
    found: Any = getattr(_module(name, place, allowed), attribute, None)
    if not callable(found):
        raise InputError.of("doctor", "model", name, allowed, f"{place} has no function {attribute!r}.")
    model: Callable[[dict[str, Tensor]], Tensor] = found
    return model


def _module(name: str, place: str, allowed: str) -> Any:
    file = project.find(place) if place.endswith(".py") else None
    if file is not None and not file.is_file():
        raise InputError.of("doctor", "model", name, allowed, f"There is no file {place}.")
    try:
        return importlib.import_module(place) if file is None else _loaded(file)
    except (Exception, SystemExit) as error:
        raise InputError.of("doctor", "model", name, allowed, f"{place}: {import_failure(error, file)}.") from None


def _loaded(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def values(text: str) -> dict[str, Tensor]:
    """The float64 tensors in "width: 1.5, height: 2", or with equals signs. Raises ``InputError`` for anything else."""
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


def loss_of(model: Callable[[dict[str, Tensor]], Tensor], at: dict[str, Tensor], name: str) -> losses.Loss | None:
    """Loss called ``name`` of what a function gives; None where that is one number, which is the loss itself.

    Args:
        model: function of a dict of tensors.
        at: its numbers.
        name: name of a loss, or "none".
    """
    with torch.no_grad():
        try:
            given = model({label: value.clone() for label, value in at.items()})
        except Exception:  # of whatever kind the function raises: the doctor says what is the matter
            return losses.reduction(name)
    return None if getattr(given, "ndim", None) == 0 else losses.reduction(name)
