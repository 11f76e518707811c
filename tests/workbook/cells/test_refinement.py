"""A refinement in a notebook: values beside their truth, files for others, figures, and how it concludes."""

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import refined
import torch

from nanobrag_torch import refine
from nanobrag_torch.experiments import load_experiments
from nanobrag_torch.workbook.cells import refinement, refinement_figures
from nanobrag_torch.workbook.cells.refinement_case import Case
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.refinement import Refinement

FIGURES = ("images", "pulls", "convergence", "correlations")


@pytest.fixture(scope="module")
def found():
    return refinement.fit(refined.case(), str(refined.BACKGROUND))


def test_values_are_those_of_the_library_and_pulls_count_standard_errors_from_the_truth(found):
    case = refined.case()
    direct = refine(case.start, case.counts.values, refined.BACKGROUND, space_group="P 2 2 2")
    for each in found.record.values:
        assert (each.value, each.sigma) == pytest.approx((direct[each.name].value, direct[each.name].sigma), rel=1e-9)
    rows = {row[0]: row for row in refinement.values(found).rows}
    edge = found.result["crystal.cell_a"]
    assert rows["a"][3:6] == (str(edge), "40", f"{(edge.value - 40) / edge.sigma:+.1f}".replace("-", "−"))
    assert rows["turn x"][4:6] == ("–", "–")
    verdict = refinement.conclude(found)
    edge = found.record.values[0]
    assert verdict.code == "R1" and f"from {found.record.photons:.6g} photons" in verdict.answer
    stated, _, rest = verdict.answer.removeprefix("a = ").partition(" ± ")
    assert float(stated) == pytest.approx(edge.value, abs=edge.sigma / 5)
    assert float(rest.partition(" ")[0].replace("−", "-")) == pytest.approx(edge.sigma, rel=0.5)


def test_a_result_of_refine_has_the_tables_and_figures_of_a_fit(found):
    case = found.case
    own = refinement.of_result(found.result, torch.from_numpy(case.counts.values), case.truth)
    assert refinement.values(own) == refinement.values(found)
    assert refinement.goodness(own) == refinement.goodness(found)
    assert refinement_figures.images(own).words == refinement_figures.images(found).words
    assert "truth" not in refinement.values(refinement.of_result(found.result, case.counts.values)).columns


def test_the_refined_experiment_has_the_refined_crystal(found, tmp_path):
    found.save(tmp_path)
    (experiment,) = load_experiments(tmp_path / "refined.expt")
    ours = found.result.scenario.crystal
    for name in ("cell_a", "cell_b", "cell_c", "cell_alpha"):
        assert getattr(experiment.crystal, name) == pytest.approx(float(getattr(ours, name)), rel=1e-9)
    assert experiment.description.crystal.space_group.strip() == "P 2 2"  # Hall's symbol of P 2 2 2
    # Beam, detector and orientation together: the file's experiment gives the same image.
    experiment.crystal = dataclasses.replace(
        experiment.crystal, N_cells=ours.N_cells, default_F=ours.default_F, shape=ours.shape
    )
    experiment.beam.fluence = found.result.scenario.beam.fluence
    image = found.result.scenario.image()
    torch.testing.assert_close(experiment.simulator().run(oversample=1), image, rtol=1e-6, atol=1e-9)
    record = Refinement.model_validate_json((tmp_path / "refinement.json").read_text(encoding="utf-8"))
    assert record == found.record
    assert json.loads((tmp_path / "result.json").read_text())["converged"] is True


def test_key_numbers_bear_the_verdict_out_and_repeat_to_a_thousandth_of_an_error(found):
    numbers = found.record.key_numbers()
    assert (numbers["converged"].value, numbers["held"].value, numbers["far"].value) == (1, 0, 0)
    edge = found.record.values[0]
    near, far = (
        numbers[f"value.{edge.name}"].model_copy(update={"value": edge.value + part * edge.sigma})
        for part in (5e-4, 5e-3)
    )
    assert not near.differs(numbers[f"value.{edge.name}"]) and far.differs(numbers[f"value.{edge.name}"])


def changed(found, **changes):
    return refinement.Refined(found.case, found.result, found.record.model_copy(update=changes))


@pytest.mark.parametrize(
    ("changes", "code", "status", "words"),
    [
        ({"held": {"beam.fluence": "scale and N"}}, "R2", "passed", "Held: fluence (scale and N)"),
        ({"converged": False, "reason": "no way"}, "R3", "failed", "No way. Nothing has a standard error"),
        ({"converged": False, "interrupted": True}, "R5", "interrupted", "refined.expt"),
        ({"quiet": True}, "R6", "failed", "hold for counts alone"),
    ],
)
def test_every_end_is_said_in_words(found, changes, code, status, words):
    verdict = refinement.conclude(changed(found, **changes))
    assert (verdict.code, verdict.status) == (code, status) and words in verdict.sentence


def test_a_fit_that_is_not_at_the_truth_fails(found):
    edge = found.record.values[0]
    moved = edge.model_copy(update={"truth": edge.value + 9 * edge.sigma})
    off = changed(found, values=(moved, *found.record.values[1:]))
    assert refinement.conclude(off).code == "R4" and "a by −9.0 σ" in refinement.conclude(off).sentence
    assert off.record.key_numbers()["far"].value == 1


def test_figures_show_every_pixel_and_parameter(found):
    drawings = {name: getattr(refinement_figures, name)(found) for name in FIGURES}
    data, model, left = drawings["images"].figure.axes[:3]
    np.testing.assert_array_equal(
        np.maximum(found.case.counts.values, data.images[0].norm.vmin), data.images[0].get_array()
    )
    assert data.images[0].norm.vmax == model.images[0].norm.vmax and left.images[0].get_clim() == (-5, 5)
    # A circle stands on the brightest pixel that the crystal lights.
    brightest = np.unravel_index(int(refined.expected().argmax()), (64, 64))
    assert [brightest[1] + 0.5, brightest[0] + 0.5] in data.collections[0].get_offsets().tolist()
    bars, _ = drawings["pulls"].figure.axes
    assert [bar.get_height() for bar in bars.containers[0]] == pytest.approx([v.pull for v in found.record.values[:7]])
    paths = drawings["convergence"].figure.axes[1]
    assert [line.get_label() for line in paths.lines] == [v.label for v in found.record.values[:7]]
    assert [line.get_ydata()[-1] for line in paths.lines] == pytest.approx([0] * 7, abs=1e-3)
    matrix = drawings["correlations"].figure.axes[0].images[0].get_array()
    np.testing.assert_allclose(np.diag(matrix), 1)
    assert all(drawing.words.alt and drawing.words.caption for drawing in drawings.values())


def test_data_model_and_residuals_can_be_looked_into_within_their_bounds(found):
    data, model, left = refinement_figures.images(found).rasters
    observed, expected = found.case.counts.values, refinement_figures._image(found, found.result.expected, (64, 64))
    assert (data.floor, data.top) == (model.floor, model.top) == (expected.min(), max(observed.max(), expected.max()))
    np.testing.assert_allclose(data.values(), observed, rtol=data.error)
    np.testing.assert_allclose(model.values(), expected, rtol=model.error)
    off = (observed - expected) / np.sqrt(expected)
    np.testing.assert_allclose(left.values(), off, rtol=0, atol=left.error * (1 + 1e-9))
    assert left.bright == min(5, left.top) and left.error < 0.1 and {each.block for each in (data, model, left)} == {1}


def sparse(shape, pixels):
    """What a figure asks of a refinement in which only ``pixels`` counted, given by place: observed and expected."""
    slow, fast = map(torch.tensor, zip(*pixels, strict=True))
    observed, expected = torch.tensor(list(pixels.values()), dtype=torch.float64).T
    result = SimpleNamespace(slow=slow, fast=fast, observed=observed, expected=expected)
    return SimpleNamespace(case=SimpleNamespace(counts=SimpleNamespace(values=np.zeros(shape))), result=result)


def test_a_large_image_is_looked_into_by_its_strongest_pixels_and_what_did_not_count_has_no_value():
    counted = {
        (0, 0): (0, 0.5),
        (1, 1): (9, 4),
        (3, 0): (1, 9),
        (3, 1): (9, 9),
        (1600, 1599): (7, 0),
        (1600, 0): (0, 0),
    }
    data, model, left = (each.values() for each in refinement_figures.images(sparse((1601, 1600), counted)).rasters)
    assert data.shape == model.shape == left.shape == (534, 534)
    assert (data[0, 0], model[0, 0], left[0, 0]) == pytest.approx((9, 4, 2.5), rel=0.1)
    assert (data[1, 0], model[1, 0], left[1, 0]) == pytest.approx((9, 9, -8 / 3), rel=0.1)
    assert (data[533, 533], model[533, 533], left[533, 533]) == (pytest.approx(7, rel=0.1), 0, np.inf)
    assert (data[533, 0], model[533, 0], left[533, 0]) == (0, 0, 0)
    assert all(np.isfinite(each).sum() + np.isinf(each).sum() == 4 for each in (data, model, left))


def test_an_interruption_keeps_the_best_so_far_and_its_figures_have_no_errors(monkeypatch, tmp_path):
    def after_two(step, work):
        if step.step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(refinement, "_tell", after_two)
    stopped = refinement.fit(refined.case(), str(refined.BACKGROUND))
    assert (stopped.record.interrupted, stopped.record.converged) == (True, False)
    assert abs(stopped.result["crystal.cell_a"].value - 40) < abs(40.04 - 40)
    assert refinement.conclude(stopped).code == "R5"
    assert "Interrupted after 2 steps" in refinement.values(stopped).caption
    stopped.save(tmp_path)
    assert (tmp_path / "refined.expt").is_file()
    words = [getattr(refinement_figures, name)(stopped).words for name in FIGURES]
    assert "no fit" in words[-1].alt


def test_a_measured_image_starts_at_the_scale_of_its_counts():
    case = refined.case()
    dim = Case(case.start.changed(beam={"fluence": 1e20}), case.counts, image="i.img")
    start = refinement._to_scale(dim, refined.BACKGROUND, 1.0)
    photons = case.counts.values.sum() - 64 * 64 * refined.BACKGROUND
    assert float(start.image().sum()) == pytest.approx(photons, rel=1e-9)
    fixed = Case(dim.start.changed(names=("crystal.cell_a",)), case.counts, image="i.img")
    assert refinement._to_scale(fixed, 0.0, 1.0) is fixed.start


def test_tables_say_what_was_held_and_which_pixels_are_worst(found):
    words = {"crystal.cell_a": "cell and distance", "crystal.turn_deg[2]": "open beside crystal.N_cells[0]"}
    rows = refinement.held(changed(found, held=words, remarks=("3 saturated pixels",))).rows
    assert ("a held", "cell and distance") in rows and ("turn z held", "open beside Na") in rows
    assert ("remark", "3 saturated pixels") in rows
    (first, *_) = refinement.worst(found, 3).rows
    slow, fast = map(int, first[0].split(", "))
    assert float(first[2]) == found.case.counts.values[slow, fast]
    worst = found.result.worst[0]
    # A pixel's part of the deviance: 2 (n log(n / e) - n + e).
    n, e = torch.tensor([worst.observed, worst.expected], dtype=torch.float64)
    assert worst.contribution == pytest.approx(float(2 * (torch.xlogy(n, n / e) - n + e)), rel=1e-6)


def test_counts_that_cannot_be_are_told_in_a_line():
    case = refined.case()
    case.counts.values[3, 4] = -1
    with pytest.raises(InputError, match=r"refine: refine.counts\[3, 4\]"):
        refinement.fit(case, "0.5")
    with pytest.raises(InputError, match="background: got 'flat'; allowed: photons a pixel, radial or plane"):
        refinement.fit(case, "flat")


def test_the_finding_that_these_are_no_counts_is_borne_out_by_a_number_that_other_reports_do_not_have(found):
    assert changed(found, quiet=True).record.key_numbers()["quiet"].value == 1
    assert "quiet" not in found.record.key_numbers()
