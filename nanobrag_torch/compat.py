"""Deviations of C: one frozen record that says which of them are followed, and its presets.

The ids in brackets are explained in docs/deviations-of-c.md. Wherever the package asks a field of :class:`Compat`, that
is the one place where the deviation is written down.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Sampling = Literal["first", "last", "per_sample"]


@dataclass(frozen=True)
class Compat:
    """Choices between the C program's behaviour and the physically correct one; the defaults are the latter.

    Example:
        ```python
        compat = Compat.of("c").with_changes(cell_construction="exact")
        Simulator(crystal, detector, compat=compat)
        ```
    """

    name: str = "physical"
    cell_construction: Literal["c", "exact"] = "exact"
    """[B01] z component of c*: C's formula bends the angles of triclinic cells."""
    phi_zero_carryover: bool = False
    """[B02] the phi = 0 step of a sweep keeps the previous orientation."""
    omega_sampling: Sampling = "per_sample"
    """[B03] sub-pixel whose solid angle weighs the pixel."""
    polar_sampling: Sampling = "per_sample"
    """[B03] sample whose polarization factor weighs the pixel."""
    capture_sampling: Literal["last_layer", "per_layer"] = "per_layer"
    """[B04] sensor layers that count with their own capture fraction."""
    oversample_running_product: bool = False
    """[B05] ``oversample_*`` multiply the running total instead of the sample."""
    oversample_thick_blackout: bool = False
    """[B06] ``oversample_thick`` without a sensor blackens the image."""
    oversample_polar_overrides_nopolar: bool = False
    """[B07] ``oversample_polar`` wins over ``nopolar``."""
    thickness_grid: Literal["c", "partition"] = "partition"
    """[B08] C's n layers span T*n/(n-1); a partition spans T."""
    background_model: Literal["c", "physical"] = "physical"
    """[B10] C multiplies the water term by r_e^2 * fluence twice and divides it by the steps."""
    dmin_zeroes_background: bool = False
    """[B11] a pixel whose samples are all culled by dmin loses its background."""
    interpolation_fallback: Literal["global", "per_sample"] = "per_sample"
    """[B12] the first sample outside the table ends interpolation for the rest of the run."""
    interpolation_margin: Literal[1, 2] = 1
    """[B47] entries that an interpolated index must have on either side: its nodes need one, C asks for two."""
    count_tolerance: float = 1e-6
    """[B48] part by which a ratio may exceed a whole number before it is rounded up to the next, as by C always."""
    interpolation_auto_rule: Literal["c", "cells"] = "cells"
    """[B13] C decides from the command line's N, before a crystal size becomes a number of cells."""
    curved_mapping: Literal["c", "exact"] = "exact"
    """[B14] C interchanges the axes of a curved detector."""
    beam_report: Literal["c", "true"] = "true"
    """[B15] C's final distance and beam centre leave two-theta out of the beam/normal ratio."""
    convention_forces_pivot: bool = False
    """[B16] a named convention overrides the requested pivot."""
    pix0_override: bool = True
    """[B17] an explicit detector origin is honoured."""
    odet_rule: Literal["c", "cross"] = "cross"
    """[B18] C rebuilds the normal from fast x slow only if its length is not exactly 1."""
    normalise_twotheta_axis: bool = True
    """[B19] C rotates about an axis of any length."""
    misset_random_cap: float = 90.0
    """[B20] largest angle of a random misset, in radians: C's 90 was meant as degrees; streams depend on it."""
    mosaic_angle: Literal["single", "double"] = "double"
    """Precision of a mosaic domain's rotation angle; C's single precision moves an image by some 1e-9."""
    source_weights: Literal["ignore", "use"] = "use"
    """[B25] the weights of a source list count (normalised to mean 1), or all sources alike."""
    negative_seeds: Literal["continue", "restart"] = "restart"
    """[B31] a negative seed goes on with the stream before it, or starts that of its magnitude."""
    mask_layout: Literal["c", "exact"] = "exact"
    """[B46] a mask of another size than the detector is one long row of pixels, or an error."""
    spot_radius: Literal["c", "index"] = "index"
    """[B45] size of GAUSS and TOPHAT spots: C takes the product of all numbers of cells for a length in Angstrom."""
    edge_on: Literal["c", "refused"] = "refused"
    """[B49] a detector whose plane holds the crystal: C goes on with what rounding leaves of its distance."""
    strict_c_files: bool = False
    """[B26, B27, B28, B29] C's reading and writing of files, accidents included."""

    @classmethod
    def of(cls, value: "str | Compat | None") -> "Compat":
        """The preset of that name, or the record itself; None means ``physical``.

        Raises ``ValueError`` for a name that is no preset.
        """
        if isinstance(value, Compat):
            return value
        name = "physical" if value is None else value
        if name not in PRESETS:
            raise ValueError(
                f"compat = {value!r}: allowed are {', '.join(PRESETS)}, or a Compat record. "
                "Use 'c' to agree with the C program pixel by pixel, 'physical' for correct physics."
            )
        return PRESETS[name]

    def with_changes(self, **changes: Any) -> "Compat":
        """The same record with some fields changed; the name then says so."""
        name = changes.pop("name", f"{self.name}+{'+'.join(f'{k}={v}' for k, v in changes.items())}")
        return replace(self, name=name, **changes)

    def as_dict(self) -> dict[str, Any]:
        """All fields, for a record of what was used."""
        return asdict(self)


PHYSICAL = Compat()

C = Compat(
    name="c",
    cell_construction="c",
    phi_zero_carryover=True,
    omega_sampling="first",
    polar_sampling="first",
    capture_sampling="last_layer",
    oversample_running_product=True,
    oversample_thick_blackout=True,
    oversample_polar_overrides_nopolar=True,
    thickness_grid="c",
    background_model="c",
    dmin_zeroes_background=True,
    interpolation_fallback="global",
    interpolation_margin=2,
    count_tolerance=0.0,
    interpolation_auto_rule="c",
    curved_mapping="c",
    beam_report="c",
    convention_forces_pivot=True,
    pix0_override=False,
    odet_rule="c",
    normalise_twotheta_axis=False,
    mosaic_angle="single",
    source_weights="ignore",
    negative_seeds="continue",
    mask_layout="c",
    spot_radius="c",
    edge_on="c",
)

#: The earlier PyTorch port: solid angle of the last sub-pixel, C's cell and spots, source weights ignored.
LEGACY_TORCH = PHYSICAL.with_changes(
    name="legacy_torch", omega_sampling="last", cell_construction="c", source_weights="ignore", spot_radius="c"
)

PRESETS: dict[str, Compat] = {"c": C, "physical": PHYSICAL, "fixed": PHYSICAL, "legacy_torch": LEGACY_TORCH}
