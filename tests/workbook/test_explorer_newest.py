"""The worker of the explorer: newest request only, errors as words."""

import queue
import threading

import pytest

from nanobrag_torch.workbook.explorer.newest import Newest, Outcome

PATIENCE = 10.0  # seconds until a lost answer fails the test


def test_requests_that_were_overtaken_are_dropped():
    started, go_on = threading.Event(), threading.Event()
    computed: list[int] = []
    told: queue.Queue[Outcome[int, int]] = queue.Queue()

    def square(number: int) -> int:
        computed.append(number)
        started.set()
        assert go_on.wait(PATIENCE)
        return number * number

    worker = Newest(square, told.put)
    worker.ask(1)
    assert started.wait(PATIENCE)
    for number in (2, 3, 4):
        worker.ask(number)
    go_on.set()
    assert told.get(timeout=PATIENCE) == Outcome(4, 16)
    assert computed == [1, 4]
    assert told.empty()
    worker.close()


def test_an_error_is_told_in_words_and_the_next_request_is_served():
    told: queue.Queue[Outcome[int, float]] = queue.Queue()
    worker = Newest(lambda number: 1 / number, told.put)
    worker.ask(0)
    assert told.get(timeout=PATIENCE) == Outcome(0, None, "ZeroDivisionError: division by zero")
    worker.ask(4)
    assert told.get(timeout=PATIENCE) == Outcome(4, 0.25)
    worker.close()


def test_a_closed_worker_takes_no_request():
    worker = Newest(abs, print)
    worker.close()
    with pytest.raises(RuntimeError, match="make a new one"):
        worker.ask(1)
