"""A request checked before anything starts, and the verdict on a notebook that ran to its end."""

import shutil
from pathlib import Path

import pytest
from checkouts import AS_FOUND, BRIEF, NOTEBOOK, make_checkout, write_notebook

from nanobrag_torch.workbook.cells import mapped_test
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.evidence import GradientsJson
from nanobrag_torch.workbook.report.folder import Report, verify
from nanobrag_torch.workbook.running import run as running
from nanobrag_torch.workbook.running.outcomes import Outcome
from nanobrag_torch.workbook.running.run import PlannedPhase, RunRequest, check_request

TRIAL = "notebooks/trial/trial.ipynb"
DECLARED = (
    'report_folder: str = ""  # where it goes\n'
    "size: int = 8  # [pixels] 1 .. 64: the size\n"
    'device: str = "cpu"  # {cpu | cuda}: where it is computed'
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_checkout(tmp_path / "project")
    write_notebook(folder, "x = 1", parameters=DECLARED)
    monkeypatch.chdir(folder)
    return folder


def test_a_notebook_is_checked_with_its_values_their_sources_and_the_usual_guards(project: Path) -> None:
    checked = check_request(RunRequest(notebook=TRIAL, parameters=(("size", "16"),), stamp="20260115T080000Z"))
    assert {name: (entry.value, entry.unit, entry.source) for name, entry in checked.values.items()} == {
        "size": (16, "pixels", "command line"),
        "device": ("cpu", "", "notebook"),
    }
    assert checked.guards["CUDA_VISIBLE_DEVICES"] == "-1" and checked.owner.stamp == "20260115T080000Z"
    assert (checked.owner.initiative, checked.owner.phase, checked.owner.title) == ("trial", "trial", "trial")
    assert checked.reports == project / "reports" and not checked.reports.exists()


def test_a_brief_names_its_notebook_its_report_and_what_it_sets(project: Path) -> None:
    checked = check_request(RunRequest(brief=BRIEF))
    assert checked.notebook.name == NOTEBOOK.name and checked.brief_text == BRIEF.read_text()
    assert (checked.owner.initiative, checked.owner.phase) == ("2026-01-gradient-flow", "phase_a")
    assert (checked.values["mapped_test"].value, checked.values["mapped_test"].source) == (AS_FOUND, "brief")
    assert checked.owner.title.endswith(", phase A") and checked.guards == checked.brief.guards


def test_a_plan_gives_report_title_parameters_and_guards(project: Path) -> None:
    guards = {"NANOBRAGG_DISABLE_COMPILE": "0"}
    planned = PlannedPhase("plans/x.md", "x", "phase_b", "X, phase B", {"size": 32}, guards)
    checked = check_request(RunRequest(notebook=TRIAL, planned=planned))
    assert (checked.owner.plan, checked.owner.initiative, checked.owner.phase) == ("plans/x.md", "x", "phase_b")
    assert checked.owner.title == "X, phase B" and checked.guards == guards
    assert (checked.values["size"].value, checked.values["size"].source) == (32, "plan")


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (RunRequest(), "run, what: got 'neither'"),
        (RunRequest(brief=BRIEF, notebook=TRIAL), "run, what: got 'both'"),
        (RunRequest(notebook=TRIAL, parameters=(("report_folder", "x"),)), "Use --reports and --stamp"),
        (RunRequest(notebook=TRIAL, parameters=(("size", "70"),)), "an integer from 1 to 64 pixels"),
        (RunRequest(notebook=TRIAL, stamp="today"), "UTC as YYYYmmddTHHMMSSZ"),
        (
            RunRequest(
                notebook=TRIAL, parameters=(("device", "cuda"),),
                planned=PlannedPhase("p", "i", "f", "t", guards={"CUDA_VISIBLE_DEVICES": "-1"}),
            ),
            "as every GPU is to be hidden",
        ),
    ],
)  # fmt: skip
def test_a_request_that_is_not_sound_is_refused(project: Path, request_: RunRequest, said: str) -> None:
    with pytest.raises(InputError) as refused:
        check_request(request_)
    assert said in str(refused.value)
    assert not (project / "reports").exists()


def test_a_brief_needs_exactly_one_notebook(project: Path) -> None:
    shutil.copy(project / "notebooks" / "gradient_flow" / NOTEBOOK.name,
                project / "notebooks" / "gradient_flow" / "phase_a_again.ipynb")  # fmt: skip
    with pytest.raises(InputError, match="2 notebooks match gradient_flow/phase_a_"):
        check_request(RunRequest(brief=BRIEF))


def run_without_a_kernel(project: Path, monkeypatch: pytest.MonkeyPatch, request: RunRequest, ends) -> tuple:
    """Run a request with ``ends`` in place of the execution; it is given the folder of the report."""

    def execute(notebook: Path, output: Path, *_, **__) -> Outcome:
        shutil.copy(notebook, output)
        output.with_name("kernel.log").touch()
        return ends(output.parent)

    monkeypatch.setattr(running, "execute", execute)
    told: list[tuple[str, str]] = []
    folder, verdict = running.run(request, lambda *what: told.append(what))
    assert verify(folder) == [] and told[-1][0] == "time"
    assert not (folder / "kernel.log").exists(), "a log without a word is not kept"
    return folder, verdict


def test_an_artefact_that_the_brief_asks_for_must_be_there(project: Path, monkeypatch) -> None:
    def leaves_a_log(folder: Path) -> Outcome:
        (folder / "pytest.log").write_text("1 passed\n")
        return Outcome("completed")

    folder, verdict = run_without_a_kernel(project, monkeypatch, RunRequest(brief=BRIEF), leaves_a_log)
    assert (verdict.code, verdict.status) == ("artefact_missing", "blocked")
    assert "did not leave pytest.xml, exit_code.txt, gradients.json, which" in verdict.sentence
    assert (folder / "brief.txt").read_text() == BRIEF.read_text()


def test_without_a_mapped_test_its_files_are_not_asked_for(project: Path, monkeypatch) -> None:
    def leaves_the_rest(folder: Path) -> Outcome:
        mapped_test.run(Report(folder), "", "", 60)
        Report(folder).write(GradientsJson(loss=0.0, gradients={}))
        return Outcome("completed")

    request = RunRequest(brief=BRIEF, parameters=(("mapped_test", ""),))
    folder, verdict = run_without_a_kernel(project, monkeypatch, request, leaves_the_rest)
    assert (verdict.code, verdict.status) == ("completed", "passed")
    for page in ("report.html", "summary.md"):
        assert "Without a mapped test." in (folder / page).read_text()


def test_a_notebook_without_a_verdict_of_its_own_passes_as_completed(project: Path, monkeypatch) -> None:
    request = RunRequest(notebook=TRIAL)
    folder, verdict = run_without_a_kernel(project, monkeypatch, request, lambda _: Outcome("completed"))
    assert (verdict.code, (folder / "status").read_text()) == ("completed", "passed\n")


def test_a_signal_outside_the_notebook_leaves_a_report_too(project: Path, monkeypatch) -> None:
    def interrupted(_: Path) -> Outcome:
        raise KeyboardInterrupt

    folder, verdict = run_without_a_kernel(project, monkeypatch, RunRequest(notebook=TRIAL), interrupted)
    assert (verdict.code, (folder / "status").read_text()) == ("interrupted", "interrupted\n")
