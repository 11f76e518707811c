"""A worker that computes the newest request only, and tells its answers as they are ready."""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from weakref import WeakSet

#: Seconds for which a process that ends waits for what is being computed.
LONGEST_S = 10.0

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Outcome(Generic[Request, Answer]):
    """A request with one of its answers, or with the reason in words (`answer` is then None).

    Attributes:
        request: what was asked.
        answer: one answer; None for an error, and for the end of all answers.
        reason: error in words, empty for none.
        last: nothing more follows for this request.
    """

    request: Request
    answer: Answer | None
    reason: str = ""
    last: bool = False


class Newest(Generic[Request, Answer]):
    """Compute requests in a thread of its own; requests that a newer one has overtaken are dropped.

    `compute` gives answers one by one, such as a quick one before a thorough one. At most one request waits. `told` is
    called in the worker's thread with an `Outcome` for each answer and one for the end, and only if no newer request
    was asked for meanwhile. An error of `compute` is told as words; the worker then serves the next request.
    """

    def __init__(
        self,
        compute: Callable[[Request], Iterable[Answer]],
        told: Callable[[Outcome[Request, Answer]], None],
    ) -> None:
        self._compute = compute
        self._told = told
        self._changed = threading.Condition()
        self._waiting: list[Request] = []
        self._closed = False
        self._threads: list[threading.Thread] = []
        self._start()
        _workers.add(self)

    def ask(self, request: Request) -> None:
        """Ask for `request` in place of any that still waits; returns at once."""
        with self._changed:
            if self._closed:
                raise RuntimeError("the worker is closed: make a new one to ask again")
            self._waiting = [request]
            self._changed.notify_all()

    def abandon(self) -> None:
        """Leave what is being computed to itself, as a function that hangs, and serve requests in a new thread."""
        with self._changed:
            if not self._closed:
                self._start()
                self._changed.notify_all()

    def close(self) -> None:
        """Take no more requests; what is being computed is not told."""
        with self._changed:
            self._closed = True
            self._waiting = []
            self._changed.notify_all()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._threads = [*(each for each in self._threads if each.is_alive()), self._thread]
        self._thread.start()

    def _retired(self) -> bool:
        return self._closed or threading.current_thread() is not self._thread

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._retired())
                if self._retired():
                    return
                request = self._waiting.pop()
            for outcome in self._outcomes(request):
                with self._changed:
                    late = bool(self._waiting) or self._retired()
                if late:
                    break
                self._told(outcome)

    def _outcomes(self, request: Request) -> Iterable[Outcome[Request, Answer]]:
        try:
            for answer in self._compute(request):
                yield Outcome(request, answer)
        except Exception as error:  # any function of a user's may be explored
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            yield Outcome(request, None, f"{kind}{error}", last=True)
        else:
            yield Outcome(request, None, last=True)


_workers: WeakSet[Newest[Any, Any]] = WeakSet()


@atexit.register
def _end() -> None:
    """Let every worker finish its answers, abandoned ones too: a process that ends within torch's code is aborted."""
    workers, until = list(_workers), time.monotonic() + LONGEST_S
    for worker in workers:
        worker.close()
    for thread in [each for worker in workers for each in worker._threads]:
        thread.join(max(0.0, until - time.monotonic()))
