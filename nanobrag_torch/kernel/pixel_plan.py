"""Sampling of a pixel: the numbers that both engines read in place of a scene's panel and weighing."""

from typing import NamedTuple

from nanobrag_torch.kernel.weights import polarization_sampling
from nanobrag_torch.scene import Scene


class PixelPlan(NamedTuple):
    """Samples of a pixel, and the sample that decides a factor of the whole pixel.

    Attributes:
        oversample: Sub-pixels along each edge.
        layers: Layers of the sensor.
        has_sensor: True where layers capture a part of the photons.
        bare_capture: Fraction that a detector without sensor captures.
        omega_at: Sample whose solid angle weighs the pixel; -1 where each sample has its own.
        capture_at: Sample whose captured fraction weighs the pixel; -1 where each sample has its own.
        polar_first: Polarization of 1 the first resolved sample, -1 the last, 0 each sample its own.
        dmin_squared: Square of the resolution limit, m^2; 0 for no limit.
    """

    oversample: int
    layers: int
    has_sensor: bool
    bare_capture: float
    omega_at: int
    capture_at: int
    polar_first: int
    dmin_squared: float

    @property
    def samples(self) -> int:
        """Samples of a pixel: layers times sub-pixels."""
        return self.layers * self.oversample**2

    @classmethod
    def of(cls, scene: Scene) -> "PixelPlan":
        """The plan of a scene."""
        panel, weighing, samples = scene.panel, scene.weighing, scene.panel.samples
        omega = {"first": 0, "last": samples - 1, "per_sample": -1}[weighing.omega] if samples > 1 else -1
        own_capture = weighing.capture != "last_layer" or not panel.has_sensor or samples == 1
        single = samples * scene.sources.count == 1 and scene.dmin == 0
        polar = "per_sample" if single else polarization_sampling(scene)
        return cls(
            oversample=panel.oversample,
            layers=panel.layers,
            has_sensor=panel.has_sensor,
            bare_capture=0.0 if weighing.blackout else 1.0,
            omega_at=omega,
            capture_at=-1 if own_capture else samples - panel.oversample**2,
            polar_first={"first": 1, "last": -1, "per_sample": 0}[polar],
            dmin_squared=scene.dmin**2,
        )
