"""One chunk in a process of its own: what it leaves, and how its end is told."""

import json
import os
import time
from threading import Event
from xml.etree import ElementTree

import psutil
import pytest
from checkouts import LEAN

from nanobrag_torch.workbook.records.triage import Suite
from nanobrag_torch.workbook.triage import chunks, journal
from nanobrag_torch.workbook.triage.suite import collect, divide


def run(project, folder, limit=60, stop=None, guard=False, words=()):
    words = (*LEAN, *words)
    (only,) = divide(collect(project, words, 60), 1)
    suite = Suite(
        project=".",
        pytest_arguments=tuple(map(journal.visible, words)),
        chunks=(only,),
        time_limit_s=limit,
        gradient_guard=guard,
    )
    return chunks.run(only, suite, project, folder, stop or Event())


def outcomes(result):
    return {test.id.split("::")[-1]: test.outcome for test in result.tests}


def test_every_outcome_of_pytest_is_told_apart(tmp_path):
    (tmp_path / "test_all.py").write_text(
        "import pytest\n"
        "@pytest.fixture\ndef broken(): raise KeyError('lost')\n"
        "def test_passes(): pass\n"
        "def test_fails(): assert 1 + 1 == 3\n"
        "def test_errs(broken): pass\n"
        "def test_wants(no_such_fixture): pass\n"
        "def test_skips(): pytest.skip('later')\n"
        "@pytest.mark.xfail\ndef test_fails_as_expected(): assert False\n"
        "@pytest.mark.xfail\ndef test_passes_against_expectation(): pass\n"
    )
    folder = tmp_path / "chunk"
    result = run(tmp_path, folder)
    assert outcomes(result) == {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_errs": "error",
        "test_wants": "error",
        "test_skips": "skipped",
        "test_fails_as_expected": "xfailed",
        "test_passes_against_expectation": "xpassed",
    }
    failures = {test.id.split("::")[-1]: test.failure for test in result.tests if test.failure}
    assert (failures["test_fails"].exception, failures["test_fails"].frame.function) == ("AssertionError", "test_fails")
    assert (failures["test_errs"].exception, failures["test_errs"].frame.function) == ("KeyError", "broken")
    assert failures["test_errs"].frame.path == "test_all.py" and failures["test_errs"].frame.line == 3
    assert failures["test_wants"].message == "fixture 'no_such_fixture' not found"
    assert (result.end, result.exit_code) == ("completed", 1)
    assert ElementTree.parse(folder / "pytest.xml").getroot().find("testsuite").get("tests") == "7"
    assert (folder / "exit_code.txt").read_text() == "1\n"
    assert "7 items" in (folder / "pytest.log").read_text()
    assert "test_fails" in (folder / "summary.md").read_text()
    assert chunks.read(folder) == result


def test_a_file_that_cannot_be_imported_is_an_error_and_the_others_run(tmp_path):
    (tmp_path / "test_bad.py").write_text("import there_is_no_such_module\n")
    (tmp_path / "test_good.py").write_text("def test_good(): pass\n")
    result = run(tmp_path, tmp_path / "chunk")
    assert outcomes(result) == {"test_bad.py": "error", "test_good": "passed"}
    bad = next(test.failure for test in result.tests if test.failure)
    assert (bad.exception, bad.frame.path, bad.frame.line) == ("ModuleNotFoundError", "test_bad.py", 1)


@pytest.mark.parametrize(
    ("last_words", "meaning"),
    [
        ("import os; os._exit(7)", "its process left with exit code 7 before pytest was done"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "its process was ended by SIGSEGV"),
        ("import os; os._exit(0)", "its process left with exit code 0 before pytest was done"),
    ],
)
def test_a_process_that_dies_is_blamed_on_the_test_that_was_running_and_the_others_run(tmp_path, last_words, meaning):
    (tmp_path / "test_dies.py").write_text(
        f"def test_before(): pass\ndef test_dies():\n    {last_words}\ndef test_after(): pass\n"
    )
    result = run(tmp_path, tmp_path / "chunk")
    assert outcomes(result) == {"test_before": "passed", "test_dies": "crashed", "test_after": "passed"}
    assert (result.end, result.meaning) == ("crashed", f"{meaning}; the tests after that ran in 1 more session")
    assert f"I{result.meaning[1:]} (exit code {result.exit_code}" in (tmp_path / "chunk" / "summary.md").read_text()


def test_a_test_that_ends_pytest_itself_is_blamed_and_the_others_run(tmp_path):
    (tmp_path / "test_stops.py").write_text(
        "import pytest\ndef test_before(): pass\ndef test_stops(): pytest.exit('enough')\ndef test_after(): pass\n"
    )
    result = run(tmp_path, tmp_path / "chunk")
    assert outcomes(result) == {"test_before": "passed", "test_stops": "crashed", "test_after": "passed"}
    assert result.end == "stopped" and (tmp_path / "chunk" / "pytest-2.xml").is_file()


def test_several_tests_that_crash_in_several_files_leave_every_other_test_run_once(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"test_{name}.py").write_text(
            "import os, pathlib, pytest\n"
            "@pytest.mark.parametrize('n', range(6))\n"
            "def test_some(n):\n"
            f"    with open('ran.txt', 'a') as ran: ran.write(f'{name}{{n}} ')\n"
            "    n % 3 == 1 and os.abort()\n"
        )
    (tmp_path / "test_bad.py").write_text("import there_is_no_such_module\n")
    result = run(tmp_path, tmp_path / "chunk")
    found = {test.id: test.outcome for test in result.tests}
    crashed = {f"test_{name}.py::test_some[{n}]" for name in "ab" for n in (1, 4)}
    assert {test for test, outcome in found.items() if outcome == "crashed"} == crashed
    assert sorted(found.values()) == ["crashed"] * 4 + ["error"] + ["passed"] * 8
    assert sorted((tmp_path / "ran.txt").read_text().split()) == sorted(f"{name}{n}" for name in "ab" for n in range(6))
    assert result.meaning == "its process was ended by SIGABRT; the tests after that ran in 4 more sessions"


def test_a_suite_of_crashes_is_given_up_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "MOST_RESTARTS", 2)
    (tmp_path / "test_all.py").write_text(
        "import os, pytest\n@pytest.mark.parametrize('n', range(5))\ndef test_all(n): os.abort()\n"
    )
    result = run(tmp_path, tmp_path / "chunk")
    assert sorted(outcomes(result).values()) == ["crashed"] * 3 + ["not run"] * 2


def test_a_file_that_crashes_at_its_import_is_blamed_and_the_others_run(tmp_path):
    (tmp_path / "test_a.py").write_text("def test_a(): pass\n")
    (tmp_path / "test_b.py").write_text("import os; os.abort()\n")
    (tmp_path / "test_c.py").write_text("def test_c(): pass\n")
    result = run(tmp_path, tmp_path / "chunk")
    assert outcomes(result) == {"test_a": "passed", "test_b.py": "crashed", "test_c": "passed"}


def test_a_crashing_file_that_is_named_alone_is_a_finding_too(tmp_path):
    (tmp_path / "test_b.py").write_text("import os; os.abort()\n")
    result = run(tmp_path, tmp_path / "chunk", words=("test_b.py",))
    assert outcomes(result) == {"test_b.py": "crashed"}


def test_names_of_files_that_are_no_text_come_through_as_escapes(tmp_path):
    name = os.fsdecode(b"test_\xff.py")
    (tmp_path / name).write_text("def test_passes(): pass\ndef test_fails(): assert 'a\\udcff' == 'b'\n")
    result = run(tmp_path, tmp_path / "chunk", words=(name,))
    assert outcomes(result) == {"test_passes": "passed", "test_fails": "failed"}
    assert {test.id.partition("::")[0] for test in result.tests} == {"test_\\udcff.py"}
    assert chunks.read(tmp_path / "chunk") == result


def test_a_chunk_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path):
    (tmp_path / "test_endless.py").write_text(
        "import subprocess, sys, time, pathlib\n"
        "def test_endless():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "    pathlib.Path('child.txt').write_text(str(child.pid))\n"
        "    child.wait()\n"
    )
    result = run(tmp_path, tmp_path / "chunk", limit=6)
    assert (result.end, outcomes(result)) == ("timed out", {"test_endless": "timed out"})
    assert next(iter(result.tests)).seconds > 0.1
    assert not _runs(int((tmp_path / "child.txt").read_text()))


def test_a_chunk_that_is_stopped_leaves_no_result(tmp_path):
    (tmp_path / "test_endless.py").write_text("import time\ndef test_endless(): time.sleep(600)\n")
    stop = Event()
    stop.set()
    assert run(tmp_path, tmp_path / "chunk", stop=stop) is None
    assert chunks.read(tmp_path / "chunk") is None


def test_findings_of_the_gradient_guard_stand_beside_the_outcome(tmp_path):
    (tmp_path / "test_gradient.py").write_text(
        "import torch\n"
        "def test_zero():\n"
        "    x = torch.zeros(2, dtype=torch.float64, requires_grad=True)\n"
        "    assert torch.autograd.gradcheck(lambda x: 0 * x, (x,))\n"
    )
    (test,) = run(tmp_path, tmp_path / "chunk", guard=True).tests
    assert test.outcome == "passed"
    assert [finding.kind for finding in test.guard] == ["zero with zero"]


def test_workers_side_by_side_are_recorded_once(tmp_path):
    (tmp_path / "test_many.py").write_text(
        "import pytest\n@pytest.mark.parametrize('n', range(6))\ndef test_many(n): assert n != 3\n"
    )
    result = run(tmp_path, tmp_path / "chunk", words=("-n", "2"))
    assert sorted(outcomes(result).values()) == ["failed"] + ["passed"] * 5
    failure = next(test.failure for test in result.tests if test.failure)
    assert failure.frame.function == "test_many"


def test_events_are_on_disk_while_the_test_runs(tmp_path):
    (tmp_path / "test_looks.py").write_text(
        "import pathlib\n"
        "def test_looks(): assert 'test_looks' in pathlib.Path('chunk/events.jsonl').read_text().splitlines()[-1]\n"
    )
    assert outcomes(run(tmp_path, tmp_path / "chunk")) == {"test_looks": "passed"}
    assert json.loads((tmp_path / "chunk" / "events.jsonl").read_text().splitlines()[-1]) == {"event": "ended"}


def _runs(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return False
        time.sleep(0.05)
    return True
