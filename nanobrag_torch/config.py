"""Configs of crystal, detector, beam and noise: plain dataclasses whose fields may be assigned to.

A *scalar* is a number or a 0-d tensor; a tensor is never converted, so that it stays connected to the image. Names,
order, units and defaults of the fields are fixed: programs are written against them. Fields that were added later stand
last. ``validate()`` runs at construction and again before every evaluation, since fields may be assigned in between.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import InitVar, dataclass, field, fields
from functools import partial
from numbers import Number
from typing import Any, ClassVar

import torch

from nanobrag_torch.compat import Compat
from nanobrag_torch.conventions import CONVENTIONS, Choice, CrystalShape, DetectorConvention, DetectorPivot
from nanobrag_torch.eager import eager
from nanobrag_torch.given import KnownNames, same, tensor, warn_user, whole
from nanobrag_torch.physics.lattice_factor import domain_matrix
from nanobrag_torch.physics.point_spread import POINT_SPREADS
from nanobrag_torch.units import DEFAULT_FLUENCE
from nanobrag_torch.validation import (
    LARGEST,
    LARGEST_COUNT,
    LEAST,
    check_choice,
    check_count,
    check_finite,
    check_range,
    fail,
    number_of,
)

__all__ = [
    "BeamConfig",
    "Compat",
    "CrystalConfig",
    "CrystalShape",
    "DetectorConfig",
    "DetectorConvention",
    "DetectorPivot",
    "NoiseConfig",
    "Scalar",
]

Scalar = float | torch.Tensor
Vector3 = tuple[Scalar, Scalar, Scalar] | torch.Tensor


#: Largest mosaic spread in degrees: single precision, in which C keeps the angle, still tells its turns apart.
MOST_TURNED = 1e6
#: Largest scale of a spot's size: the phase of its fringes is still a number that a sine can be taken of.
LARGEST_FUDGE = 1e6

#: Widest point spread in pixels.
WIDEST_SPREAD = 1000.0

#: Shapes whose spots the domain matrix describes; the others know the numbers of cells along the axes alone.
WITH_DOMAIN_MATRIX = (CrystalShape.GAUSS, CrystalShape.TOPHAT)

CELL_LENGTHS = ("cell_a", "cell_b", "cell_c")
CELL_ANGLES = ("cell_alpha", "cell_beta", "cell_gamma")
MOSFLM_STARS = ("mosflm_a_star", "mosflm_b_star", "mosflm_c_star")


class _FilledInt(int):
    """An integer that a config filled in: an object of its own, told from an equal one that somebody gave."""


class _FilledFloat(float):
    """A number that a config filled in, likewise."""


_FILLED_KINDS: dict[type, type] = {int: _FilledInt, float: _FilledFloat}


def _member_of(kind: type[Choice]) -> Callable[[Any], Any]:
    """A name as its member; what is no member's name stays as it is: ``validate()`` says what is allowed."""

    def member(value: Any) -> Any:
        if isinstance(value, str):
            with suppress(ValueError):
                return kind(value)
        return value

    return member


def _thrice(value: Any) -> Any:
    """One number or 0-d tensor as three; anything else as it is."""
    return (value, value, value) if isinstance(value, Number) or getattr(value, "ndim", None) == 0 else value


def _two_tensors(value: Any) -> Any:
    """A pair of lists, arrays or tensors as a pair of tensors; anything else as it is."""
    return (tensor(value[0]), tensor(value[1])) if isinstance(value, (tuple, list)) and len(value) == 2 else value


#: What is made of a value by the type of its field.
_READ: dict[Any, Callable[[Any], Any]] = {
    int: whole,
    int | None: whole,
    torch.Tensor | None: tensor,
    tuple[torch.Tensor, torch.Tensor] | None: _two_tensors,
    Scalar | tuple[Scalar, Scalar, Scalar]: _thrice,
    CrystalShape: _member_of(CrystalShape),
    DetectorConvention: _member_of(DetectorConvention),
    DetectorPivot | None: _member_of(DetectorPivot),
}


@dataclass(eq=False)
class _Config(KnownNames):
    """Ground of all configs: how they take values, fill in what nobody gave, and compare.

    A name is its member, integers and arrays of numpy are Python's and torch's, None is "off" where a field has that.
    ``_filled`` holds the values that were filled in, by name. ``dataclasses.replace`` hands it on, so that they are
    filled in anew and do not turn into somebody's choice.
    """

    _off: ClassVar[Mapping[str, Any]] = {}
    _reads: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    _filled: InitVar[Mapping[str, Any] | None] = field(default=None, kw_only=True)

    def __init_subclass__(cls) -> None:
        cls._reads = {name: _READ[kind] for name, kind in cls.__annotations__.items() if kind in _READ}

    def __post_init__(self, _filled: Mapping[str, Any] | None = None) -> None:  # noqa: RUF033
        before = self.__dict__.get("_filled", {}) if _filled is None else _filled
        self.__dict__["_filled"] = {}
        for name, value in before.items():
            if getattr(self, name) is value:
                setattr(self, name, getattr(type(self), name))

    def __setattr__(self, name: str, value: Any) -> None:
        if value is None:
            value = self._off.get(name)
        elif name in self._reads:
            value = self._reads[name](value)
        super().__setattr__(name, value)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(same(getattr(self, each.name), getattr(other, each.name)) for each in fields(self))

    def given(self) -> dict[str, Any]:
        """Fields that make an equal config, by name: those that are neither defaults nor follow from the others."""

        def unlike(other: "_Config", names: Iterable[str]) -> dict[str, Any]:
            return {name: getattr(self, name) for name in names if not same(getattr(self, name), getattr(other, name))}

        names = [each.name for each in fields(self)]
        found = unlike(type(self)(), [name for name in names if not self._is_filled(name)])
        return found | unlike(type(self)(**found), names)

    def _fill_in(self, name: str, value: Any) -> None:
        """Give a field a value that is nobody's choice."""
        value = _FILLED_KINDS.get(type(value), lambda given: given)(value)
        setattr(self, name, value)
        self.__dict__["_filled"] = {**self.__dict__["_filled"], name: value}

    def _is_filled(self, name: str) -> bool:
        """True while a field holds what was filled in."""
        filled = self.__dict__["_filled"]
        return name in filled and filled[name] is getattr(self, name)


@dataclass(eq=False)
class CrystalConfig(_Config):
    """Unit cell, orientation, size and structure-factor default of one crystal.

    Attributes:
        cell_a: Cell length a, Angstrom; ``cell_b`` and ``cell_c`` likewise.
        cell_b: Cell length b, Angstrom.
        cell_c: Cell length c, Angstrom.
        cell_alpha: Cell angle between b and c, degrees; ``cell_beta`` and ``cell_gamma`` likewise.
        cell_beta: Cell angle between a and c, degrees.
        cell_gamma: Cell angle between a and b, degrees.
        misset_deg: Rotations of the reciprocal vectors about the laboratory x, y and z axes, in that order, degrees.
        misset_random: Draw the misset from the random stream of ``misset_seed`` instead; a crystal then writes the
            angles into ``misset_deg``, to be read.
        misset_seed: Seed of a random misset; needed where ``misset_random`` is set.
        mosflm_a_star: Reciprocal vector a* (3,), 1/Angstrom: where all three are given they replace the cell.
        mosflm_b_star: Reciprocal vector b* (3,), 1/Angstrom.
        mosflm_c_star: Reciprocal vector c* (3,), 1/Angstrom.
        phi_start_deg: Start of the sweep, degrees.
        osc_range_deg: Range of the sweep, degrees.
        phi_steps: Orientations in the sweep, each at the start of its interval.
        spindle_axis: Direction of the rotation axis; None is that of the detector convention.
        mosaic_spread_deg: Largest rotation of a mosaic domain, degrees; with a minus sign all turn the other way, so
            that a difference may reach across 0.
        mosaic_domains: Number of mosaic domains: the first of C's model is not rotated, those of the gaussian one are
            pairs.
        mosaic_seed: Seed of the mosaic domains, of either sign [B31]; None is 12345678.
        N_cells: Unit cells along a, b and c, at least 1; real numbers may carry a gradient.
        default_F: Amplitude of every reflection that no table lists, electrons.
        shape: Shape of the crystal, or of its spots; its name will do, in any case.
        fudge: Scale of the spot size of all shapes but SQUARE.
        sample_x: Crystal size along a, metres; filled from ``N_cells``, without effect.
        sample_y: Crystal size along b, metres; filled from ``N_cells``, at most the beam's, without effect.
        sample_z: Crystal size along c, metres, likewise.
        phi_step_deg: Step of the sweep, degrees; None is ``osc_range_deg / phi_steps``.
        interpolate: Tricubic interpolation of structure factors; None turns it on where an axis has at most two cells.
        rescale_matrix_to_cell: Take only the directions from ``mosflm_*``, lengths and volume from the cell, as C does
            where both are given.
        mosaic_model: "c", random rotations up to ``mosaic_spread_deg``, or "gaussian", even points of a normal
            distribution with the standard deviations ``mosaic_eta_deg``.
        mosaic_eta_deg: Standard deviations about a*, b* made orthogonal to it, and their product, degrees; one number
            means three equal ones.
        N_offdiagonal: Nd, Ne, Nf of the domain matrix with rows (Na, Nd, Nf), (Nd, Nb, Ne), (Nf, Ne, Nc), which gives
            spots of GAUSS and TOPHAT their size in any direction; zero for the other shapes.
        cutoff: Part of its peak below which F_latt^2 counts as zero and is not visited; 0 visits all samples. None is
            1e-16 for GAUSS, TOPHAT and GAUSS_STAR, unless ``Compat.spot_radius`` is C's, and 0 otherwise.

    Raises:
        ValueError: A value from which no crystal can be built, named with what is allowed.

    Example:
        ```python
        a = torch.tensor(70.0, dtype=torch.float64, requires_grad=True)
        config = CrystalConfig(a, 80.0, 90.0, 75.0, 85.0, 95.0, N_cells=(5, 5, 5), default_F=100.0)
        ```
    """

    cell_a: Scalar = 100.0
    cell_b: Scalar = 100.0
    cell_c: Scalar = 100.0
    cell_alpha: Scalar = 90.0
    cell_beta: Scalar = 90.0
    cell_gamma: Scalar = 90.0
    misset_deg: Vector3 = (0.0, 0.0, 0.0)
    misset_random: bool = False
    misset_seed: int | None = None
    mosflm_a_star: Any = None
    mosflm_b_star: Any = None
    mosflm_c_star: Any = None
    phi_start_deg: Scalar = 0.0
    osc_range_deg: Scalar = 0.0
    phi_steps: int = 1
    spindle_axis: Vector3 | None = None
    mosaic_spread_deg: Scalar = 0.0
    mosaic_domains: int = 1
    mosaic_seed: int | None = None
    N_cells: tuple[Scalar, Scalar, Scalar] = (1, 1, 1)
    default_F: Scalar = 0.0
    shape: CrystalShape = CrystalShape.SQUARE
    fudge: Scalar = 1.0
    sample_x: float | None = None
    sample_y: float | None = None
    sample_z: float | None = None
    phi_step_deg: Scalar | None = None
    interpolate: bool | None = None
    rescale_matrix_to_cell: bool = False
    N_offdiagonal: tuple[Scalar, Scalar, Scalar] = (0.0, 0.0, 0.0)
    cutoff: float | None = None
    mosaic_model: str = "c"
    mosaic_eta_deg: Scalar | tuple[Scalar, Scalar, Scalar] = (0.0, 0.0, 0.0)

    @eager
    def __post_init__(self, _filled: Mapping[str, Any] | None = None) -> None:  # noqa: RUF033
        super().__post_init__(_filled)
        self.validate()
        for axis, length, count in zip("xyz", (self.cell_a, self.cell_b, self.cell_c), self.N_cells, strict=True):
            if getattr(self, f"sample_{axis}") is None:
                edge, number = number_of(length), number_of(count)
                if edge is not None and number is not None:
                    self._fill_in(f"sample_{axis}", number * edge * 1e-10)

    @property
    def has_matrix(self) -> bool:
        """True where three reciprocal vectors define the lattice, not the cell."""
        return all(getattr(self, name) is not None for name in MOSFLM_STARS)

    def validate(self) -> None:
        """Raise ``ValueError`` for values from which no crystal can be built."""
        me = "CrystalConfig"
        for name in CELL_LENGTHS:
            check_range(me, name, getattr(self, name), 0, low_open=True, unit="Angstrom", remedy="Check the unit cell.")
        for name in CELL_ANGLES:
            check_range(
                me, name, getattr(self, name), 0, 180, low_open=True, high_open=True, unit="degrees",
                remedy="Check the unit cell.",
            )  # fmt: skip
        angles = [number_of(getattr(self, name)) for name in CELL_ANGLES]
        if None not in angles:
            alpha, beta, gamma = (math.radians(angle or 0) for angle in angles)
            s = (alpha + beta + gamma) / 2
            if math.sin(s) * math.sin(s - alpha) * math.sin(s - beta) * math.sin(s - gamma) <= 1e-15:
                raise fail(
                    me, "cell_alpha, cell_beta, cell_gamma", angles,
                    "angles that span a volume: each less than the sum of the other two, all three below 360 together",
                    "Check the unit cell; a flat cell has no reciprocal lattice.",
                )  # fmt: skip
        given = [name for name in MOSFLM_STARS if getattr(self, name) is not None]
        if given and len(given) != 3:
            raise fail(me, given[0], getattr(self, given[0]), "given together with the other two", "Give all three.")
        for name in given:
            check_finite(me, name, torch.as_tensor(getattr(self, name)), 3, "Check the orientation matrix.")
        check_finite(me, "misset_deg", self.misset_deg, 3, "Give three angles in degrees.")
        if self.spindle_axis is not None:
            check_axis(me, "spindle_axis", self.spindle_axis)
        for name in ("phi_start_deg", "osc_range_deg"):
            check_range(me, name, getattr(self, name), unit="degrees")
        check_range(me, "phi_step_deg", self.phi_step_deg, unit="degrees", optional=True)
        check_count(me, "phi_steps", self.phi_steps)
        for name in ("mosaic_seed", "misset_seed"):
            check_seed(me, name, getattr(self, name))
        check_choice(me, "interpolate", self.interpolate, (None, True, False))
        check_range(me, "mosaic_spread_deg", self.mosaic_spread_deg, -MOST_TURNED, MOST_TURNED, unit="degrees")
        check_count(me, "mosaic_domains", self.mosaic_domains)
        self._check_mosaicity()
        check_finite(me, "N_cells", self.N_cells, 3, "Give the numbers of cells (Na, Nb, Nc).")
        for index, count in enumerate(self.N_cells):
            remedy = "A crystal has at least one cell."
            check_range(me, f"N_cells[{index}]", count, 1, LARGEST_COUNT, unit="cells", remedy=remedy)
        check_range(me, "default_F", self.default_F, unit="electrons")
        check_choice(me, "shape", self.shape, CrystalShape, "Use a member of CrystalShape, or its name.")
        check_range(me, "fudge", self.fudge, 0, LARGEST_FUDGE, low_open=True)
        remedy = "0 visits all samples."
        check_range(me, "cutoff", self.cutoff, 0, 1, high_open=True, optional=True, remedy=remedy)
        self._check_domain_matrix()

    def _check_mosaicity(self) -> None:
        """Refuse widths of the other model, and a number of domains that is no number of pairs."""
        me, model = "CrystalConfig", self.mosaic_model
        check_choice(me, "mosaic_model", model, ("c", "gaussian"))
        check_finite(me, "mosaic_eta_deg", self.mosaic_eta_deg, 3, "Give three standard deviations, or one for all.")
        assert isinstance(self.mosaic_eta_deg, Iterable)
        for index, eta in enumerate(self.mosaic_eta_deg):
            check_range(me, f"mosaic_eta_deg[{index}]", eta, -MOST_TURNED, MOST_TURNED, unit="degrees")
        spread, eta = number_of(self.mosaic_spread_deg), any(number_of(value) for value in self.mosaic_eta_deg)
        if model == "c" and eta:
            remedy = "Take mosaic_model='gaussian', or give mosaic_spread_deg."
            raise fail(me, "mosaic_eta_deg", self.mosaic_eta_deg, "zero where mosaic_model is 'c'", remedy)
        if model == "gaussian" and spread:
            remedy = "Give mosaic_eta_deg."
            raise fail(me, "mosaic_spread_deg", spread, "zero where mosaic_model is 'gaussian'", remedy)
        if eta and self.mosaic_domains < 2:
            allowed = "at least 2 where mosaic_eta_deg is not zero: one domain has no spread"
            raise fail(me, "mosaic_domains", self.mosaic_domains, allowed, "Take 25, or mosaic_eta_deg=0.")

    def _check_domain_matrix(self) -> None:
        """Refuse a domain matrix that is not positive definite, or that the shape does not know."""
        me, name = "CrystalConfig", "N_offdiagonal"
        check_finite(me, name, self.N_offdiagonal, 3, "Give Nd, Ne and Nf, or leave them 0.")
        numbers = [number_of(value) for value in (*self.N_cells, *self.N_offdiagonal)]
        if None in numbers or not any(numbers[3:]):
            return
        cells, offdiagonal = torch.tensor(numbers, dtype=torch.float64).reshape(2, 3)
        if self.shape not in WITH_DOMAIN_MATRIX:
            shapes = " or ".join(shape.name for shape in WITH_DOMAIN_MATRIX)
            raise fail(me, name, self.N_offdiagonal, f"zero where shape is not {shapes}", "Take one of them.")
        sizes = torch.linalg.eigvalsh(domain_matrix(cells, offdiagonal))
        if not sizes[0] > 1e-12 * sizes[2]:
            given = ", ".join(f"{number:g}" for number in cells.tolist())
            raise fail(
                me, name, self.N_offdiagonal,
                f"such that the domain matrix is positive definite, with N_cells = {given}",
                "A domain has a size in every direction: take smaller ones, or more cells.",
            )  # fmt: skip


CUSTOM_VECTORS = ("custom_fdet_vector", "custom_sdet_vector", "custom_odet_vector", "custom_beam_vector")


@dataclass(eq=False)
class DetectorConfig(_Config):
    """A flat or curved pixel detector: size, place, orientation, sampling and sensor.

    A beam centre, region of interest or two-theta axis that nobody gave follows size, pixel and convention.

    Attributes:
        distance_mm: Distance from the sample along the beam, mm.
        pixel_size_mm: Edge of a pixel, mm.
        close_distance_mm: Distance along the detector's normal, mm; where it is given it decides, not ``distance_mm``.
        spixels: Pixels along slow: rows of the image.
        fpixels: Pixels along fast: columns of the image.
        beam_center_s: Beam centre along slow, mm, before MOSFLM's half pixel (in MOSFLM and DENZO this is Xbeam); None
            is the default of the convention.
        beam_center_f: Beam centre along fast, mm, likewise (in MOSFLM and DENZO this is Ybeam).
        beam_center_source: "auto" or "explicit": accepted, without effect.
        detector_rotx_deg: Rotation about the laboratory x axis, degrees; then y, then z.
        detector_roty_deg: Rotation about the laboratory y axis, degrees.
        detector_rotz_deg: Rotation about the laboratory z axis, degrees.
        detector_twotheta_deg: Rotation about ``twotheta_axis`` after those, degrees.
        twotheta_axis: Direction (3,); None is that of the convention.
        detector_convention: Laboratory frame and meaning of the beam centre; its name will do, in any case.
        detector_pivot: Point that stays put in rotations, or its name; None: SAMPLE where a close distance or a basis
            vector is given, else BEAM.
        oversample: Sub-pixels per axis; -1 resolves the fringes of the crystal.
        oversample_omega: Solid angle for every sub-pixel.
        oversample_polar: Polarization factor for every sub-pixel.
        oversample_thick: Capture fraction for every sub-pixel.
        curved_detector: Place all pixels at the same distance from the sample.
        point_pixel: Solid angle 1/R^2, without pixel area and obliquity.
        pix0_override_m: Position (3,) of the outer corner of the first pixel, metres, in place of distance and centre.
        custom_fdet_vector: Direction (3,) of fast, in the CUSTOM convention.
        custom_sdet_vector: Direction (3,) of slow, in the CUSTOM convention.
        custom_odet_vector: Direction (3,) of the normal, in the CUSTOM convention.
        custom_beam_vector: Direction (3,) of the beam, in the CUSTOM convention.
        detector_abs_um: Attenuation depth of the sensor, micrometres; None is its thickness, 0 is no sensor.
        detector_thick_um: Thickness of the sensor, micrometres; 0 is no sensor.
        detector_thicksteps: Layers of the sensor; -1 leaves the number to C's rule.
        roi_xmin: First rendered pixel along fast; None is the edge, here and below.
        roi_xmax: Last rendered pixel along fast, included.
        roi_ymin: First rendered pixel along slow.
        roi_ymax: Last rendered pixel along slow, included.
        mask_array: Tensor (spixels, fpixels); pixels where it is 0 are not rendered.
        near_point_s_mm: Foot of the normal through the sample along slow, mm; None is the beam centre.
        near_point_f_mm: Foot of the normal through the sample along fast, mm; None is the beam centre.

    Raises:
        ValueError: A value from which no detector can be built, named with what is allowed.

    Example:
        ```python
        config = DetectorConfig(spixels=256, fpixels=256, pixel_size_mm=0.4, distance_mm=100.0)
        ```
    """

    _off: ClassVar[Mapping[str, Any]] = {"detector_thick_um": 0.0}

    distance_mm: Scalar = 100.0
    pixel_size_mm: Scalar = 0.1
    close_distance_mm: Scalar | None = None
    spixels: int = 1024
    fpixels: int = 1024
    beam_center_s: Scalar | None = None
    beam_center_f: Scalar | None = None
    beam_center_source: str = "auto"
    detector_rotx_deg: Scalar = 0.0
    detector_roty_deg: Scalar = 0.0
    detector_rotz_deg: Scalar = 0.0
    detector_twotheta_deg: Scalar = 0.0
    twotheta_axis: Any = None
    detector_convention: DetectorConvention = DetectorConvention.MOSFLM
    detector_pivot: DetectorPivot | None = None
    oversample: int = -1
    oversample_omega: bool = False
    oversample_polar: bool = False
    oversample_thick: bool = False
    curved_detector: bool = False
    point_pixel: bool = False
    pix0_override_m: Any = None
    custom_fdet_vector: Vector3 | None = None
    custom_sdet_vector: Vector3 | None = None
    custom_odet_vector: Vector3 | None = None
    custom_beam_vector: Vector3 | None = None
    detector_abs_um: Scalar | None = None
    detector_thick_um: Scalar = 0.0
    detector_thicksteps: int = 1
    roi_xmin: int | None = None
    roi_xmax: int | None = None
    roi_ymin: int | None = None
    roi_ymax: int | None = None
    mask_array: torch.Tensor | None = None
    near_point_s_mm: Scalar | None = None
    near_point_f_mm: Scalar | None = None

    @eager
    def __post_init__(self, _filled: Mapping[str, Any] | None = None) -> None:  # noqa: RUF033
        super().__post_init__(_filled)
        self._check_distances()
        if self.detector_pivot is None:
            sample = self.close_distance_mm is not None or self.has_custom_vectors
            self.detector_pivot = DetectorPivot.SAMPLE if sample else DetectorPivot.BEAM
            near = self.close_distance_mm
            if near is not None and (number_of(near) or 0) > 0 and number_of(self.distance_mm) == 100.0:
                self.distance_mm = near
        self.validate()

    def _fill(self) -> None:
        """Give what nobody gave its default, anew where that has changed."""
        for name, default in self._defaults().items():
            held = getattr(self, name)
            if held is None or (self._is_filled(name) and not same(held, default)):
                self._fill_in(name, default)

    def _defaults(self) -> dict[str, Any]:
        """Defaults of the fields that depend on others."""
        row, pixel = CONVENTIONS[self.detector_convention], number_of(self.pixel_size_mm)
        centre = {}
        if pixel is not None:
            counts = {"beam_center_s": self.spixels, "beam_center_f": self.fpixels}
            centre = {name: row.default_centre(pixel * count, pixel) for name, count in counts.items()}
        edges = {"roi_xmin": 0, "roi_xmax": self.fpixels - 1, "roi_ymin": 0, "roi_ymax": self.spixels - 1}
        return {"twotheta_axis": torch.tensor(row.twotheta_axis), **centre, **edges}

    @property
    def has_custom_vectors(self) -> bool:
        """True where any basis vector was given."""
        return any(getattr(self, name) is not None for name in CUSTOM_VECTORS)

    def beam_centre(self) -> tuple[Scalar, Scalar]:
        """(slow, fast) in mm before MOSFLM's half pixel; a default centre stays connected to the pixel size."""
        row = CONVENTIONS[self.detector_convention]
        pixel: Any = self.pixel_size_mm
        centre = []
        for name, count in (("beam_center_s", self.spixels), ("beam_center_f", self.fpixels)):
            filled = getattr(self, name) is None or self._is_filled(name)
            centre.append(row.default_centre(pixel * count, pixel) if filled else getattr(self, name))
        return centre[0], centre[1]

    def roi(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """((ymin, ymax), (xmin, xmax)): inclusive pixel indices along slow and fast; missing bounds are the edges."""
        edges = {"roi_ymin": 0, "roi_ymax": self.spixels - 1, "roi_xmin": 0, "roi_xmax": self.fpixels - 1}
        ymin, ymax, xmin, xmax = (
            edge if getattr(self, name) is None or self._is_filled(name) else getattr(self, name)
            for name, edge in edges.items()
        )
        return (ymin, ymax), (xmin, xmax)

    def should_use_custom_convention(self) -> bool:
        """True when the two-theta axis is not the convention's own."""
        default = CONVENTIONS[self.detector_convention].twotheta_axis
        axis = torch.as_tensor(self.twotheta_axis, dtype=torch.float64).detach()
        return not torch.allclose(axis, torch.tensor(default, dtype=torch.float64), atol=1e-12)

    @classmethod
    def from_cli_args(
        cls,
        distance_mm: Scalar | None = None,
        close_distance_mm: Scalar | None = None,
        pivot: str | DetectorPivot | None = None,
        **kwargs: Any,
    ) -> "DetectorConfig":
        """A config from distances as a command line gives them: a close distance alone pivots about the sample.

        Args:
            distance_mm: Distance along the beam, mm; alone it pivots about the beam centre.
            close_distance_mm: Distance along the detector's normal, mm.
            pivot: "beam" or "sample", in any case, which then decides.
            **kwargs: Other fields of the config.

        Raises:
            ValueError: ``pivot`` is neither, or another field is impossible.
        """
        if pivot is not None:
            kwargs["detector_pivot"] = pivot
        elif close_distance_mm is not None and distance_mm is None:
            kwargs["detector_pivot"] = DetectorPivot.SAMPLE
        elif distance_mm is not None and close_distance_mm is None:
            kwargs["detector_pivot"] = DetectorPivot.BEAM
        if distance_mm is None and close_distance_mm is not None:
            distance_mm = close_distance_mm
        if distance_mm is not None:
            kwargs["distance_mm"] = distance_mm
        return cls(close_distance_mm=close_distance_mm, **kwargs)

    def _check_distances(self) -> None:
        me, remedy = "DetectorConfig", "Give the sample-detector distance."
        check_range(me, "distance_mm", self.distance_mm, 0, low_open=True, unit="mm", remedy=remedy)
        check_range(me, "close_distance_mm", self.close_distance_mm, unit="mm", optional=True)

    def validate(self) -> None:
        """Raise ``ValueError`` for values from which no detector can be built."""
        me = "DetectorConfig"
        check_count(me, "spixels", self.spixels)
        check_count(me, "fpixels", self.fpixels)
        check_range(me, "pixel_size_mm", self.pixel_size_mm, 0, low_open=True, unit="mm")
        check_choice(me, "detector_convention", self.detector_convention, DetectorConvention)
        self._fill()
        self._check_distances()
        for name in ("beam_center_s", "beam_center_f", "near_point_s_mm", "near_point_f_mm"):
            check_range(me, name, getattr(self, name), unit="mm", optional=True)
        for name in ("detector_rotx_deg", "detector_roty_deg", "detector_rotz_deg", "detector_twotheta_deg"):
            check_range(me, name, getattr(self, name), unit="degrees")
        check_axis(me, "twotheta_axis", self.twotheta_axis)
        for name in CUSTOM_VECTORS:
            if getattr(self, name) is not None:
                check_axis(me, name, getattr(self, name))
        if self.pix0_override_m is not None:
            check_finite(me, "pix0_override_m", self.pix0_override_m, 3, "Give the origin in metres.")
        check_choice(me, "detector_pivot", self.detector_pivot, [*DetectorPivot, None])
        check_choice(me, "beam_center_source", self.beam_center_source, ("auto", "explicit"))
        check_count(me, "oversample", self.oversample, automatic=(-1,))
        check_amount(me, "detector_abs_um", self.detector_abs_um, unit="um", optional=True)
        check_range(me, "detector_thick_um", self.detector_thick_um, 0, unit="um")
        check_count(me, "detector_thicksteps", self.detector_thicksteps, automatic=(-1, 0))
        names = ("roi_ymin", "roi_ymax", self.spixels), ("roi_xmin", "roi_xmax", self.fpixels)
        for (low, high, count), (first, last) in zip(names, self.roi(), strict=True):
            whole_numbers = isinstance(first, int) and isinstance(last, int)
            if not whole_numbers or not 0 <= first <= last <= count - 1:
                raise fail(
                    me, f"{low}, {high}", (first, last), f"inclusive indices with 0 <= {low} <= {high} <= {count - 1}",
                    "x is the fast axis, y the slow one.",
                )  # fmt: skip
        mask = self.mask_array
        if mask is not None and tuple(getattr(mask, "shape", ())) != (self.spixels, self.fpixels):
            raise fail(
                me, "mask_array", f"tensor of shape {tuple(mask.shape)}" if isinstance(mask, torch.Tensor) else mask,
                f"of shape (spixels, fpixels) = ({self.spixels}, {self.fpixels})", "Rows are slow, columns are fast.",
            )  # fmt: skip
        if mask is not None:
            check_tensor(me, "mask_array", mask)


#: Fields of a beam that list its sources, one entry each.
SOURCE_LISTS = ("source_directions", "source_weights", "source_wavelengths")


@dataclass(eq=False)
class BeamConfig(_Config):
    """The incident beam: wavelength, sources, polarization and fluence.

    Sources are listed, or generated from divergence and dispersion: of count, range and step those that are None follow
    from the others (docs/physics.md, Divergence and dispersion).

    Attributes:
        wavelength_A: Central wavelength, Angstrom.
        N_source_points: Number of sources: accepted, without effect.
        source_distance_mm: Distance of the sources, mm: accepted, without effect, since directions alone decide.
        source_size_mm: Size of the source, mm: accepted, without effect; give divergence instead.
        source_directions: Unit vectors (n, 3) from the sample to each source; None generates the sources, or puts all
            on the beam where there are weights or wavelengths.
        source_weights: Relative intensities (n,), used where ``Compat.source_weights`` says so [B25].
        source_wavelengths: Wavelengths (n,) in metres; None is the central one.
        polarization_factor: Kahn's K, -1 to 1: 0 unpolarised, 1 polarised along the axis.
        nopolar: Leave the polarization factor out.
        polarization_axis: Direction (3,) of the E vector; None is that of the detector convention.
        flux: Photons per second; with exposure and beam size it makes the fluence.
        exposure: Seconds.
        beamsize_mm: Edge of the beam, mm.
        fluence: Photons per square metre.
        dmin: Resolution in Angstrom beyond which samples do not count; 0 or None is none.
        water_size_um: Edge of the water drop around the crystal, micrometres.
        hdiv_range_mrad: Full range of horizontal directions, milliradians.
        vdiv_range_mrad: Full range of vertical directions, milliradians.
        hdiv_step_mrad: Step between horizontal directions, milliradians.
        vdiv_step_mrad: Step between vertical directions, milliradians.
        hdiv_steps: Number of horizontal directions.
        vdiv_steps: Number of vertical directions.
        dispersion_pct: Full relative width of the spectrum, percent.
        dispersion_steps: Number of wavelengths.
        round_div: Leave out the corners of the grid of directions.
        spectrum: Wavelengths (n,) in Angstrom and weights (n,), in any scale, of every direction of the beam; the
            fluence is that of all together. It takes the place of ``wavelength_A`` and dispersion.

    Raises:
        ValueError: A value from which no beam can be built, named with what is allowed.
    """

    _off: ClassVar[Mapping[str, Any]] = dict.fromkeys(
        ("flux", "exposure", "beamsize_mm", "dmin", "water_size_um", "dispersion_pct"), 0.0
    )

    wavelength_A: Scalar = 1.0
    N_source_points: int = 1
    source_distance_mm: float = 10000.0
    source_size_mm: float = 0.0
    source_directions: torch.Tensor | None = None
    source_weights: torch.Tensor | None = None
    source_wavelengths: torch.Tensor | None = None
    polarization_factor: Scalar = 0.0
    nopolar: bool = False
    polarization_axis: Vector3 | None = None
    flux: float = 0.0
    exposure: float = 0.0
    beamsize_mm: float = 0.0
    fluence: Scalar = DEFAULT_FLUENCE
    dmin: float = 0.0
    water_size_um: Scalar = 0.0
    hdiv_range_mrad: Scalar | None = None
    vdiv_range_mrad: Scalar | None = None
    hdiv_step_mrad: Scalar | None = None
    vdiv_step_mrad: Scalar | None = None
    hdiv_steps: int | None = None
    vdiv_steps: int | None = None
    dispersion_pct: Scalar = 0.0
    dispersion_steps: int | None = None
    round_div: bool = True
    spectrum: tuple[torch.Tensor, torch.Tensor] | None = None

    @eager
    def __post_init__(self, _filled: Mapping[str, Any] | None = None) -> None:  # noqa: RUF033
        super().__post_init__(_filled)
        self._check_light()
        area = (self.beamsize_mm / 1000.0) ** 2
        if self.flux != 0 and self.exposure > 0 and self.beamsize_mm > 0:
            self._fill_in("fluence", self.flux * self.exposure / area)
        elif self.exposure > 0 and self.beamsize_mm > 0 and (number_of(self.fluence) or 0) > 0:
            self._fill_in("flux", (number_of(self.fluence) or 0) / self.exposure * area)
        self.validate()
        if self.source_weights is not None and self.source_directions is None:
            warn_user(
                f"BeamConfig.source_weights without source_directions: {len(self.source_weights)} sources, all on the "
                "beam. The weights are normalised to a mean of 1; in C they do not count."
            )

    def _check_light(self) -> None:
        for name in ("flux", "exposure", "beamsize_mm"):
            check_amount("BeamConfig", name, getattr(self, name))
        check_range("BeamConfig", "fluence", self.fluence, 0, unit="photons/m^2")

    def validate(self) -> None:
        """Raise ``ValueError`` for values from which no beam can be built."""
        me = "BeamConfig"
        check_range(
            me,
            "wavelength_A",
            self.wavelength_A,
            0,
            low_open=True,
            unit="Angstrom",
            remedy="Check wavelength or energy.",
        )
        check_range(me, "polarization_factor", self.polarization_factor, -1, 1)
        if self.polarization_axis is not None:
            check_axis(me, "polarization_axis", self.polarization_axis)
        check_range(me, "dmin", self.dmin, 0, unit="Angstrom")
        check_range(me, "water_size_um", self.water_size_um, 0, unit="um")
        self._check_light()
        for name in ("hdiv_range_mrad", "vdiv_range_mrad", "hdiv_step_mrad", "vdiv_step_mrad"):
            check_range(me, name, getattr(self, name), 0, unit="mrad", optional=True, remedy="None is automatic.")
        for name in ("hdiv_steps", "vdiv_steps", "dispersion_steps"):
            check_count(me, name, getattr(self, name), automatic=(0,), optional=True)
        remedy = "At 200 percent the shortest wavelength is 0."
        check_range(me, "dispersion_pct", self.dispersion_pct, 0, 200, high_open=True, unit="percent", remedy=remedy)
        lists = {name: getattr(self, name) for name in SOURCE_LISTS if getattr(self, name) is not None}
        count = 0
        for name, values in lists.items():
            if not isinstance(values, torch.Tensor):
                raise fail(me, name, values, "a tensor, an array or a list", "Give one entry for each source.")
            shape: tuple[int, ...] = tuple(values.shape)
            tail = (3,) if name == "source_directions" else ()
            count = count or (shape[0] if shape else 0)
            if not count or shape != (count, *tail):
                wanted = f"({count or 'n'}, 3)" if tail else f"({count or 'n'},)"
                raise fail(me, name, f"shape {shape}", f"of shape {wanted}", "Give one entry for each source.")
            check_tensor(me, name, values)
        directions = None if self.source_directions is None else self.source_directions.detach()
        if directions is not None and bool((null := directions.abs().amax(1) <= LEAST).any()):
            index = int(null.nonzero()[0])
            raise fail(me, f"source_directions[{index}]", directions[index], "a direction of non-zero length", "")
        self._check_spectrum(lists)
        if lists and self.source_directions is None:
            self._check_no_grid(next(iter(lists)))
        if self.source_wavelengths is not None and bool((self.source_wavelengths.detach() <= 0).any()):
            raise fail(
                me, "source_wavelengths", self.source_wavelengths, "positive, in metres", "Check the source list."
            )

    def central_wavelength(self) -> Scalar:
        """``wavelength_A``, or the weighted mean of the spectrum, Angstrom."""
        if self.spectrum is None:
            return self.wavelength_A
        wavelengths, weights = self.spectrum
        return (wavelengths * weights).sum() / weights.sum()

    def _check_spectrum(self, lists: Mapping[str, torch.Tensor]) -> None:
        """Refuse a spectrum that cannot shine, or beside which something else says the wavelengths."""
        if self.spectrum is None:
            return
        me, name, remedy = "BeamConfig", "spectrum", "Give wavelengths in Angstrom and weights, one of each a channel."
        pair = self.spectrum
        if not (isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(item, torch.Tensor) for item in pair)):
            raise fail(me, name, pair, "two tensors, arrays or lists", remedy)
        wavelengths, weights = pair
        shapes = [tuple(item.shape) for item in pair]
        if len(shapes[0]) != 1 or not shapes[0][0] or shapes[0] != shapes[1]:
            raise fail(me, name, f"of shapes {shapes[0]} and {shapes[1]}", "of equal shapes (n,)", remedy)
        for item in pair:
            check_tensor(me, name, item)
        w, g = wavelengths.detach(), weights.detach()
        if bool((w <= LEAST).any() | (w >= LARGEST).any()):
            raise fail(me, name, w, "of wavelengths greater than 0, in Angstrom", remedy)
        if bool((g < 0).any()) or not 0 < float(g.sum()) < LARGEST:
            raise fail(me, name, g, "of weights that are at least 0, and not all 0", "Give relative intensities.")
        others = [*lists, *(["dispersion_steps"] if self.dispersion_steps is not None else [])]
        if others or number_of(self.dispersion_pct) != 0:
            other = others[0] if others else "dispersion_pct"
            raise fail(me, name, "a spectrum", f"None where {other} is given", "Give one of them.")

    def _check_no_grid(self, listed: str) -> None:
        """Refuse ``listed`` without directions where divergence or dispersion generate other sources."""
        grid = (self.hdiv_range_mrad, self.vdiv_range_mrad, self.hdiv_steps, self.vdiv_steps, self.dispersion_steps)
        if any(value is not None for value in grid) or number_of(self.dispersion_pct) != 0:
            raise fail(
                "BeamConfig", "source_directions", None, f"given where {listed} and divergence or dispersion are",
                "Give one unit vector (sample to source) for each, or leave divergence and dispersion out.",
            )  # fmt: skip


@dataclass(eq=False)
class NoiseConfig(_Config):
    """Response of a detector to photons: noise, point spread, gain, saturation and dead pixels.

    It is for :func:`nanobrag_torch.readout.read_out` (expected pixels, with gradients),
    :func:`nanobrag_torch.readout.noise_image` (drawn pixels) and the command.

    Attributes:
        seed: Seed of the noise; None takes the clock.
        adc_offset: Added to every pixel.
        readout_noise: Standard deviation of a normal deviate in every pixel. The C program has none, and the command
            unless it is asked.
        overload_value: Largest pixel value. The command's images have 16 bits and end at 65535.
        generate_noise_image: Tells the command to write a noise image; ``noise_image`` does not ask.
        intfile_scale: Scale of the command's integer image; 0 or less is automatic. ``noise_image`` does not ask.
        gain: Pixel value of one photon.
        psf: Point spread: "none", "gaussian", or "fibre" for that of fibre-optic tapers.
        psf_fwhm_pixels: Its full width at half maximum, in pixels.
        dead_value: Value of masked pixels; None leaves them as dark ones.
    """

    seed: int | None = None
    adc_offset: float = 40.0
    readout_noise: float = 3.0
    overload_value: float = 65535.0
    generate_noise_image: bool = False
    intfile_scale: float = 1.0
    gain: Scalar = 1.0
    psf: str = "none"
    psf_fwhm_pixels: Scalar = 0.0
    dead_value: float | None = None

    def __post_init__(self, _filled: Mapping[str, Any] | None = None) -> None:  # noqa: RUF033
        super().__post_init__(_filled)
        self.validate()

    def validate(self) -> None:
        """Raise ``ValueError`` for values from which no noise can be made."""
        me = "NoiseConfig"
        check_seed(me, "seed", self.seed)
        check_range(me, "adc_offset", self.adc_offset)
        check_range(me, "readout_noise", self.readout_noise, 0)
        check_range(me, "overload_value", self.overload_value, 0, low_open=True)
        check_range(me, "intfile_scale", self.intfile_scale)
        check_range(me, "gain", self.gain, 0, low_open=True, remedy="Give the pixel value of one photon.")
        check_choice(me, "psf", self.psf, tuple(POINT_SPREADS))
        check_range(me, "psf_fwhm_pixels", self.psf_fwhm_pixels, 0, WIDEST_SPREAD, unit="pixels")
        check_range(me, "dead_value", self.dead_value, optional=True)


def check_amount(owner: str, field: str, value: Any, unit: str = "", optional: bool = False) -> None:
    """Raise ``ValueError`` unless ``value`` is 0, which is "none", or a positive number that can be divided by."""
    check_range(owner, field, value, 0, unit=unit, optional=optional)
    if number_of(value) != 0:
        check_range(owner, field, value, 0, low_open=True, unit=unit, optional=optional)


def check_seed(owner: str, field: str, seed: Any) -> None:
    """Raise ``ValueError`` unless ``seed`` is an integer or None; the stream itself says how large one may be."""
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int)):
        raise fail(owner, field, seed, "an integer or None", "Seeds start a stream of random numbers.")


def check_axis(owner: str, field: str, axis: Any) -> None:
    """Raise ``ValueError`` unless ``axis`` has three finite components and a length to divide by."""
    remedy = "Give a direction of three components."
    check_finite(owner, field, axis, 3, remedy)
    values = [number_of(component) for component in axis]
    if None not in values and not math.hypot(*(value or 0.0 for value in values)) > LEAST:
        raise fail(owner, field, axis, "a direction of non-zero length", remedy)


def check_tensor(owner: str, field: str, values: torch.Tensor) -> None:
    """Raise ``ValueError`` unless every element is finite."""
    values = values.detach()
    if not values.is_floating_point() and not values.is_complex():
        return
    if bool(torch.isfinite(values.sum())):  # one pass, without a copy; a sum may overflow where no element does
        return
    bad = ~torch.isfinite(values)
    if bool(bad.any()):
        where = tuple(bad.nonzero()[0].tolist())
        raise fail(owner, field, f"{values[where].item()} at index {where}", "finite everywhere", "")


def clip_to_beam(crystal: CrystalConfig, beam: BeamConfig) -> None:
    """Clip the sizes of a crystal across the beam to the beam's, and warn; the image stays that of ``N_cells``.

    A last cell that is only half within does not count.
    """
    size = beam.beamsize_mm / 1000.0
    if not size > 0:
        return
    for name, cells in zip(("sample_y", "sample_z"), crystal.N_cells[1:], strict=True):
        length, count = getattr(crystal, name), number_of(cells)
        if length is not None and count is not None and length - length / count > size:
            put = crystal._fill_in if crystal._is_filled(name) else partial(setattr, crystal)
            put(name, size)
            warn_user(
                f"CrystalConfig.{name} = {length:g} m is larger than the beam (BeamConfig.beamsize_mm, {size:g} m) and "
                "was clipped to it. The image is that of all N_cells: give fewer to leave out what the beam misses."
            )


def copy_fields(source: Any, target: Any, names: tuple[str, ...]) -> None:
    """Assign the named fields of one config to another, tensors as they are."""
    known = {field.name for field in fields(target)}
    for name in names:
        if name not in known:
            raise AttributeError(f"{type(target).__name__} has no field {name!r}")
        setattr(target, name, getattr(source, name))
