import math

import pytest
import torch

from nanobrag_torch.physics.sources import incident_directions, is_within_round_divergence

X, Y, Z = torch.eye(3, dtype=torch.float64)


def test_the_undeviated_source_shines_along_the_beam():
    zero = torch.zeros(1, dtype=torch.float64)
    assert torch.allclose(incident_directions(X, Z, zero, zero), X[None], atol=1e-16)


def test_divergence_tilts_about_polarization_and_its_perpendicular():
    tilt = torch.tensor([0.01], dtype=torch.float64)
    zero = torch.zeros(1, dtype=torch.float64)
    vertical = incident_directions(X, Z, zero, tilt)[0]
    horizontal = incident_directions(X, Z, tilt, zero)[0]
    assert vertical.tolist() == pytest.approx([math.cos(0.01), math.sin(0.01), 0.0], abs=1e-15)
    assert horizontal.tolist() == pytest.approx([math.cos(0.01), 0.0, math.sin(0.01)], abs=1e-15)


@pytest.mark.parametrize(("count", "kept"), [(3, 5), (4, 12), (5, 13)])
def test_a_round_beam_keeps_as_many_directions_as_the_c_program(count, kept):
    full, step = 5e-3, 5e-3 / (count - 1)
    angle = step * torch.arange(count, dtype=torch.float64) - full / 2
    h, v = (x.reshape(-1) for x in torch.meshgrid(angle, angle, indexing="ij"))
    assert is_within_round_divergence(h, v, (full, full), (step, step), (count, count)).sum().item() == kept


def test_a_beam_that_diverges_in_one_direction_only_is_not_trimmed():
    angle = torch.linspace(-0.1, 0.1, 5, dtype=torch.float64)
    assert is_within_round_divergence(angle, torch.zeros_like(angle), (0.2, 0.0), (0.05, 0.0), (5, 1)).all()
