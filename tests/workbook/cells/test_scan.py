"""A loss over a range of one quantity."""

import interrupting
import pytest
from doctor.cases import scene

from nanobrag_torch.workbook.cells import doctor_figures
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


@pytest.mark.parametrize("done", [0, 2])
def test_an_interrupted_scan_keeps_what_was_taken_and_says_so(monkeypatch, done):
    interrupting.before_step(monkeypatch, done)
    measured = scan(scene(), "crystal.cell_a", 0.01, points=5)
    assert not measured.whole and len(measured.positions) == len(measured.losses) == max(done, 1)
    assert measured.slope is not None
    assert "An interruption ended the scan" in doctor_figures.scan(measured).words.caption
