"""The step rules, case by case as docs/physics.md tabulates them."""

import pytest

from nanobrag_torch.sampling import (
    Steps,
    angular_range,
    mosaic_domains,
    phi_sweep,
    recommended_oversample,
    thickness_layers,
)


@pytest.mark.parametrize(
    ("count", "oscillation", "step", "want"),
    [
        (None, None, None, Steps(1, 0.0, 0.0)),
        (None, None, 0.5, Steps(2, 0.5, 0.5)),
        (None, 3.0, None, Steps(2, 3.0, 1.5)),
        (None, 0.0, None, Steps(2, 0.0, 0.0)),
        (None, 1.0, 0.3, Steps(4, 1.0, 0.3)),
        (3, None, None, Steps(3, 1.0, 1 / 3)),
        (0, None, None, Steps(1, 1.0, 1.0)),
        (3, None, 0.5, Steps(2, 0.5, 0.5)),
        (4, 2.0, None, Steps(4, 2.0, 0.5)),
        (4, 2.0, 0.1, Steps(4, 2.0, 0.1)),
        (4, 2.0, 0.0, Steps(4, 2.0, 0.0)),
    ],
)
def test_a_phi_sweep_follows_the_rules(count, oscillation, step, want):
    assert phi_sweep(count, oscillation, step) == want


@pytest.mark.parametrize(
    ("count", "full", "step", "want"),
    [
        (None, None, None, Steps(1, 0.0, 0.0)),
        (None, None, 0.01, Steps(2, 0.01, 0.01)),
        (None, 0.02, None, Steps(2, 0.02, 0.02)),
        (None, 0.02, 0.007, Steps(3, 0.02, 0.007)),
        (5, None, None, Steps(5, 1.0, 0.2)),
        (5, None, 0.01, Steps(2, 0.01, 0.01)),
        (5, 0.02, None, Steps(5, 0.02, 0.005)),
        (1, 0.02, None, Steps(2, 0.02, 0.02)),
        (5, 0.02, 0.001, Steps(5, 0.02, 0.001)),
        (5, 0.0, None, Steps(1, 0.0, 0.0)),
    ],
)
def test_a_divergence_range_follows_the_rules(count, full, step, want):
    assert angular_range(count, full, step) == want


def test_a_number_of_wavelengths_without_dispersion_is_one_wavelength():
    assert angular_range(5, 0.0, None, default_full=0.0) == Steps(1, 0.0, 0.0)
    assert angular_range(None, 0.04, None, default_full=0.0) == Steps(2, 0.04, 0.04)


@pytest.mark.parametrize(
    ("count", "thickness", "grid", "want"),
    [
        (4, 0.0, "c", Steps(1, 0.0, 0.0)),
        (-1, 4e-4, "c", Steps(2, 4e-4, 2e-4)),
        (1, 4e-4, "c", Steps(2, 4e-4, 4e-4)),
        (5, 4e-4, "c", Steps(5, 4e-4, 1e-4)),
        (1, 4e-4, "partition", Steps(1, 4e-4, 4e-4)),
        (4, 4e-4, "partition", Steps(4, 4e-4, 1e-4)),
    ],
)
def test_sensor_layers_follow_the_rules(count, thickness, grid, want):
    assert thickness_layers(count, thickness, grid) == want


@pytest.mark.parametrize(
    ("count", "spread", "want"),
    [
        (None, None, (1, 0.0)),
        (None, 0.0, (1, 0.0)),
        (None, 0.5, (10, 0.5)),
        (7, None, (1, 0.0)),
        (7, 0.0, (1, 0.0)),
        (7, 0.5, (7, 0.5)),
    ],
)
def test_mosaic_domains_follow_the_rules(count, spread, want):
    assert mosaic_domains(count, spread) == want


@pytest.mark.parametrize(("size", "want"), [(5e-10, 1), (333e-10, 1), (334e-10, 2), (500e-10, 2), (1000e-10, 3)])
def test_three_samples_cover_the_fringe_of_a_crystal(size, want):
    """Fringes of a crystal of 1000 Angstrom are one pixel wide at 1 Angstrom, 100 mm and 0.1 mm pixels."""
    assert recommended_oversample(size, 1e-10, 0.1, 1e-4) == want


@pytest.mark.parametrize("cells", [5, 7, 13, 40])
@pytest.mark.parametrize("whole", [1, 2, 3, 7])
def test_a_count_that_stands_on_a_whole_number_is_that_number_whatever_the_rounding(cells, whole):
    """The next number comes only where the ratio is above by more than the quantities are known."""
    pixel = whole * 1.5e-10 * 0.1 / (3 * cells * 100e-10)
    for part, want in ((1 - 1e-4, whole), (1 - 1e-15, whole), (1.0, whole), (1 + 1e-7, whole), (1 + 1e-4, whole + 1)):
        assert recommended_oversample(cells * 100e-10 * part, 1.5e-10, 0.1, pixel, tolerance=1e-6) == want
    assert recommended_oversample(cells * 100e-10 * (1 + 1e-7), 1.5e-10, 0.1, pixel) == whole + 1


def test_a_sweep_and_a_range_have_as_many_steps_as_fit_whatever_the_rounding():
    assert 2.1 / 0.3 > 7
    for tolerance, count in ((0.0, 8), (1e-6, 7)):
        assert phi_sweep(None, 2.1, 0.3, tolerance).count == count
        assert angular_range(None, 2.1, 0.3, tolerance=tolerance).count == count
