"""Automatic sampling of divergence, dispersion and thickness: the rules of :mod:`nanobrag_torch.sampling`."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.compat import PHYSICAL
from nanobrag_torch.config import BeamConfig
from nanobrag_torch.conventions import CONVENTIONS, DetectorConvention
from nanobrag_torch.models.beam import Beam
from nanobrag_torch.sampling import Steps, angular_range, thickness_layers
from nanobrag_torch.units import m_to_angstrom
from nanobrag_torch.utils.tensor_utils import as_tensor_preserving_grad
from nanobrag_torch.validation import check_choice


@dataclass
class SamplingParams:
    """``count`` points over ``range``, ``step`` apart, in the unit that went in."""

    count: int
    range: float
    step: float


def auto_select_sampling(
    count: int | None = None,
    range_val: float | None = None,
    step: float | None = None,
    default_range: float = 1.0,
    parameter_type: str = "angle",
) -> SamplingParams:
    """Complete a count, a range and a step of which some are None, as the C program does.

    Args:
        count: Number of points.
        range_val: Range, in any unit.
        step: Step, in the same unit.
        default_range: Range that a count alone spans.
        parameter_type: "angle" for divergence and dispersion, "thickness" for sensor layers.

    Raises:
        ValueError: Another ``parameter_type``.
    """
    check_choice("auto_select_sampling", "parameter_type", parameter_type, ("angle", "thickness"), "Use 'angle'.")
    if parameter_type == "thickness":
        return auto_select_thickness(count, range_val, step)
    return _params(angular_range(count, range_val, step, default_range))


def auto_select_divergence(
    hdivsteps: int | None = None,
    hdivrange: float | None = None,
    hdivstep: float | None = None,
    vdivsteps: int | None = None,
    vdivrange: float | None = None,
    vdivstep: float | None = None,
) -> tuple[SamplingParams, SamplingParams]:
    """Complete the sampling of divergence; a count alone spans one radian.

    Args:
        hdivsteps: Number of horizontal directions.
        hdivrange: Full horizontal range, radians.
        hdivstep: Horizontal step, radians.
        vdivsteps: Number of vertical directions.
        vdivrange: Full vertical range, radians.
        vdivstep: Vertical step, radians.

    Returns:
        (horizontal, vertical) sampling in radians.
    """
    horizontal = angular_range(hdivsteps, hdivrange, hdivstep)
    return _params(horizontal), _params(angular_range(vdivsteps, vdivrange, vdivstep))


def auto_select_dispersion(
    dispsteps: int | None = None, dispersion: float | None = None, dispstep: float | None = None
) -> SamplingParams:
    """Dispersion as a fraction of the wavelength; a count alone spans nothing and leaves one wavelength."""
    return _params(angular_range(dispsteps, 0.0 if dispersion is None else dispersion, dispstep, default_full=0.0))


def auto_select_thickness(
    thicksteps: int | None = None, detector_thick: float | None = None, thickstep: float | None = None
) -> SamplingParams:
    """Sensor layers, in the unit of the thickness; a step alone decides how many of them fill it."""
    if thickstep is not None and thicksteps is None:
        return _params(angular_range(None, detector_thick, thickstep))
    return _params(thickness_layers(thicksteps, detector_thick))


def generate_sources_from_divergence_dispersion(
    hdiv_params: SamplingParams,
    vdiv_params: SamplingParams,
    disp_params: SamplingParams,
    central_wavelength_m: float,
    source_distance_m: float = 10.0,
    beam_direction: Tensor | None = None,
    polarization_axis: Tensor | None = None,
    round_div: bool = True,
    dtype: torch.dtype = torch.float32,
) -> tuple[Tensor, Tensor, Tensor]:
    """Sources of a grid of directions and wavelengths, wavelengths innermost.

    Args:
        hdiv_params: Horizontal directions, radians.
        vdiv_params: Vertical directions, radians.
        disp_params: Wavelengths, as a fraction of the central one.
        central_wavelength_m: Central wavelength, metres.
        source_distance_m: Accepted, without effect: it does not change directions.
        beam_direction: Direction (3,) of propagation; None is MOSFLM's x.
        polarization_axis: Direction (3,) of the E vector; None is MOSFLM's z.
        round_div: Leave out the corners of the grid of directions.
        dtype: Precision of the results.

    Returns:
        Unit vectors from sample to source (n, 3), weights (n,) and wavelengths (n,) in metres.
    """
    config = BeamConfig(
        wavelength_A=m_to_angstrom(central_wavelength_m),
        dispersion_pct=disp_params.range * 100,
        dispersion_steps=disp_params.count,
        round_div=round_div,
        hdiv_steps=hdiv_params.count,
        hdiv_range_mrad=hdiv_params.range * 1000,
        hdiv_step_mrad=hdiv_params.step * 1000,
        vdiv_steps=vdiv_params.count,
        vdiv_range_mrad=vdiv_params.range * 1000,
        vdiv_step_mrad=vdiv_params.step * 1000,
    )
    row = CONVENTIONS[DetectorConvention.MOSFLM]
    beam = as_tensor_preserving_grad(row.beam if beam_direction is None else beam_direction, dtype=torch.float64)
    axis = as_tensor_preserving_grad(
        row.polarization if polarization_axis is None else polarization_axis, dtype=torch.float64
    )
    sources = Beam(config).sources(beam, axis, PHYSICAL)
    return (-sources.directions).to(dtype), sources.weights.to(dtype), sources.wavelengths.to(dtype)


def _params(steps: Steps) -> SamplingParams:
    return SamplingParams(steps.count, steps.range, steps.step)
