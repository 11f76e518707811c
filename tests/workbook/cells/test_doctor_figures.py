"""Figures of a diagnosis: what is drawn is what was found, and is said in words."""

from functools import cache

import pytest
import torch
from doctor.cases import scene

from nanobrag_torch.doctor import diagnose, sensitivities
from nanobrag_torch.workbook.cells import doctor_figures
from nanobrag_torch.workbook.cells.scan import scan
from nanobrag_torch.workbook.errors import InputError

NAMES = ("crystal.cell_a", "crystal.cell_b", "crystal.fudge")


@cache
def lit():
    return diagnose(scene(NAMES))


@cache
def dark():
    return diagnose(scene(NAMES, crystal={"default_F": 0.0}))


def test_a_panel_shows_three_derivatives_in_the_colour_of_the_verdict():
    drawing = doctor_figures.derivatives(lit())
    first = drawing.figure.axes[0]
    (bar,) = first.patches
    assert bar.get_height() == lit().parameters[0].gradient
    marks = [line.get_ydata()[0] for line in first.lines if len(line.get_ydata()) == 1]
    assert lit().parameters[0].forward_derivative in marks
    assert lit().parameters[0].finite_difference.derivative in marks
    assert drawing.figure.axes[2].get_title() == "fudge: Z4"
    assert "fudge 0, Z4" in drawing.words.alt


def test_a_stage_without_signal_is_marked_zero():
    drawing = doctor_figures.stages(as_found=dark(), control=lit())
    (axes,) = drawing.figure.axes
    assert [text.get_text() for text in axes.texts] == ["0"] * 9
    assert "control: no stage without signal" in drawing.words.alt


def test_steps_and_scan_show_what_was_measured(tmp_path):
    steps = doctor_figures.steps(lit(), "crystal.cell_a")
    assert list(steps.figure.axes[0].lines[0].get_ydata()) == list(lit().parameters[0].finite_difference.quotients)
    measured = scan(scene(), "crystal.cell_a", points=5)
    drawing = doctor_figures.scan(measured)
    assert list(drawing.figure.axes[0].lines[0].get_ydata()) == list(measured.losses)
    drawing.save(tmp_path)
    assert (tmp_path / "figures" / "scan_a.png").stat().st_size > 1000


def test_correlations_are_those_of_estimates_or_of_effects():
    effects = doctor_figures.correlations(lit())
    assert "rank 2 of 3: correlation of the effects" in effects.words.alt
    estimates = doctor_figures.correlations(diagnose(scene(NAMES[:2])))
    assert "rank 2 of 2: correlation of the estimates" in estimates.words.alt
    assert "it is dark" in doctor_figures.correlations(dark()).words.alt


def test_sensitivity_images_add_up_to_the_gradient():
    images = sensitivities(scene(NAMES))
    assert set(images) == {"a", "b", "fudge"}
    torch.testing.assert_close(float(images["a"].sum()), lit().parameters[0].gradient, rtol=1e-9, atol=0)
    drawing = doctor_figures.sensitivities(images)
    assert sum(axes.get_visible() for axes in drawing.figure.axes) == 3


def test_elements_are_drawn_where_they_are():
    x = torch.arange(-2.0, 6.0, dtype=torch.float64).reshape(2, 4) + 0.5
    report = diagnose(lambda p: torch.relu(p["x"]).sum(), {"x": x})
    drawing = doctor_figures.elements(report, "x (along a random direction)")
    assert drawing.figure.axes[0].images[0].get_array().tolist() == [[1, 1, 0, 0], [0, 0, 0, 0]]
    assert drawing.words.alt == "Of 8 elements: 2 zero."
    with pytest.raises(InputError, match="Those of this report: none"):
        doctor_figures.elements(lit(), NAMES[0])


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda p: p["x"] * torch.ones(3, 4), "An image of 3 by 4 pixels, at most 2."),
        (lambda p: p["x"] * torch.ones(5), "A curve of 5 elements, at most 2."),
        (lambda p: p["x"] ** 2, "The loss over x, 4 at the values examined."),
        (lambda p: p["y"], "The function raises KeyError."),
    ],
    ids=["image", "curve", "loss", "error"],
)
def test_what_a_function_gives_is_drawn_before_it_is_examined(function, said):
    drawing = doctor_figures.output(function, {"x": torch.tensor(2.0)})
    assert drawing.words.alt == said and drawing.rendered("png").startswith(b"\x89PNG")
