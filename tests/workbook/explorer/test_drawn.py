"""Drawings of the explorer."""

import re

import pytest
import torch

from nanobrag_torch.doctor import diagnose
from nanobrag_torch.workbook.explorer import drawn
from nanobrag_torch.workbook.explorer.controls import controls_of_function


def widths(svg: str, colour: str) -> list[float]:
    """Widths of the bars of a colour."""
    return [float(width) for width in re.findall(rf"width='([\d.]+)' height='\d+' fill='{colour}'", svg)]


@pytest.fixture(scope="module")
def controls():
    return {control.name: control for control in controls_of_function({"x": 2.0, "y": 1.0, "z": 1.0})}


def test_a_bar_is_the_change_of_the_loss_over_half_of_the_sliders_range(controls):
    one, other = widths(drawn.bars({"x": 1.0, "y": -1.0, "z": None}, None, controls), "#1565c0")
    assert one == drawn.HALF and other == drawn.HALF / 2, "x has twice the range of y; z has no gradient"


def test_the_finite_difference_stands_where_the_gradient_ends(controls):
    report = diagnose(lambda p: p["x"] ** 2 + p["y"], {"x": 2.0, "y": 1.0}, quick=True)
    svg = drawn.bars({"x": 4.0, "y": 1.0}, report, controls)
    marks = [float(x) for x in re.findall(r"M([\d.]+) [\d.]+v14", svg)]
    ends = [drawn.MIDDLE + width for width in widths(svg, "#1565c0")]
    assert marks == pytest.approx(ends, abs=0.2)


def test_pinned_gradients_stand_beside_and_what_is_not_finite_is_left_out(controls):
    svg = drawn.bars({"x": float("nan"), "y": 1.0}, None, controls, {"x": 1.0, "y": 0.5})
    assert len(widths(svg, "#1565c0")) == 1 and widths(svg, "#999") == [drawn.HALF * 1.1, drawn.HALF / 2]
    assert "nan" in svg


def test_an_old_verdict_is_said_to_be_one():
    report = diagnose(lambda p: p["x"] ** 2, {"x": torch.tensor(2.0, dtype=torch.float64)}, quick=True)
    assert "earlier state" in drawn.verdict(None, report)
    assert "earlier state" not in drawn.verdict(report, None) and "data-code='healthy'" in drawn.verdict(report, None)
    assert drawn.verdict(None, None) == ""


def test_the_history_of_the_loss_spans_its_range():
    svg = drawn.losses([3.0, float("nan"), 1.0, 2.0])
    heights = [float(y) for y in re.findall(r",([\d.]+)[ ']", svg)]
    assert heights == [10.0, 70.0, 40.0] and "3 states, from 1 to 3" in svg
    assert drawn.losses([]) == ""
