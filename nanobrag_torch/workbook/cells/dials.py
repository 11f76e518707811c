"""Programs of DIALS, run on a series of images one after another as a user would, with no hint of the crystal."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nanobrag_torch.io.dials import read_experiments
from nanobrag_torch.workbook.errors import Blocked

#: Programs of the chain and their words; ``{images}`` stands for the images and what goes with them.
STEPS = {
    "import": ("{images}",),
    "find_spots": ("imported.expt", "nproc={cores}"),
    "index": ("imported.expt", "strong.refl"),
    # The crystal of a simulation is the same in all images. Spots that the first or the last image cuts have centroids
    # a quarter of an image further in than their reflections are.
    "refine": ("indexed.expt", "indexed.refl", "scan_varying=False", "scan_margin=1"),
    "integrate": ("refined.expt", "refined.refl", "nproc={cores}"),
    "symmetry": ("integrated.expt", "integrated.refl"),
    "export": ("integrated.expt", "integrated.refl", "mtz.hklout=integrated.mtz"),
    "show": ("refined.expt",),
}
#: What each leaves where it succeeds: not all of them say by their exit code that they failed.
_LEFT = {
    "import": "imported.expt",
    "find_spots": "strong.refl",
    "index": "indexed.expt",
    "refine": "refined.expt",
    "integrate": "integrated.refl",
    "export": "integrated.mtz",
}
_REMEDY = "Install DIALS (Debian: apt-get install dials; elsewhere: dials.github.io), and run again."
#: Words of a report by which its numbers are found.
_SPOTS = re.compile(r"^(\d+) spots found", re.MULTILINE)
_CELL = re.compile(r"^\s*Unit cell: (.*)$", re.MULTILINE)
_GROUP = re.compile(r"^Recommended space group: (.*)$", re.MULTILINE)
_WITH_ERROR = re.compile(r"^(\d+(?:\.(\d*))?)(?:\((\d+)\))?$")


@dataclass(frozen=True, eq=False)
class Processed:
    """Outcome of the chain on one set of images.

    Attributes:
        spots: spots found.
        indexed: spots indexed.
        direct_A: direct vectors of the refined crystal in Angstrom, one a row, all axes of the goniometer at zero.
        cell_sd: standard errors of edges in Angstrom and angles in degrees; 0 where DIALS gives none.
        space_group: space group that symmetry alone suggests.
        hkl: (n, 3) indices of the integrated observations, as DIALS indexed them.
        intensities: (n,) intensities by profile fitting, corrected for Lorentz factor and polarization.
        errors: (n,) their standard errors.
        recorded: (n,) part of the reflection that the images hold.
    """

    spots: int
    indexed: int
    direct_A: np.ndarray
    cell_sd: tuple[float, ...]
    space_group: str
    hkl: np.ndarray
    intensities: np.ndarray
    errors: np.ndarray
    recorded: np.ndarray


def version() -> str:
    """Name and version of the DIALS at hand. Raises ``Blocked`` where there is none."""
    if shutil.which("dials.version") is None:
        raise Blocked(f"DIALS is not installed here: there is no dials.version. {_REMEDY}")
    run = subprocess.run(["dials.version"], capture_output=True, text=True, check=False)
    return (run.stdout.strip().splitlines() or ["DIALS"])[0]


def process(images: list[Path], folder: Path, tell: Callable[[str], None] = lambda program: None) -> Processed:
    """Import, find spots, index, refine, integrate, and look for symmetry; print a line for each program.

    Args:
        images: images, and files with parameters for ``dials.import``.
        folder: new folder for all that DIALS writes, a log of each program among it.
        tell: is told of each program before it starts.

    Raises:
        Blocked: DIALS is missing, or one of its programs failed; the error says which, and its last words.
    """
    version()
    folder.mkdir(parents=True)
    said = {}
    for program, words in STEPS.items():
        tell(program)
        said[program] = _run(program, words, images, folder)
    (experiment,) = read_experiments(folder / "refined.expt", without=("beam.sigma_divergence",))
    if experiment.crystal is None:
        raise Blocked("dials.refine left no crystal.")
    return Processed(
        spots=int(_found(_SPOTS, said["find_spots"], "find_spots")),
        indexed=_indexed(folder),
        direct_A=np.array(experiment.crystal.direct_A),
        cell_sd=tuple(_error(word) for word in _found(_CELL, said["show"], "show").split(", ")),
        space_group=_found(_GROUP, said["symmetry"], "symmetry").strip(),
        **_observations(folder / "integrated.mtz"),
    )


def _run(program: str, words: tuple[str, ...], images: list[Path], folder: Path) -> str:
    sys.stdout.write(f"dials.{program}\n")
    sys.stdout.flush()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    given = [
        part for word in words for part in (map(str, images) if word == "{images}" else [word.format(cores=cores)])
    ]
    command = shutil.which(f"dials.{program}")
    if command is None:
        raise Blocked(f"dials.{program} is not installed here. {_REMEDY}")
    run = subprocess.run(
        [command, *given], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    (folder / f"{program}.log").write_text(run.stdout + run.stderr, encoding="utf-8")
    left = _LEFT.get(program)
    if run.returncode or (left and not (folder / left).is_file()):
        end = f"ended with {run.returncode}" if run.returncode else f"left no {left}"
        last = "; ".join((run.stderr.strip() or run.stdout.strip()).splitlines()[-2:]).rstrip(".")
        raise Blocked(f"dials.{program} {end}: {last}. All it said is in {program}.log.")
    return run.stdout


def _found(pattern: re.Pattern[str], text: str, program: str) -> str:
    found = pattern.findall(text)
    if not found:
        raise Blocked(
            f"dials.{program} does not say what was looked for ({pattern.pattern}): another version of DIALS?"
        )
    return str(found[-1])


def _error(word: str) -> float:
    """Standard error of a value in crystallographers' notation, 34.770(12) for 34.77 and 0.012; 0 without any."""
    match = _WITH_ERROR.match(word.strip())
    if match is None or match[3] is None:
        return 0.0
    return float(match[3]) * 10.0 ** -len(match[2] or "")


def _indexed(folder: Path) -> int:
    """Spots that were indexed, from the table by which ``dials.index`` ends."""
    rows = re.findall(
        r"^\|\s*\d+\s*\|\s*(\d+)\s*\|\s*\d+\s*\|\s*[\d.]+%?\s*\|", (folder / "index.log").read_text(), re.M
    )
    return int(rows[-1]) if rows else 0


def _observations(file: Path) -> dict[str, np.ndarray]:
    """Profile-fitted observations of an unmerged MTZ file, indexed as they were when it was written."""
    import gemmi

    mtz = gemmi.read_mtz_file(str(file))
    mtz.switch_to_original_hkl()
    labels = mtz.column_labels()
    rows = np.array(mtz.array, dtype=float)
    columns = {"intensities": "IPR", "errors": "SIGIPR", "recorded": "FRACTIONCALC"}
    return {"hkl": rows[:, :3].round().astype(int)} | {
        name: rows[:, labels.index(label)] for name, label in columns.items()
    }
