"""Start of a refinement in a notebook: an image that was measured or drawn at a known truth, and a scenario near it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanobrag_torch.data import EXAMPLE_STRUCTURE
from nanobrag_torch.experiments.configs import NEXUS
from nanobrag_torch.io import load_structure_factors, read_cbf, read_nexus, read_smv
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.quantities import CELL, changed, quantity
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.cells.scenarios import read_scenario
from nanobrag_torch.workbook.errors import InputError

OWNER = "refine"
#: Scenario that an image is drawn at where none is named.
EXAMPLE = "notebooks/refine/example.json"
_MISSET = tuple(f"crystal.misset_deg[{i}]" for i in range(3))
_N_CELLS = tuple(f"crystal.N_cells[{i}]" for i in range(3))
_FLUENCE = "beam.fluence"
#: Words for quantities that are refined together.
WORDS: dict[str, tuple[str, ...]] = {
    "cell": CELL,
    "misset": _MISSET,
    "N": _N_CELLS,
    "scale": (_FLUENCE,),
    "mosaic": ("crystal.mosaic_spread_deg",),
    "eta": tuple(f"crystal.mosaic_eta_deg[{i}]" for i in range(3)),
    "distance": ("detector.distance_mm",),
    "centre": ("detector.beam_center_s", "detector.beam_center_f"),
    "wavelength": ("beam.wavelength_A",),
}
#: Factor or difference by which the start of a drawn image is off its truth. Angles of the cell stay, and edges change
#: alike, as symmetry may ask.
_FACTORS = dict.fromkeys(CELL[:3], 1.001) | dict.fromkeys(_N_CELLS, 0.93) | {_FLUENCE: 0.8}
_DIFFERENCES = dict(zip(_MISSET, (0.05, -0.04, 0.04), strict=True))


@dataclass(frozen=True)
class Counts:
    """Counts of an image.

    Attributes:
        values: counts (slow, fast), without their offset.
        mask: False for pixels that do not count (slow, fast); None where all do.
        saturation: counts from which on a pixel does not count; None for none.
    """

    values: np.ndarray
    mask: np.ndarray | None = None
    saturation: float | None = None


@dataclass(frozen=True)
class Case:
    """A refinement that is to be made.

    Attributes:
        start: scenario at the start.
        counts: counts of the image.
        image: name of its file; empty where it was drawn.
        truth: values that it was drawn at, by name; None where it was measured.
        space_group: symbol of the group that constrains the cell; None for none.
        frame: frame of the scenario's vectors, where a file of another program has one.
    """

    start: Scenario
    counts: Counts
    image: str = ""
    truth: dict[str, float] | None = None
    space_group: str | None = None
    frame: str | None = None


def prepare(
    image_file: str,
    image: int,
    experiment_file: str,
    structure_factors_file: str,
    scenario_file: str,
    free: str,
    *,
    cells: float = 0.0,
    dmin: float = 1.6,
    space_group: str = "",
    offset: float = 0.0,
    mask_file: str = "",
    off: float = 1.0,
    drawn_background: float = 0.5,
    seed: int = 0,
) -> Case:
    """The case of a notebook's parameters: without an image, one is drawn at the scenario, and the start put off it.

    Args:
        image_file: SMV, CBF or NXmx file; empty to draw an image.
        image: number of the image in the experiment's scan and in a file of many, from 1.
        experiment_file: file of another program with beam, detector and crystal; empty for none.
        structure_factors_file: reflections or coordinates; empty for those of the scenario, and of the example
            structure where an image is drawn at a scenario without any.
        scenario_file: JSON file of a scenario; empty for the example where there is no experiment.
        free: words of :data:`WORDS` and names of quantities.
        cells: unit cells along each axis at the start; 0 for those of the scenario.
        dmin: resolution in Angstrom to which structure factors are calculated or read.
        space_group: group that constrains the cell; empty for that of the structure factors, "none" for none.
        offset: counts of a pixel without photons.
        mask_file: SMV file that is 0 where a pixel does not count; empty for none.
        off: distance of the start from the truth of a drawn image, in parts of the usual one.
        drawn_background: photons a pixel below a drawn image.
        seed: seed of its counts.

    Raises:
        InputError: a file cannot be read, or does not go with the others.
    """
    if image_file and not (experiment_file or scenario_file):
        allowed = "a file of beam, detector and crystal beside an image"
        raise InputError.of(OWNER, "experiment_file", "", allowed, "Give the .expt of the image (--expt).")
    scenario_file = scenario_file or ("" if experiment_file else EXAMPLE)
    scenario = read_scenario(scenario_file, experiment=experiment_file, image=image - 1)
    factors = _factors(structure_factors_file, scenario, bool(image_file), dmin)
    if factors is not None:
        scenario = scenario.changed(hkl_data=factors.grid, hkl_metadata=factors.metadata)
    if cells:
        scenario = _checked(lambda: scenario.changed(crystal={"N_cells": (cells,) * 3}), "cells", f"{cells:g}")
    names = free_names(free, scenario)
    scenario = scenario.changed(names=names)
    group = space_group or (factors.space_group if factors is not None else None) or None
    group = None if group == "none" or not set(CELL) & set(names) else group
    frame = _frame(experiment_file)
    if not image_file:
        expected = _checked(scenario.image, "scenario", scenario_file).detach() + drawn_background
        drawn = torch.poisson(expected, generator=torch.Generator().manual_seed(seed))
        truth = {name: scenario.value(name) for name in names}
        return Case(_put_off(scenario, off), Counts(drawn.numpy()), "", truth, group, frame)
    if set(_N_CELLS) & set(names) and all(scenario.value(name) == 1 for name in _N_CELLS):
        allowed = "a start with more unit cells than one: the experiment says nothing of them"
        raise InputError.of(
            OWNER, "cells", f"{cells:g}", allowed, "Give about how many a mosaic block has (--cells 20)."
        )
    counts = read_counts(image_file, image - 1, offset, mask_file)
    return Case(scenario, counts, Path(image_file).name, None, group, frame)


def free_names(free: str, scenario: Scenario) -> tuple[str, ...]:
    """Names of quantities for words such as "cell misset N scale", separated by blanks or commas.

    Raises:
        InputError: a word is neither one of :data:`WORDS` nor a quantity of the scenario, or there is none.
    """
    words = free.replace(",", " ").split()
    names = tuple(dict.fromkeys(name for word in words for name in WORDS.get(word, (word,))))
    if not names:
        raise InputError.of(OWNER, "free", free, f"{', '.join(WORDS)}, names of quantities", "Name one or more.")
    for name in names:
        try:
            scenario.value(name)
        except (ValueError, AttributeError, IndexError) as error:
            remedy = f"{error}" if "." in name else "Check the word."
            allowed = f"{', '.join(WORDS)}, or a quantity that the scenario has"
            raise InputError.of(OWNER, "free", name, allowed, remedy) from None
    return names


def read_counts(file: str, index: int = 0, offset: float = 0.0, mask_file: str = "") -> Counts:
    """Counts of an image in a file, told by its name: mini-CBF, NXmx, and all else as SMV.

    Args:
        file: the file.
        index: index of the image in a file of many.
        offset: counts of a pixel without photons, which are taken off.
        mask_file: SMV file that is 0 where a pixel does not count; empty for none.

    Raises:
        InputError: a file cannot be read, has no such image, or the mask has another shape.
    """
    path = project.find(file)
    name = path.name.lower()
    plain = name.removesuffix(".gz").removesuffix(".bz2")
    read = _of_cbf if plain.endswith(".cbf") else _of_nexus if plain.endswith(NEXUS) else _of_smv
    pixels, mask, full = _checked(lambda: read(path, index), "image_file", path.name)
    if full is None and np.issubdtype(pixels.dtype, np.unsignedinteger):
        full = float(np.iinfo(pixels.dtype).max)
    if mask_file:
        place = project.find(mask_file)
        given = _checked(lambda: read_smv(place)[0] != 0, "mask_file", place.name)
        if given.shape != pixels.shape:
            remedy = "Give the mask of this detector."
            raise InputError.of(OWNER, "mask_file", f"{given.shape} pixels", f"{pixels.shape}", remedy)
        mask = given if mask is None else mask & given
    return Counts(pixels.astype(np.float64) - offset, mask, None if full is None else full - offset)


_Pixels = tuple[np.ndarray, np.ndarray | None, float | None]


def _of_cbf(path: Path, index: int) -> _Pixels:
    exposure = read_cbf(path)
    return exposure.images[0], exposure.mask, exposure.saturation


def _of_nexus(path: Path, index: int) -> _Pixels:
    exposure = read_nexus(path)
    if index >= len(exposure.images):
        raise ValueError(f"it has {len(exposure.images)} images, and no image {index + 1}")
    return exposure.images[index], exposure.mask, exposure.saturation


def _of_smv(path: Path, index: int) -> _Pixels:
    return read_smv(path)[0], None, None


def _factors(file: str, scenario: Scenario, measured: bool, dmin: float) -> StructureFactors | None:
    """Structure factors of a file, or of the example structure; None where the scenario has its own."""
    has = scenario.hkl_data is not None or float(scenario.crystal.default_F) > 0
    if not file and has:
        return None
    if not file and measured:
        allowed = "a file of reflections or coordinates"
        raise InputError.of(OWNER, "structure_factors_file", "", allowed, "Give those of the crystal (--hkl).")
    path = project.find(file) if file else EXAMPLE_STRUCTURE
    found: StructureFactors = _checked(
        lambda: load_structure_factors(path, dmin=dmin, dtype=torch.float64), "structure_factors_file", path.name
    )
    return found


def _frame(experiment_file: str) -> str | None:
    from nanobrag_torch.experiments import descriptions

    if not experiment_file:
        return None
    return next(descriptions(project.find(experiment_file))).frame


def _put_off(scenario: Scenario, off: float) -> Scenario:
    """The scenario off its truth, as a start."""
    configs: dict[str, Any] = {name: getattr(scenario, name) for name in ("crystal", "detector", "beam")}
    for name in scenario.names:
        factor, difference = _FACTORS.get(name, 1.0), _DIFFERENCES.get(name, 0.0)
        value: Any = scenario.value(name) * (1 + off * (factor - 1)) + off * difference
        row = quantity(name)
        configs[row.config] = changed(configs[row.config], row, value)
    return scenario.changed(**configs)


def _checked(make: Callable[[], Any], field: str, given: str) -> Any:
    """Outcome of a function; its errors as those of a parameter."""
    try:
        return make()
    except (OSError, ValueError, ImportError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{OWNER}, {field}: got {given!r}; {text}") from None
