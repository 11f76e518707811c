"""The laws that the hand-written reverse pass evaluates, against autograd of the readable ones."""

import pytest
import torch
from random_scenes import F64

from nanobrag_torch.kernel.tables import shape_parameters
from nanobrag_torch.kernel.torch_engine.shapes import LEAST_REMAINDER, PARAMETER_SLOPES, SQUARE_SLOPES, SQUARES
from nanobrag_torch.physics.lattice_factor import LATTICE_FACTORS
from nanobrag_torch.scene import Lattice

#: Shapes, with the radius of those that have two [B45].
SHAPES = [*LATTICE_FACTORS, "gauss of c", "tophat of c"]


def lattice(shape: str, cells=(5.0, 3.0, 4.0)) -> Lattice:
    shape, _, radius = shape.partition(" of ")
    generator = torch.Generator().manual_seed(2)
    stars = 0.02 * torch.eye(3, dtype=F64) + 0.003 * torch.rand((3, 3), generator=generator, dtype=F64)
    nowhere = torch.zeros((1, 3), dtype=F64)
    return Lattice(
        nowhere, nowhere, nowhere,
        stars=stars.requires_grad_(),
        cells=torch.tensor(cells, dtype=F64, requires_grad=True),
        shape=shape,
        fudge=torch.tensor(1.1 if shape != "tophat" else 0.01, dtype=F64, requires_grad=True),
        offdiagonal=torch.tensor([0.4, -0.3, 0.2], dtype=F64, requires_grad=True),
        spot_radius=radius or "index",
    )  # fmt: skip


def remainders() -> torch.Tensor:
    """Ordinary ones, halves, whole phases of 5 and 4 cells, and some beside a peak."""
    generator = torch.Generator().manual_seed(1)
    some = torch.rand((3, 40), generator=generator, dtype=F64) - 0.5
    special = torch.tensor([0.5, 0.2, 0.25, -0.4, 1e-3, -1e-6, 1e-9, 1e-12], dtype=F64)
    return torch.cat([some, torch.stack([special, 0.03 + special / 10, special.flip(0)])], dim=1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cells", [(5.0, 3.0, 4.0), (1.0, 1.0, 1.0), (7.3, 1.0, 40.0)])
def test_squares_and_slopes_are_those_of_the_law(shape, cells):
    crystal = lattice(shape, cells)
    shape, law = crystal.shape, LATTICE_FACTORS[crystal.shape]
    delta = remainders().requires_grad_()
    parameters = shape_parameters(crystal)
    square = law(*delta, crystal.domain) ** 2
    slopes = torch.autograd.grad(square.sum(), delta, allow_unused=True, materialize_grads=True)[0]
    with torch.no_grad():
        value = SQUARES[shape](parameters, delta)
        again, found = SQUARE_SLOPES[shape](parameters, delta)
    assert square.max() > 0 and (shape == "tophat" or slopes.abs().max() > 0 or max(cells) == 1)
    assert torch.allclose(value, square, rtol=1e-12, atol=1e-13 * square.max().item())
    assert torch.allclose(again, value, rtol=1e-13, atol=0)
    assert torch.allclose(found, slopes, rtol=1e-10, atol=1e-11 * max(slopes.abs().max().item(), square.max().item()))


@pytest.mark.parametrize("shape", SHAPES)
def test_slopes_against_the_crystal_are_those_of_the_law(shape):
    crystal = lattice(shape)
    shape, law = crystal.shape, LATTICE_FACTORS[crystal.shape]
    leaves = [crystal.cells, crystal.offdiagonal, crystal.stars, crystal.fudge]
    delta = remainders()
    parameters = shape_parameters(crystal)
    square = law(*delta, crystal.domain) ** 2
    weights = torch.linspace(-1, 2, square.numel(), dtype=F64)
    wanted = torch.autograd.grad(square, leaves, weights, allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        slopes = [(slope * weights).sum() for slope in PARAMETER_SLOPES[shape](parameters, delta)]
    bars = torch.stack(slopes + [torch.zeros((), dtype=F64)] * (parameters.numel() - len(slopes)))
    found = torch.autograd.grad(parameters, leaves, bars, allow_unused=True, materialize_grads=True)
    for one, two in zip(found, wanted, strict=True):
        assert torch.allclose(one, two, rtol=1e-10, atol=1e-11 * two.abs().max().item())
    assert wanted[0].abs().min() > 0
    assert (wanted[1].abs().min() > 0) == (shape in ("gauss", "tophat") and crystal.spot_radius == "index")


@pytest.mark.parametrize("dtype", LEAST_REMAINDER)
@pytest.mark.parametrize("cells", [1.0, 7.3, 1000.0])
def test_a_grating_is_full_on_its_peak_without_a_slope(dtype, cells):
    peak = torch.zeros((3, 1), dtype=dtype)
    numbers = torch.full((3,), cells, dtype=dtype)
    square, slopes = SQUARE_SLOPES["square"](numbers, peak)
    assert square.item() == pytest.approx(cells**6, rel=1e-5 if dtype == torch.float32 else 1e-13)
    assert torch.equal(slopes, peak)
    growth = [slope.item() for slope in PARAMETER_SLOPES["square"](numbers, peak)]
    assert growth == pytest.approx([2 * cells**5] * 3, rel=1e-5)


def test_float32_keeps_its_digits_beside_a_peak():
    delta = torch.tensor([[1e-7, 1e-5, 1e-4, 1e-3, 3e-3, 1e-2, 0.4999]], dtype=F64).expand(3, -1)
    cells = torch.tensor([50.0, 3.0, 1.5], dtype=F64)
    exact, slopes = SQUARE_SLOPES["square"](cells, delta.to(torch.float32).to(F64))
    rough, found = SQUARE_SLOPES["square"](cells.float(), delta.float())
    assert torch.allclose(rough.to(F64), exact, rtol=1e-4)
    assert torch.allclose(found.to(F64), slopes, rtol=2e-4)
