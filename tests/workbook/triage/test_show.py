"""Tables and figures of a triage, from a report folder that was written by hand."""

from pathlib import Path

import pytest

from nanobrag_torch.workbook.errors import Blocked
from nanobrag_torch.workbook.records.triage import (
    Chunk,
    ChunkResult,
    Failure,
    Frame,
    GuardFinding,
    Suite,
    TestResult,
)
from nanobrag_torch.workbook.triage import chunks, conclusion, show

LOST = Failure(exception="KeyError", message="lost $x$", frame=Frame(path="test_a.py", line=7, function="find"))
FINDING = GuardFinding(check="gradcheck", kind="zero with zero", message="compared zero with zero")
TESTS = {
    1: (
        TestResult(id="test_a.py::quick", outcome="passed", seconds=0.25, guard=(FINDING,)),
        TestResult(id="test_a.py::lost", outcome="failed", seconds=1.5, failure=LOST),
    ),
    2: (
        TestResult(
            id="test_b.py::" + "long_" * 20, outcome="crashed", seconds=3.0,
            failure=Failure(exception="Crash", message=""),
        ),
        TestResult(id="test_b.py::after", outcome="not run", seconds=0.0),
    ),
}  # fmt: skip


def result(number: int) -> ChunkResult:
    ends = {1: ("completed", 1, "some tests failed"), 2: ("crashed", -11, "its process was ended by SIGSEGV")}
    end, code, meaning = ends[number]
    return ChunkResult(
        number=number, end=end, exit_code=code, meaning=meaning, elapsed_s=2.0 * number, command=("pytest",),
        tests=TESTS[number],
    )  # fmt: skip


SUITE = Suite(
    project="suite",
    pytest_arguments=(),
    chunks=(
        Chunk(number=1, files={"test_a.py": ("test_a.py::quick", "test_a.py::lost")}, expected_s=1.75),
        Chunk(number=2, files={"test_b.py": ("x",), "test_c.py": ()}),
    ),
    time_limit_s=60,
    gradient_guard=True,
)


def stored(report: Path, suite: Suite = SUITE, earlier: conclusion.StoredTriage | None = None) -> Path:
    """A report folder with this suite, the results of its chunks and their triage."""
    report.mkdir()
    suite.save(report)
    for chunk in suite.chunks:
        folder = chunks.folder_of(report, chunk)
        folder.mkdir(parents=True)
        result(chunk.number).save(folder)
    conclusion.conclude(conclusion.read_results(report, suite), earlier).save(report)
    return report


@pytest.fixture
def view(tmp_path: Path) -> show.View:
    return show.read(stored(tmp_path / "20260115T080000Z"))


def test_a_folder_without_a_finished_triage_blocks(tmp_path: Path) -> None:
    with pytest.raises(Blocked, match="holds no finished triage"):
        show.read(tmp_path)
    SUITE.save(tmp_path)
    with pytest.raises(Blocked, match="holds no finished triage"):
        show.read(tmp_path)


def test_a_triage_is_read_as_running_until_it_has_a_manifest(tmp_path: Path) -> None:
    found = conclusion.read(stored(tmp_path / "20260115T080000Z"))
    assert found is not None and (found.stamp, found.status) == ("20260115T080000Z", "running")
    assert [each.number for each in found.results] == [1, 2]


def test_chunks_are_listed_with_outcomes_times_and_ends(view: show.View) -> None:
    assert show.chunks(view).rows == (
        ("1", "1", "1 passed, 1 failed", "2", "1.75", "some tests failed (1)"),
        ("2", "2", "1 crashed, 1 not run", "4", "–", "its process was ended by SIGSEGV (-11)"),
    )


def test_clusters_are_listed_with_frame_example_and_remedy(view: show.View) -> None:
    rows = {row[2]: row for row in show.clusters(view).rows}
    assert set(rows) == {"KeyError: lost $x$", "Crash: "}
    assert rows["KeyError: lost $x$"][3:5] == ("test_a.py:7 in find", "test_a.py::lost: lost $x$")
    assert rows["Crash: "][3] == "–" and "faulthandler" in rows["Crash: "][5]


def test_vacuous_checks_are_listed_whether_the_guard_was_on_or_not(view: show.View) -> None:
    table = show.guard(view)
    assert table.caption == "Findings of the gradient guard: 1"
    assert table.rows == (
        ("test_a.py::quick", "passed", "gradcheck", "zero with zero", "compared zero with zero"),
    )  # fmt: skip
    without = show.View(view.suite.model_copy(update={"gradient_guard": False}), view.results, view.triage)
    assert show.guard(without).caption == "The gradient guard was not on: 1"


def test_the_slowest_tests_come_first_and_no_more_than_were_asked_for(view: show.View) -> None:
    assert [row[1:] for row in show.slowest(view, 2).rows] == [("3", "crashed"), ("1.5", "failed")]


def test_changes_are_listed_where_there_is_an_earlier_run(tmp_path: Path, view: show.View) -> None:
    assert show.difference(view).rows == (("–", "no earlier run"),)
    before = conclusion.read(stored(tmp_path / "20260114T080000Z"))
    assert before is not None and before.triage is not None
    moved = before.triage.clusters[0].model_copy(update={"label": "C9", "key": "another"})
    gone = before.triage.clusters[1].model_copy(update={"tests": ("test_z.py::gone",)})
    earlier = conclusion.StoredTriage(
        "20260114T080000Z", "failed", SUITE, before.results,
        before.triage.model_copy(update={"clusters": (moved, gone)}),
    )  # fmt: skip
    table = show.difference(show.read(stored(tmp_path / "later", earlier=earlier)))
    assert table.caption == "Since 20260114T080000Z: 3 changes"
    assert sorted(row[0] for row in table.rows) == ["gone", "moved", "new"]
    assert ("gone", "test_z.py::gone") in table.rows


def test_the_conclusion_is_that_of_the_records(view: show.View) -> None:
    assert dict(show.verdict(view).rows)["title"] == "2 tests need attention, in 2 clusters"


def test_the_bars_of_a_chunk_are_its_outcomes_and_its_end_is_noted(view: show.View) -> None:
    drawn = show.draw_chunks(view)
    (axes,) = drawn.figure.axes
    assert sorted(round(bar.get_width()) for bar in axes.patches if bar.get_width()) == [1, 1, 1, 1]
    assert [text.get_text() for text in axes.texts] == [" 2 s", " 4 s, crashed"]
    assert drawn.words.alt == "Bars per chunk. chunk 1: 1 passed, 1 failed; chunk 2: 1 crashed, 1 not run"


def test_the_bars_of_clusters_and_slow_tests_have_their_lengths_and_short_labels(view: show.View) -> None:
    (axes,) = show.draw_clusters(view).figure.axes
    assert [bar.get_width() for bar in axes.patches] == [1, 1]
    assert any(r"lost \$x\$" in label.get_text() for label in axes.get_yticklabels()), "no formula in a label"
    slow = show.draw_slowest(view, 2)
    (axes,) = slow.figure.axes
    assert [bar.get_width() for bar in axes.patches] == [3.0, 1.5]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert len(labels[0]) <= 60 and " … " in labels[0] and labels[1] == "test_a.py::lost"
    assert "test_a.py::lost: 1.5 s" in slow.words.alt


def test_a_suite_without_failures_says_so_in_words(view: show.View) -> None:
    passed = show.View(view.suite, (), view.triage.model_copy(update={"clusters": ()}))
    assert show.draw_clusters(passed).words.alt == "No test failed." and show.clusters(passed).rows == ()
