"""The polarization factor, against the C program's arctangent form and on the beam, where that has no gradient."""

import math

import pytest
import torch

from nanobrag_torch.physics.polarization import polarization_factor

BEAM = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
AXIS = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)


def with_arctangent(d: list[float], kahn: float) -> float:
    """Kahn's formula as the C program evaluates it, for a beam along x and E along z."""
    magnetic, electric = [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]
    psi = -math.atan2(sum(a * b for a, b in zip(d, magnetic)), sum(a * b for a, b in zip(d, electric)))  # noqa: B905
    cos2 = d[0] ** 2
    return 0.5 * (1 + cos2 - kahn * math.cos(2 * psi) * (1 - cos2))


@pytest.mark.parametrize("kahn", [-1.0, 0.0, 0.3, 1.0])
@pytest.mark.parametrize("direction", [(1.0, 0.2, 0.1), (1.0, -0.5, 0.7), (0.2, 1.0, 0.0), (0.3, 0.0, -1.0)])
def test_the_algebraic_form_equals_the_arctangent_form(direction, kahn):
    d = torch.tensor(direction, dtype=torch.float64)
    d = d / d.norm()
    got = polarization_factor(d, BEAM, AXIS, torch.tensor(kahn, dtype=torch.float64))
    assert got.item() == pytest.approx(with_arctangent(d.tolist(), kahn), rel=1e-14)


def test_on_the_beam_the_factor_is_one_and_the_gradient_finite():
    d = BEAM[0].clone().requires_grad_(True)
    kahn = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    value = polarization_factor(d, BEAM, AXIS, kahn)
    slopes = torch.autograd.grad(value.sum(), (d, kahn))
    assert value.item() == 1.0
    assert torch.isfinite(slopes[0]).all() and slopes[0][0].item() == pytest.approx(1.0)
    assert slopes[1].item() == 0.0


def test_light_polarized_along_its_axis_does_not_scatter_along_it():
    one = torch.tensor(1.0, dtype=torch.float64)
    along, across = AXIS, torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64)
    assert polarization_factor(along, BEAM, AXIS, one).item() == pytest.approx(0.0, abs=1e-15)
    assert polarization_factor(across, BEAM, AXIS, one).item() == pytest.approx(1.0)


def test_an_axis_along_the_beam_leaves_the_c_programs_choice():
    d = torch.tensor([0.6, 0.8, 0.0], dtype=torch.float64)
    got = polarization_factor(d, BEAM, BEAM[0], torch.tensor(0.5, dtype=torch.float64))
    assert got.item() == pytest.approx(0.5 * (1 + 0.36 - 0.5 * 0.64))
