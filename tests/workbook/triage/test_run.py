"""A triage from words to report: a first run, one that is compared with it, and one that is killed and resumed."""

import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path

import checkouts
import psutil
import pytest
from in_process import run_here

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.triage import ChunkResult, Failure, TestResult
from nanobrag_torch.workbook.report.folder import verify
from nanobrag_torch.workbook.running.outcomes import Outcome
from nanobrag_torch.workbook.triage import conclusion, show
from nanobrag_torch.workbook.triage import run as triage_run
from nanobrag_torch.workbook.triage.run import Execution, TriageRequest

_SUITE = {
    "test_a.py": (
        "import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_a(n):\n    assert n < 2, f'{n} is large'\n"
    ),
    "test_b.py": "def test_b(): assert {value}, 'zero'\n",
    "test_c.py": "def test_c(): pass\n",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = checkouts.make_checkout(tmp_path_factory.mktemp("triage") / "project")
    shutil.copytree(checkouts.PROJECT / "notebooks" / "triage", folder / "notebooks" / "triage")
    write_suite(folder, value=0)
    return folder


def write_suite(project: Path, value: int, last: str = "pass") -> None:
    suite = project / "suite"
    suite.mkdir(exist_ok=True)
    for name, text in _SUITE.items():
        (suite / name).write_text(text.replace("{value}", str(value)).replace("(): pass", f"(): {last}"))


def triage(project: Path, *words: str):
    return checkouts.run(project, "triage", *words)


def reports(project: Path) -> list[Path]:
    return sorted((project / "reports" / "triage" / "suite").glob("2*Z"))


@pytest.fixture(scope="module")
def first(project) -> Path:
    done = triage(
        project, "run", "--chunks", "2", "--jobs", "2", "--no-guard", "--project", "suite", "--", "-p", "no:randomly"
    )
    assert done.returncode == 1, done.stderr
    (report,) = reports(project)
    assert done.stdout.strip() == f"reports/triage/suite/{report.name}/report.html"
    return report


def test_a_triage_leaves_a_report_like_any_other(first):
    assert verify(first) == []
    assert (first / "status").read_text() == "failed\n"
    names = {path.relative_to(first).as_posix() for path in first.rglob("*") if path.is_file()}
    chunk = ("pytest.log", "pytest.xml", "exit_code.txt", "summary.md", "chunk.json")
    assert {f"chunks/{number}/{name}" for number in ("001", "002") for name in chunk} <= names
    assert {"triage.json", "suite.json", "remediation.md", "notebook.ipynb", "figures/clusters.png"} <= names
    manifest = json.loads((first / "manifest.json").read_text())
    assert manifest["parameters"]["pytest_arguments"]["value"] == "-p no:randomly"
    assert manifest["verdict"]["title"] == "3 tests need attention, in 2 clusters"


def test_page_and_remediation_show_the_clusters(first):
    page, remediation = (first / "report.html").read_text(), (first / "remediation.md").read_text()
    for text in (page, remediation):
        assert "N is large" in text and "zero" in text and "C2" in text
    assert page.count("<img ") == page.count("data:image/") == 3


def without_kernel(monkeypatch: pytest.MonkeyPatch, root: Path) -> list[tuple[str, str]]:
    """Work in a project without executing the notebook of a triage; takes what is told."""

    def execute(notebook: Path, output: Path, *_, **__) -> Outcome:
        shutil.copy(notebook, output)
        return Outcome("completed")

    monkeypatch.setattr(triage_run, "execute", execute)
    monkeypatch.chdir(root)
    return []


def test_a_later_run_says_what_changed(project, first, monkeypatch):
    write_suite(project, value=1, last="assert 'lost' == 'found'")
    told = without_kernel(monkeypatch, project)
    request = TriageRequest((), Path("suite"), chunks=2, gradient_guard=False)
    folder, verdict = triage_run.run(request, Execution(), lambda *what: told.append(what))
    assert verdict.status == "failed" and folder == reports(project)[-1] and verify(folder) == []
    assert told[1] == ("collecting", "6 tests in 3 files, 2 chunks")
    assert sum(label == "chunk" for label, _ in told) == 2
    run = conclusion.read(reports(project)[-1])
    assert run is not None and run.triage is not None and run.triage.difference is not None
    changed = run.triage.difference
    assert (changed.earlier, changed.new, changed.fixed) == (
        first.name,
        ("suite/test_c.py::test_c",),
        ("suite/test_b.py::test_b",),
    )
    assert changed.moved == changed.gone == ()
    assert [cluster.label for cluster in run.triage.clusters] == ["C1", "C3"]
    assert all(chunk.expected_s is not None for chunk in run.suite.chunks)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_an_interrupted_triage_is_resumed_without_repeating_what_is_done(project, first, number, status):
    write_suite(project, value=1, last="import pathlib, time; time.sleep(0 if pathlib.Path('go').exists() else 600)")
    process = checkouts.start(
        project, "triage", "run", "--chunks", "3", "--jobs", "2", "--no-guard", "--project", "suite"
    )
    working = project / "reports" / "triage" / "suite"
    _until(lambda: len(list(working.glob(".*.running/chunks/*/chunk.json"))) == 2)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == status
    _until(lambda: not [each.info for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == str(project)])
    (project / "suite" / "go").touch()
    done = triage(project, "resume", "--project", "suite")
    (project / "suite" / "go").unlink()
    assert done.returncode == 1 and "2 of 3 chunks are done" in done.stderr, done.stderr
    assert done.stderr.count(" of 3: ") == 1
    interrupted, resumed = reports(project)[-2:]
    assert [(path / "status").read_text() for path in (interrupted, resumed)] == ["interrupted\n", "failed\n"]
    assert verify(interrupted) == verify(resumed) == []
    run = conclusion.read(resumed)
    assert run is not None and run.triage is not None and run.suite.resumed == interrupted.name
    assert run.triage.counts == {"passed": 4, "failed": 2}
    assert not list(working.glob(".*.running"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--project", "suite", "--chunks", "0"), "greater than or equal to 1"),
        (("resume", "20200101T000000Z", "--project", "suite"), "resume: got "),
    ],
)
def test_wrong_input_is_refused_in_words_and_leaves_no_report(project, first, words, said):
    before = reports(project)
    refused = run_here(project, "triage", *words)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert said in refused.stderr
    assert reports(project) == before


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (TriageRequest((), Path("nowhere")), "--project: got 'nowhere'; allowed: a folder"),
        (TriageRequest((), Path("suite"), against="20200101T000000Z"), "--against: got '20200101T000000Z'"),
        (TriageRequest(("-k", "no_such_test"), Path("suite")), "at least one test"),
    ],
)
def test_a_request_that_cannot_be_carried_out_is_refused_before_a_report(project, first, request_, said):
    before = reports(project)
    with contextlib.chdir(project), pytest.raises(InputError) as refused:
        triage_run.run(request_, Execution(), lambda *_: None)
    assert said in str(refused.value) and reports(project) == before


def test_crashes_parameters_and_undecodable_names_leave_a_whole_report(project, first, monkeypatch):
    suite = project / "wild"
    suite.mkdir()
    (suite / os.fsdecode(b"test_\xff.py")).write_text(
        "import os, pytest\n"
        "@pytest.mark.parametrize('name', ['amber', 'basalt', 'ice'])\n"
        "def test_known(name): assert name == 'xenotime'\n"
        "def test_aborts(): os.abort()\n"
        "def test_name(): assert os.fsdecode(b'data_\\xff.img') is None\n"
        "def test_healthy(): pass\n"
    )
    without_kernel(monkeypatch, project)
    request = TriageRequest(("-p", "no:randomly", "."), Path("wild"), chunks=1, gradient_guard=False)
    folder, verdict = triage_run.run(request, Execution(), lambda *_: None)
    assert verify(folder) == [] and verdict.status == "failed"
    view = show.read(folder)
    assert view.triage.counts == {"failed": 4, "crashed": 1, "passed": 1}
    assert sorted(len(cluster.tests) for cluster in view.triage.clusters) == [1, 1, 3]
    assert {test.id.partition("::")[0] for test in view.tests} == {"wild/test_\\udcff.py"}
    examples = "".join(row[4] for row in show.clusters(view).rows)
    assert "wild/test_\\udcff.py::test_known[amber]: assert 'amber' == 'xenotime'" in examples
    assert "data_\\udcff.img" in examples and "data_\\udcff.img" in (folder / "remediation.md").read_text()


def _until(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


SIX = {f"test_{letter}.py": (f"test_{letter}.py::one", f"test_{letter}.py::two") for letter in "abc"}


@pytest.fixture
def quick(tmp_path, monkeypatch):
    """A project whose suite is run without pytest and shown without a kernel: (project, outcomes, told)."""
    root = checkouts.make_checkout(tmp_path / "project")
    (root / "my suite!").mkdir()
    outcomes: dict[str, str] = {}

    def run_chunk(chunk, asked, project, folder, stop):
        assert project == root / "my suite!"
        tests = [(test, outcomes.get(test, "passed")) for ids in chunk.files.values() for test in ids]
        if any(outcome == "interrupts" for _, outcome in tests):
            raise KeyboardInterrupt
        result = ChunkResult(
            number=chunk.number, end="completed", exit_code=0, meaning="done", elapsed_s=1.0, command=("pytest",),
            tests=tuple(TestResult(
                id=test, outcome=outcome, seconds=1.0,
                failure=Failure(exception="ValueError", message="lost") if outcome == "failed" else None,
            ) for test, outcome in tests),
        )  # fmt: skip
        folder.mkdir(parents=True)
        result.save(folder)
        return result

    told = without_kernel(monkeypatch, root)
    monkeypatch.setattr(triage_run.suite, "collect", lambda *_: SIX)
    monkeypatch.setattr(triage_run.chunks, "run", run_chunk)
    return root, outcomes, told


def test_a_run_is_compared_with_the_last_that_came_to_its_end_or_with_the_one_named(quick):
    root, outcomes, told = quick
    request = TriageRequest((), Path("my suite!"), chunks=3)
    stamps = [f"2026011{day}T080000Z" for day in (1, 2, 3)]
    for stamp, outcome in zip(stamps[:2], ("failed", "passed"), strict=True):
        outcomes["test_a.py::one"] = outcome
        folder, verdict = triage_run.run(request, Execution(stamp=stamp), lambda *what: told.append(what))
        assert verdict.status == outcome and folder == root / "reports" / "triage" / "my_suite" / stamp
    second = conclusion.read(folder)
    assert second is not None and second.suite.earlier == stamps[0]
    assert second.triage.difference.fixed == ("test_a.py::one",)
    assert [chunk.expected_s for chunk in second.suite.chunks] == [2.0, 2.0, 2.0]
    named = TriageRequest((), Path("my suite!"), chunks=3, against=stamps[0])
    folder, _ = triage_run.run(named, Execution(stamp=stamps[2]), lambda *what: told.append(what))
    assert conclusion.read(folder).suite.earlier == stamps[0]
    assert ("chunk", "1 of 3: 2 tests, 1 failing, done, 1.0 s") in told


def test_what_was_finished_before_a_signal_is_taken_over_by_the_run_that_resumes(quick):
    root, outcomes, told = quick
    outcomes["test_c.py::two"] = "interrupts"
    request = TriageRequest((), Path("my suite!"), chunks=3)
    folder, verdict = triage_run.run(request, Execution(stamp="20260111T080000Z"), lambda *what: told.append(what))
    assert (verdict.code, verdict.remedy) == ("interrupted", "nanobrag-workbook triage resume 20260111T080000Z")
    assert verify(folder) == []
    with pytest.raises(InputError, match="20260111T080000Z"):
        triage_run.resume("20200101T000000Z", root / "my suite!", Execution(), lambda *_: None)
    del outcomes["test_c.py::two"]
    outcomes["test_a.py::one"] = "failed"  # of a chunk that was finished: it is not run again
    folder, verdict = triage_run.resume(
        None, root / "my suite!", Execution(stamp="20260112T080000Z"), lambda *what: told.append(what)
    )
    assert verdict.code == "suite_passes" and conclusion.read(folder).suite.resumed == "20260111T080000Z"
    assert ("resuming", "20260111T080000Z: 2 of 3 chunks are done") in told
    with pytest.raises(InputError, match="a suite with an interrupted run"):
        triage_run.resume(None, root / "elsewhere", Execution(), lambda *_: None)
