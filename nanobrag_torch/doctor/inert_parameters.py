"""Options of a scenario that make a quantity inert: it is given, and no image depends on it."""

from collections.abc import Callable
from dataclasses import dataclass

from ..compat import Compat
from ..config import WITH_DOMAIN_MATRIX, CrystalShape, DetectorConfig
from ..scenario import Scenario
from ..validation import number_of


@dataclass(frozen=True)
class InertRule:
    """An option that makes quantities inert.

    Attributes:
        names: beginnings of the quantities' names.
        holds: the option is set in a scenario.
        because: reason, in words.
    """

    names: tuple[str, ...]
    holds: Callable[[Scenario], bool]
    because: str


CELL = ("crystal.cell_",)
ORIENTATION = ("crystal.misset_deg", "crystal.phi_start_deg", "crystal.osc_range_deg", "crystal.mosaic_")


def _single(s: Scenario) -> DetectorConfig:
    """The detector of a scenario that has a quantity of a detector of one panel."""
    assert isinstance(s.detector, DetectorConfig)
    return s.detector


INERT = (
    InertRule(CELL, lambda s: s.crystal.has_matrix, "an orientation matrix replaces the cell"),
    InertRule(
        ("beam.wavelength_A",), lambda s: s.beam.source_wavelengths is not None, "every source has its own wavelength"
    ),
    InertRule(
        ("beam.wavelength_A", "beam.dispersion_pct"),
        lambda s: s.beam.spectrum is not None,
        "the spectrum has the wavelengths",
    ),
    InertRule(
        ("detector.distance_mm",),
        lambda s: _single(s).close_distance_mm is not None,
        "close_distance_mm replaces the distance",
    ),
    InertRule(
        ("detector.distance_mm", "detector.beam_center"),
        lambda s: _single(s).pix0_override_m is not None,
        "pix0_override_m places the detector",
    ),
    InertRule(
        ("crystal.fudge",), lambda s: s.crystal.shape is CrystalShape.SQUARE, "a parallelepiped has no fudge factor"
    ),
    InertRule(
        ("crystal.N_offdiagonal",),
        lambda s: s.crystal.shape not in WITH_DOMAIN_MATRIX or Compat.of(s.compat).spot_radius == "c",
        "spots of this shape know the numbers of cells alone",
    ),
    InertRule(
        CELL + ORIENTATION,
        lambda s: (
            s.crystal.shape is CrystalShape.SQUARE
            and all(number_of(n) == 1 for n in s.crystal.N_cells)
            and s.hkl_data is None
        ),
        "a single unit cell with constant F scatters alike in every orientation",
    ),
    InertRule(
        ("crystal.mosaic_spread_deg",),
        lambda s: s.crystal.mosaic_domains == 1,
        "the only mosaic domain is not turned",
    ),
    InertRule(
        ("crystal.mosaic_spread_deg",),
        lambda s: s.crystal.mosaic_model == "gaussian",
        "a gaussian mosaicity has mosaic_eta_deg",
    ),
    InertRule(
        ("crystal.mosaic_eta_deg",),
        lambda s: s.crystal.mosaic_model == "c",
        "the mosaicity of C has mosaic_spread_deg",
    ),
    InertRule(
        ("crystal.osc_range_deg",), lambda s: s.crystal.phi_steps == 1, "a single phi step stands at the start"
    ),
    InertRule(
        ("beam.polarization",), lambda s: s.beam.nopolar, "nopolar switches the polarization factor off"
    ),
    InertRule(
        ("beam.polarization_axis",),
        lambda s: number_of(s.beam.polarization_factor) == 0,
        "unpolarized light has no direction",
    ),
    InertRule(
        ("detector.detector_abs_um",),
        lambda s: number_of(_single(s).detector_thick_um) == 0,
        "without a thickness there is no sensor",
    ),
    InertRule(
        ("beam.hdiv", "beam.vdiv", "beam.dispersion"),
        lambda s: s.beam.source_directions is not None,
        "a list of sources replaces divergence and dispersion",
    ),
    InertRule(
        ("crystal.default_F",), lambda s: s.hkl_data is not None, "every sample lies within the table"
    ),
)  # fmt: skip


def reason(scenario: Scenario, name: str) -> str | None:
    """Reason why the quantity does not matter in this scenario, None where no option says so."""
    for row in INERT:
        if name.startswith(row.names) and row.holds(scenario):
            return row.because
    return None
