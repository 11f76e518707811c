"""kill -9 of the runner, of a plan, and of the kernel, at moments spread at random over a whole run.

The run has a mapped test that leaves processes behind: in a session of their own, after a double fork, without their
environment. Each of them writes into the folder of the report again and again, and makes it where it is not there.
"""

import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from faults import tally, trials

from nanobrag_torch.workbook.records.run import EXIT_CODES, Manifest

_CELLS = (
    "import os\n"
    "from nanobrag_torch.workbook import Report, mapped_test\n"
    "report = Report.attach(report_folder)\n"
    "os.environ['TRIAL_FOLDER'] = os.path.abspath(report_folder)",
    *(f"report.write_text('part-{part}.txt', '{part}' * 200_000)" for part in range(3)),
    "mapped_test.run(report, 'test_leaves.py', '-q', 60).status",
    "from nanobrag_torch.workbook.records.run import Verdict\n"
    "report.write(Verdict(code='trial', status='passed', title='It holds', sentence='It held.'))",
)
_TEST = """
import os, subprocess, sys, time

WRITES = '''
import os, sys, time
while True:
    os.makedirs(sys.argv[1], exist_ok=True)
    with open(os.path.join(sys.argv[1], "late.txt"), "a") as late:
        late.write("late")
    time.sleep(0.01)
'''

def test_that_leaves_processes():
    words = [sys.executable, "-c", WRITES, os.environ["TRIAL_FOLDER"]]
    started = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.Popen(words, **started)
    subprocess.Popen(words, **started, start_new_session=True)
    subprocess.Popen(words, **started, env={})
    if os.fork() == 0:
        os.setsid()
        subprocess.Popen(words, **started)
        os._exit(0)
    os.wait()
    time.sleep(0.7)
"""
_PLAN = """# A plan

```toml
focus = "TRIAL-FLOW-001"
question = "Does it hold?"
branch = "main"
initiative = "trial"

[[phases]]
id = "a"
title = "First"
notebook = "notebooks/trial/trial.ipynb"
exit = ["verdict.status == 'passed'"]

[[phases]]
id = "b"
title = "Second"
notebook = "notebooks/trial/trial.ipynb"
exit = ["verdict.status == 'passed'"]
```
"""
_GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@b")


def make_checkout(folder: Path) -> Path:
    """A checkout under git: a notebook whose mapped test leaves processes, and a plan that runs it twice."""
    checkout = trials.checkout(folder, *_CELLS)
    (checkout / "test_leaves.py").write_text(_TEST)
    (checkout / "plans" / "trial.md").write_text(_PLAN)
    (checkout / ".gitignore").write_text("reports/\n__pycache__/\n")
    for words in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-q", "-m", "Trial")):
        subprocess.run([*_GIT, *words], cwd=checkout, check=True, capture_output=True)
    return checkout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return make_checkout(tmp_path / "checkout")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[float, float]:
    """Seconds that an undisturbed run takes until its kernel is there, and to its end."""
    checkout = make_checkout(tmp_path_factory.mktemp("undisturbed") / "checkout")
    started = time.monotonic()
    process = trials.start(checkout, "run", trials.NOTEBOOK)
    trials.until(lambda: trials.kernel_of(process.pid))
    kernel = time.monotonic() - started
    _, words = process.communicate(timeout=120)
    end = time.monotonic() - started
    assert process.returncode == 0 and trials.check(checkout) == ["passed"], words
    assert (trials.reports(checkout)[0] / "late.txt").is_file()
    return kernel, end


def moment(attempt: tuple[int, int], begin: float, end: float) -> float:
    """A random moment within the part of the time that belongs to this attempt."""
    number, attempts = attempt
    return begin + (end - begin) * (number + random.Random(number).random()) / attempts


def kill(process: subprocess.Popen[str], attempt: tuple[int, int]) -> None:
    """Kill a runner; every other time its warden before it, so that the rest is left to the next command."""
    warden = trials.warden_of(process.pid)
    if warden is not None and attempt[0] % 2:
        with suppress(psutil.NoSuchProcess):
            warden.kill()
    process.kill()


@pytest.mark.dose(few=1, full=100)
def test_a_killed_runner_leaves_a_report_that_says_interrupted_or_none_at_all(checkout, undisturbed, attempt):
    with tally.Trial("kill -9 of the runner") as trial:
        process = trials.start(checkout, "run", trials.NOTEBOOK)
        time.sleep(moment(attempt, 0.0, undisturbed[1]))
        kill(process, attempt)
        trials.said(trial, process, 60)
        begun = bool(trials.working(checkout))
        trials.finish(checkout)
        statuses = trials.check(checkout, trial)
        if process.returncode == -signal.SIGKILL and begun:
            assert statuses == ["interrupted"]
        else:
            assert statuses in ([], ["passed"])
        # The same checkout is as good as new.
        code, words = trials.run(trial, checkout, "run", trials.NOTEBOOK)
        assert code == 0, words
        assert trials.check(checkout, trial) == [*statuses, "passed"]


@pytest.mark.dose(few=1, full=50)
def test_a_killed_plan_is_resumed_with_the_phases_that_it_had_not_done(checkout, undisturbed, attempt):
    with tally.Trial("kill -9 of a plan") as trial:
        process = trials.start(checkout, "plan", "run", "trial")
        time.sleep(moment(attempt, 0.0, 2 * undisturbed[1]))
        kill(process, attempt)
        trials.said(trial, process, 60)
        code, words = trials.run(trial, checkout, "plan", "run", "trial")
        assert code == 0, words
        statuses = trials.check(checkout, trial)
        # A phase that was done is not done again.
        assert statuses.count("passed") == 2 and statuses.count("interrupted") == len(statuses) - 2 <= 1


@pytest.mark.dose(few=1, full=50)
def test_a_killed_kernel_leaves_a_report_that_says_blocked_and_why(checkout, undisturbed, attempt):
    with tally.Trial("kill -9 of the kernel") as trial:
        process = trials.start(checkout, "run", trials.NOTEBOOK)
        trials.until(lambda: trials.kernel_of(process.pid) or process.poll() is not None)
        time.sleep(moment(attempt, 0.0, undisturbed[1] - undisturbed[0]))
        kernel = trials.kernel_of(process.pid)
        if kernel is not None:
            kernel.kill()
        words = trials.said(trial, process)
        (status,) = trials.check(checkout, trial)
        assert process.returncode == EXIT_CODES[status] and status in ("passed", "blocked"), words
        if status == "blocked":
            manifest = Manifest.model_validate_json((trials.reports(checkout)[0] / "manifest.json").read_text())
            assert manifest.verdict.code in ("kernel_died", "no_kernel") and manifest.verdict.title in words
