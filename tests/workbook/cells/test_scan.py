"""A loss over a range of one quantity."""

import pytest
from doctor.cases import scene

from nanobrag_torch.workbook.cells.scan import scan


def test_a_scan_passes_through_the_point_with_the_slope_of_the_loss():
    scenario = scene()
    measured = scan(scenario, "crystal.cell_a", 0.01, points=3)
    assert measured.positions == pytest.approx((69.99, 70, 70.01))
    assert measured.losses[1] == pytest.approx(measured.loss, rel=1e-12)
    rise = (measured.losses[2] - measured.losses[0]) / 0.02
    assert measured.slope == pytest.approx(rise, rel=1e-3)


def test_a_scan_stays_within_the_bounds():
    measured = scan(scene(), "beam.polarization_factor", 5.0, points=3)
    assert measured.positions == (-1, 0, 1)
