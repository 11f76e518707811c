"""kill -9 of the runner, and of the kernel, at moments spread at random over a whole run."""

import random
import signal
import time

import checkouts
import pytest
from faults import trials

from nanobrag_torch.workbook.records.run import EXIT_CODES, Manifest


@pytest.fixture(scope="module")
def seconds(tmp_path_factory) -> tuple[float, float]:
    """What an undisturbed run takes: until its kernel is there, and to its end."""
    checkout = trials.checkout(tmp_path_factory.mktemp("undisturbed") / "checkout")
    started = time.monotonic()
    process = checkouts.start(checkout, "run", trials.NOTEBOOK)
    trials.until(lambda: trials.kernel_of(process.pid))
    kernel = time.monotonic() - started
    process.communicate(timeout=120)
    assert process.returncode == 0 and trials.check(checkout) == ["passed"]
    return kernel, time.monotonic() - started


def moment(attempt: tuple[int, int], begin: float, end: float) -> float:
    """A random moment within the part of the time that belongs to this attempt."""
    number, attempts = attempt
    return begin + (end - begin) * (number + random.Random(number).random()) / attempts


@pytest.mark.dose(few=2, full=50)
def test_a_killed_runner_leaves_a_report_that_says_interrupted_or_none_at_all(checkout, seconds, attempt):
    process = checkouts.start(checkout, "run", trials.NOTEBOOK)
    time.sleep(moment(attempt, 0.0, seconds[1]))
    process.kill()
    process.communicate(timeout=60)
    begun = bool(trials.working(checkout))
    trials.finish(checkout)
    statuses = trials.check(checkout)
    if process.returncode == -signal.SIGKILL and begun:
        assert statuses == ["interrupted"]
    else:
        assert statuses in ([], ["passed"])
    # The same checkout is as good as new.
    assert checkouts.run(checkout, "run", trials.NOTEBOOK).returncode == 0
    assert trials.check(checkout) == [*statuses, "passed"]


@pytest.mark.dose(few=2, full=50)
def test_a_killed_kernel_leaves_a_report_that_says_blocked_and_why(checkout, seconds, attempt):
    process = checkouts.start(checkout, "run", trials.NOTEBOOK)
    trials.until(lambda: trials.kernel_of(process.pid) or process.poll() is not None)
    time.sleep(moment(attempt, 0.0, seconds[1] - seconds[0]))
    kernel = trials.kernel_of(process.pid)
    if kernel is not None:
        kernel.kill()
    _, said = process.communicate(timeout=120)
    (status,) = trials.check(checkout)
    assert process.returncode == EXIT_CODES[status] and status in ("passed", "blocked"), said
    if status == "blocked":
        manifest = Manifest.model_validate_json((trials.reports(checkout)[0] / "manifest.json").read_text())
        assert manifest.verdict.code in ("kernel_died", "no_kernel") and manifest.verdict.title in said
