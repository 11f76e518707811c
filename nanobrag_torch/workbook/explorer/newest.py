"""A worker that computes the newest request only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

Request = TypeVar("Request")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Outcome(Generic[Request, Answer]):
    """A request with its answer, or with the reason in words (`answer` is then None)."""

    request: Request
    answer: Answer | None
    reason: str = ""


class Newest(Generic[Request, Answer]):
    """Compute requests in a thread of its own; requests that a newer one has overtaken are dropped.

    At most one request waits. `told` is called in the worker's thread with an `Outcome`, and only if
    no newer request was asked for while it was computed. An error of `compute` is told as words;
    the worker then serves the next request.
    """

    def __init__(
        self,
        compute: Callable[[Request], Answer],
        told: Callable[[Outcome[Request, Answer]], None],
    ) -> None:
        self._compute = compute
        self._told = told
        self._changed = threading.Condition()
        self._waiting: list[Request] = []
        self._closed = False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def ask(self, request: Request) -> None:
        """Ask for `request` in place of any that still waits; returns at once."""
        with self._changed:
            if self._closed:
                raise RuntimeError("the worker is closed: make a new one to ask again")
            self._waiting = [request]
            self._changed.notify()

    def close(self) -> None:
        """Take no more requests; what is being computed is not told."""
        with self._changed:
            self._closed = True
            self._waiting = []
            self._changed.notify()

    def _serve(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                request = self._waiting.pop()
            outcome = self._outcome(request)
            with self._changed:
                late = bool(self._waiting) or self._closed
            if not late:
                self._told(outcome)

    def _outcome(self, request: Request) -> Outcome[Request, Answer]:
        try:
            return Outcome(request, self._compute(request))
        except Exception as error:  # any function of a user's may be explored
            return Outcome(request, None, f"{type(error).__name__}: {error}")
