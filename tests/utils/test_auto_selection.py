"""Automatic sampling under its established names: the C program's tables, and the sources made of them."""

import math

import pytest
import torch

from nanobrag_torch.utils.auto_selection import (
    SamplingParams,
    auto_select_dispersion,
    auto_select_divergence,
    auto_select_sampling,
    auto_select_thickness,
    generate_sources_from_divergence_dispersion,
)

POINT = SamplingParams(1, 0.0, 0.0)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None, None), POINT),
        ((None, None, 0.1), SamplingParams(2, 0.1, 0.1)),
        ((None, 0.3, None), SamplingParams(2, 0.3, 0.3)),
        ((None, 0.3, 0.07), SamplingParams(5, 0.3, 0.07)),
        ((4, None, None), SamplingParams(4, 1.0, 0.25)),
        ((4, 0.3, None), SamplingParams(4, 0.3, 0.3 / 3)),
        ((1, 0.3, None), SamplingParams(2, 0.3, 0.3)),
        ((4, 0.3, 0.05), SamplingParams(4, 0.3, 0.05)),
    ],
)
def test_a_count_a_range_and_a_step_complete_each_other(given, expected):
    assert auto_select_sampling(*given) == expected
    assert auto_select_divergence(hdivsteps=given[0], hdivrange=given[1], hdivstep=given[2]) == (expected, POINT)
    assert auto_select_divergence(None, None, None, *given) == (POINT, expected)


def test_a_count_alone_spans_the_default_range():
    assert auto_select_sampling(4, default_range=2.0) == SamplingParams(4, 2.0, 0.5)


def test_dispersion_needs_a_range():
    assert auto_select_dispersion(5) == POINT
    assert auto_select_dispersion(dispersion=0.02) == SamplingParams(2, 0.02, 0.02)
    assert auto_select_dispersion(5, 0.02) == SamplingParams(5, 0.02, 0.005)


def test_layers_of_a_sensor_follow_the_c_program():
    assert auto_select_thickness() == POINT
    assert auto_select_thickness(detector_thick=3e-4) == SamplingParams(2, 3e-4, 1.5e-4)
    assert auto_select_thickness(5, 3e-4) == SamplingParams(5, 3e-4, 7.5e-5)
    assert auto_select_thickness(None, 3e-4, 1e-4) == SamplingParams(3, 3e-4, 1e-4)
    assert auto_select_sampling(5, 3e-4, parameter_type="thickness") == SamplingParams(5, 3e-4, 7.5e-5)


def test_an_unknown_kind_of_parameter_is_refused():
    with pytest.raises(ValueError, match="parameter_type = 'colour': must be one of angle, thickness"):
        auto_select_sampling(parameter_type="colour")


def sources(h=POINT, v=POINT, d=POINT, **kwargs):
    return generate_sources_from_divergence_dispersion(h, v, d, 1e-10, dtype=torch.float64, **kwargs)


def test_one_source_lies_upstream_of_the_beam():
    directions, weights, wavelengths = sources()
    assert directions.tolist() == [[-1.0, 0.0, 0.0]]
    assert weights.tolist() == [1.0]
    assert wavelengths.tolist() == pytest.approx([1e-10], rel=1e-15)


@pytest.mark.parametrize(("steps", "kept"), [(3, 5), (4, 12), (5, 13)])
def test_a_round_beam_loses_the_corners_of_its_grid(steps, kept):
    divergence = SamplingParams(steps, 0.005, 0.005 / (steps - 1))
    assert len(sources(divergence, divergence)[0]) == kept
    assert len(sources(divergence, divergence, round_div=False)[0]) == steps**2


def test_divergence_turns_the_source_and_dispersion_varies_its_wavelength():
    horizontal = SamplingParams(2, 0.01, 0.01)
    directions, _, wavelengths = sources(horizontal, d=SamplingParams(3, 0.02, 0.01))
    assert directions.shape == (6, 3)
    angle = torch.acos((directions[0] * directions[3]).sum()).item()
    assert angle == pytest.approx(0.01, rel=1e-6)
    assert directions[:, 2].abs().max().item() == pytest.approx(math.sin(0.005), rel=1e-9)
    assert wavelengths[:3].tolist() == pytest.approx([0.99e-10, 1e-10, 1.01e-10], rel=1e-12)
    torch.testing.assert_close(directions.norm(dim=1), torch.ones(6, dtype=torch.float64))


def test_another_frame_may_be_given():
    z, y = torch.tensor([0.0, 0.0, 1.0]), torch.tensor([0.0, 1.0, 0.0])
    assert sources(beam_direction=z, polarization_axis=y)[0].tolist() == [[0.0, 0.0, -1.0]]
