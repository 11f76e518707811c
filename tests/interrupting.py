"""Keyboard interruptions of long work in a notebook, without a keyboard."""

import itertools
from collections.abc import Callable

import pytest

from nanobrag_torch.workbook.show.progress import Work


def before_step(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the keyboard interrupt long work before its step of that number, from 0."""
    counted = itertools.count()
    as_soon_as(monkeypatch, lambda part: part is not None and next(counted) == number)


def as_soon_as(monkeypatch: pytest.MonkeyPatch, due: Callable[[float | None], bool]) -> None:
    """Let the keyboard interrupt long work once ``due`` is true, which gets the part that is done."""

    def at(self: Work, part: float | None, words: str = "") -> None:
        if due(part):
            raise KeyboardInterrupt

    monkeypatch.setattr(Work, "at", at)
