"""Scenarios read from a JSON file, checked field by field."""

import copy
import dataclasses
from collections.abc import Mapping
from functools import lru_cache
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
from nanobrag_torch.experiments import Experiment, by_cell, descriptions
from nanobrag_torch.io.description import Description
from nanobrag_torch.io.hkl import try_load_hkl_or_fdump
from nanobrag_torch.quantities import CELL
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.cells.losses import LOSSES
from nanobrag_torch.workbook.errors import InputError

_OWNER = "scenario file"
_CONFIGS: dict[str, Any] = {"crystal": CrystalConfig, "detector": DetectorConfig, "beam": BeamConfig}
_ENUMS: dict[str, Any] = {
    "shape": CrystalShape,
    "detector_convention": DetectorConvention,
    "detector_pivot": DetectorPivot,
}
_OTHER = ("names", "loss", "compat", "hkl", "experiment", "image")
#: Fields that a scenario may give beside an experiment, which decides all others.
_BESIDE = {
    "crystal": (
        "N_cells", "default_F", "shape", "fudge", "N_offdiagonal", "cutoff", "interpolate", "phi_steps",
        "mosaic_spread_deg", "mosaic_domains", "mosaic_seed", "mosaic_model", "mosaic_eta_deg",
    ),
    "detector": (
        "oversample", "oversample_omega", "oversample_polar", "oversample_thick", "point_pixel", "roi_xmin", "roi_xmax",
        "roi_ymin", "roi_ymax",
    ),
    "beam": ("fluence", "dmin", "water_size_um"),
}  # fmt: skip


def read_scenario(
    file: str | Path, dtype: str = "float64", device: str = "cpu", experiment: str | Path = "", image: int = 0
) -> Scenario:
    """The scenario in a JSON file: objects "crystal", "detector" and "beam" with fields of the configs, and "names" of
    quantities, "loss", "compat", "hkl", a file of structure factors beside it, and "experiment", a file beside it that
    DIALS, CrystFEL or NXmx describe beam, detector and crystal in, with "image", the index of an image in its scan; all
    may be left out.

    Args:
        file: the JSON file; empty for none beside an experiment.
        dtype: "float64" or "float32".
        device: "cpu" or "cuda".
        experiment: ``.expt``, ``.geom``, ``.stream`` or ``.nxs`` file, whose first experiment takes the place of beam,
            detector and, where it has one, crystal of the scenario; of these stays what no such file says, as
            ``N_cells``, ``default_F``, sub-pixels, region of interest and fluence. Empty for none.
        image: index of an image in the experiment's scan.

    Raises:
        InputError: a file says anything else.
    """
    path = project.find(str(file or experiment))
    data = read_data(path) if file else {}
    if experiment:
        place = project.find(str(experiment))
        kept = [name for name in _CONFIGS if name != "crystal" or _description(place).crystal is not None]
        data |= {name: _kept(name, data[name]) for name in kept if name in data}
        data |= {"experiment": str(place.absolute()), "image": image}
    return scenario_of(data, path, dtype, device)


def read_data(path: Path) -> dict[str, Any]:
    """Data of the JSON file of a scenario. Raises ``InputError`` where it has none, or an entry that there is not."""
    try:
        data = files.read_json(path)
    except files.Unreadable as error:
        raise InputError.of(_OWNER, "file", path.name, "a file of JSON", f"It cannot be read: {error}.") from None
    known = (*_CONFIGS, *_OTHER)
    unknown = sorted(set(data) - set(known)) if isinstance(data, dict) else [type(data).__name__]
    if unknown:
        raise InputError.of(_OWNER, "entry", ", ".join(unknown), ", ".join(known), "Correct the file.")
    return dict(data)


def scenario_of(
    data: Mapping[str, Any], path: Path, dtype: str = "float64", device: str = "cpu", engine: str = "auto"
) -> Scenario:
    """The scenario that data describe.

    Args:
        data: entries as in the JSON file of a scenario.
        path: that file; structure factors are looked for beside it.
        dtype: "float64" or "float32".
        device: "cpu" or "cuda".
        engine: engine of the simulator.

    Raises:
        InputError: an entry holds what no scenario can have.
    """
    loss = data.get("loss", "sum")
    if loss not in LOSSES:
        raise InputError.of(_OWNER, "loss", loss, ", ".join(LOSSES), "Name one of them.")
    configs = _configs(data, path)
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
            engine=engine,
        )
    except ValueError as error:
        raise InputError(f"{_OWNER}, {path.name}: {error}") from None


def _configs(data: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Configs of a scenario, those of its experiment where it has one. Raises ``InputError`` for what cannot be."""
    given = {name: data.get(name, {}) for name in _CONFIGS}
    file = data.get("experiment")
    if file is None:
        return {name: _config(name, kind, given[name]) for name, kind in _CONFIGS.items()}
    try:
        experiment = Experiment.of(_description(path.parent / str(file)), data.get("image", 0))
        if experiment.crystal is not None:
            experiment.crystal = by_cell(experiment.crystal, data.get("compat", "physical"))
    except ValueError as error:
        raise InputError(f"{_OWNER}, experiment, {file}: {error}") from None
    found = {}
    for name, kind in _CONFIGS.items():
        config, fields = getattr(experiment, name), given[name]
        if config is None:
            found[name] = _config(name, kind, fields)
            continue
        if not isinstance(fields, dict):
            raise InputError.of(_OWNER, name, fields, "an object of fields", "Write {...}.")
        others = ", ".join(sorted(set(fields) - set(_BESIDE[name])))
        if others:
            remedy = f"{file} decides the others: leave them out."
            raise InputError.of(_OWNER, name, others, ", ".join(_BESIDE[name]), remedy)
        found[name] = _with(name, config, fields)
    return found


def _with(name: str, config: Any, fields: Any) -> Any:
    """A copy of a config with other fields."""
    changed = copy.copy(config)
    for key, value in fields.items():
        setattr(changed, key, _value(name, key, value))
    try:
        changed.validate()
    except ValueError as error:
        raise InputError(f"{_OWNER}, {name}: {error}") from None
    return changed


def _kept(name: str, fields: Any) -> Any:
    """Fields of a config that stay beside an experiment."""
    return {key: value for key, value in fields.items() if key in _BESIDE[name]} if isinstance(fields, dict) else fields


def _description(path: Path) -> Description:
    """The first experiment of a file. Raises ``InputError`` where it has none that can be represented."""
    try:
        return _read_description(str(path), path.stat().st_mtime_ns)
    except (OSError, ValueError, ImportError) as error:
        allowed = ".expt, .geom, .stream or NXmx file"
        raise InputError.of(_OWNER, "experiment", path.name, allowed, f"{error}") from None


@lru_cache(maxsize=2)
def _read_description(file: str, changed: int) -> Description:
    """First experiment of a file, read once for many scenarios; ``changed`` is the time of its last change."""
    found = next(descriptions(file), None)
    if found is None:
        raise ValueError(f"{file}: it has no experiment. Give one that has.")
    return found


def _config(name: str, kind: Any, fields: Any) -> Any:
    if not isinstance(fields, dict):
        raise InputError.of(_OWNER, name, fields, "an object of fields", "Write {...}.")
    try:
        return kind(**{key: _value(name, key, value) for key, value in fields.items()})
    except TypeError:
        names = [field.name for field in dataclasses.fields(kind)]
        unknown = ", ".join(sorted(set(fields) - set(names))) or "a value of the wrong kind"
        raise InputError.of(_OWNER, name, unknown, ", ".join(names), "Use the names of the config's fields.") from None
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
    file = path.parent / str(name)
    try:
        return _read_factors(str(file), file.stat().st_mtime_ns, float(crystal.default_F))
    except (OSError, ValueError) as error:
        raise InputError.of(_OWNER, "hkl", name, "a file of structure factors", f"{error}") from None


@lru_cache(maxsize=2)
def _read_factors(file: str, changed: int, default_F: float) -> tuple[Tensor | None, dict[str, Any] | None]:
    """Structure factors of a file, read once for many scenarios; ``changed`` is the time of its last change."""
    return try_load_hkl_or_fdump(file, default_F=default_F, write_cache=False, dtype=torch.float64)
