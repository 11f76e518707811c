"""Exposure of a simulator: its image and geometry as the record that NXmx and CBF files are written from."""

import numpy as np
from torch import Tensor

from nanobrag_torch.conventions import Vector
from nanobrag_torch.io.exposure import Exposure
from nanobrag_torch.models.as_tensor import vector
from nanobrag_torch.models.panels import one_panel
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.units import mm_to_m, um_to_m
from nanobrag_torch.validation import number_of

__all__ = ["Exposure", "exposure_of"]


def exposure_of(simulator: Simulator, image: Tensor | np.ndarray, saturation: float | None = None) -> Exposure:
    """The exposure of one simulated image.

    Args:
        simulator: Simulator that made the image: its configs give geometry in double precision, the sweep in phi and
            the rendered pixels.
        image: Photons (slow, fast), or the pixels that a detector made of them.
        saturation: Largest pixel value that counts.

    Raises:
        ValueError: The image does not have the detector's shape.
    """
    pixels = image.detach().cpu().numpy() if isinstance(image, Tensor) else np.asarray(image)
    remedy = "Take one panel alone."
    detector, crystal, beam = (
        one_panel("exposure_of", simulator.detector, remedy).config,
        simulator.crystal.config,
        simulator.beam_config,
    )
    if pixels.shape != (detector.spixels, detector.fpixels):
        raise ValueError(
            f"exposure_of: the image has shape {pixels.shape}, the detector {(detector.spixels, detector.fpixels)}. "
            "Give the image of this simulator."
        )
    place = simulator.geometry()
    axis = crystal.spindle_axis
    spindle = place.spindle if axis is None else vector(axis, simulator.device)
    rendered = np.zeros(pixels.shape, bool)
    slow, fast = simulator.rendered_pixels()
    rendered[slow.cpu().numpy(), fast.cpu().numpy()] = True
    return Exposure(
        images=pixels[None],
        pixel_size_m=mm_to_m(_number(detector.pixel_size_mm)),
        origin_m=_vector(place.origin),
        fast=_vector(place.fast),
        slow=_vector(place.slow),
        wavelength_A=_number(beam.central_wavelength()),
        beam=_vector(place.beam),
        polarization=_vector(simulator.beam.polarization(place.polarization).axis),
        polarization_factor=_number(beam.polarization_factor),
        spindle=_vector(spindle / spindle.norm()),
        phi_start_deg=_number(crystal.phi_start_deg),
        phi_width_deg=_number(crystal.osc_range_deg),
        exposure_s=beam.exposure or 1.0,
        saturation=saturation,
        sensor_thickness_m=um_to_m(_number(detector.detector_thick_um)),
        mask=None if rendered.all() else rendered,
        stars=simulator.unit_cell().stars.detach().cpu().double().numpy(),
    )


def _number(value: object) -> float:
    number = number_of(value)
    assert number is not None
    return number


def _vector(values: Tensor) -> Vector:
    x, y, z = values.detach().tolist()
    return x, y, z
