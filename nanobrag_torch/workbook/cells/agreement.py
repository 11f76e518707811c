"""Agreement of another program with what was rendered: a rotation series of a known crystal, judged by DIALS."""

import itertools
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from nanobrag_torch.cli.parse import parse
from nanobrag_torch.cli.precedence import configure, settings_of
from nanobrag_torch.cli.prepare import NO_COMPILATION, prepare
from nanobrag_torch.data import EXAMPLE_STRUCTURE
from nanobrag_torch.io import load_structure_factors
from nanobrag_torch.io.description import Description
from nanobrag_torch.io.dials import read_experiments
from nanobrag_torch.io.frames import about
from nanobrag_torch.io.mosflm import reciprocal_to_real_cell
from nanobrag_torch.refine.notation import value_with_error
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook.cells import dials
from nanobrag_torch.workbook.cells.dials import Processed
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.agreement import STANDARD_ERRORS, Agreement, Judgement
from nanobrag_torch.workbook.records.run import Caption, Verdict
from nanobrag_torch.workbook.report.folder import Report
from nanobrag_torch.workbook.show import progress
from nanobrag_torch.workbook.show.drawing import AUTOGRAD, DIFFERENCE, STYLE, Drawing
from nanobrag_torch.workbook.show.tables import Table

#: Formats of a series: the option that writes it and the endings of its files.
FORMATS = {"nxs": "-nexusfile", "cbf": "-cbffile", "img": "-noisefile"}
_OWNER = "agreement"
_NAME = "series"
_TRUTH = "truth.expt"
#: Space group of the example structure, and that without what only absences along its axes tell.
_GROUPS = ("P 21 21 21", "P 2 2 2")
_CELL_NAMES = ("a", "b", "c", "alpha", "beta", "gamma")


def first_image(options: str, phi_steps: int) -> Scenario:
    """Scenario of the first image of a series; the arguments are those of :func:`judge`. Raises as ``configure``."""
    scan = ["-phi", "0", "-osc", "1", "-phisteps", str(phi_steps)]
    words = ["-compat", "physical", *shlex.split(options), *scan, "-nodump", "-hkl", str(EXAMPLE_STRUCTURE)]
    conf = configure(settings_of(parse(words)))
    crystal = prepare(conf).simulator.crystal
    return Scenario(
        conf.crystal, conf.detector, conf.beam, compat=conf.compat, hkl_data=crystal.hkl_data,
        hkl_metadata=crystal.hkl_metadata,
    )  # fmt: skip


def judge(
    report: Report, options: str, formats: str, frames: int, phi_steps: int, two_theta_deg: float = 0.0
) -> Agreement:
    """Render a rotation series of the example structure, a degree a frame, and let DIALS process it with no hint.

    What DIALS said, and the crystal that it refined, stay in the folder ``dials`` of the report; images do not. An
    interruption keeps the formats that were processed; the record names the others.

    Args:
        report: where logs go.
        options: further options of ``nanoBragg``: crystal size, camera, dose.
        formats: words of :data:`FORMATS`, separated by blanks.
        frames: number of frames.
        phi_steps: steps of phi in each.
        two_theta_deg: how far the detector is swung out.

    Raises:
        InputError: a format is unknown.
        Blocked: DIALS is missing, a program failed or found another lattice, or an interruption came before the first
            format was processed; the error says which.
    """
    kinds = formats.split()
    if not kinds or not set(kinds) <= set(FORMATS):
        raise InputError.of(_OWNER, "formats", formats, " ".join(FORMATS), "Name one or more of them.")
    program = dials.version()
    judgements: list[Judgement] = []
    numbers, steps = itertools.count(1), 1 + len(kinds) * len(dials.STEPS)
    # In the folder of the report, so that nothing is left elsewhere where the run is killed.
    scratch = TemporaryDirectory(prefix=".series-", dir=report.folder.resolve())
    with scratch as name, progress.shown("The series, and DIALS") as work:
        folder = Path(name)
        work.at(0, "rendering")
        command = render(folder, shlex.split(options), kinds, frames, phi_steps, two_theta_deg)
        truth = read_experiments(folder / _TRUTH)[0]
        for kind in kinds:
            sys.stdout.write(f"{kind}:\n")
            images = [*sorted(folder.glob(f"{_NAME}*.{kind}")), folder / f"{_NAME}.{kind}.phil"]
            try:
                found = dials.process(images, folder / kind, lambda program: work.at(next(numbers) / steps, program))
            finally:
                _keep(folder / kind, report.folder / "dials" / kind)
            judgements.append(compared(kind, found, truth, 1 / phi_steps))
    if not judgements:
        raise Blocked("Interrupted before DIALS had processed the first format: nothing can be said of it.")
    return Agreement(
        program=program,
        command=command,
        cell=_cell(_direct(truth)),
        space_groups=_GROUPS,
        judgements=tuple(judgements),
        skipped=tuple(kinds[len(judgements) :]),
    )


def render(
    folder: Path, options: list[str], formats: list[str], frames: int, phi_steps: int, two_theta_deg: float
) -> str:
    """Render the series into a folder, and return its command line. Raises ``Blocked`` where the command failed."""
    out = [word for kind in formats for word in (FORMATS[kind], f"{_NAME}.{kind}")]
    scan = [
        "-phi",
        "0",
        "-osc",
        "1",
        "-phisteps",
        str(phi_steps),
        "-frames",
        str(frames),
        "-twotheta",
        str(two_theta_deg),
    ]
    words = ["-compat", "physical", *options, *scan, *out, "-exptfile", _TRUTH, "-nodump", "-hkl"]
    command = f"nanoBragg {shlex.join(words)} {EXAMPLE_STRUCTURE.name}"
    sys.stdout.write(f"{command}\n")
    sys.stdout.flush()
    # The guard of a notebook is for gradients; the images of a series are those that the command makes by itself.
    environment = {name: value for name, value in os.environ.items() if name != NO_COMPILATION}
    run = subprocess.run(
        [sys.executable, "-m", "nanobrag_torch", *words, str(EXAMPLE_STRUCTURE)],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        last = (run.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise Blocked(f"nanoBragg ended with {run.returncode}: {last}")
    return command


def compared(kind: str, found: Processed, truth: Description, phi_step_deg: float) -> Judgement:
    """Judgement of one format: outcome of the chain beside the crystal that was rendered.

    Raises:
        Blocked: the lattice is another one, so that nothing can be compared.
    """
    true = _direct(truth)
    # The same lattice on other axes is right: rows of ``found`` are whole combinations of the true ones.
    exact = found.direct_A @ np.linalg.inv(true)
    change = exact.round()
    if abs(exact - change).max() > 0.05 or not (abs(change).sum(0) == 1).all() or not (abs(change).sum(1) == 1).all():
        raise Blocked(f"{kind}: DIALS found another lattice, with rows {exact.round(3).tolist()} of the true one.")
    direct = np.linalg.inv(change) @ found.direct_A
    order = abs(change).argmax(0)
    sd = np.array(found.cell_sd)
    hkl = (found.hkl @ np.linalg.inv(change).T).round().astype(int)
    observed, expected = _intensities(found, hkl, np.linalg.inv(true).T)
    scale = (observed @ expected) / (expected @ expected)
    half_step = true @ about(_spindle(truth), -phi_step_deg / 2).T
    return Judgement(
        format=kind,
        spots=found.spots,
        indexed=found.indexed,
        cell=_cell(direct),
        cell_sd=(*sd[:3][order].tolist(), *sd[3:][order].tolist()),
        misorientation_deg=_angle(half_step, direct),
        misorientation_as_said_deg=_angle(true, direct),
        space_group=found.space_group,
        reflections=len(observed),
        correlation=float(np.corrcoef(observed, expected)[0, 1]),
        r_factor=float(abs(observed - scale * expected).sum() / observed.sum()),
    )


def table(agreement: Agreement) -> Table:
    """The judgement of every format in a column, beside the truth."""
    kinds = agreement.judgements

    def row(name: str, truth: str, entries: Iterable[str]) -> tuple[str, ...]:
        return (name, truth, *entries)

    rows = [row("spots found", "", (str(each.spots) for each in kinds))]
    rows.append(row("indexed", "", (f"{100 * each.indexed / each.spots:.1f} %" for each in kinds)))
    for index, name in enumerate(_CELL_NAMES):
        unit = "A" if index < 3 else "deg"
        entries = (value_with_error(each.cell[index], each.cell_sd[index]) for each in kinds)
        rows.append(row(f"{name} ({unit})", number(agreement.cell[index], 6), entries))
    rows.append(row("misorientation (deg)", "0", (f"{each.misorientation_deg:.4f}" for each in kinds)))
    rows.append(row("as the headers say", "0", (f"{each.misorientation_as_said_deg:.4f}" for each in kinds)))
    rows.append(row("space group", " or ".join(agreement.space_groups), (each.space_group for each in kinds)))
    rows.append(row("reflections", "", (str(each.reflections) for each in kinds)))
    rows.append(row("correlation with F squared", "1", (f"{each.correlation:.5f}" for each in kinds)))
    rows.append(row("R", "0", (f"{100 * each.r_factor:.2f} %" for each in kinds)))
    columns = ("", "rendered", *(each.format for each in kinds))
    return Table(caption=f"What {agreement.program} found", columns=columns, rows=tuple(rows))


def figure(agreement: Agreement) -> Drawing:
    """Errors of the cell in units of their standard errors, one panel a format."""
    kinds = agreement.judgements
    with rc_context(STYLE):
        drawing = Figure(figsize=(3 + 2.2 * len(kinds), 3.6), layout="constrained")
        axes = drawing.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
        for axis, each in zip(axes, kinds, strict=True):
            pulls = _pulls(each, agreement.cell)
            axis.axhspan(-STANDARD_ERRORS, STANDARD_ERRORS, color="0.93")
            axis.axhline(0, color="0.5", linewidth=0.8)
            colours = [AUTOGRAD if abs(pull) <= STANDARD_ERRORS else DIFFERENCE for pull in pulls]
            axis.bar(range(len(pulls)), pulls, color=colours, width=0.6)
            axis.set_xticks(range(len(pulls)), _CELL_NAMES, rotation=45)
            axis.set_title(each.format)
        axes[0].set_ylabel("(found - rendered) / standard error")
    spoken = "; ".join(
        f"{each.format}: "
        + ", ".join(f"{name} {pull:.1f}" for name, pull in zip(_CELL_NAMES, _pulls(each, agreement.cell), strict=True))
        for each in kinds
    )
    return Drawing(
        drawing,
        Caption(
            name="cell",
            title="Errors of the cell in units of their standard errors",
            caption=f"The band is {STANDARD_ERRORS:g} standard errors, as DIALS states them after refinement.",
            alt=f"Bars. {spoken}.",
        ),
    )


def conclude(agreement: Agreement) -> Verdict:
    """Verdict: the program agrees in all formats, or where it does not."""
    faults, kinds = agreement.faults(), agreement.judgements
    if faults:
        words = "; ".join(f"{name}: {', '.join(found)}" for name, found in faults.items())
        return Verdict(
            code="J2",
            status="failed",
            title=f"{agreement.program} does not agree",
            sentence=f"{words}.",
            answer=f"Not all: {words}.",
            remedy=(
                "Spots need to be narrow and yet several pixels wide, and many photons: a larger -N on a smaller "
                "-pixel, more -oversample, a higher -fluence."
            ),
        )
    names = ", ".join(each.format for each in kinds)
    if agreement.skipped:
        return Verdict(
            code="J3",
            status="interrupted",
            title=f"{agreement.program} agrees in {names}; the rest was interrupted",
            sentence=f"Interrupted, so nothing is said of it: {', '.join(agreement.skipped)}.",
            remedy="Run the notebook again.",
        )
    least, most = min(each.correlation for each in kinds), 100 * max(each.r_factor for each in kinds)
    return Verdict(
        code="J1",
        status="passed",
        title=f"{agreement.program} agrees",
        sentence=(
            f"Indexed with no hint, refined and integrated as {names}: cell, orientation and space group as rendered. "
            f"Intensities correlate with F squared to {least:.5f} at least; R is {most:.1f} % at most."
        ),
        answer=f"Yes, with no hint: {_found(kinds[0], agreement.cell)}.",
    )


def _found(judgement: Judgement, truth: tuple[float, ...]) -> str:
    edges = (
        f"{name} = {value_with_error(found, sd)} A ({number(true, 6)} was rendered)"
        for name, found, sd, true in zip("abc", judgement.cell, judgement.cell_sd, truth, strict=False)
    )
    other = f"orientation within {judgement.misorientation_deg:.4f} deg, R {100 * judgement.r_factor:.1f} %"
    return f"{', '.join(edges)}, {other}"


def _keep(made: Path, kept: Path) -> None:
    """Copy logs and the refined crystal of a chain, as far as it came."""
    kept.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.log", "refined.expt"):
        for file in made.glob(pattern):
            if not file.name.startswith("dials."):
                shutil.copyfile(file, kept / file.name)


def _direct(truth: Description) -> np.ndarray:
    if truth.crystal is None:
        raise Blocked("The experiment list of the series has no crystal.")
    return np.array(truth.crystal.direct_A)


def _spindle(truth: Description) -> np.ndarray:
    if truth.goniometer is None:
        raise Blocked("The experiment list of the series has no goniometer.")
    return np.array(truth.goniometer.axes[truth.goniometer.scan_axis])


def _cell(direct: np.ndarray) -> tuple[float, ...]:
    return tuple(reciprocal_to_real_cell(*np.linalg.inv(direct).T))


def _angle(one: np.ndarray, other: np.ndarray) -> float:
    """Angle in degrees of the rotation that best takes one set of rows to another (Kabsch)."""
    u, _, v = np.linalg.svd(
        (one / np.linalg.norm(one, axis=1, keepdims=True)).T @ (other / np.linalg.norm(other, axis=1, keepdims=True))
    )
    rotation = u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v
    # The chord resolves small angles, which the trace does not.
    return float(np.degrees(2 * np.arcsin(min(1.0, np.linalg.norm(rotation - np.eye(3)) / np.sqrt(8)))))


def _intensities(found: Processed, hkl: np.ndarray, stars: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fully recorded intensities, and the squared structure factors that belong to them."""
    resolution = 1 / np.linalg.norm(hkl @ stars, axis=1).max()
    factors = load_structure_factors(EXAMPLE_STRUCTURE, dmin=0.99 * resolution)
    at = hkl - np.array([factors.metadata[f"{name}_min"] for name in "hkl"])
    inside = ((at >= 0) & (at < factors.grid.shape)).all(1)
    squared = np.zeros(len(hkl))
    squared[inside] = factors.grid.numpy()[tuple(at[inside].T)] ** 2
    kept = (found.recorded > 0.99) & (found.errors > 0) & (squared > 0)
    if kept.sum() < 10:
        raise Blocked(f"Only {kept.sum()} fully recorded reflections were integrated: nothing can be said of them.")
    return found.intensities[kept], squared[kept]


def _pulls(judgement: Judgement, truth: tuple[float, ...]) -> list[float]:
    rows = zip(judgement.cell, truth, judgement.cell_sd, strict=True)
    return [(found - true) / sd if sd > 0 else 0.0 for found, true, sd in rows]
