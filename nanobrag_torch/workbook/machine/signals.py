"""Signals that ask a program to stop, answered by a handler for a while."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def answering(handler: Any) -> Iterator[None]:
    """Answer the signals that stop a program with ``handler``, and as before afterwards.

    Signals reach the main thread alone; in another, such as that of a worker, nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in _STOPPING}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
