"""Commands that read what others wrote, run over a project in which something is wrong."""

import json
import shutil
import time
import traceback
from collections.abc import Iterable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from faults.tally import Trial
from finished import finished, write_plan
from in_process import run_here

from nanobrag_torch.workbook.records.run import EXIT_CODES

#: Seconds after which a command counts as hanging.
PATIENCE_S = 5.0
_ALLOWED = {*EXIT_CODES.values(), 2}


def project(folder: Path) -> Path:
    """A project with a plan and two finished reports; the second is sound and stays so."""
    for name in ("notebooks/trial", "plans"):
        (folder / name).mkdir(parents=True)
    write_plan(folder)
    for stamp in ("20260115T080000Z", "20260115T090000Z"):
        finished(folder / "reports", stamp=stamp)
    return folder


def reports(folder: Path) -> tuple[Path, Path]:
    """The report that is to be damaged, and the sound one."""
    first, second = sorted(folder.glob("reports/*/*/2*Z"))
    return first, second


def json_of(path: Path) -> dict[str, Any]:
    """Data of a JSON file."""
    return json.loads(path.read_text())


def copy(source: Path, target: Path) -> Path:
    """A copy of a project to be damaged."""
    return Path(shutil.copytree(source, target, symlinks=True))


def call(trial: Trial, folder: Path, words: Iterable[object]) -> CompletedProcess[str]:
    """A command in a folder; what ends in a traceback, takes too long or exits oddly is noted."""
    given = [str(word) for word in words]
    started = time.process_time(), time.monotonic()
    try:
        done = run_here(folder, *given)
    except BaseException:
        trial.found("traceback", f"{' '.join(given)}: {traceback.format_exc(limit=-3)}")
        return CompletedProcess(given, None, "", "")
    # Waiting shows in the time of the wall, computing without end in that of the processor, whatever else runs here.
    computed, waited = time.process_time() - started[0], time.monotonic() - started[1]
    if computed > PATIENCE_S or waited - computed > 10 * PATIENCE_S:
        trial.found("hang", f"{' '.join(given)}: {computed:.1f} s of {waited:.1f} s")
    if done.returncode not in _ALLOWED or "Traceback" in done.stderr:
        trial.found("traceback", f"{' '.join(given)}: exit code {done.returncode}, {done.stderr[-500:]}")
    return done


def read_all(trial: Trial, folder: Path, named: str) -> None:
    """Every command that reads reports or plans, over a project of which one report is damaged.

    ``verify`` must name the file and say that the other report is sound; ``export`` must refuse; the others go on with
    the rest. Nothing is left over.
    """
    damaged, sound = reports(folder)
    before = {*folder.rglob("*.unfinished")}
    verified = call(trial, folder, ("verify", "reports"))
    if verified.returncode != 1 or named not in verified.stderr:
        trial.found("unnoticed", f"verify: {named} is not in {verified.stderr[-500:]!r}")
    if str(sound.relative_to(folder)) not in verified.stdout:
        trial.found("unnoticed", f"verify: the sound report is not called sound, {verified.stdout!r}")
    if call(trial, folder, ("export", damaged, "--output", "out.zip")).returncode == 0:
        trial.found("unnoticed", f"export: {named} is sent on")
    ledger = call(trial, folder, ("ledger", "--format", "json"))
    if f'"stamp": "{sound.name}"' not in ledger.stdout:
        trial.found("unnoticed", "ledger: the sound report has no row")
    call(trial, folder, ("ledger",))
    call(trial, folder, ("index",))
    call(trial, folder, ("compare", damaged, sound))
    call(trial, folder, ("plan", "status", "gradient-flow"))
    left = [path.name for path in ({*folder.rglob("*.unfinished"), *folder.rglob("out.zip")} - before)]
    if left:
        trial.found("half folder", ", ".join(left))
