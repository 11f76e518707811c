"""Settings of a scenario: every name that a sweep may vary, and the scenario in which it has another value.

A name is a field of a config ("crystal.N_cells"), an element of one ("crystal.misset_deg[1]"), or one of
:data:`CHOICES`. A number that is given to a field of three elements is meant for all of them.
"""

import difflib
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.quantities import QUANTITIES, Quantity
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook.cells.losses import LOSSES
from nanobrag_torch.workbook.cells.scenarios import scenario_of
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.sweeps.values import Value

_CONFIGS: dict[str, Any] = {"crystal": CrystalConfig, "detector": DetectorConfig, "beam": BeamConfig}
#: What may vary beside the fields of the configs, with its values.
CHOICES: dict[str, tuple[str, ...]] = {
    "loss": tuple(LOSSES),
    "compat": ("physical", "c", "legacy_torch"),
    "dtype": ("float64", "float32"),
    "device": ("cpu", "cuda"),
    "engine": ("auto", "numba", "triton", "torch", "formula"),
}
_COMPUTED = ("dtype", "device", "engine")


@dataclass(frozen=True)
class Setting:
    """A name that may vary.

    Attributes:
        kind: type of a value, or of each element of one.
        unit: its unit; empty for a number or a text.
        length: number of elements of a field of several; None for a scalar.
            choices: texts that it may be; empty for any.
    """

    name: str
    kind: type
    unit: str = ""
    length: int | None = None
    choices: tuple[str, ...] = ()

    def read(self, word: Value) -> Any:
        """Value of a word of the command line, a number of a range, or a cell of a table.

        Raises:
            InputError: it is none.
        """
        if self.length is not None and isinstance(word, str):
            elements = [self._scalar(each) for each in word.strip("[]() ").split()]
            if len(elements) not in (1, self.length):
                raise self._refused(word, f"one number, or {self.length} with blanks between them")
            return elements if len(elements) > 1 else elements[0]
        return self._scalar(word)

    def _scalar(self, word: Value) -> Any:
        if self.kind is bool:
            found = {"true": True, "false": False}.get(str(word).lower())
            if found is None:
                raise self._refused(word, "true or false")
            return found
        if self.kind is str:
            if self.choices and word not in self.choices:
                raise self._refused(word, ", ".join(self.choices))
            return str(word)
        if self.kind is int:
            return self._whole(word)
        try:
            number = float(word)
        except (TypeError, ValueError):
            raise self._refused(word, "a number") from None
        if not math.isfinite(number):
            raise self._refused(word, "a finite number")
        row = _quantity(self.name)
        if row is not None and not row.low <= number <= row.high:
            raise self._refused(word, f"{row.low:g} to {row.high:g} {row.unit}".rstrip())
        return number

    def _whole(self, word: Value) -> int:
        """A whole number of 64 bits, read without a float, which holds those beyond 2^53 no more."""
        try:
            number = Decimal(str(word))
            if number == number.to_integral_value() and -(2**63) <= number < 2**63:
                return int(number)
        except InvalidOperation:
            pass
        raise self._refused(word, "a whole number of 64 bits")

    def _refused(self, given: Any, allowed: str) -> InputError:
        return InputError.of("sweep", self.name, given, allowed, "Correct the value.")


@cache
def settings() -> dict[str, Setting]:
    """Every setting by its name; fields that hold a tensor or a direction that nobody gave are none."""
    found: dict[str, Setting] = {}
    for config, kind in _CONFIGS.items():
        usual = kind()
        for field, hint in typing.get_type_hints(kind).items():
            name = f"{config}.{field}"
            if field.startswith("_") or not hasattr(usual, field):
                continue
            held = getattr(usual, field)
            if isinstance(held, tuple):
                unit = _unit(name)
                found[name] = Setting(name, float, unit, len(held))
                found |= {f"{name}[{i}]": Setting(f"{name}[{i}]", float, unit) for i in range(len(held))}
            elif members := _members(hint):
                found[name] = Setting(name, str, choices=members)
            elif (element := _kind(hint)) is not None:
                found[name] = Setting(name, element, _unit(name))
    return found | {name: Setting(name, str, choices=choices) for name, choices in CHOICES.items()}


def _hints(hint: Any) -> list[Any]:
    return [each for each in typing.get_args(hint) if each is not type(None)] or [hint]


def _members(hint: Any) -> tuple[str, ...]:
    """Names of the members of a field that is a choice; none for any other field."""
    kinds = [each for each in _hints(hint) if isinstance(each, type) and issubclass(each, Enum)]
    return tuple(str(member.value) for kind in kinds for member in kind)


def _kind(hint: Any) -> type | None:
    """Type of the values of a field by its annotation; None where no word of a command line can be one."""
    return next((kind for kind in (bool, int, float, str) if kind in _hints(hint)), None)


def _quantity(name: str) -> Quantity | None:
    """The quantity that a field is, or whose three elements it has; None where it is none."""
    return QUANTITIES.get(name) or QUANTITIES.get(f"{name}[0]")


def _unit(name: str) -> str:
    row = _quantity(name)
    return row.unit if row is not None else ""


def setting(name: str) -> Setting:
    """Setting of a name. Raises ``InputError`` for another; the nearest are offered."""
    known = settings()
    if name not in known:
        # A bare field is one that somebody forgot the config of.
        near = [each for each in known if each.rpartition(".")[2] == name]
        near += difflib.get_close_matches(name, known, n=3, cutoff=0.5)
        remedy = f"The nearest: {', '.join(dict.fromkeys(near))}." if near else "docs/sweeps.md lists them."
        raise InputError.of(
            "sweep", "name", name, "a field of crystal, detector or beam, or " + ", ".join(CHOICES), remedy
        )
    return known[name]


def changed(data: Mapping[str, Any], path: Path, values: Mapping[str, Any]) -> Scenario:
    """The scenario in a file with other values.

    Args:
        data: entries of the file.
        path: the file.
        values: values of settings by their names.

    Raises:
        InputError: no scenario has these values.
    """
    entries = {name: dict(entry) if isinstance(entry, Mapping) else entry for name, entry in data.items()}
    computed: dict[str, str] = {}
    for name, value in values.items():
        config, dot, rest = name.partition(".")
        if name in _COMPUTED:
            computed[name] = value
        elif not dot:
            entries[name] = value
        else:
            _put(entries.setdefault(config, {}), config, rest, value)
    return scenario_of(entries, path, **computed)


def _put(entry: dict[str, Any], config: str, rest: str, value: Any) -> None:
    field, bracket, index = rest.partition("[")
    usual = getattr(_CONFIGS[config](), field)
    if bracket:
        elements = list(entry.get(field, usual))
        elements[int(index.rstrip("]"))] = value
        entry[field] = elements
    elif isinstance(usual, tuple) and not isinstance(value, list | tuple):
        entry[field] = [value] * len(usual)
    else:
        entry[field] = value
