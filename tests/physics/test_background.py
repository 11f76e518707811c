"""Amplitudes over resolution: exact for cubics, constant beyond the table, finite slopes at nodes and in the beam."""

import pytest
import torch

from nanobrag_torch.physics.background import amorphous_amplitude, molecules

NODES = torch.tensor([0.0, 0.05, 0.15, 0.2, 0.33, 0.5], dtype=torch.float64)


def at(x):
    return torch.tensor(x, dtype=torch.float64) ** 2


def cubic(x):
    return 3 - 20 * x + 50 * x**2 - 40 * x**3


def test_a_cubic_is_met_everywhere_in_the_table():
    x = torch.linspace(0, 0.5, 37, dtype=torch.float64)
    torch.testing.assert_close(amorphous_amplitude(x**2, NODES, cubic(NODES)), cubic(x))


def test_nodes_are_met_and_the_ends_go_on_for_ever():
    values = torch.tensor([2.0, 5.0, 1.0, 0.0, -1.0, 3.0], dtype=torch.float64)
    torch.testing.assert_close(amorphous_amplitude(NODES**2, NODES, values), values)
    late = amorphous_amplitude(at([0.0, 0.01]), NODES[1:], values[1:])
    assert late.tolist() == pytest.approx([5.0, 5.0])
    assert amorphous_amplitude(at([0.6, 9.0]), NODES, values).tolist() == pytest.approx([3.0, 3.0])


def test_two_nodes_are_a_line():
    found = amorphous_amplitude(at([0.1, 0.25]), NODES[[0, 5]], torch.tensor([10.0, 0.0], dtype=torch.float64))
    torch.testing.assert_close(found, torch.tensor([8.0, 5.0], dtype=torch.float64))


def test_slopes_are_those_of_differences_and_finite_in_the_beam_and_at_nodes():
    values = cubic(NODES).requires_grad_()
    inside = at([0.03, 0.17, 0.4]).requires_grad_()
    assert torch.autograd.gradcheck(lambda s, v: amorphous_amplitude(s, NODES, v), (inside, values))
    singular = torch.cat([torch.zeros(1, dtype=torch.float64), NODES[1:] ** 2]).requires_grad_()
    (slope,) = torch.autograd.grad(amorphous_amplitude(singular, NODES, values).sum(), singular)
    assert torch.isfinite(slope).all() and slope[0] == 0
    derivative = (-20 + 100 * NODES - 120 * NODES**2) / (2 * NODES)
    torch.testing.assert_close(slope[1:-1], derivative[1:-1])


def test_a_cubic_millimetre_of_water_has_its_molecules():
    one = torch.tensor(1.0, dtype=torch.float64)
    assert molecules(1e-9 * one, one, 18 * one).item() == pytest.approx(1e-3 / 18 * 6.02214179e23)
