"""Detector: a config made into vectors, once per evaluation (docs/physics.md, Detector)."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from nanobrag_torch import scene
from nanobrag_torch.compat import Compat
from nanobrag_torch.config import DetectorConfig, Scalar
from nanobrag_torch.conventions import CONVENTIONS, Convention, DetectorConvention, DetectorPivot
from nanobrag_torch.eager import eager
from nanobrag_torch.given import KnownNames, check_kind
from nanobrag_torch.kernel.geometry import sample_positions
from nanobrag_torch.kernel.pixels import Pixels
from nanobrag_torch.kernel.weights import sample_solid_angles
from nanobrag_torch.memory import check_memory
from nanobrag_torch.models.as_tensor import device_of, dtype_of, scalar, vector
from nanobrag_torch.models.memo import numbers_besides
from nanobrag_torch.models.sensor import sensor_of, thickness
from nanobrag_torch.physics.rotation import about_axis, matrix_x_y_z
from nanobrag_torch.physics.safe import unit
from nanobrag_torch.slabs import Slab, stacked
from nanobrag_torch.units import DBL_MIN, degrees_to_radians, m_to_mm, mm_to_m
from nanobrag_torch.validation import check_range, divisor, number_of


@dataclass(frozen=True)
class Geometry:
    """Place of the detector after all rotations: unit vectors (3,), lengths in metres.

    Attributes:
        beam: Direction in which the beam propagates.
        fast: Direction of fast.
        slow: Direction of slow.
        normal: Normal of the detector.
        origin: Outer corner of the first pixel.
        distance: Reported distance along the beam.
        close_distance: Distance along the normal.
        ratio: beam . normal, before two-theta where C's report is asked for [B15].
        beam_f: Direct beam along fast.
        beam_s: Direct beam along slow.
        close_f: Foot of the normal through the sample along fast.
        close_s: Foot of the normal through the sample along slow.
        pivot: Point that stays put in rotations.
        polarization: E vector of the convention.
        spindle: Axis of phi of the convention.
    """

    beam: Tensor
    fast: Tensor
    slow: Tensor
    normal: Tensor
    origin: Tensor
    distance: Tensor
    close_distance: Tensor
    ratio: Tensor
    beam_f: Tensor
    beam_s: Tensor
    close_f: Tensor
    close_s: Tensor
    pivot: DetectorPivot
    polarization: Tensor
    spindle: Tensor


def _pixels_to_mm(config: DetectorConfig, pixels: Scalar) -> Scalar:
    """A beam centre in pixels, MOSFLM's half pixel included, as the config counts it."""
    half = CONVENTIONS[config.detector_convention].half_pixel
    return (pixels - half) * config.pixel_size_mm


def _metres_to_mm(_: DetectorConfig, metres: Any) -> Scalar:
    mm: Scalar = m_to_mm(metres)
    return mm


class _Assignable(NamedTuple):
    """A quantity that may be assigned in a unit other than its config's: the config's field, how it is made of the
    quantity, and fields that take its place where they are given."""

    field: str
    in_config: Callable[[DetectorConfig, Scalar], Scalar]
    overrides: tuple[str, ...] = ()


#: The pixel size comes first, since beam centres are made with it.
_ASSIGNABLE = {
    "pixel_size": _Assignable("pixel_size_mm", _metres_to_mm),
    "distance": _Assignable("distance_mm", _metres_to_mm, ("close_distance_mm", "pix0_override_m")),
    "close_distance": _Assignable("close_distance_mm", _metres_to_mm, ("pix0_override_m",)),
    "beam_center_s": _Assignable("beam_center_s", _pixels_to_mm, ("pix0_override_m",)),
    "beam_center_f": _Assignable("beam_center_f", _pixels_to_mm, ("pix0_override_m",)),
}


def _config_field(name: str, doc: str) -> property:
    def value(self: "Detector") -> Any:
        return getattr(self.config, name)

    def assign(self: "Detector", given: Any) -> None:
        setattr(self.config, name, given)

    return property(value, assign, doc=doc)


class Detector(KnownNames):
    """A detector: pixels, place and sensor. Geometry is derived anew at each evaluation.

    What is assigned to ``spixels``, ``fpixels``, ``distance``, ``close_distance``, ``pixel_size``, ``beam_center_s`` or
    ``beam_center_f`` goes into the config in the config's unit, with its gradient, and follows a tensor that changes in
    place.

    Args:
        config: Size, place and sensor; None is the default detector.
        device: Device of the tensors; None is the CPU.
        dtype: Precision of public tensors; the arithmetic is float64 throughout.
        compat: Deviations of C for this object's own properties; a simulator uses its own.

    Raises:
        ValueError: The config describes no detector.

    Example:
        ```python
        detector = Detector(DetectorConfig(spixels=256, fpixels=256, pixel_size_mm=0.4, detector_twotheta_deg=10.0))
        detector.get_pixel_coords()  # (256, 256, 3) metres
        detector.distance_corrected  # metres along the beam
        ```
    """

    device: torch.device
    dtype: torch.dtype
    compat: Compat

    @eager
    def __init__(
        self,
        config: DetectorConfig | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        compat: str | Compat = "physical",
    ) -> None:
        self.device = device_of(device)
        config = config if config is not None else DetectorConfig()
        check_kind("Detector", "config", config, DetectorConfig)
        self.config = config
        self.config.validate()
        self.dtype = dtype_of(dtype)
        self.compat = Compat.of(compat)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "Detector":
        """This detector on another device or in another dtype; returns itself."""
        self.device = device_of(device) if device is not None else self.device
        self.dtype = dtype_of(dtype or self.dtype)
        return self

    def invalidate_cache(self) -> None:
        """Established method without effect: nothing is cached."""

    spixels = _config_field("spixels", "Pixels along slow: rows of the image.")
    fpixels = _config_field("fpixels", "Pixels along fast: columns of the image.")

    @property
    def config(self) -> DetectorConfig:
        """Size, place and sensor, with what was assigned to this detector as it is now."""
        for name in [name for name in _ASSIGNABLE if name in self._assigned]:
            given, made = self._assigned[name]
            if getattr(self._config, _ASSIGNABLE[name].field) is made:
                self._put(name, given)
            else:  # the config was assigned to since
                del self._assigned[name]
        return self._config

    @config.setter
    def config(self, config: DetectorConfig) -> None:
        self._config = config
        self._assigned: dict[str, tuple[Any, Any]] = {}

    def _put(self, name: str, given: Scalar) -> None:
        row = _ASSIGNABLE[name]
        number = scalar(given, self.device) if isinstance(given, Tensor) else float(given)
        made = row.in_config(self._config, number)
        self._assigned[name] = given, made
        setattr(self._config, row.field, made)

    def _assign(self, name: str, given: Any) -> None:
        config = self.config
        check_range("Detector", name, given, remedy="Assign a number or a 0-d tensor.")
        for field in _ASSIGNABLE[name].overrides:
            if getattr(config, field) is not None and (field != "pix0_override_m" or self.compat.pix0_override):
                raise ValueError(
                    f"Detector.{name} cannot be assigned: DetectorConfig.{field} is given and takes its place. "
                    "Set that to None first."
                )
        self._put(name, given)

    def beam_centre(self) -> tuple[Tensor, Tensor]:
        """(Fbeam, Sbeam) in metres: what the config says plus MOSFLM's half pixel, before any rotation."""
        config = self.config
        slow_mm, fast_mm = config.beam_centre()
        half = CONVENTIONS[config.detector_convention].half_pixel * self._metres(config.pixel_size_mm)
        return self._metres(fast_mm) + half, self._metres(slow_mm) + half

    def near_point(self) -> tuple[Tensor, Tensor]:
        """(Fclose, Sclose) in metres, before any rotation: as given, else the beam centre."""
        near = (self.config.near_point_f_mm, self.config.near_point_s_mm)
        beam = self.beam_centre()
        fast, slow = (self._metres(n) if n is not None else b for n, b in zip(near, beam, strict=True))
        return fast, slow

    def geometry(self, compat: Compat | None = None) -> Geometry:
        """The place of the detector, connected to its config (docs/physics.md, Rotations, pivot and origin).

        ``compat`` decides where C departs from geometry; None is this detector's.
        """
        compat = compat or self.compat
        config = self.config
        config.validate()
        row = CONVENTIONS[config.detector_convention]
        beam, fast, slow, normal = self._basis(row, compat)
        f_beam, s_beam = self.beam_centre()
        f_close, s_close = self.near_point()
        distance = self._metres(config.distance_mm)

        rotx, roty, rotz = config.detector_rotx_deg, config.detector_roty_deg, config.detector_rotz_deg
        tilt = matrix_x_y_z(degrees_to_radians(vector((rotx, roty, rotz), self.device)))
        twotheta = degrees_to_radians(scalar(config.detector_twotheta_deg, self.device))
        axis = vector(config.twotheta_axis, self.device)
        axis = unit(axis) if compat.normalise_twotheta_axis else axis

        def turn(v: Tensor) -> Tensor:
            return about_axis(v @ tilt.T, axis, twotheta)

        pivot = self._pivot(row, compat)
        ratio = (beam * (tilt @ normal)).sum()
        overridden = config.pix0_override_m is not None and compat.pix0_override
        if not overridden and pivot is DetectorPivot.BEAM and config.close_distance_mm is not None:
            divisor(ratio, EDGE_ON, TURN, FLAT)
        ratio = _nonzero(ratio)
        if config.close_distance_mm is not None:
            close = self._metres(config.close_distance_mm)
        else:
            close = torch.abs(ratio * distance)
        at_sample = -f_close * fast - s_close * slow + close * normal
        at_sample, fast, slow, normal = turn(torch.stack([at_sample, fast, slow, normal]))
        if overridden:
            origin = vector(config.pix0_override_m, self.device)
        elif pivot is DetectorPivot.SAMPLE:
            origin = at_sample
        else:
            origin = -f_beam * fast - s_beam * slow + close / ratio * beam

        close = (origin * normal).sum()
        self._check_plane(compat, close, origin, fast, slow, normal, (beam * normal).sum())
        if compat.beam_report == "true":
            ratio = _nonzero((beam * normal).sum())
        if config.curved_detector:
            divisor(ratio, EDGE_ON, TURN, FLAT)
        distance = close / ratio
        spot = distance * beam - origin
        return Geometry(
            beam=beam,
            fast=fast,
            slow=slow,
            normal=normal,
            origin=origin,
            distance=distance,
            close_distance=close,
            ratio=ratio,
            beam_f=(fast * spot).sum(),
            beam_s=(slow * spot).sum(),
            close_f=-(origin * fast).sum(),
            close_s=-(origin * slow).sum(),
            pivot=pivot,
            polarization=unit(vector(row.polarization, self.device)),
            spindle=unit(vector(row.spindle, self.device)),
        )

    def panel(self, geometry: Geometry, oversample: int, compat: Compat | None = None) -> scene.Panel:
        """The detector as the kernel reads it."""
        compat = compat or self.compat
        config = self.config
        sensor = sensor_of(
            config.detector_thick_um, config.detector_abs_um, config.detector_thicksteps, compat, self.device
        )
        if sensor.present and compat.edge_on == "refused":
            self._check_sensor(geometry, number_of(sensor.layers * sensor.step * sensor.attenuation))
        return scene.Panel(
            origin=geometry.origin,
            fast=geometry.fast,
            slow=geometry.slow,
            normal=geometry.normal,
            beam=geometry.beam,
            pixel_size=self._metres(config.pixel_size_mm),
            distance=geometry.distance,
            close_distance=geometry.close_distance,
            oversample=oversample,
            layers=sensor.layers,
            layer_step=sensor.step,
            attenuation=sensor.attenuation,
            has_sensor=sensor.present,
            curved=compat.curved_mapping if config.curved_detector else "flat",
            point_pixel=config.point_pixel,
        )

    def scene_panels(
        self, geometry: Geometry, oversample: int, compat: Compat | None = None
    ) -> tuple[scene.Panel, ...]:
        """The one panel, as a detector of many has one for each."""
        return (self.panel(geometry, oversample, compat),)

    def panel_pixels(self) -> list[Pixels]:
        """Pixels in the region of interest whose mask is not zero, row by row, of the one panel."""
        config = self.config
        (ymin, ymax), (xmin, xmax) = config.roi()
        window = Pixels((config.spixels, config.fpixels), (ymin, xmin), (ymax - ymin + 1, xmax - xmin + 1))
        return [window if config.mask_array is None else window.kept(config.mask_array)]

    @property
    def slabs(self) -> list[Slab]:
        """Place of the one panel in the image: all of it."""
        return stacked([(self.spixels, self.fpixels)])

    def numbers(self) -> tuple[Any, ...]:
        """Numbers that decide the geometry, to be compared by value."""
        return numbers_besides(self.config, "mask_array"), self.config.beam_centre()

    def finest(self, geometry: Geometry) -> tuple[float, float]:
        """Distance and pixel edge in metres, by which sub-pixels are counted."""
        return float(geometry.distance.detach()), float(self.config.pixel_size_mm) / 1000.0

    def get_pixel_coords(self) -> Tensor:
        """Positions (spixels, fpixels, 3) of the pixel centres in metres."""
        return self._pixel_centres().to(self.dtype)

    def get_solid_angle(self, pixel_coords: Tensor | None = None) -> Tensor:
        """Solid angles (spixels, fpixels) in steradian, or those at ``pixel_coords`` (..., 3) in metres."""
        position = self._pixel_centres() if pixel_coords is None else torch.as_tensor(pixel_coords).to(torch.float64)
        distance = torch.sqrt((position * position).sum(-1))
        return sample_solid_angles(self.panel(self.geometry(), 1), distance).to(self.dtype)

    def get_r_factor(self) -> Tensor:
        """Established name of ``r_factor``, as a method."""
        return self.r_factor

    def get_corrected_distance(self) -> Tensor:
        """Established name of ``distance_corrected``, as a method."""
        return self.distance_corrected

    def get_effective_distance(self) -> Tensor:
        """Established second name of ``get_corrected_distance``."""
        return self.distance_corrected

    def verify_beam_center_preservation(self, tolerance: float = 1e-6) -> tuple[bool, dict[str, Any]]:
        """Compare where the direct beam meets the rotated detector with its beam centre.

        Args:
            tolerance: Allowed distance along either axis, metres.

        Returns:
            True within the tolerance, and a dict of ``original_beam_f/s``, ``computed_beam_f/s``, ``error_f/s`` and
            ``max_error``, 0-d tensors in metres.
        """
        geometry = self.geometry()
        original_f, original_s = (value.detach() for value in self.beam_centre())
        computed_f, computed_s = geometry.beam_f.detach(), geometry.beam_s.detach()
        error_f, error_s = torch.abs(computed_f - original_f), torch.abs(computed_s - original_s)
        details = {
            "original_beam_f": original_f,
            "original_beam_s": original_s,
            "computed_beam_f": computed_f,
            "computed_beam_s": computed_s,
            "error_f": error_f,
            "error_s": error_s,
            "max_error": torch.maximum(error_f, error_s),
        }
        return bool(details["max_error"] <= tolerance), details

    @property
    def distance(self) -> Tensor:
        """``config.distance_mm`` in metres."""
        return self._metres(self.config.distance_mm).to(self.dtype)

    @distance.setter
    def distance(self, metres: Any) -> None:
        self._assign("distance", metres)

    @property
    def pixel_size(self) -> Tensor:
        """``config.pixel_size_mm`` in metres."""
        return self._metres(self.config.pixel_size_mm).to(self.dtype)

    @pixel_size.setter
    def pixel_size(self, metres: Any) -> None:
        self._assign("pixel_size", metres)

    @property
    def close_distance(self) -> Tensor:
        """Metres from the sample along the detector's normal; assigning sets ``config.close_distance_mm``."""
        return self.geometry().close_distance.to(self.dtype)

    @close_distance.setter
    def close_distance(self, metres: Any) -> None:
        self._assign("close_distance", metres)

    @property
    def beam_center_f(self) -> Tensor:
        """Beam centre along fast in pixels, MOSFLM's half pixel included."""
        return (self.beam_centre()[0] / self._metres(self.config.pixel_size_mm)).to(self.dtype)

    @beam_center_f.setter
    def beam_center_f(self, pixels: Any) -> None:
        self._assign("beam_center_f", pixels)

    @property
    def beam_center_s(self) -> Tensor:
        """Beam centre along slow in pixels, MOSFLM's half pixel included."""
        return (self.beam_centre()[1] / self._metres(self.config.pixel_size_mm)).to(self.dtype)

    @beam_center_s.setter
    def beam_center_s(self, pixels: Any) -> None:
        self._assign("beam_center_s", pixels)

    @property
    def fdet_vec(self) -> Tensor:
        """Unit vector (3,) along fast."""
        return self.geometry().fast.to(self.dtype)

    @property
    def sdet_vec(self) -> Tensor:
        """Unit vector (3,) along slow."""
        return self.geometry().slow.to(self.dtype)

    @property
    def odet_vec(self) -> Tensor:
        """Unit normal (3,)."""
        return self.geometry().normal.to(self.dtype)

    @property
    def pix0_vector(self) -> Tensor:
        """Position (3,) in metres of the outer corner of the first pixel."""
        return self.geometry().origin.to(self.dtype)

    @property
    def distance_corrected(self) -> Tensor:
        """Distance in metres along the beam to the rotated detector, 0-d; ``distance`` is that of the config."""
        return self.geometry().distance.to(self.dtype)

    @property
    def r_factor(self) -> Tensor:
        """Cosine between beam and normal of the rotated detector, 0-d."""
        return self.geometry().ratio.to(self.dtype)

    @property
    def beam_vector(self) -> Tensor:
        """Unit vector (3,) in which the beam propagates."""
        return self.geometry().beam.to(self.dtype)

    def _metres(self, mm: Any) -> Tensor:
        return mm_to_m(scalar(mm, self.device))

    def _metres_of_sensor(self) -> Tensor:
        return thickness(self.config.detector_thick_um, self.config.detector_abs_um, self.device)

    def _pixel_centres(self) -> Tensor:
        shape = (self.spixels, self.fpixels)
        remedy = "Ask for a smaller detector."
        check_memory("position", math.prod(shape), "DetectorConfig", "spixels, fpixels", shape, remedy, self.device)
        slow, fast = torch.meshgrid(
            torch.arange(self.spixels, device=self.device),
            torch.arange(self.fpixels, device=self.device),
            indexing="ij",
        )
        panel = self.panel(self.geometry(), 1)
        return sample_positions(panel, slow.reshape(-1), fast.reshape(-1))[:, 0].reshape(self.spixels, self.fpixels, 3)

    def _basis(self, row: Convention, compat: Compat) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(beam, fast, slow, normal), unit vectors before any rotation."""
        config = self.config
        custom = config.detector_convention is DetectorConvention.CUSTOM
        named = {
            "beam": config.custom_beam_vector,
            "fast": config.custom_fdet_vector,
            "slow": config.custom_sdet_vector,
            "normal": config.custom_odet_vector,
        }
        raw = {
            name: vector(given if custom and given is not None else getattr(row, name), self.device)
            for name, given in named.items()
        }
        beam, fast, slow = unit(raw["beam"]), unit(raw["fast"]), unit(raw["slow"])
        across = unit(torch.linalg.cross(fast, slow))
        if compat.odet_rule == "c":
            length = float(torch.sqrt((raw["normal"] * raw["normal"]).sum()).detach())
            return beam, fast, slow, (unit(raw["normal"]) if length == 1.0 else across)
        redrawn = custom and named["normal"] is None and (named["fast"] is not None or named["slow"] is not None)
        return beam, fast, slow, (across if redrawn else unit(raw["normal"]))

    def _check_plane(
        self, compat: Compat, close: Tensor, origin: Tensor, fast: Tensor, slow: Tensor, normal: Tensor, cosine: Tensor
    ) -> None:
        """Raise ``ValueError`` for pixels without an area, and for a crystal in the plane [B49] or in the sensor."""
        across = torch.linalg.cross(fast, slow)
        divisor(across.norm(), "fast and slow are parallel", "Check the vectors.", FLAT)
        distance = number_of(torch.sqrt((origin * origin).sum())) or 0.0
        along = abs(number_of(cosine) or 0.0) <= FLAT
        rounding = 0.0 if compat.edge_on == "c" else FLAT * distance
        divisor(close, *((EDGE_ON, TURN) if along else (WITHIN, MOVE)), rounding)
        across = unit(across)
        if compat.edge_on == "refused" and abs(number_of((across * normal).sum()) or 0.0) < 1 - FLAT:
            divisor((origin * across).sum(), SKEW, STRAIGHTEN, rounding)
        thick, near = (number_of(value.detach()) for value in (self._metres_of_sensor(), close))
        if thick is not None and near is not None and near < 0 < near + thick:
            divisor(0.0, "the crystal lies within the sensor of the detector", MOVE)

    def _check_sensor(self, geometry: Geometry, depth: float | None) -> None:
        """Raise ``ValueError`` where rays run along a sensor, ``depth`` attenuation lengths thick, or swell in it.

        They cannot where the normal points away from the crystal; where it is skew or points back, the rays to the
        corners of the detector are the flattest.
        """
        pixel = self._metres(self.config.pixel_size_mm)
        cosines: list[float | None] = []
        for fast in (0, self.fpixels):
            for slow in (0, self.spixels):
                corner = geometry.origin + pixel * (fast * geometry.fast + slow * geometry.slow)
                cosines.append(number_of((unit(corner) * geometry.normal).sum()))
        found = [cosine for cosine in cosines if cosine is not None]
        if depth is None or len(found) < len(cosines):
            return
        if min(found) < 0 and (max(found) > 0 or depth > LARGEST_EXPONENT * min(map(abs, found))):
            divisor(0.0, ALONG_SENSOR, BARE)

    def _pivot(self, row: Convention, compat: Compat) -> DetectorPivot:
        if compat.convention_forces_pivot and row.pivot is not None:
            return row.pivot
        return self.config.detector_pivot or DetectorPivot.BEAM


#: Cosine, sine or part of a distance that rounding may leave of zero.
FLAT = 1e-12
#: Exponent up to which the exponential is a number.
LARGEST_EXPONENT = 700.0
EDGE_ON = "the beam lies in the plane of the detector"
TURN = "Turn the detector, or place it by its distance along the normal and let it turn about the sample."
WITHIN = "the crystal lies in the plane of the detector"
SKEW = "the crystal lies in the plane of fast and slow, to which the normal is not perpendicular"
STRAIGHTEN = "Leave the normal out, which is then fast x slow, or give one that is perpendicular to both."
ALONG_SENSOR = "rays run along the sensor of the detector, whose normal does not point away from the crystal"
BARE = "Turn the detector, check its normal, or leave out the sensor."
MOVE = "Give the detector a distance from the crystal along its normal."


def _nonzero(ratio: Tensor) -> Tensor:
    """The ratio, or the smallest double where the beam lies in the plane of the detector, as in the C program."""
    return torch.where(ratio == 0, torch.full_like(ratio, DBL_MIN), ratio)
