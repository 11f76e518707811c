"""Record of one sweep of images with all that a program of the field needs to interpret them.

:mod:`nanobrag_torch.io.nexus` and :mod:`nanobrag_torch.io.cbf` write and read it.
"""

from dataclasses import dataclass, replace

import numpy as np

from nanobrag_torch.conventions import Vector
from nanobrag_torch.validation import check_finite, check_range, fail


@dataclass(frozen=True)
class Exposure:
    """Images of a flat detector, and the place of detector, beam and spindle in the laboratory.

    Attributes:
        images: Pixels (n, slow, fast).
        pixel_size_m: Edge of a pixel, metres.
        origin_m: Outer corner of the first pixel, as seen from the sample, metres.
        fast: Unit vector along rows.
        slow: Unit vector along columns.
        wavelength_A: Wavelength, Angstrom.
        beam: Unit vector in which the beam propagates.
        polarization: Unit vector of its E vector.
        polarization_factor: Kahn's K.
        spindle: Axis of the right-handed rotation phi.
        phi_start_deg: Start of the first image, degrees.
        phi_width_deg: Range of each image, degrees: image i starts i ranges after the first.
        exposure_s: Exposure of an image, seconds.
        saturation: Largest pixel value that counts.
        sensor_thickness_m: Thickness of the sensor, metres.
        sensor_material: Chemical symbol of the sensor.
        mask: Pixels (slow, fast) that count; None where all do.
        stars: Reciprocal vectors (3, 3) of the crystal at phi = 0, one a row, 1/Angstrom; None where it is not known.

    Raises:
        ValueError: A shape or vector that describes no detector.
    """

    images: np.ndarray
    pixel_size_m: float
    origin_m: Vector
    fast: Vector
    slow: Vector
    wavelength_A: float
    beam: Vector = (0.0, 0.0, 1.0)
    polarization: Vector = (1.0, 0.0, 0.0)
    polarization_factor: float = 0.0
    spindle: Vector = (1.0, 0.0, 0.0)
    phi_start_deg: float = 0.0
    phi_width_deg: float = 0.0
    exposure_s: float = 1.0
    saturation: float | None = None
    sensor_thickness_m: float = 0.0
    sensor_material: str = "Si"
    mask: np.ndarray | None = None
    stars: np.ndarray | None = None

    def __post_init__(self) -> None:
        me = "Exposure"
        if self.images.ndim != 3 or 0 in self.images.shape:
            raise fail(
                me, "images", f"shape {self.images.shape}", "of shape (n, slow, fast)", "One image is image[None]."
            )
        if self.mask is not None and self.mask.shape != self.images.shape[1:]:
            raise fail(me, "mask", f"shape {self.mask.shape}", f"of shape {self.images.shape[1:]}", "")
        check_range(me, "pixel_size_m", self.pixel_size_m, 0, low_open=True, unit="m")
        check_range(me, "wavelength_A", self.wavelength_A, 0, low_open=True, unit="Angstrom")
        check_finite(me, "origin_m", self.origin_m, 3)
        for name in ("fast", "slow", "beam", "polarization", "spindle"):
            check_finite(me, name, getattr(self, name), 3)
            length = float(np.linalg.norm(getattr(self, name)))
            if abs(length - 1) > 1e-3:
                raise fail(me, name, getattr(self, name), "a unit vector", f"Divide it by its length {length:g}.")
        for name in ("phi_start_deg", "phi_width_deg", "exposure_s", "sensor_thickness_m", "polarization_factor"):
            check_range(me, name, getattr(self, name))
        if abs(np.dot(np.cross(self.fast, self.slow), self.beam)) < 1e-9:
            raise fail(me, "beam", self.beam, "across the detector", "The direct beam would never meet its plane.")

    @property
    def distance_m(self) -> float:
        """Distance along the beam from the sample to the detector's plane; negative where it lies upstream."""
        normal = np.cross(self.fast, self.slow)
        return float(np.dot(self.origin_m, normal) / np.dot(self.beam, normal))

    @property
    def beam_centre_px(self) -> tuple[float, float]:
        """(fast, slow) in pixels from the outer corner of the first pixel to where the direct beam falls."""
        spot = self.distance_m * np.array(self.beam) - self.origin_m
        return float(np.dot(spot, self.fast) / self.pixel_size_m), float(np.dot(spot, self.slow) / self.pixel_size_m)

    @property
    def is_perpendicular(self) -> bool:
        """True where the detector stands square to the beam, to a microradian."""
        return float(np.linalg.norm(np.cross(np.cross(self.fast, self.slow), self.beam))) < 1e-6

    def single(self, index: int) -> "Exposure":
        """Image ``index`` of the sweep, with its own start of phi."""
        return replace(self, images=self.images[index : index + 1], phi_start_deg=self.phi_start(index))

    def phi_start(self, index: int) -> float:
        """Start of phi of image ``index`` in degrees, rounded to 1e-9 so that three times 0.1 is 0.3."""
        return round(self.phi_start_deg + index * self.phi_width_deg, 9) if index else self.phi_start_deg
