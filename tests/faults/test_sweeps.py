"""kill -9 and SIGTERM of the coordinator of a sweep, kill -9 of its workers, at random moments, and the sweep again."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import sweeping
from faults import tally, trials

POINTS = 24
_TESTS = Path(sweeping.__file__).parent
_PATIENCE_S = 240
_LONGEST_S = 12.0


def start(project: Path, cluster: str = "local") -> subprocess.Popen[str]:
    """The trial sweep in a process of its own."""
    return subprocess.Popen(
        [sys.executable, _TESTS / "sweeping.py", str(POINTS)], cwd=project, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(_TESTS), sweeping.SECONDS: "0.1", sweeping.CLUSTER: cluster},
    )  # fmt: skip


def kill_a_worker(process: subprocess.Popen[str]) -> None:
    """kill -9 of one of the workers of a coordinator, where there is one already."""
    with suppress(psutil.Error, IndexError):
        children = psutil.Process(process.pid).children()
        random.choice([child for child in children if any("spawn_main" in word for word in child.cmdline())]).kill()


DISTURBANCES = {
    "kill -9 of the coordinator": lambda process: process.kill(),
    "SIGTERM of the coordinator": lambda process: process.send_signal(signal.SIGTERM),
    "kill -9 of a worker": kill_a_worker,
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The table of the sweep as one worker computes it."""
    project = _project(tmp_path_factory.mktemp("undisturbed"))
    process = start(project, "serial")
    _, words = process.communicate(timeout=_PATIENCE_S)
    assert process.returncode == 0, words
    (folder,) = project.glob("reports/sweep/trial/2*Z")
    return sweeping.table(folder)


@pytest.mark.dose(few=1, full=20)
def test_a_disturbed_sweep_gives_the_table_of_an_undisturbed_one(tmp_path, undisturbed, attempt):
    number, dose = attempt
    chosen = random.Random(number)
    project = _project(tmp_path)
    with tally.Trial("a sweep that is killed, and begun again") as trial:
        for name in chosen.sample(sorted(DISTURBANCES), 1 if dose == 1 else 2):
            process = start(project)
            time.sleep(chosen.uniform(0.5, _LONGEST_S))
            DISTURBANCES[name](process)
            words = trials.said(trial, process, _PATIENCE_S)
            assert process.returncode in (0, -signal.SIGKILL, -signal.SIGTERM), f"{name}: {words}"
        process = start(project)
        words = trials.said(trial, process, _PATIENCE_S)
        assert process.returncode == 0, words
        assert trials.check(project, trial) == ["passed"]
        (folder,) = project.glob("reports/sweep/trial/2*Z")
        if not sweeping.table(folder).equals(undisturbed):
            trial.found("unnoticed", f"the table of {folder} is another")


def _project(folder: Path) -> Path:
    for name in ("notebooks", "reports", "plans"):
        (folder / name).mkdir()
    (folder / "scenario.json").write_text("{}")
    return folder
