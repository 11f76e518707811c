import math

import pytest
import torch

from nanobrag_torch.physics.absorption import capture_fraction
from nanobrag_torch.physics.background import water_intensity, water_intensity_c
from nanobrag_torch.physics.scattering import is_resolved, miller_index, scattering_vector, sin_theta_over_lambda
from nanobrag_torch.physics.solid_angle import point_solid_angle, solid_angle

F64 = torch.float64


def test_braggs_law_gives_the_length_of_the_scattering_vector():
    theta = math.radians(7.0)
    incident = torch.tensor([[1.0, 0.0, 0.0]], dtype=F64)
    diffracted = torch.tensor([math.cos(2 * theta), math.sin(2 * theta), 0.0], dtype=F64)
    wavelength = torch.tensor([1.2e-10], dtype=F64)
    q = scattering_vector(diffracted, incident, wavelength)
    assert q.norm().item() == pytest.approx(2 * math.sin(theta) / 1.2e-10, rel=1e-14)
    assert sin_theta_over_lambda(q).item() == pytest.approx(math.sin(theta) / 1.2e-10, rel=1e-14)


def test_a_miller_index_is_the_projection_on_the_direct_vector():
    q = torch.tensor([[[1e9, 2e9, 3e9], [0.0, 1e9, 0.0]]], dtype=F64)
    a = torch.tensor([[1e-8, 0.0, 0.0], [0.0, 2e-9, 1e-9], [1e-9, 1e-9, 1e-9]], dtype=F64)
    assert torch.allclose(miller_index(q, a), torch.einsum("psx,ox->pso", q, a), rtol=1e-14)


def test_resolution_culls_beyond_its_limit_and_never_the_direct_beam():
    q = torch.tensor([[0.0, 0.0, 0.0], [1e9, 0.0, 0.0], [1.001e9, 0.0, 0.0]], dtype=F64)
    assert is_resolved(q, 1e-9).tolist() == [True, True, False]
    assert is_resolved(q, 0.0).all()


def test_a_solid_angle_integrates_to_that_of_the_whole_detector():
    """A square of half-width w at distance z subtends 4 asin(w^2 / (w^2 + z^2))."""
    n, w, z = 400, 0.05, 0.1
    pixel = 2 * w / n
    x = (torch.arange(n, dtype=F64) + 0.5) * pixel - w
    distance = torch.sqrt(x[:, None] ** 2 + x**2 + z**2)
    total = solid_angle(distance, torch.tensor(pixel, dtype=F64), torch.tensor(z, dtype=F64)).sum()
    assert total.item() == pytest.approx(4 * math.asin(w**2 / (w**2 + z**2)), rel=1e-5)
    assert point_solid_angle(torch.tensor(0.5)).item() == 4.0


def test_layers_that_partition_a_sensor_capture_what_the_whole_sensor_does():
    layer = torch.arange(5, dtype=F64)
    step, mu, cosine = (torch.tensor(x, dtype=F64) for x in (90e-6, 1 / 300e-6, 0.8))
    total = capture_fraction(layer, step, mu, cosine).sum()
    assert total.item() == pytest.approx(1 - math.exp(-450e-6 / 300e-6 / 0.8), rel=1e-14)


def test_the_capture_fraction_has_the_derivative_of_its_formula():
    t, s, w = (torch.tensor(x, dtype=F64) for x in (2.0, 90e-6, 0.8))
    mu = torch.tensor(1 / 300e-6, dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(capture_fraction(t, s, mu, w), mu)
    a, b = 2 * 90e-6 / 0.8, 3 * 90e-6 / 0.8
    m = mu.item()
    assert slope.item() == pytest.approx(b * math.exp(-b * m) - a * math.exp(-a * m), rel=1e-12)


def test_water_scatters_as_its_molecules_do_and_the_c_program_once_more():
    size = torch.tensor(1e-5, dtype=F64)
    molecules = 1e-15 * 1e6 / 18 * 6.02214179e23
    assert water_intensity(size).item() == pytest.approx(2.57**2 * molecules, rel=1e-13)
    fluence = torch.tensor(3e28, dtype=F64)
    assert (water_intensity_c(size, fluence) / water_intensity(size)).item() == pytest.approx(
        7.94079248018965e-30 * 3e28
    )
