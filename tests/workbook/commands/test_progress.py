"""Progress of a sweep on a terminal and without one."""

import io
import os
import subprocess
import sys
import time

import pytest

from nanobrag_torch.workbook.commands import progress
from nanobrag_torch.workbook.commands.terminal import messages


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets: ``clock[0]`` is the time in seconds."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_where_there_is_no_terminal_a_line_comes_now_and_then_with_rate_and_time_left(clock, monkeypatch):
    monkeypatch.setattr(messages, "_force_terminal", False)
    said = []
    with progress.shown(lambda what, text: said.append((what, text))) as show:
        show(0, 0, 0, 4, 100)
        clock[0] += 5
        show(10, 0, 0, 4, 100)
        assert said == []
        clock[0] += 5
        show(18, 1, 1, 4, 100)
        clock[0] += 1
        show(30, 1, 1, 4, 100)
    assert said == [("points", "20 of 100, 1 failed, 1 blocked, 4 running, 2/s, 40 s left")]


def test_points_that_were_there_before_and_the_start_of_workers_do_not_count_for_the_rate(clock):
    pace = progress._Pace()
    assert pace.of(500) == 0
    clock[0] += 30
    assert pace.of(500) == 0
    clock[0] += 10
    assert pace.of(520) == pytest.approx(2.0)


def test_on_a_terminal_a_bar_shows_how_many_ended_failed_and_run(clock, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(messages, "_force_terminal", True)
    monkeypatch.setattr(messages, "is_interactive", True)
    monkeypatch.setattr(messages, "_file", terminal)
    monkeypatch.setattr(messages, "_width", 120)
    with progress.shown(lambda what, text: pytest.fail(text)) as show:
        show(0, 0, 0, 2, 8)
        clock[0] += 2
        show(3, 1, 0, 2, 8)
        # The bar is drawn ten times a second, by a thread of its own.
        for _ in range(100):
            if "4/8" in terminal.getvalue():
                break
            time.sleep(0.05)
    assert "4/8" in terminal.getvalue() and "1 failed, 2 running 2/s" in terminal.getvalue()


def test_a_cell_of_a_notebook_where_a_kernel_asks_for_colours_is_no_terminal():
    asked = "from nanobrag_torch.workbook.commands.terminal import messages; messages.print('[dim]1 s[/]  done')"
    made = subprocess.run(
        [sys.executable, "-c", asked], env=os.environ | {"FORCE_COLOR": "1"}, capture_output=True, text=True, check=True
    )
    assert made.stderr == "1 s  done\n"
