"""Signals that ask a program to stop, answered by a handler for a while."""

import signal
import threading
from collections.abc import Callable, Iterator
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


@contextmanager
def handing_on(take: Callable[[], None]) -> Iterator[None]:
    """Hand the first interruption by the keyboard to ``take``; a later one is answered as before, and so is all else.

    Signals reach the main thread alone; in another nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def first(number: int, frame: Any) -> None:
        """Answer the first one."""
        signal.signal(signal.SIGINT, before)
        take()

    signal.signal(signal.SIGINT, first)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
