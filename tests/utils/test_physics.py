"""Interference, polarization and interpolation under their established names, held against closed forms."""

import itertools
import math

import numpy as np
import pytest
import torch

from nanobrag_torch.utils.physics import (
    polarization_factor,
    polin2,
    polin2_vectorized,
    polin3,
    polin3_vectorized,
    polint,
    polint_vectorized,
    sinc3,
    sincg,
)


@pytest.mark.parametrize("cells", [1, 2, 5, 24])
def test_the_grating_is_the_ratio_of_sines_with_its_sign(cells):
    h = torch.linspace(-3.37, 4.41, 200, dtype=torch.float64)
    expected = np.sin(cells * np.pi * h.numpy()) / np.sin(np.pi * h.numpy())
    actual = sincg(math.pi * h, torch.tensor(cells))
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize(
    ("order", "cells", "limit"), [(0, 5, 5.0), (1, 4, -4.0), (1, 5, 5.0), (2, 4, 4.0), (-3, 6, -6.0)]
)
def test_the_grating_has_its_limit_at_multiples_of_pi(order, cells, limit):
    u = torch.tensor(math.pi * order, dtype=torch.float64, requires_grad=True)
    value = sincg(u, torch.tensor(float(cells)))
    value.backward()
    assert value.item() == pytest.approx(limit, rel=1e-12)
    assert u.grad.item() == pytest.approx(0, abs=1e-9)


def test_the_transform_of_a_sphere_is_smooth_at_its_centre():
    x = torch.tensor([0.0, 1e-6, 0.3, 2.0, 9.0], dtype=torch.float64, requires_grad=True)
    value = sinc3(x)
    away = x.detach()[2:]
    assert value[0].item() == 1
    closed = 3 * (torch.sin(away) / away - torch.cos(away)) / away**2
    torch.testing.assert_close(value[2:].detach(), closed, rtol=1e-12, atol=0)
    value.sum().backward()
    assert x.grad[0].item() == 0
    assert torch.isfinite(x.grad).all()


def kahn(factor, incident, diffracted, axis):
    """The published form with its angle psi."""
    b = np.cross(axis, incident) / np.linalg.norm(np.cross(axis, incident))
    e = np.cross(incident, b)
    psi = -math.atan2(diffracted @ b, diffracted @ e)
    c2 = (incident @ diffracted) ** 2
    return 0.5 * (1 + c2 - factor * math.cos(2 * psi) * (1 - c2))


@pytest.mark.parametrize("factor", [0.0, 0.5, 1.0])
def test_the_polarization_factor_is_that_of_kahn(factor):
    rng = np.random.default_rng(0)
    incident, diffracted, axis = rng.normal(size=(3, 20, 3))
    units = [v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (incident, diffracted, axis)]
    expected = [kahn(factor, i, d, a) for i, d, a in zip(*units, strict=True)]
    actual = polarization_factor(factor, *(torch.from_numpy(v) for v in (incident, diffracted, axis)))
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-12)


def test_one_beam_and_one_axis_serve_a_whole_image_of_directions():
    diffracted = torch.randn(4, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    beam, axis = torch.tensor([1.0, 0, 0], dtype=torch.float64), torch.tensor([0, 0, 1.0], dtype=torch.float64)
    image = polarization_factor(0.9, beam, diffracted, axis)
    assert image.shape == (4, 5)
    assert image[2, 3].item() == pytest.approx(polarization_factor(0.9, beam, diffracted[2, 3], axis).item())
    assert 0 < image.min() < image.max() <= 1


def cubic(*x):
    return sum((i + 1) * t**3 - 2 * t**2 + t + 0.5 for i, t in enumerate(x)) + math.prod(x)


NODES = torch.tensor([-1.0, 0.0, 1.5, 2.0], dtype=torch.float64)


@pytest.mark.parametrize(("axes", "interpolate"), [(1, polint), (2, polin2), (3, polin3)])
def test_four_points_an_axis_reproduce_a_cubic(axes, interpolate):
    values = torch.tensor([cubic(*x) for x in itertools.product(NODES.tolist(), repeat=axes)], dtype=torch.float64)
    point = [torch.tensor(t, dtype=torch.float64) for t in (0.3, 1.7, -0.4)[:axes]]
    result = interpolate(*[NODES] * axes, values.reshape((4,) * axes), *point)
    assert result.item() == pytest.approx(cubic(*map(float, point)), rel=1e-12)


def test_a_batch_of_points_gives_what_each_point_gives():
    generator = torch.Generator().manual_seed(1)
    values = torch.rand(6, 4, 4, 4, generator=generator, dtype=torch.float64)
    nodes = NODES + torch.arange(6.0)[:, None].double()
    points = torch.rand(3, 6, generator=generator, dtype=torch.float64)
    batch = polin3_vectorized(nodes, nodes, nodes, values, *points)
    for i in range(6):
        assert batch[i].item() == pytest.approx(polin3(nodes[i], nodes[i], nodes[i], values[i], *points[:, i]).item())
    plane = polin2_vectorized(nodes, nodes, values[..., 0], *points[:2])
    assert plane[3].item() == pytest.approx(polin2(nodes[3], nodes[3], values[3, ..., 0], *points[:2, 3]).item())
    line = polint_vectorized(nodes, values[:, 0, 0], points[0])
    assert line[5].item() == pytest.approx(polint(nodes[5], values[5, 0, 0], points[0, 5]).item())


def test_integers_and_plain_numbers_are_reals():
    x, z = torch.tensor([1, 0, 0]), torch.tensor([0, 1, 0])
    real = polarization_factor(0.5, x.double(), torch.tensor([1.0, 1.0, 0.0]).double(), z.double())
    assert polarization_factor(0.5, x, torch.tensor([1, 1, 0]), z) == pytest.approx(float(real))
    assert sinc3(0.1) == sinc3(torch.tensor(0.1)) and sincg(0.3, 5) == sincg(torch.tensor(0.3), torch.tensor(5.0))
    assert sincg(torch.tensor(1), 2.5) == sincg(torch.tensor(1.0), 2.5)
