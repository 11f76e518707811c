import itertools

import pytest
import torch

from nanobrag_torch.physics.structure_factor import (
    in_range,
    lagrange_slopes,
    lagrange_weights,
    nearest,
    tricubic,
    window,
)

LOW = (-3, -2, -4)
SHAPE = (8, 7, 9)


def grid():
    axes = [torch.arange(low, low + n, dtype=torch.float64) for low, n in zip(LOW, SHAPE, strict=True)]
    return torch.meshgrid(*axes, indexing="ij")


def cubic(h, k, l):
    return 2 + h - 0.5 * k**2 + 0.25 * l**3 + 0.1 * h * k * l + 0.01 * h**3 * k**2


def test_the_nearest_entry_counts_and_default_f_outside_the_box():
    table = cubic(*grid())
    default = torch.tensor(7.0, dtype=torch.float64)
    at = [
        torch.tensor(x, dtype=torch.float64)
        for x in ([-3.0, 4.0, 5.0, 0.0], [-2.0, 4.0, 0.0, 0.0], [-4.0, 4.0, 0.0, 9.0])
    ]
    got = nearest(table, LOW, default, *at)
    assert got.tolist() == [table[0, 0, 0].item(), table[7, 6, 8].item(), 7.0, 7.0]


def test_tricubic_interpolation_reproduces_a_cubic_polynomial_exactly():
    generator = torch.Generator().manual_seed(1)
    h, k, l = (
        low + 2 + torch.rand(200, generator=generator, dtype=torch.float64) * (n - 5)
        for low, n in zip(LOW, SHAPE, strict=True)
    )
    table = cubic(*grid())
    assert in_range(table, LOW, h, k, l).all()
    got = tricubic(table, LOW, h, k, l, torch.float64)
    assert torch.allclose(got, cubic(h, k, l), rtol=0, atol=1e-11)
    assert got.std() > 1


def test_the_slope_of_the_interpolant_is_that_of_the_polynomial():
    table = cubic(*grid())
    h, k, l = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (0.3, 0.6, -0.7))
    slopes = torch.autograd.grad(tricubic(table, LOW, h, k, l, torch.float64), (h, k, l))
    want = torch.autograd.grad(cubic(h, k, l), (h, k, l))
    assert torch.allclose(torch.stack(slopes), torch.stack(want), rtol=1e-11)


@pytest.mark.parametrize("margin", [1, 2])
def test_the_range_of_interpolation_includes_both_its_ends(margin):
    table = cubic(*grid())
    inner = [(low + margin, low + n - 1 - margin) for low, n in zip(LOW, SHAPE, strict=True)]
    for end in (0, 1):
        at = [torch.tensor(float(axis[end]), dtype=torch.float64) for axis in inner]
        assert in_range(table, LOW, *at, margin).item()
        beyond = [at[0] + (1e-9 if end else -1e-9), at[1], at[2]]
        assert not in_range(table, LOW, *beyond, margin).item()


def test_interpolation_goes_on_wherever_four_nodes_lie_in_the_table():
    """Also where it ends: the last index is a node of the cubic before it, and the slope is that of its left side."""
    table = cubic(*grid())
    ends = zip(*window(LOW, SHAPE, 1), strict=True)
    for place in itertools.product(*((first, first + 0.5, last - 0.5, last) for first, last in ends)):
        at = torch.tensor(place, dtype=torch.float64, requires_grad=True)
        assert in_range(table, LOW, *at).item()
        value, want = tricubic(table, LOW, *at, torch.float64), cubic(*at)
        assert value.item() == pytest.approx(want.item(), abs=1e-11)
        slopes, wanted = (torch.autograd.grad(x, at)[0] for x in (value, want))
        assert torch.allclose(slopes, wanted, atol=1e-10)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_table_of_fewer_entries_than_nodes_is_nowhere_interpolated(size):
    at = torch.linspace(-1.0, size, 4 * size + 5, dtype=torch.float64)
    assert not in_range(torch.zeros(size, 9, 9), (0, 0, 0), at, 0 * at + 4, 0 * at + 4).any()


@pytest.mark.parametrize("t", [0.0, 0.25, 1.0])
def test_weights_add_up_to_one_and_pick_the_node_they_stand_on(t):
    weights = lagrange_weights(torch.tensor(t, dtype=torch.float64))
    assert weights.sum().item() == pytest.approx(1.0, abs=1e-15)
    if t in (0.0, 1.0):
        assert weights[1 + int(t)].item() == 1.0


def test_amplitudes_that_are_hit_collect_the_gradient():
    table = cubic(*grid()).requires_grad_(True)
    at = [torch.tensor([0.0, 0.0, 9.0], dtype=torch.float64)] * 3
    default = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    slopes = torch.autograd.grad(nearest(table, LOW, default, *at).sum(), (table, default))
    assert slopes[0][3, 2, 4].item() == 2.0 and slopes[0].sum().item() == 2.0 and slopes[1].item() == 1.0


@pytest.mark.parametrize("dim", [0, -1])
def test_slopes_of_interpolation_are_the_derivatives_of_its_weights(dim):
    t = torch.linspace(0, 1, 11, dtype=torch.float64, requires_grad=True)
    for weight, slope in zip(lagrange_weights(t, dim).unbind(dim), lagrange_slopes(t, dim).unbind(dim), strict=True):
        (want,) = torch.autograd.grad(weight.sum(), t, retain_graph=True)
        assert torch.allclose(slope, want, rtol=1e-12, atol=1e-14)
