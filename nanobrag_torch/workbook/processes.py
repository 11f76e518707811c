"""Ending processes and everything that they started."""

import os
import signal
from contextlib import suppress

import psutil


def end(pid: int) -> None:
    """End a process and its descendants; nothing happens where it has ended."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in (*process.children(recursive=True), process):
            with suppress(psutil.NoSuchProcess):
                each.kill()


def end_group(leader: int) -> None:
    """End a process that leads a group, its descendants, and what else is left of the group."""
    end(leader)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
