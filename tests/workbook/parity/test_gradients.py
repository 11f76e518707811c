"""Our gradient held to the C program: over an interval between two stored images, and per cell parameter."""

from pathlib import Path

import numpy as np
import pytest
from checkouts import PROJECT

from nanobrag_torch.cli.compare import run_ours
from nanobrag_torch.quantities import CELL
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.parity import figures as parity_figures
from nanobrag_torch.workbook.parity import gradients as parity_gradients
from nanobrag_torch.workbook.parity.cases import StoredCase, stored_cases
from nanobrag_torch.workbook.parity.gradients import differentiate_program, integrate

GOLDEN = str(PROJECT / "tests" / "golden")


def cases(names: str) -> tuple[StoredCase, ...]:
    return stored_cases(GOLDEN, names)


@pytest.fixture(scope="module")
def between():
    return integrate(*cases("base_triclinic energy"), nodes=6)


def test_the_integral_of_our_gradient_is_the_difference_of_two_images_of_the_c_program(between):
    found = between.record
    assert found.agrees and (found.low, found.high) == (1.3, pytest.approx(12398.42 / 9500, rel=1e-12))
    for row in found.losses:
        assert row.error_bar < 1e-6 * abs(row.difference)
        assert row.integral == pytest.approx(row.difference, abs=row.error_bar)
        assert row.by_cell == pytest.approx(row.integral, rel=1e-10)
    assert found.losses[0].difference == pytest.approx(124181.60523369073 - 130096.1760870528, rel=1e-12)


def test_every_pixel_lies_within_the_rounding_of_its_two_stored_values(between):
    assert between.record.within == between.difference.size == 9216
    assert 0.9 < between.record.largest < 1.001
    left_over = (between.integral - between.difference) / between.rounding
    # The sum of two even roundings of unequal width: not less spread than their half, not more than one alone.
    assert 0.35 < left_over.std() < 0.6
    assert np.abs(between.difference).max() > 100


def test_the_interval_is_drawn_with_what_is_left(between):
    drawing = parity_figures.interval(between)
    assert "9216 of 9216 lie within rounding" in drawing.words.alt
    third = drawing.figure.axes[2].images[0].get_array()
    np.testing.assert_allclose(third, (between.integral - between.difference) / between.rounding)


def test_a_derivative_that_is_off_by_a_millionth_is_noticed(between):
    wrong = between.record.losses[0].model_copy(update={"integral": between.record.losses[0].integral * (1 + 1e-6)})
    assert not wrong.agrees


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ("base_cubic energy", "which differ in cell, misset_deg, wavelength_A"),
        ("energy energy", "which differ in nothing"),
    ],
)
def test_images_that_differ_in_more_than_the_wavelength_are_no_interval(names, complaint):
    with pytest.raises(InputError, match=complaint):
        low, high = (cases(name)[0] for name in names.split())
        integrate(low, high)


def test_without_a_program_nothing_is_differentiated(monkeypatch):
    monkeypatch.delenv("NB_C_BIN", raising=False)
    assert differentiate_program(cases("base_triclinic")[0], 0.02) is None


@pytest.fixture
def program(monkeypatch):
    """A stand-in for the C program, in this process: ours with its a axis stretched by the factor that is returned."""
    stretch = {"a": 1.0}

    def image(binary: str, command: list[str], folder: Path) -> np.ndarray:
        place = len(command) - 6
        assert command[place - 1] == "-cell"
        return run_ours([*command, "-cell", repr(float(command[place]) * stretch["a"]), *command[place + 1 :]], folder)

    monkeypatch.setenv("NB_C_BIN", "nanoBragg")
    monkeypatch.setattr(parity_gradients, "run_theirs", image)
    return stretch


def test_our_gradient_agrees_with_differences_of_the_program_for_each_cell_parameter(program):
    found = differentiate_program(cases("base_triclinic")[0], 0.02)
    assert [row.parameter for row in found.derivatives] == [name.partition(".")[2] for name in CELL]
    for row in found.derivatives:
        assert row.agreement == "agrees"
        assert row.gradient == pytest.approx(row.finite_difference, abs=3 * row.error_bar)
        assert 0 < row.error_bar < 1e-4 * row.magnitude


def test_a_program_that_simulates_another_cell_is_told_from_ours(program):
    program["a"] = 1.001
    found = differentiate_program(cases("base_triclinic")[0], 0.02)
    assert found.derivatives[0].agreement == "disagrees"


def test_a_cell_that_comes_from_a_matrix_cannot_be_varied(program):
    with pytest.raises(InputError, match="-cell and without -mat"):
        differentiate_program(cases("matrix")[0], 0.02)
