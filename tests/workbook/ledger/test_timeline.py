from pathlib import Path

import pytest
from finished import finished

from nanobrag_torch.workbook.ledger.timeline import HEIGHT, LONGEST, MARGIN, WIDTH, timeline
from nanobrag_torch.workbook.records.base import KeyNumber
from nanobrag_torch.workbook.report.archive import Run, scan


def runs_with(reports: Path, *values: float, error: float | None = None) -> list[Run]:
    finished(reports)
    (run,) = scan(reports)
    found = []
    for hour, value in enumerate(values):
        numbers = {
            "control.gradient.cell_a": KeyNumber(value=value, scale=1.0, unit="1/Å", error=error),
            "control.loss": KeyNumber(value=1, scale=1),
        }
        stamp = f"20260115T{hour // 60:02d}{hour % 60:02d}00Z"
        found.append(Run(run.folder, "i", "p", stamp, "passed", run.manifest.model_copy(update={"numbers": numbers})))
    return found


def test_a_curve_runs_from_the_oldest_to_the_latest_between_lowest_and_highest(tmp_path: Path):
    runs = runs_with(tmp_path, 1.0, 3.0, 2.0)
    (curve,) = timeline(reversed(runs))
    assert (curve.phase, curve.name) == ("p", "control, cell_a")
    assert [dot.number.value for dot in curve.dots] == [1.0, 3.0, 2.0]
    assert [dot.x for dot in curve.dots] == pytest.approx([MARGIN, WIDTH / 2, WIDTH - MARGIN])
    assert [dot.y for dot in curve.dots] == pytest.approx([HEIGHT - MARGIN, MARGIN, HEIGHT / 2])
    assert (curve.first.text, curve.last.text, curve.change) == ("1 per Å", "2 per Å", "−1 per Å")


def test_error_bars_are_drawn_in_the_same_scale_and_a_change_is_held_against_them(tmp_path: Path):
    (curve,) = timeline(runs_with(tmp_path, 2.0, 4.0, error=1.0))
    first, last = curve.dots
    height = HEIGHT - 2 * MARGIN
    assert (first.below, last.above) == (HEIGHT - MARGIN, MARGIN)
    assert first.above == pytest.approx(MARGIN + height / 2) == last.below
    assert first.y == pytest.approx((first.above + first.below) / 2)
    assert (curve.last.text, curve.change) == ("4 ± 1 per Å", "2 ± 1 per Å")
    (curve,) = timeline(runs_with(tmp_path / "close", 2.0, 2.0, 3.0, error=1.0))
    assert curve.change == "1 ± 1 per Å, within the error bars"
    (curve,) = timeline(runs_with(tmp_path / "endless", 3.0, 3.0, error=float("inf")))
    assert curve.change == "none" and all(dot.above == dot.y == dot.below for dot in curve.dots)


def test_equal_values_lie_in_the_middle_and_one_run_is_a_dot(tmp_path: Path):
    (curve,) = timeline(runs_with(tmp_path, 5.0))
    assert [(dot.x, dot.y) for dot in curve.dots] == [(MARGIN, HEIGHT / 2)]
    assert not curve.several and curve.change == "–"


def test_values_without_a_place_on_a_curve_are_left_out(tmp_path: Path):
    (curve,) = timeline(runs_with(tmp_path, 1.0, float("nan"), float("inf"), -1e308, 1e308))
    assert [dot.number.value for dot in curve.dots] == [1.0, -1e308, 1e308]
    assert all(0 <= dot.y <= HEIGHT for dot in curve.dots)


def test_a_long_history_keeps_its_latest_runs(tmp_path: Path):
    (curve,) = timeline(runs_with(tmp_path, *map(float, range(LONGEST + 5))))
    assert len(curve.dots) == LONGEST and curve.last.number.value == LONGEST + 4
