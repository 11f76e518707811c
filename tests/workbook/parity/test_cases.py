"""Cases of the C program one by one, the verdict on all of them, and the notebook that asks."""

import json
from pathlib import Path

import interrupting
import numpy as np
import pytest
from checkouts import PROJECT
from samples import evidence

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.parity import cases as parity
from nanobrag_torch.workbook.parity import gradients
from nanobrag_torch.workbook.records.parity import Interval, IntervalLoss, Parity, ParityCase
from nanobrag_torch.workbook.report.folder import key_numbers, verify
from nanobrag_torch.workbook.running.run import RunRequest, run

GOLDEN = str(PROJECT / "tests" / "golden")


def a_case(name: str = "base", different: int = 0, header: tuple[str, ...] | None = ()) -> ParityCase:
    return ParityCase(
        name=name, about="a cube", pixels=16, different=different, correlation=0.999, largest_difference=0.5,
        excess=0.1 + different, header=header,
    )  # fmt: skip


def an_interval(integral: float = 2.0, by_cell: float = 2.0, within: int = 16) -> Interval:
    loss = IntervalLoss(
        loss="sum", difference=2.0, error_bar=1e-3, integral=integral, by_cell=by_cell, magnitude=5.0
    )  # fmt: skip
    return Interval(
        low_case="one", high_case="two", low=1.0, high=1.5, nodes=4, losses=(loss,), pixels=16, within=within,
        largest=0.9,
    )  # fmt: skip


@pytest.fixture
def references(tmp_path: Path) -> Path:
    """A reference folder of two cases, one of which the C program is made to have answered otherwise."""
    known = json.loads(Path(GOLDEN, "cases.json").read_text())
    (tmp_path / "inputs").mkdir()
    (tmp_path / "cases.json").write_text(json.dumps({name: known[name] for name in ("base_cubic", "energy")}))
    for name in ("base_cubic", "energy"):
        with np.load(Path(GOLDEN, f"{name}.npz")) as stored:
            arrays = dict(stored)
        if name == "energy":
            arrays["float"][10, 20] += 10
        else:
            del arrays["int_header"]
        np.savez(tmp_path / f"{name}.npz", **arrays)
    return tmp_path


def test_every_kind_of_stored_case_agrees_with_its_inputs_and_headers():
    found, _ = parity.run(parity.stored_cases(GOLDEN, "base_triclinic, outputs hkl_sparse_default sourcefile matrix"))
    assert [case.name for case in found.cases] == [
        "base_triclinic",
        "outputs",
        "hkl_sparse_default",
        "sourcefile",
        "matrix",
    ]
    assert found.differing == () and all(case.pixels > 8000 for case in found.cases)
    assert [case.header for case in found.cases] == [()] * 5
    assert found.key_numbers()["agreeing"].value == 5


def test_a_changed_pixel_is_found_and_its_case_is_the_worst(references):
    found, worst = parity.run(parity.stored_cases(str(references)))
    assert found.differing == ("energy",) and found.worst == "energy"
    assert found.cases[1].different == 1 and found.cases[1].excess > 1000
    assert (worst.comparison.worst[0].slow, worst.comparison.worst[0].fast) == (10, 20)
    rows = parity.table(found).rows
    assert rows[0][:2] == ("energy", "1 of 9216") and [row[5] for row in rows] == ["equal", "none stored"]


@pytest.mark.parametrize(
    ("folder", "names", "complaint"),
    [
        ("nowhere", "all", "cases.json"),
        (GOLDEN, "base_cubick", "base_cubic"),
        (GOLDEN, "", "at least one name"),
    ],
)
def test_what_is_not_there_is_refused(folder, names, complaint):
    with pytest.raises(InputError, match=complaint):
        parity.run(parity.stored_cases(folder, names))


VERDICTS = [
    (Parity(cases=(a_case(),), worst="base"), an_interval(), "parity"),
    (Parity(cases=(a_case(different=1),), worst="base"), an_interval(), "images_differ"),
    (Parity(cases=(a_case(header=("-A=1", "+A=2")),), worst="base"), an_interval(), "images_differ"),
    (Parity(cases=(a_case(header=None),), worst="base"), an_interval(integral=2.002), "gradient_differs"),
    (Parity(cases=(a_case(),), worst="base"), an_interval(by_cell=1.998), "gradient_differs"),
    (Parity(cases=(a_case(),), worst="base"), an_interval(within=15), "gradient_differs"),
]


@pytest.mark.parametrize(("found", "between", "code"), VERDICTS)
def test_one_pixel_one_line_or_one_gradient_is_enough_to_fail(found, between, code):
    verdict = parity.conclude(found, between, None)
    assert verdict.code == code
    assert verdict.status == ("passed" if code == "parity" else "failed")
    assert verdict.answer.startswith(
        {"parity": "Yes: 1 of 1", "images_differ": "No: 1 of 1"}.get(code, "Images yes, all 1")
    )
    assert ("Not shown: single cell parameters" in verdict.sentence) is (code == "parity")


def test_the_notebook_leaves_a_report_with_table_worst_case_and_gradient(tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    monkeypatch.delenv("NB_C_BIN", raising=False)
    request = RunRequest(
        notebook=PROJECT / "notebooks" / "parity" / "parity.ipynb",
        parameters=(("cases", "base_triclinic energy"), ("nodes", "6")),
        reports=tmp_path,
    )
    folder, verdict = run(request, lambda what, text: None)
    assert (verdict.code, verdict.status) == ("parity", "passed")
    assert verify(folder) == []
    assert {path.name for path in folder.glob("figures/*.png")} == {"comparison.png", "interval.png"}
    numbers = key_numbers(folder)
    assert numbers["parity.agreeing"].value == 2 and numbers["interval.within"].value == 96 * 96
    page = (folder / "report.html").read_text()
    assert "2 of 2 cases agree" in page and "Mean derivative over" in page and str(PROJECT) not in page


def test_cases_that_an_interruption_left_out_are_named_and_not_claimed(monkeypatch):
    asked = parity.stored_cases(GOLDEN, "base_triclinic outputs energy")
    interrupting.before_step(monkeypatch, 1)
    found, _ = parity.run(asked)
    assert [case.name for case in found.cases] == ["base_triclinic"] and found.skipped == ("outputs", "energy")
    verdict = parity.conclude(found, an_interval(), None)
    assert (verdict.code, verdict.status, verdict.answer) == ("parity_interrupted", "interrupted", "")
    assert "nothing is said of it: outputs, energy" in verdict.sentence
    wrong = parity.conclude(found, an_interval(within=15), None)
    assert wrong.status == "failed" and wrong.answer.startswith("Images yes, all 1 that were compared; gradients no")
    assert "nothing is said of it: outputs, energy" in wrong.sentence
    interrupting.before_step(monkeypatch, 0)
    with pytest.raises(KeyboardInterrupt):
        parity.run(asked)


def test_a_gradient_that_was_interrupted_is_not_claimed(monkeypatch):
    whole = Parity(cases=(a_case(),), worst="base")
    interrupting.before_step(monkeypatch, 1)
    low, high = parity.stored_cases(GOLDEN, "base_triclinic energy")
    assert gradients.integrate(low, high, 2) is None
    verdict = parity.conclude(whole, None, None)
    assert verdict.status == "interrupted" and "the gradient between two images" in verdict.sentence
    program = evidence("base", 1.0, "agrees", lit=5).model_copy(update={"unchecked": ("cell_b",)})
    verdict = parity.conclude(whole, an_interval(), program)
    assert verdict.status == "interrupted" and "nothing is said of it: cell_b" in verdict.sentence
