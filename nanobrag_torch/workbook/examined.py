"""What a notebook hands to the gradient doctor: a scenario from a file, a function by its name, a range of values."""

import importlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.config import (
    BeamConfig,
    CrystalConfig,
    CrystalShape,
    DetectorConfig,
    DetectorConvention,
    DetectorPivot,
)
from nanobrag_torch.io.hkl import try_load_hkl_or_fdump
from nanobrag_torch.parameters import CELL, quantity
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.probe import LOSSES

_OWNER = "scenario file"
_CONFIGS: dict[str, Any] = {"crystal": CrystalConfig, "detector": DetectorConfig, "beam": BeamConfig}
_ENUMS: dict[str, Any] = {
    "shape": CrystalShape,
    "detector_convention": DetectorConvention,
    "detector_pivot": DetectorPivot,
}
_OTHER = ("names", "loss", "compat", "hkl")


def read_scenario(file: str | Path, dtype: str = "float64", device: str = "cpu") -> Scenario:
    """The scenario in a JSON file: objects "crystal", "detector" and "beam" with fields of the configs, and "names" of
    quantities, "loss", "compat" and "hkl", a file of structure factors beside it; all may be left out. ``dtype`` and
    ``device`` say how it is computed.

    Raises ``InputError`` for a file that says anything else.
    """
    path = Path(file)
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError.of(_OWNER, "file", path.name, "a readable file", f"{error.strerror}.") from None
    except ValueError as error:
        raise InputError.of(_OWNER, "file", path.name, "JSON", f"{error}.") from None
    known = (*_CONFIGS, *_OTHER)
    unknown = sorted(set(data) - set(known)) if isinstance(data, dict) else [type(data).__name__]
    if unknown:
        raise InputError.of(_OWNER, "entry", ", ".join(unknown), ", ".join(known), "Correct the file.")
    loss = data.get("loss", "sum")
    if loss not in LOSSES:
        raise InputError.of(_OWNER, "loss", loss, ", ".join(LOSSES), "Name one of them.")
    configs = {name: _config(name, kind, data.get(name, {})) for name, kind in _CONFIGS.items()}
    table, metadata = _structure_factors(path, data.get("hkl"), configs["crystal"])
    try:
        return Scenario(
            **configs,
            names=tuple(data.get("names", CELL)),
            loss=LOSSES[loss],
            compat=data.get("compat", "physical"),
            hkl_data=table,
            hkl_metadata=metadata,
            dtype=getattr(torch, dtype),
            device=device,
        )
    except ValueError as error:
        raise InputError(f"{_OWNER}, {path.name}: {error}") from None


def _config(name: str, kind: Any, fields: Any) -> Any:
    if not isinstance(fields, dict):
        raise InputError.of(_OWNER, name, fields, "an object of fields", "Write {...}.")
    try:
        return kind(**{key: _value(name, key, value) for key, value in fields.items()})
    except TypeError:
        allowed = ", ".join(kind.__dataclass_fields__)
        unknown = ", ".join(sorted(set(fields) - set(kind.__dataclass_fields__))) or "a value of the wrong kind"
        raise InputError.of(_OWNER, name, unknown, allowed, "Use the names of the config's fields.") from None
    except ValueError as error:
        raise InputError(f"{_OWNER}, {name}: {error}") from None


def _value(name: str, key: str, value: Any) -> Any:
    if key in _ENUMS and value is not None:
        choices = {member.value: member for member in _ENUMS[key]}
        if value not in choices:
            raise InputError.of(_OWNER, f"{name}.{key}", value, ", ".join(choices), "Name one of them.")
        return choices[value]
    return tuple(value) if isinstance(value, list) else value


def _structure_factors(path: Path, name: Any, crystal: CrystalConfig) -> tuple[Tensor | None, dict[str, Any] | None]:
    if name is None:
        return None, None
    try:
        return try_load_hkl_or_fdump(
            str(path.parent / str(name)), default_F=float(crystal.default_F), write_cache=False, dtype=torch.float64
        )
    except (OSError, ValueError) as error:
        raise InputError.of(_OWNER, "hkl", name, "a file of structure factors", f"{error}") from None


@dataclass(frozen=True)
class Scan:
    """A loss over a range of one quantity, and its tangent where the gradient was taken."""

    label: str
    unit: str
    positions: tuple[float, ...]
    losses: tuple[float, ...]
    at: float
    loss: float
    slope: float | None


def scan(scenario: Scenario, name: str, width: float | None = None, points: int = 41) -> Scan:
    """The loss at ``points`` values of a quantity within ``width`` (its unit) to both sides; a change that matters,
    unless a width is given, and never beyond the quantity's bounds."""
    row, at = quantity(name), scenario.value(name)
    width = width or row.far_at(at)
    low, high = max(row.low, at - width), min(row.high, at + width)
    positions = [low + (high - low) * i / (points - 1) for i in range(points)]
    with torch.no_grad():
        losses = [float(scenario({name: torch.tensor(x, dtype=torch.float64)})) for x in positions]
    leaves = scenario.leaves([name])
    loss = scenario(leaves)
    slope = None
    if loss.requires_grad:
        (gradient,) = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        slope = None if gradient is None else float(gradient)
    return Scan(row.label, row.unit, tuple(positions), tuple(losses), at, float(loss.detach()), slope)


#: How an image becomes a loss, by name; None where the function gives the loss itself.
REDUCTIONS: dict[str, Callable[[Tensor], Tensor] | None] = {
    "none": None,
    "sum": torch.sum,
    "sum_of_squares": lambda image: (image * image).sum(),
}


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
