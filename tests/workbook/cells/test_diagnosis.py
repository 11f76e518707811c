"""What a notebook says of a diagnosis, and how a run on it ends."""

from pathlib import Path

import interrupting
import pytest
import torch
from doctor.cases import scene

from nanobrag_torch.doctor import GradientReport, diagnose, sensitivities
from nanobrag_torch.workbook.cells import diagnosis, doctor_figures
from nanobrag_torch.workbook.cells.functions import function, values
from nanobrag_torch.workbook.cells.losses import reduction
from nanobrag_torch.workbook.show.progress import Work

MODELS = Path(__file__).parents[3] / "notebooks" / "doctor" / "models.py"

AT = values("position=0.1, width=0.3, height=2")


def examined(model, loss="sum_of_squares"):
    return diagnose(function(f"{MODELS}:{model}"), AT, loss=reduction(loss))


@pytest.mark.parametrize(
    ("model", "code", "status"),
    [
        ("spot", "healthy", "passed"),
        ("converted", "S1", "failed"),
        ("rounded", "S6", "failed"),
        ("normalised", "W4", "failed"),
    ],
)
def test_each_example_has_the_fault_that_it_says_it_has(model, code, status):
    report = examined(model)
    conclusion = diagnosis.conclude(report)
    assert (conclusion.code, conclusion.status) == (code, status)
    concerned = [p.label for p in report.parameters if p.verdict.title == report.verdict.title]
    name, _, rest = conclusion.sentence.partition(" for ")
    assert name == code or conclusion.title.startswith(name)
    assert rest.startswith(f"{len(concerned)} of 3 parameters: {', '.join(concerned)}")
    others = {p.label: p.verdict.title for p in report.parameters if p.label not in concerned}
    assert all(label in conclusion.sentence and title in conclusion.sentence for label, title in others.items())
    assert conclusion.remedy == report.verdict.remedy


def test_the_answer_for_a_dark_image_names_its_cause_and_the_control():
    asked = ("crystal.cell_a", "crystal.cell_b")
    unlit = scene(asked, crystal={"default_F": 0.0})
    lit, dark = diagnose(scene(asked)), diagnose(unlit)
    answer = diagnosis.conclude(lit, dark, unlit).answer
    assert answer.startswith("default_F is 0 and no table was read, so every structure factor is zero: ")
    assert f"0 of {dark.image.pixels} pixels are lit" in answer
    assert f"in the control {lit.image.lit} of {lit.image.pixels} pixels are lit" in answer
    assert [p.agreement for p in lit.parameters] == ["agrees"] * 2
    assert "all 2 gradients agree with finite differences, to " in answer


def test_the_answer_along_the_chain_names_the_stage_whose_values_are_all_zero():
    asked = ("crystal.cell_a", "crystal.cell_b")
    unlit = scene(asked, crystal={"default_F": 0.0})
    lit, dark = diagnose(scene(asked)), diagnose(unlit)
    answer = diagnosis.conclude(lit, dark, unlit, along=True).answer
    count = len(dark.stages)
    assert answer.startswith("At the structure factor, where all ")
    assert f"{count} of the {count} stages from cell to loss pass no signal on" in answer
    assert "connects all 2 parameters with the loss" in answer and f"in the control {count} of {count}" in answer
    # A lit image has no such stage, and the ordinary answer stands.
    assert diagnosis.conclude(lit, lit, unlit, along=True).answer == diagnosis.conclude(lit, lit, unlit).answer


def test_the_answer_names_what_does_not_agree():
    report = examined("converted")
    assert "[S1]: width" in diagnosis.answer(report)


def test_a_spent_budget_concludes_nothing():
    report = diagnose(scene(("crystal.cell_a", "crystal.cell_b")), evaluations=20)
    assert diagnosis.conclude(report).status == "blocked"


def test_tables_show_numbers_codes_places_and_remedies():
    report = examined("converted")
    row = diagnosis.verdicts(report).rows[1]
    assert row[0] == "width"
    assert row[2] == "–"
    assert row[5] == "S1"
    evidence = diagnosis.evidence(report).rows[1]
    assert evidence[2].startswith("models.py:")
    assert "__float__" in evidence[3]


def test_a_dark_image_beside_a_lit_one_shows_where_the_signal_ends():
    lit, dark = diagnose(scene()), diagnose(scene(crystal={"default_F": 0.0}))
    table = diagnosis.stages(as_found=dark, control=lit)
    assert table.columns == ("stage", "as_found", "control")
    assert [row[1] for row in table.rows] == ["0"] * 9
    assert all(float(row[2]) > 0 for row in table.rows)
    assert diagnosis.revivals(dark).rows[0][:2] == ("structure factor F", "structure factor")


def test_what_no_pixel_notices_is_listed_with_its_reason():
    report = diagnose(scene(("crystal.misset_deg[2]", "crystal.phi_start_deg")))
    ((change, because),) = diagnosis.unidentifiable(report).rows
    assert "crystal.phi_start_deg" in change
    assert because.startswith("misset z and φ₀")


@pytest.mark.parametrize(("F", "said"), [(100.0, "none: some pixel notices every change"), (0.0, "not examined")])
def test_a_table_of_what_no_pixel_notices_says_that_there_is_nothing_or_that_nobody_looked(F, said):
    report = diagnose(scene(("crystal.cell_a",), crystal={"default_F": F}))
    assert diagnosis.unidentifiable(report).rows == ((said, "–"),)


def test_a_saved_report_reads_back_the_same(tmp_path):
    report = examined("spot")
    diagnosis.Saved(report).save(tmp_path)
    assert GradientReport.from_json((tmp_path / diagnosis.FILE).read_text()) == report


def test_a_verdict_on_the_whole_model_is_concluded_as_one():
    class OneMode(torch.nn.Linear):
        def forward(self, x):
            return super().forward(x) * (1.0 if self.training else 0.0)

    report = diagnose(OneMode(2, 1).double(), torch.ones(3, 2, dtype=torch.float64), loss=torch.sum)
    conclusion = diagnosis.conclude(report)
    assert (conclusion.code, conclusion.status) == ("modes", "passed")
    assert conclusion.sentence.startswith("modes for the model as a whole.")


def test_an_examination_that_is_interrupted_concludes_nothing_of_the_rest(monkeypatch):
    asked = ("crystal.cell_a", "crystal.cell_b")
    steps = []

    def at(self, part, words=""):
        steps.append(words)
        if words == "b":
            raise KeyboardInterrupt

    monkeypatch.setattr(Work, "at", at)
    conclusion = diagnosis.conclude(diagnosis.examine(scene(asked)))
    assert (conclusion.code, conclusion.status) == ("unexamined", "blocked")
    assert conclusion.title == "The examination was interrupted" and "1 of 2 parameters: b" in conclusion.sentence
    assert steps[:3] == ["", "graph", "a"]


def test_sensitivity_images_that_are_interrupted_are_as_many_as_were_made(monkeypatch):
    scenario = scene(("crystal.cell_a", "crystal.cell_b"))
    whole = diagnosis.sensitivities(scenario)
    assert list(whole) == ["a", "b"] and all(map(torch.equal, whole.values(), sensitivities(scenario).values()))
    interrupting.before_step(monkeypatch, 1)
    assert list(diagnosis.sensitivities(scenario)) == ["a"]
    interrupting.before_step(monkeypatch, 0)
    drawing = doctor_figures.sensitivities(diagnosis.sensitivities(scenario))
    assert drawing.words.alt == "Images of pixel derivatives by nothing."
