"""Look-ups by address, against the readable ones."""

import pytest
import torch
from random_scenes import F64, table

from nanobrag_torch.kernel.tables import _lookup
from nanobrag_torch.kernel.torch_engine.lookups import Nearest, Tricubic
from nanobrag_torch.physics.structure_factor import in_range, nearest, tricubic
from nanobrag_torch.scene import Amplitudes

DEFAULT = torch.tensor(7.0, dtype=F64)


def made(half: int, interpolate: bool):
    values, low = table(half)
    minimum = tuple(low.values())
    flat = _lookup(Amplitudes(DEFAULT, values, minimum, interpolate))
    size = tuple(values.shape)
    lookup = Tricubic(flat, DEFAULT.reshape(1), minimum, size) if interpolate else Nearest(flat, minimum, size)
    return values, minimum, lookup


def indices(half: int) -> torch.Tensor:
    """Real indices inside, outside and on the edges of a table that reaches to ``half``."""
    generator = torch.Generator().manual_seed(4)
    some = (torch.rand((3, 200), generator=generator, dtype=F64) - 0.5) * (2 * half + 6)
    edges = [half, -half, half - 2, 2 - half, half - 1, 1 - half, half + 0.5, -half - 0.5, 1e9, -1e9]
    edges = torch.tensor(edges, dtype=F64)
    return torch.cat([some, torch.stack([edges, edges.flip(0), 0 * edges])], dim=1)


def amplitude(values, minimum, default, h: torch.Tensor, interpolate: bool) -> torch.Tensor:
    value = nearest(values, minimum, default, *torch.ceil(h.detach() - 0.5))
    if not interpolate:
        return value
    return torch.where(in_range(values, minimum, *h), tricubic(values, minimum, *h, F64), value)


@pytest.mark.parametrize("half", [1, 2, 8])
@pytest.mark.parametrize("interpolate", [False, True])
def test_squares_slopes_and_cotangents_are_those_of_the_readable_look_up(half, interpolate):
    values, minimum, lookup = made(half, interpolate)
    h = indices(half).requires_grad_()
    values.requires_grad_()
    default = DEFAULT.clone().requires_grad_()
    square = amplitude(values, minimum, default, h, interpolate) ** 2
    bar = torch.linspace(-1, 2, square.numel(), dtype=F64)
    inputs = (h, values, default)
    slopes, *wanted = torch.autograd.grad(square, inputs, bar, allow_unused=True, materialize_grads=True)
    address = lookup.address(h.detach(), torch.ceil(h.detach() - 0.5))
    assert torch.allclose(lookup.squares(address), square, rtol=1e-12)
    found, steep = lookup.square_slopes(address)
    assert torch.equal(found, lookup.squares(address))
    if steep is not None:
        assert torch.allclose(steep * bar, slopes, rtol=1e-10, atol=1e-9)
        assert (half == 1) == (not bool(slopes.abs().max() > 0))
    returned = torch.zeros(lookup_size(lookup), dtype=F64)
    fallen = torch.zeros(1, dtype=F64)
    lookup.return_squares(address, bar, returned, fallen)
    flat = _lookup(Amplitudes(default, values, minimum, interpolate))
    back = torch.autograd.grad(flat, (values, default), returned, allow_unused=True, materialize_grads=True)
    assert torch.allclose(back[0], wanted[0], rtol=1e-10, atol=1e-10)
    assert torch.allclose(back[1] + fallen[0], wanted[1], rtol=1e-10, atol=1e-10)
    assert bool(wanted[1] != 0)


def lookup_size(lookup) -> int:
    return len(lookup.amplitude if isinstance(lookup, Tricubic) else lookup.square)


@pytest.mark.parametrize("interpolate", [False, True])
def test_an_index_that_is_no_number_never_leaves_the_table(interpolate):
    _, _, lookup = made(2, interpolate)
    h = torch.tensor([torch.nan, torch.inf, -torch.inf], dtype=F64).expand(3, 3)
    address = lookup.address(h, torch.ceil(h - 0.5))
    assert int(address.entry.min()) >= 0 and int(address.entry.max()) < lookup_size(lookup)
    lookup.square_slopes(address)
