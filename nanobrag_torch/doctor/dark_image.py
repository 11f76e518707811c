"""Dark images: the factor that is zero, and the smallest change of the scenario that puts signal into it."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..config import CrystalShape, DetectorConfig
from ..panels import PanelConfig
from ..scenario import Scenario
from ..units import DEFAULT_FLUENCE
from ..validation import number_of
from .records import Revival

Changes = dict[str, Any]


@dataclass(frozen=True)
class Factor:
    """A factor of the intensity that a config can make zero.

    Attributes:
        name: name of the factor, in words.
        code: verdict's code where it is to blame.
        stage: step of the physics that it belongs to.
        may_be_zero: a scenario in which it may be zero.
        change: the change that lifts it, in words.
        changes: the same as fields by config; empty for the region of interest, whose bounds depend on the detector.
    """

    name: str
    code: str
    stage: str
    may_be_zero: Callable[[Scenario], bool]
    change: str
    changes: Changes


def _has_roi(s: Scenario) -> bool:
    d = s.detector
    return d.roi() != ((0, d.spixels - 1), (0, d.fpixels - 1))


#: Fields of a detector of one panel that a panel has under another name.
_OF_PANELS = {"detector_thick_um": "thick_um"}


def _fields(s: Scenario, name: str) -> list[Any]:
    """A field of the detector, or of each of its panels."""
    if isinstance(s.detector, DetectorConfig):
        return [getattr(s.detector, name)]
    return [getattr(panel, _OF_PANELS.get(name, name)) for panel in s.detector.panels]


def _has_sensor(s: Scenario) -> bool:
    return any((number_of(thickness) or 0) > 0 for thickness in _fields(s, "detector_thick_um"))


def _for_panels(s: Scenario, changes: Changes) -> Changes:
    """Changes of a detector as those of each of its panels, where it has several and the field is theirs."""
    fields = {_OF_PANELS.get(name, name): value for name, value in changes.get("detector", {}).items()}
    if isinstance(s.detector, DetectorConfig) or not all(hasattr(PanelConfig, name) for name in fields):
        return changes
    panels = tuple(replace(panel, **fields) for panel in s.detector.panels)
    return {**changes, "detector": {"panels": panels}} if fields else changes


FACTORS = (
    Factor(
        "structure factor F", "Z1", "structure factor", lambda s: number_of(s.crystal.default_F) == 0,
        "give structure factors, or default_F = 100", {"crystal": {"default_F": 100.0}},
    ),
    Factor(
        "fluence", "Z1", "intensity", lambda s: number_of(s.beam.fluence) == 0,
        "give a fluence", {"beam": {"fluence": DEFAULT_FLUENCE}},
    ),
    Factor(
        "capture in the sensor", "Z1", "intensity", _has_sensor,
        "correct detector_thick_um and detector_abs_um", {"detector": {"detector_thick_um": 0.0}},
    ),
    Factor(
        "resolution limit dmin", "Z6", "scattering", lambda s: s.beam.dmin > 0,
        "lower dmin", {"beam": {"dmin": 0.0}},
    ),
    Factor(
        "detector mask", "Z7", "image", lambda s: any(mask is not None for mask in _fields(s, "mask_array")),
        "open the mask where the spots are", {"detector": {"mask_array": None}},
    ),
    Factor(
        "region of interest", "Z7", "image", _has_roi,
        "widen the region of interest", {},
    ),
    Factor(
        "lattice factor S: spots too narrow to meet a pixel", "Z10", "lattice",
        lambda s: s.crystal.shape in (CrystalShape.GAUSS, CrystalShape.TOPHAT, CrystalShape.GAUSS_STAR),
        "broaden the spots (smaller fudge), or move the crystal", {"crystal": {"fudge": 1e-6}},
    ),
)  # fmt: skip


def revivals(scenario: Scenario, count: Callable[[], None]) -> tuple[Revival, ...]:
    """Find the fewest factors, at most two, that light up the dark image of ``scenario`` when they are lifted.

    ``count`` is called before each image. The result is empty where no two factors suffice.
    """
    candidates = [factor for factor in FACTORS if factor.may_be_zero(scenario)]
    for size in (1, 2):
        for chosen in itertools.combinations(candidates, size):
            count()
            if _is_lit(scenario, chosen):
                return tuple(Revival(factor.name, factor.change, factor.code, factor.stage) for factor in chosen)
    return ()


def _is_lit(scenario: Scenario, factors: tuple[Factor, ...]) -> bool:
    """A pixel of the scenario is not zero once the factors are lifted."""
    d = scenario.detector
    whole = {"roi_xmin": 0, "roi_ymin": 0, "roi_xmax": d.fpixels - 1, "roi_ymax": d.spixels - 1}
    for factor in factors:
        scenario = scenario.changed(**(_for_panels(scenario, factor.changes) or {"detector": whole}))
    with torch.no_grad():
        return bool((scenario.image() != 0).any())
