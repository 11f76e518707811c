"""The command from end to end, on a small detector and on notebooks that fail in every way."""

import html
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil
import pytest
from checkouts import AS_FOUND, BRIEF, make_checkout, only_report, run, start, write_notebook
from in_process import run_here

from nanobrag_torch.workbook.records.catalogue import kinds
from nanobrag_torch.workbook.records.evidence import Evidence
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.report.folder import verify

CELL = ["cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta", "cell_gamma"]
SLEEPS = "import time\nprint('asleep', flush=True)\ntime.sleep(600)"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkout(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def done(project: Path) -> subprocess.CompletedProcess[str]:
    words = ["--stamp", "20260115T080000Z", "-p", "detector_pixels", "48", "-p", "distance_mm", "20"]
    return run(project, "run", "--brief", str(BRIEF), *words)


@pytest.fixture(scope="module")
def report(project: Path, done: subprocess.CompletedProcess[str]) -> Path:
    assert done.returncode == 0, done.stderr
    return only_report(project)


def status(report: Path) -> str:
    return (report / "status").read_text().strip()


def manifest(report: Path) -> Manifest:
    return Manifest.model_validate_json((report / "manifest.json").read_text())


def test_a_brief_becomes_a_report_where_it_says_with_all_that_it_names(report: Path) -> None:
    assert report.parts[-4:] == ("reports", "2026-01-gradient-flow", "phase_a", "20260115T080000Z")
    named = {"pytest.log", "pytest.xml", "exit_code.txt", "gradients.json", "summary.md"}
    others = {"manifest.json", "status", "notebook.ipynb", "report.html", "brief.txt", "brief.json"}
    assert named | others <= {path.name for path in report.iterdir()}
    figures = {path.name for path in (report / "figures").iterdir()}
    assert figures == {
        f"{name}.{kind}" for name in ("diffraction", "gradients", "sensitivities") for kind in ("png", "svg", "json")
    }
    assert (report / "brief.txt").read_text() == BRIEF.read_text()
    assert verify(report) == []


def test_the_last_line_is_the_path_of_the_page(done: subprocess.CompletedProcess[str], report: Path) -> None:
    assert done.stdout == "reports/2026-01-gradient-flow/phase_a/20260115T080000Z/report.html\n"
    assert re.search(r"\d+\.\d s  notebook    cell \d+ of \d+: The control", done.stderr)
    assert "The graph is intact; the image was dark" in done.stderr


def test_the_gradients_have_the_shape_of_the_brief_and_no_other_byte(report: Path) -> None:
    text = (report / "gradients.json").read_text()
    assert text == json.dumps({"loss": 0.0, "gradients": dict.fromkeys(CELL, 0.0)}, indent=2)


def test_the_evidence_explains_a_failing_test_by_a_dark_image(report: Path) -> None:
    assert status(report) == "passed" and manifest(report).verdict.code == "dark_image"
    assert (report / "exit_code.txt").read_text() == "1\n"
    assert "1 failed" in (report / "pytest.log").read_text()
    control = Evidence.model_validate_json((report / "control.json").read_text())
    assert control.lit_pixels > 2000 and {row.agreement for row in control.derivatives} == {"agrees"}
    summary = (report / "summary.md").read_text()
    assert "every pixel of the image is exactly zero" in summary
    assert "every gradient with respect to the cell is zero" in summary, "what the assertion said"


def test_the_manifest_records_what_the_kernel_saw(report: Path) -> None:
    environment = manifest(report).environment
    assert environment is not None
    assert environment.guards == {
        "CUDA_VISIBLE_DEVICES": "-1",
        "KMP_DUPLICATE_LIB_OK": "TRUE",
        "NANOBRAGG_DISABLE_COMPILE": "1",
    }
    assert environment.engine == "torch" and environment.dtype == "float64"
    parameters = manifest(report).parameters
    assert (parameters["detector_pixels"].value, parameters["detector_pixels"].source) == (48, "command line")
    assert (parameters["mapped_test"].value, parameters["mapped_test"].source) == (AS_FOUND, "brief")
    assert (parameters["cell_a"].unit, parameters["seed"].source) == ("Å", "notebook")


def test_every_json_file_is_read_back_as_its_record(report: Path) -> None:
    for name, kind in kinds().items():
        if (report / name).is_file():
            kind.model_validate_json((report / name).read_text())
    assert len([name for name in kinds() if (report / name).is_file()]) >= 7


def test_the_page_has_the_finding_the_figures_and_no_address(report: Path) -> None:
    text = (report / "report.html").read_text()
    assert len(text) < 1_000_000
    assert "The graph is intact; the image was dark" in text
    assert len(re.findall(r'<img[^>]* src="data:image/(?:png|webp);base64,', text)) == 3
    assert len(re.findall(r'alt="[^"]{60,}"', text)) == 3
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)


def test_the_notebook_of_the_project_is_stored_without_outputs(project: Path) -> None:
    notebook = nbformat.read(next((project / "notebooks").rglob("phase_a*.ipynb")), as_version=4)
    assert [cell for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")] == []
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert not re.search(r"^\s*(def|class) ", "\n".join(code), re.MULTILINE)
    imports = re.findall(r"^\s*(?:from|import) (\w+)", "\n".join(code), re.MULTILINE)
    assert set(imports) == {"nanobrag_torch"}


def test_the_same_stamp_is_not_used_twice(project: Path, report: Path) -> None:
    again = run_here(project, "run", "--brief", str(BRIEF), "--stamp", report.name)
    assert again.returncode == 2 and "stamp: got '20260115T080000Z'" in again.stderr


def test_a_brief_of_a_passing_test_with_a_zero_snapshot_gets_exactly_that_said(tmp_path: Path) -> None:
    project = make_checkout(tmp_path)
    brief = tmp_path / "brief.txt"
    brief.write_text(BRIEF.read_text().replace("::test_gradient_flow_simulation", "::test_that_passes"))
    done = run_here(project, "run", "--brief", "brief.txt", "-p", "detector_pixels", "16", "-p", "distance_mm", "20")
    assert done.returncode == 0, done.stderr
    summary = (only_report(project) / "summary.md").read_text()
    assert "The mapped test passes although this brief's own snapshot is zero" in summary


def test_a_mapped_test_that_is_not_found_blocks_the_run_and_nothing_is_concluded(tmp_path: Path) -> None:
    project = make_checkout(tmp_path)
    (project / AS_FOUND.partition("::")[0]).unlink()
    done = run_here(project, "run", "--brief", str(BRIEF), "-p", "detector_pixels", "16")
    report = only_report(project)
    assert done.returncode == 3 and status(report) == "blocked" and "Traceback" not in done.stderr
    assert "the test was not found" in (report / "summary.md").read_text()
    assert "file or directory not found" in (report / "pytest.log").read_text()
    assert (report / "exit_code.txt").read_text() == "4\n"
    assert not (report / "verdict.json").exists(), "evidence was taken before the test, and nothing was made of it"


@pytest.mark.parametrize(
    ("cell", "code", "ends", "said"),
    [
        ("raise ValueError('wrong <b>cell</b>')", 1, "failed", "wrong <b>cell</b>"),
        ("import nothing_of_that_name", 3, "blocked", "No module named 'nothing_of_that_name'"),
        ("raise MemoryError('too large')", 3, "blocked", "too large"),
        ("import os\nos._exit(7)", 3, "blocked", "the kernel ended with exit code 7"),
        (SLEEPS, 3, "blocked", "a cell took longer than 2 s"),
        ("x = 1", 0, "passed", "The notebook ran to its end"),
    ],
)
def test_however_a_notebook_ends_there_is_a_whole_report(
    tmp_path: Path, cell: str, code: int, ends: str, said: str
) -> None:
    project = make_checkout(tmp_path)
    write_notebook(project, "print('before')", cell)
    done = run_here(project, "run", "notebooks/trial/trial.ipynb", "--timeout", "2")
    report = only_report(project)
    assert (done.returncode, status(report)) == (code, ends), done.stderr
    assert verify(report) == [] and "Traceback" not in done.stderr
    page = html.unescape((report / "report.html").read_text())
    assert said in page and "before" in page
    assert "before" in (report / "notebook.ipynb").read_text()
    assert report.parts[-3:-1] == ("trial", "trial")


def wait_until(happens: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def started_and_asleep(project: Path) -> tuple[subprocess.Popen[str], int]:
    """A run whose notebook sleeps, and the process of its kernel."""
    mark = project / "kernel.pid"
    write_notebook(project, f"import os\nopen({str(mark)!r}, 'w').write(f'{{os.getpid()}}\\n')", SLEEPS)
    process = start(project, "run", "notebooks/trial/trial.ipynb")
    wait_until(lambda: mark.is_file() and mark.read_text().endswith("\n"))
    return process, int(mark.read_text())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_report_that_says_interrupted_and_no_kernel(tmp_path: Path, number: signal.Signals) -> None:
    project = make_checkout(tmp_path)
    process, kernel = started_and_asleep(project)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    report = only_report(project)
    assert process.returncode == 130, err
    assert status(report) == "interrupted" and verify(report) == [] and out.strip().endswith("report.html")
    assert not psutil.pid_exists(kernel) or psutil.Process(kernel).status() == psutil.STATUS_ZOMBIE


def test_a_killed_run_is_finished_as_interrupted_by_a_later_command(tmp_path: Path) -> None:
    project = make_checkout(tmp_path)
    process, kernel = started_and_asleep(project)
    process.kill()
    process.communicate(timeout=60)
    wait_until(lambda: not psutil.pid_exists(kernel))
    (working,) = project.glob("reports/trial/trial/.*.running")
    assert status(working) == "running" and not list(project.glob("reports/trial/trial/2*"))
    write_notebook(project, "x = 1")
    later = run(project, "run", "notebooks/trial/trial.ipynb")
    assert later.returncode == 0 and "finished as" in later.stderr
    killed, finished = sorted(project.glob("reports/trial/trial/2*"))
    assert (status(killed), status(finished)) == ("interrupted", "passed")
    assert verify(killed) == [] and not working.exists()
    assert "was killed before it could finish" in (killed / "summary.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "run, what: got 'neither'"),
        (["run", "notebooks/none.ipynb"], "allowed: a file .ipynb, or a name of: nanobrag-workbook notebooks"),
        (["run", "scenari"], "The nearest: doctor/scenario"),
        (["run", "--brief", "none.txt"], "No such file"),
        (["run", "notebooks/trial/trial.ipynb", "-p", "report_foldr", "x"], "The nearest is 'report_folder'"),
        (["run", "notebooks/trial/trial.ipynb", "-p", "report_folder", "x"], "Use --reports and --stamp"),
        (["run", "notebooks/trial/trial.ipynb", "-p", "size"], "allowed: a name and a value"),
        (["run", "notebooks/trial/trial.ipynb", "-p", "size", "70"], "an integer from 1 to 64 pixels"),
        (["run", "notebooks/trial/trial.ipynb", "--stamp", "today"], "UTC as YYYYmmddTHHMMSSZ"),
        (["schema", "notes.json"], "schema, file: got 'notes.json'"),
    ],
)
def test_wrong_input_is_one_line_with_exit_code_2_and_nothing_is_started(
    project: Path, words: list[str], said: str
) -> None:
    declared = 'report_folder: str = ""  # where it goes\nsize: int = 8  # [pixels] 1 .. 64: the size'
    write_notebook(project, "x = 1", parameters=declared)
    done = run_here(project, *words)
    assert done.returncode == 2 and said in done.stderr and done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert not (project / "reports" / "trial").exists()


def test_reports_can_go_elsewhere_and_a_parameter_may_be_negative(tmp_path: Path) -> None:
    project = make_checkout(tmp_path / "project")
    declared = 'report_folder: str = ""  # where it goes\nshift: float = 0.0  # [mm] -9 .. 9: a shift'
    write_notebook(project, "print(shift)", parameters=declared)
    elsewhere = tmp_path / "else where"
    done = run_here(project, "run", "notebooks/trial/trial.ipynb", "--reports", str(elsewhere), "-p", "shift", "-2.5")
    assert done.returncode == 0, done.stderr
    (report,) = elsewhere.glob("trial/trial/2*")
    assert manifest(report).parameters["shift"].value == -2.5
    assert not (project / "reports").exists()


def test_verify_names_what_was_changed(project: Path, report: Path, tmp_path: Path) -> None:
    assert run_here(project, "verify", str(report)).returncode == 0
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-r", str(report), str(copy)], check=True)
    (copy / "pytest.log").write_text("1 passed\n")
    done = run_here(project, "verify", str(copy))
    assert done.returncode == 1 and "pytest.log was changed" in done.stderr


def test_a_schema_is_printed_as_json(project: Path) -> None:
    done = run_here(project, "schema", "gradients.json")
    assert json.loads(done.stdout)["required"] == ["loss", "gradients"]
