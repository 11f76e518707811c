"""The command ``nanoBragg`` in this process, on a machine with little memory, and what must hold of every run."""

import contextlib
import io
import math
import re
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from faults.tally import Trial

from nanobrag_torch import memory
from nanobrag_torch.cli import prepare, simulate
from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.run import FAILURE, main
from nanobrag_torch.io.fdump import read_fdump
from nanobrag_torch.io.smv import read_smv

#: A run of so many terms is asked for in earnest, however long it takes: it is left out.
MOST_TERMS = 2_000_000
#: Seconds after which a run counts as one that hangs.
PATIENCE = 5.0
IMAGES = {"floatimage.bin", "intimage.img", "noiseimage.img", "image.pgm"}


TOO_MUCH = "too much for a test"


def confine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the command the memory that is always there, and refuse it long runs."""

    def short(conf):
        run = prepare.prepare(conf)
        if run.scene.samples_per_pixel * len(run.simulator.pixels()) > MOST_TERMS:
            raise CommandError(TOO_MUCH)
        return run

    monkeypatch.setattr(memory, "free_memory", lambda device=None: 0)
    monkeypatch.setattr(simulate, "prepare", short)


def examine(trial: Trial, words: Sequence[str], folder: Path, named: str = "") -> str:
    """Run the command in ``folder`` and note in ``trial`` what went wrong: "image", "error" or "failing".

    ``named`` is what an error must name.
    """
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    line = f"{' '.join(map(repr, words))}"
    code, said = _timed(trial, words, folder, line)
    if code == 0:
        if not all(_is_whole(folder / name) for name in IMAGES if (folder / name).is_file()):
            trial.found("half folder", f"{line}: an image is cut or not finite")
    elif code == FAILURE:
        usage = "usage: nanoBragg" in said
        if "ERROR: " not in said and not usage:
            trial.found("unnoticed", f"{line}: no error was said")
        # What a header says is refused by the option that would have said it.
        if named not in said and not usage and not re.search(r"ERROR: -\w", said) and TOO_MUCH not in said:
            trial.found("unnoticed", f"{line}: the error does not name {named}: {said[-300:]}")
    for path in folder.iterdir():
        changed = path.is_file() and path.read_bytes() != before.get(path.name)
        if path.name.startswith(".") or (changed and not _is_whole(path)):
            trial.found("half folder", f"{line}: {path.name}")
    return {0: "image", FAILURE: "error"}.get(code, "failing")


def _timed(trial: Trial, words: Sequence[str], folder: Path, line: str) -> tuple[int | None, str]:
    """Exit status and words of a run; a slow one is tried once more, since the first may have compiled something."""
    for attempt in range(2):
        started = time.monotonic(), time.process_time()
        try:
            code, said = _run(words, folder)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            trial.found("traceback", f"{line}: {type(error).__name__}: {error}"[:2000])
            return None, ""
        # On a busy machine the clock says little: what hangs either works or waits for very long.
        wall, work = time.monotonic() - started[0], time.process_time() - started[1]
        if not (work > PATIENCE or wall > 6 * PATIENCE):
            break
        if attempt:
            trial.found("hang", f"{line}: {wall:.1f} s")
    return code, said


def _run(words: Sequence[str], folder: Path) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    streams = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
    with contextlib.chdir(folder), streams[0], streams[1], warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.simplefilter("error", RuntimeWarning)  # numpy's, of a division or a cast that nobody guarded
        code = main(list(words))
    return code, out.getvalue() + err.getvalue()


def _is_whole(path: Path) -> bool:
    """True for a file that is what the command writes under its name, to its last byte, and without NaN."""
    if path.name == "floatimage.bin":
        return bool(np.isfinite(np.fromfile(path, np.float32)).all()) and path.stat().st_size % 4 == 0
    if path.name in ("intimage.img", "noiseimage.img"):
        return read_smv(path)[0].size > 0
    if path.name == "image.pgm":
        _, size, _, _, pixels = path.read_bytes().split(b"\n", 4)
        return math.prod(map(int, size.split())) == len(pixels)
    if path.name == "Fdump.bin":
        return read_fdump(path)[0].numel() > 0
    return True
