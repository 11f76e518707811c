import time
from pathlib import Path

import interrupting
import psutil
import pytest
from checkouts import AS_FOUND, make_checkout

from nanobrag_torch.workbook.cells import mapped_test
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.records.evidence import TestRecord
from nanobrag_torch.workbook.report.folder import Report
from nanobrag_torch.workbook.show import tables
from nanobrag_torch.workbook.show.progress import Work

PASSES = AS_FOUND.replace("test_gradient_flow_simulation", "test_that_passes")


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.chdir(make_checkout(tmp_path / "checkout"))
    (tmp_path / "report").mkdir()
    return Report(tmp_path / "report")


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def write_test(name: str, body: str) -> str:
    Path(name).write_text(body)
    return name


def test_a_failing_test_leaves_log_xml_exit_code_and_what_it_said(report: Report) -> None:
    record = mapped_test.run(report, AS_FOUND, "-vv --tb=short", 60)
    assert (record.status, record.exit_code) == ("failed", 1)
    assert record.message.startswith("AssertionError: every gradient with respect to the cell is zero")
    assert record.command == f"pytest -vv --tb=short {AS_FOUND}"
    assert (report.folder / "exit_code.txt").read_text() == "1\n"
    assert "1 failed" in (report.folder / "pytest.log").read_text()
    assert "test_gradient_flow_simulation" in (report.folder / "pytest.xml").read_text()
    assert report.read(TestRecord) == record


def test_a_passing_test_has_nothing_to_say(report: Report) -> None:
    record = mapped_test.run(report, PASSES, "-q", 60)
    assert (record.status, record.exit_code, record.message) == ("passed", 0, "")


@pytest.mark.parametrize("tests", ["", "  "])
def test_without_an_id_no_test_runs_and_the_record_says_so(report: Report, tests: str) -> None:
    record = mapped_test.run(report, tests, "-q", 60)
    assert (record.status, record.exit_code, record.meaning) == ("none", None, "without a mapped test")
    assert {path.name for path in report.folder.iterdir()} == {"test.json"}
    assert record.headline() == (("mapped test", "without a mapped test"),)
    assert [row[0] for row in tables.test(record).rows] == ["meaning"]


def test_several_tests_are_run_together(report: Report) -> None:
    mapped_test.run(report, f"{AS_FOUND} {PASSES}", "-q", 60)
    assert "1 failed, 1 passed" in (report.folder / "pytest.log").read_text()


@pytest.mark.parametrize(
    ("test", "meaning"),
    [
        ("plans/none.py", "the test was not found"),
        (AS_FOUND + "_of_another_name", "the test was not found"),
        ("test_empty.py", "no test was collected"),
        ("test_broken.py", "pytest stopped before the test"),
        ("test_dies.py", "pytest was ended by signal 9"),
    ],
)
def test_an_outcome_that_says_nothing_about_the_test_is_an_obstacle(report: Report, test: str, meaning: str) -> None:
    write_test("test_empty.py", "x = 1\n")
    write_test("test_broken.py", "import nothing_of_that_name\n")
    write_test("test_dies.py", "import os, signal\ndef test_it(): os.kill(os.getpid(), signal.SIGKILL)\n")
    with pytest.raises(Blocked, match=meaning):
        mapped_test.run(report, test, "-q", 60)
    record = report.read(TestRecord)
    assert record is not None and record.status == "blocked"
    assert (report.folder / "pytest.log").read_text() or test == "test_dies.py"
    assert (report.folder / "exit_code.txt").read_text() == f"{record.exit_code}\n"


def test_a_test_that_takes_too_long_is_ended_with_all_that_it_started(report: Report) -> None:
    started = Path("child.txt").resolve()
    test = write_test(
        "test_slow.py",
        "import subprocess, sys, time\n"
        "def test_it():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"    open({str(started)!r}, 'w').write(str(child.pid))\n"
        "    time.sleep(600)\n",
    )
    with pytest.raises(Blocked, match="took longer than 6 s"):
        mapped_test.run(report, test, "-q", 6)
    child = int(started.read_text())
    deadline = time.monotonic() + 10
    while is_running(child) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_running(child)


def test_a_process_that_a_test_leaves_behind_ends_with_the_test(report: Report) -> None:
    test = write_test(
        "test_leaves.py",
        "import subprocess, sys\n"
        "def test_it(capfd):\n"
        "    with capfd.disabled():\n"
        "        left = subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
        "    open('left.txt', 'w').write(str(left.pid))\n",
    )
    record = mapped_test.run(report, test, "-q", 60)
    assert record.status == "passed" and record.elapsed_s < 20
    assert not is_running(int(Path("left.txt").read_text()))


def test_the_log_has_no_terminal_codes(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    mapped_test.run(report, AS_FOUND, "-q", 60)
    assert "\x1b" not in (report.folder / "pytest.log").read_text()


def test_the_log_grows_while_the_test_runs(report: Report) -> None:
    log = (report.folder / "pytest.log").resolve()
    test = write_test(
        "test_looks.py",
        "import time\ndef test_first(): pass\ndef test_second():\n    end = time.monotonic() + 30\n"
        f"    while 'test_first PASSED' not in open({str(log)!r}).read():\n"
        "        assert time.monotonic() < end\n        time.sleep(0.02)\n",
    )
    assert mapped_test.run(report, test, "-v", 60).status == "passed"


@pytest.mark.parametrize(("test", "options"), [("--collect-only", ""), (PASSES, "-p evil"), ("/tmp/x.py", "-q")])
def test_only_ids_and_options_from_the_lists_reach_pytest(report: Report, test: str, options: str) -> None:
    with pytest.raises(InputError):
        mapped_test.run(report, test, options, 60)
    assert not list(report.folder.iterdir())


def test_an_interruption_ends_the_test_alone_and_its_record_says_so(report: Report, monkeypatch) -> None:
    test = write_test(
        "test_slow.py",
        "import os, time\ndef test_it():\n    open('begun.txt', 'w').write(str(os.getpid()))\n    time.sleep(600)\n",
    )
    begun = Path("begun.txt").resolve()
    interrupting.as_soon_as(monkeypatch, lambda part: begun.exists() and begun.read_text() != "")
    record = mapped_test.run(report, test, "-q", 60)
    assert (record.status, record.exit_code) == ("interrupted", None) and record.elapsed_s < 60
    assert record.meaning == "the test was interrupted, and says nothing"
    assert record == report.read(TestRecord) and not is_running(int(begun.read_text()))
    assert not (report.folder / "exit_code.txt").exists()


def test_the_part_of_the_tests_that_is_done_is_shown(report: Report, monkeypatch) -> None:
    seen: list[float | None] = []
    monkeypatch.setattr(Work, "at", lambda self, part, words="": seen.append(part))
    body = "import time\n" + "".join(f"def test_{n}(): time.sleep(0.2)\n" for n in range(4))
    assert mapped_test.run(report, write_test("test_four.py", body), "-v", 60).status == "passed"
    assert {0.25, 0.5, 0.75} & set(seen) and seen[0] is None
