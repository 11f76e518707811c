"""Map from the end of an execution to a verdict: a table of obstacles, of which the first matching row decides."""

import re
from dataclasses import dataclass
from typing import Literal

from nanobrag_torch.workbook.records.run import Verdict


@dataclass(frozen=True)
class Outcome:
    """End of an execution; ``cell`` is the number, from 1, of the cell that was running."""

    end: Literal["completed", "raised", "died", "timeout", "memory", "disk", "interrupted", "no kernel"]
    error: str = ""
    detail: str = ""
    cell: int | None = None


@dataclass(frozen=True)
class Obstacle:
    """One row of the table.

    Attributes:
        end: end of the execution.
        error: pattern of the whole name of the error; empty for any.
        detail: pattern to be found in its text.
        code: code of the verdict; ``status``, ``title`` and ``remedy`` are the rest of it.
    """

    end: str
    error: str
    detail: str
    code: str
    status: Literal["failed", "blocked", "interrupted"]
    title: str
    remedy: str


OBSTACLES = (
    Obstacle(
        "raised", "ModuleNotFoundError|ImportError", "", "package_missing", "blocked", "A package is missing",
        "Install it (pip install 'nanobrag-torch[workbook,io]') and run again.",
    ),
    Obstacle(
        "raised", "MemoryError|OutOfMemoryError", "", "out_of_memory", "blocked", "Memory ran out",
        "Use a smaller detector (-p detector_pixels N) or a machine with more memory.",
    ),
    Obstacle(
        "raised", "RuntimeError", "not enough memory|can't allocate memory|CUDA out of memory", "out_of_memory",
        "blocked", "Memory ran out", "Use a smaller detector (-p detector_pixels N) or a machine with more memory.",
    ),
    Obstacle(
        "raised", "OSError|PermissionError", "No space left|Read-only file system|Disk quota", "disk_full", "blocked",
        "Nothing more could be written", "Make room, or give another place with --reports, and run again.",
    ),
    Obstacle(
        "raised", "Blocked", "", "blocked", "blocked", "The evidence could not be taken",
        "Remove the obstacle and run again.",
    ),
    Obstacle(
        "raised", "InputError", "", "input_wrong", "blocked", "A parameter cannot be used as it stands",
        "Correct it and run again.",
    ),
    Obstacle(
        "raised", "KeyboardInterrupt", "", "interrupted", "interrupted", "The run was interrupted",
        "What had been taken until then is here; run again for the rest.",
    ),
    Obstacle(
        "raised", "SystemExit", "", "left_early", "failed", "A cell left the notebook before its end",
        "The cells after it did not run: take sys.exit() out, or raise an error that says what is the matter.",
    ),
    Obstacle(
        "raised", "", "", "cell_raised", "failed", "A cell of the notebook raised an error",
        "The error stands below its cell; correct the cause and run again.",
    ),
    Obstacle(
        "died", "", "", "kernel_died", "blocked", "The kernel died",
        "Its last words are in kernel.log; run the notebook in JupyterLab to find the cell.",
    ),
    Obstacle(
        "timeout", "", "^the notebook", "timeout", "blocked", "The notebook took too long",
        "Allow more time (--notebook-timeout SECONDS), or make the case smaller.",
    ),
    Obstacle(
        "timeout", "", "", "timeout", "blocked", "A cell took too long",
        "Allow more time (--timeout SECONDS), or make the case smaller.",
    ),
    Obstacle(
        "memory", "", "", "out_of_memory", "blocked", "The kernel took too much memory",
        "Use a smaller detector (-p detector_pixels N), or allow more (--memory GIB).",
    ),
    Obstacle(
        "disk", "", "", "disk_full", "blocked", "Nothing more could be written",
        "Make room, or give another place with --reports, and run again.",
    ),
    Obstacle(
        "interrupted", "", "", "interrupted", "interrupted", "The run was interrupted",
        "What had been taken until then is here; run again for the rest.",
    ),
    Obstacle(
        "no kernel", "NoSuchKernel", "", "no_kernel", "blocked", "The kernel is not on this machine",
        "Choose another (--kernel NAME); those there are: jupyter kernelspec list",
    ),
    Obstacle(
        "no kernel", "", "", "no_kernel", "blocked", "The kernel could not be started",
        "Its last words are in kernel.log; choose another (--kernel NAME), or install ipykernel where its Python is.",
    ),
)  # fmt: skip


def of_outcome(outcome: Outcome) -> Verdict | None:
    """Verdict on an execution that did not come to its end; None for one that did."""
    for row in OBSTACLES:
        if row.end != outcome.end or not re.search(row.detail, outcome.detail):
            continue
        if not row.error or re.fullmatch(row.error, outcome.error):
            where = f" in cell {outcome.cell}" if outcome.cell else ""
            what = ": ".join(part for part in (outcome.error, outcome.detail) if part)
            return Verdict(
                code=row.code, status=row.status, title=row.title, sentence=f"Stopped{where}. {what}", remedy=row.remedy
            )
    return None


#: End of a run whose process was killed, as a later command finds it.
KILLED = Outcome("interrupted", detail="the process of this run was killed before it could finish")
#: Verdict on a notebook that ran to its end and wrote none of its own.
COMPLETED = Verdict(
    code="completed", status="passed", title="The notebook ran to its end", sentence="It states no verdict of its own."
)
