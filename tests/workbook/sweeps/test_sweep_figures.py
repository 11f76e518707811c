"""Figures of a sweep for a notebook: what is drawn is the table."""

import math

import numpy
import pandas
import pytest
import sweeping

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.sweep import Block, Specification
from nanobrag_torch.workbook.sweeps import sweep_figures
from nanobrag_torch.workbook.sweeps.table import frame


def swept(**axes):
    """Specification of a grid and its table: the loss is the sum of the values of the axes."""
    blocks = tuple(
        Block(names=(name,), units=("Å",), rows=tuple((float(x),) for x in values)) for name, values in axes.items()
    )
    asked = Specification(name="s", target="s.json", kind="scenario", grain="record", blocks=blocks)
    points = frame(asked, ())
    points["status"] = "done"
    points["loss"] = points[list(axes)].sum(axis=1)
    points["verdict.code"] = ["healthy" if loss < 4 else "Z1" for loss in points["loss"]]
    return asked, points


def test_one_parameter_is_a_line_with_the_finite_differences_and_their_error_bars():
    asked, points = swept(a=[3, 1, 2])
    points["gradient.a"], points["finite_difference.a"], points["error_bar.a"] = 2.0, 2.5, 0.25
    drawing = sweep_figures.numbers(asked, points, "gradient.a")
    (axes,) = drawing.figure.axes
    (line,) = [line for line in axes.lines if line.get_label() == "gradient.a"]
    assert list(line.get_xdata()) == [1, 2, 3] and list(line.get_ydata()) == [2, 2, 2]
    (bars,) = [part for part in axes.containers if "error bar" in str(part.get_label())]
    lows = [path.vertices[:, 1] for path in bars[2][0].get_paths()]
    assert numpy.allclose(lows, [[2.25, 2.75]] * 3) and axes.get_xlabel() == "a (Å)"


def test_two_parameters_are_a_map_with_each_number_in_its_place():
    asked, points = swept(a=[1, 2, 3], b=[10, 20])
    drawing = sweep_figures.numbers(asked, points, "loss")
    (mesh,) = drawing.figure.axes[0].collections
    assert mesh.get_array().tolist() == [[11, 12, 13], [21, 22, 23]]
    assert "from 11 to 23" in drawing.words.alt


def test_cells_of_a_map_lie_about_their_values_by_their_logarithms_where_these_span_decades():
    asked, points = swept(a=[1, 2, 4], b=[1, 100, 10000])
    (axes, _) = sweep_figures.numbers(asked, points, "loss").figure.axes
    (mesh,) = axes.collections
    corners = mesh.get_coordinates()
    assert numpy.allclose(corners[0, :, 0], [0.5, 1.5, 3, 5]) and axes.get_xscale() == "linear"
    assert numpy.allclose(corners[:, 0, 1], [0.1, 10, 1000, 100000]) and axes.get_yscale() == "log"


def test_a_map_with_gaps_draws_the_points_that_there_are():
    asked, points = swept(a=range(6), b=range(6))
    some = points[points.index % 7 == 0]
    drawing = sweep_figures.numbers(asked, some, "loss")
    (dots,) = drawing.figure.axes[0].collections
    assert dots.get_offsets().tolist() == some[["a", "b"]].to_numpy().tolist()


def test_three_parameters_are_parallel_axes_with_a_line_for_each_point():
    asked, points = swept(a=[1, 2], b=[1, 3], c=[1, 1000])
    drawing = sweep_figures.numbers(asked, points, "loss")
    (axes,) = drawing.figure.axes
    assert len(axes.lines) == 8 and [text.get_text() for text in axes.get_xticklabels()][:2] == ["a (Å)", "b (Å)"]
    assert all(0 <= height <= 1 for line in axes.lines for height in line.get_ydata())


def test_the_map_of_verdicts_counts_each_and_draws_it_where_it_stands():
    asked, points = swept(a=[1, 2, 3], b=[1, 2])
    drawing = sweep_figures.verdicts(asked, points)
    assert drawing.words.caption == "healthy: 3 points, Z1: 3 points"
    healthy, dark = (each.get_offsets().tolist() for each in drawing.figure.axes[0].collections)
    assert healthy == [[1, 1], [1, 2], [2, 1]] and dark == [[2, 2], [3, 1], [3, 2]]


def test_the_table_of_what_varied_tells_ends_and_ranges():
    asked, points = swept(a=[1, 2, 3])
    points.loc[0, "status"] = "failed"
    table = sweep_figures.overview(asked, points)
    assert table.rows == (("a", "Å", "3", "1.0", "3.0"),) and "2 done, 1 failed" in table.caption


def test_a_folder_that_is_no_finished_sweep_is_refused_in_words(tmp_path):
    working = sweeping.underway(tmp_path, sweeping.block("a", 3))
    for folder in (tmp_path, working):
        with pytest.raises(InputError, match=r"points\.parquet"):
            sweep_figures.read(folder)


def test_one_figure_stands_for_a_sweep_verdicts_that_differ_before_gradients_before_other_numbers():
    asked, points = swept(a=[1, 2, 3], b=[1, 2])
    assert sweep_figures.leading(asked, points).words.name == "verdict_code_map"
    assert sweep_figures.leading(asked, points.drop(columns="verdict.code")).words.name == "loss_over_parameters"
    alike = points.assign(**{"gradient.a": 1.0, "verdict.code": "healthy"})
    assert sweep_figures.leading(asked, alike).words.name == "gradient_a_over_parameters"
    assert (
        sweep_figures.leading(asked, alike[["a", "b", "verdict.code"]].assign(status="done", seconds=1.0)) is not None
    )
    assert sweep_figures.leading(asked, frame(asked, ())) is None


@pytest.mark.parametrize("axes", [{"a": [1, 2]}, {"a": [1], "b": [2]}, {"a": [1, 2], "b": [1, 2], "c": [1, 2]}])
@pytest.mark.parametrize(
    "values", [[math.nan, 1.0], [math.inf, 1.0], [0.0, 0.0], [-1e300, 1e300], [True, False], [1, None], [1e-320, 1.0]]
)
def test_any_numbers_can_be_drawn(axes, values):
    asked, points = swept(**axes)
    points["loss"] = pandas.Series((values * len(points))[: len(points)])
    drawing = sweep_figures.leading(asked, points.drop(columns="verdict.code"))
    assert drawing is None or drawing.rendered("png").startswith(b"\x89PNG")


@pytest.mark.parametrize("others", [0, 1, 2])
def test_parameters_that_are_words_or_both_can_be_drawn(others):
    axes = {name: [1, 2] for name in "bc"[:others]}
    asked, points = swept(a=[1, 2], **axes)
    points["a"] = points["a"].map({1.0: "sum", 2.0: "sum_of_squares"})
    for column in ("loss", "verdict.code"):
        draw = sweep_figures.verdicts if column == "verdict.code" else sweep_figures.numbers
        assert draw(asked, points, column).rendered("png").startswith(b"\x89PNG")


def test_a_gap_is_no_number():
    asked, points = swept(a=[1, 2, 3])
    points.loc[1, "loss"] = pandas.NA
    assert "2 of 3 points have it" in sweep_figures.numbers(asked, points, "loss").words.caption


@pytest.mark.parametrize("column", ["gradient.a", "verdict.code", "a"])
def test_a_column_of_numbers_that_the_points_lack_is_named_with_those_they_have(column):
    with pytest.raises(InputError, match=rf"got '{column}'; allowed: .*loss"):
        sweep_figures.numbers(*swept(a=[1, 2]), column)
