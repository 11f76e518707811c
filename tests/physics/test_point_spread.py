"""Point spread: fractions of pixels in closed form against integrals by quadrature, and both at width zero."""

import math

import numpy as np
import pytest
import torch

from nanobrag_torch.physics.point_spread import FIBRE_LENGTH, GAUSSIAN_WIDTH, POINT_SPREADS, spread

LAWS = ("gaussian", "fibre")


def width(value, **options):
    return torch.tensor(value, dtype=torch.float64, **options)


def lit(shape=(9, 11), place=(4, 5)):
    image = torch.zeros(shape, dtype=torch.float64)
    image[place] = 1000.0
    return image


def density(law, fwhm, x, y):
    square = x * x + y * y
    if law == "gaussian":
        sigma = fwhm / GAUSSIAN_WIDTH
        return np.exp(-square / (2 * sigma**2)) / (2 * np.pi * sigma**2)
    g = FIBRE_LENGTH * fwhm
    return g / (2 * np.pi) * (g * g + square) ** -1.5


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("fwhm", [0.7, 2.3])
def test_a_lit_pixel_spreads_as_the_integral_of_the_density_over_its_neighbours(law, fwhm):
    image = spread(lit(), law, width(fwhm)).numpy()
    nodes, weights = np.polynomial.legendre.leggauss(40)
    for slow, fast in ((4, 5), (4, 6), (3, 5), (2, 7), (0, 0)):
        x, y = np.meshgrid(fast - 5 + nodes / 2, slow - 4 + nodes / 2)
        expected = 1000 * (np.outer(weights, weights) / 4 * density(law, fwhm, x, y)).sum()
        assert image[slow, fast] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_the_density_falls_to_one_half_at_half_the_width(law):
    assert density(law, 3.0, 1.5, 0.0) == pytest.approx(density(law, 3.0, 0.0, 0.0) / 2)


def test_what_falls_beyond_the_edges_is_lost_as_the_tails_of_the_law_say():
    image = spread(lit((41, 41), (20, 20)), "fibre", width(1.5))
    g, half = FIBRE_LENGTH * 1.5, 20.5
    within = 4 * math.atan(half * half / (g * math.sqrt(g * g + 2 * half * half))) / (2 * math.pi)
    assert 0.9 < within < 0.99
    assert image.sum().item() == pytest.approx(1000 * within, rel=1e-9)
    assert spread(lit((41, 41), (20, 20)), "gaussian", width(1.5)).sum().item() == pytest.approx(1000, rel=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_every_pixel_spreads_alike_and_images_add(law):
    first, second = lit(place=(1, 2)), lit(place=(7, 8))
    both = spread(first + 3 * second, law, width(1.4))
    torch.testing.assert_close(both, spread(first, law, width(1.4)) + 3 * spread(second, law, width(1.4)))
    assert spread(first, law, width(1.4))[2, 4].item() == pytest.approx(spread(second, law, width(1.4))[8, 10].item())


@pytest.mark.parametrize("law", POINT_SPREADS)
def test_a_width_of_zero_leaves_the_image(law):
    torch.testing.assert_close(spread(lit(), law, width(0.0)), lit(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("law", LAWS)
def test_the_gradient_of_width_and_image_is_that_of_differences(law):
    image = torch.rand((4, 5), dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    fwhm = width(1.3, requires_grad=True)
    assert torch.autograd.gradcheck(lambda i, w: spread(i, law, w), (image, fwhm))


def test_at_width_zero_a_gaussian_has_no_slope_and_the_fibre_law_its_one_sided_one():
    for law in LAWS:
        fwhm = width(0.0, requires_grad=True)
        (slope,) = torch.autograd.grad(spread(lit(), law, fwhm)[4, 7], fwhm)
        change = spread(lit(), law, width(1e-5))[4, 7] - spread(lit(), law, width(0.0))[4, 7]
        assert torch.isfinite(slope)
        assert slope.item() == pytest.approx(change.item() / 1e-5, rel=1e-3, abs=1e-9)
        assert (slope == 0) == (law == "gaussian")
