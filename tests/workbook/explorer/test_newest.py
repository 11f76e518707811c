"""The worker of the explorer: newest request only, answers as they are ready, errors as words."""

import queue
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from nanobrag_torch.workbook.explorer.newest import Newest, Outcome

PATIENCE = 10.0  # seconds until a lost answer fails the test


def test_requests_that_were_overtaken_are_dropped_and_so_are_their_later_answers():
    started, go_on = threading.Event(), threading.Event()
    computed: list[int] = []
    told: queue.Queue[Outcome[int, int]] = queue.Queue()

    def powers(number: int) -> Iterator[int]:
        computed.append(number)
        yield number
        started.set()
        assert go_on.wait(PATIENCE)
        yield number * number

    worker = Newest(powers, told.put)
    worker.ask(1)
    assert started.wait(PATIENCE)
    for number in (2, 3, 4):
        worker.ask(number)
    go_on.set()
    found = [told.get(timeout=PATIENCE) for _ in range(4)]
    assert found == [Outcome(1, 1), Outcome(4, 4), Outcome(4, 16), Outcome(4, None, last=True)]
    assert computed == [1, 4]
    assert told.empty()
    worker.close()


def test_an_error_is_told_in_words_and_the_next_request_is_served():
    told: queue.Queue[Outcome[int, float]] = queue.Queue()
    worker = Newest(lambda number: [1 / number], told.put)
    worker.ask(0)
    assert told.get(timeout=PATIENCE) == Outcome(0, None, "ZeroDivisionError: division by zero", last=True)
    worker.ask(4)
    assert told.get(timeout=PATIENCE) == Outcome(4, 0.25)
    worker.close()


def test_a_computation_that_hangs_is_left_to_itself_and_never_told():
    hangs, go_on = threading.Event(), threading.Event()
    told: queue.Queue[Outcome[str, str]] = queue.Queue()

    def compute(word: str) -> list[str]:
        if word == "hang":
            hangs.set()
            assert go_on.wait(PATIENCE)
        return [word]

    worker = Newest(compute, told.put)
    worker.ask("hang")
    assert hangs.wait(PATIENCE)
    worker.abandon()
    worker.ask("next")
    assert told.get(timeout=PATIENCE) == Outcome("next", "next")
    assert told.get(timeout=PATIENCE) == Outcome("next", None, last=True)
    go_on.set()
    worker.ask("last")
    assert told.get(timeout=PATIENCE) == Outcome("last", "last")
    worker.close()


def test_a_closed_worker_takes_no_request():
    worker = Newest(lambda number: [number], print)
    worker.close()
    with pytest.raises(RuntimeError, match="make a new one"):
        worker.ask(1)


def ended(order: str) -> tuple[int, str, str]:
    """Exit code, output and messages of a process that runs these lines."""
    done = subprocess.run([sys.executable, "-c", order], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def test_a_process_that_ends_while_something_is_computed_ends_well():
    order = (
        "import time\n"
        "from nanobrag_torch.workbook.explorer.newest import Newest\n"
        "def steps(n):\n"
        "    time.sleep(0.5)\n"
        "    print('computed', flush=True)\n"
        "    yield n\n"
        "    print('later', flush=True)\n"
        "Newest(steps, print).ask(1)\n"
        "time.sleep(0.1)\n"
    )
    assert ended(order) == (0, "computed\n", "")


def test_a_process_that_ends_waits_for_what_was_abandoned_and_for_all_that_hangs_together():
    order = (
        "import atexit, time\n"
        "atexit.register(lambda: print('together' if time.monotonic() < until else 'one after the other'))\n"
        "from nanobrag_torch.workbook.explorer import newest\n"
        "newest.LONGEST_S = 2.0\n"
        "def steps(seconds):\n"
        "    time.sleep(seconds)\n"
        "    print(seconds, flush=True)\n"
        "    yield seconds\n"
        "workers = [newest.Newest(steps, print) for _ in range(5)]\n"
        "workers[0].ask(0.5)\n"
        "time.sleep(0.1)\n"
        "workers[0].abandon()\n"
        "for worker in workers[1:]: worker.ask(60)\n"
        "time.sleep(0.1)\n"
        "until = time.monotonic() + 6\n"
    )
    assert ended(order) == (0, "0.5\ntogether\n", "")
