"""A measurement in a report: what the tables and the verdict say is what was measured."""

import json

import pytest

from nanobrag_torch.workbook.cells import performance
from nanobrag_torch.workbook.errors import InputError


def row(workload: str, contestant: str, nanoseconds: float) -> dict:
    seconds = nanoseconds * 1e-6
    return {
        "workload": workload, "contestant": contestant, "evaluations": 1000, "seconds": [seconds], "median": seconds,
        "nanoseconds": nanoseconds,
    }  # fmt: skip


def measured(**ratios: float) -> performance.Benchmark:
    return performance.Benchmark.model_validate(
        {
            "machine": {"cores": 2, "NUMBA_CPU_FEATURES": ""},
            "rows": [row("W1", "fast", 2.5), row("W1", "slow", 80.0), row("W3", "fast", 1.25)],
            "ratios": {performance.GRADIENT_RATIO: ratios},
        }
    )


def test_a_measurement_is_read_back_from_its_file(tmp_path):
    path = tmp_path / "benchmark.json"
    path.write_text(measured(W1=3.0).to_json())
    assert performance.read(path) == measured(W1=3.0)


@pytest.mark.parametrize("content", ["", "{}", '{"rows": 3}', None])
def test_a_file_that_is_no_measurement_is_refused_by_name(tmp_path, content):
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"other\.json.*python -m benchmarks"):
        performance.read(path)


def test_tables_hold_every_time_and_ratio_with_a_dash_where_nobody_ran():
    assert performance.times(measured(W1=3.0)).rows == (("fast", "2.5", "1.25"), ("slow", "80", "–"))
    assert performance.ratios(measured(W3=2.75)).rows == ((performance.GRADIENT_RATIO, "–", "2.75"),)
    assert performance.machine(measured()).rows == (("cores", "2"), ("NUMBA CPU FEATURES", "–"))


def test_the_figure_has_a_bar_for_every_time_and_says_them():
    drawing = performance.bars(measured(W1=3.0))
    (axes,) = drawing.figure.axes
    assert sorted(bar.get_height() for bar in axes.patches) == [1.25, 2.5, 80.0]
    assert "slow on W1 80 ns" in drawing.words.alt


@pytest.mark.parametrize(
    ("ratios", "status"), [({"W1": 2.9}, "passed"), ({"W1": 2.0, "W2": 3.3, "W3": 9.0}, "failed"), ({}, "blocked")]
)
def test_a_gradient_that_costs_too_much_fails_the_run(ratios, status):
    assert performance.conclude(measured(**ratios)).status == status


def test_the_answer_has_the_fastest_times_and_the_price_of_a_gradient():
    answer = performance.conclude(measured(W1=2.9)).answer
    assert "1.25 to 2.5 ns an evaluation on W1, W3" in answer and "2.9 images" in answer


def test_the_example_of_the_notebook_is_a_measurement():
    from pathlib import Path

    example = performance.read(Path(__file__).parents[3] / "notebooks" / "performance" / "example.json")
    assert json.loads(example.to_json())["rows"]
    assert len(example.workloads) == 6
