"""Stored cases of the C program, run through our command and compared; tables and verdict of the comparison."""

import contextlib
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nanobrag_torch.cli.compare import ImagePair, compare_with_stored
from nanobrag_torch.cli.parse import parse
from nanobrag_torch.cli.precedence import configure, settings_of
from nanobrag_torch.cli.prepare import prepare
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.evidence import Evidence
from nanobrag_torch.workbook.records.parity import Interval, Parity, ParityCase
from nanobrag_torch.workbook.records.run import Verdict
from nanobrag_torch.workbook.show import progress
from nanobrag_torch.workbook.show.tables import Table

#: Word for every case of a folder.
ALL = "all"
_BETWEEN = "the gradient between two images"


@dataclass(frozen=True)
class StoredCase:
    """A command line, and the arrays that the C program left for it.

    Attributes:
        name: name of the case.
        about: subject of the case, in words.
        command: words of the command line.
        arrays: file with the stored arrays.
        inputs: folder of the files that the command line names.
    """

    name: str
    about: str
    command: tuple[str, ...]
    arrays: Path
    inputs: Path

    def compared(self) -> ImagePair:
        """Our image beside the stored one. Raises as :func:`nanobrag_torch.cli.compare.compare_with_stored` does."""
        with contextlib.chdir(self.inputs):
            return compare_with_stored(self.command, self.arrays)

    def scenario(self, names: Sequence[str], engine: str = "auto") -> Scenario:
        """Scenario of the case: its image as a function of ``names``, in float64. Raises as ``configure`` does."""
        with contextlib.chdir(self.inputs):
            settings = replace(settings_of(parse(self.command)), use_dump=False)
            conf = configure(settings)
            crystal = prepare(conf).simulator.crystal
        return Scenario(
            conf.crystal, conf.detector, conf.beam, tuple(names), compat=conf.compat, hkl_data=crystal.hkl_data,
            hkl_metadata=crystal.hkl_metadata, engine=engine,
        )  # fmt: skip


def stored_cases(folder: str, names: str = ALL) -> tuple[StoredCase, ...]:
    """Read cases of a reference folder, seen from the root of the project: ``cases.json``, ``NAME.npz``, ``inputs/``.

    ``names`` are separated by blanks or commas.

    Raises:
        InputError: the folder or a name is not there.
    """
    root = project.find(folder).resolve()
    try:
        known = files.read_json(root / "cases.json")
    except files.Unreadable:
        raise InputError.of(
            "parity", "references", folder, "a folder with cases.json, NAME.npz and inputs/", "Give that of the tests."
        ) from None
    wanted = list(known) if names == ALL else names.replace(",", " ").split()
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name, known, 3) or list(known)[:3]
            raise InputError.of("parity", "cases", name, f"{ALL}, or names as {', '.join(near)}", "Check the name.")
    return tuple(
        StoredCase(name, known[name]["about"], tuple(known[name]["args"]), root / f"{name}.npz", root / "inputs")
        for name in wanted
    )


def run(cases: Sequence[StoredCase]) -> tuple[Parity, ImagePair]:
    """Run all cases through our command. An interruption keeps those that were compared; the record names the others.

    Returns:
        The record, and the pair of images that lie furthest apart.

    Raises:
        InputError: there is no case.
        KeyboardInterrupt: the interruption came before the first was compared.
    """
    records, worst, pair = [], "", None
    with progress.shown("Images of the C program") as work:
        for case in work.each(cases, lambda case: case.name):
            compared = case.compared()
            records.append(_record(case, compared))
            if pair is None or compared.comparison.excess > pair.comparison.excess:
                worst, pair = case.name, compared
    if pair is None and work.interrupted:
        raise KeyboardInterrupt
    if pair is None:
        raise InputError.of("parity", "cases", "none", f"{ALL}, or at least one name", "Name a case.")
    skipped = tuple(case.name for case in cases[len(records) :])
    return Parity(cases=tuple(records), worst=worst, skipped=skipped), pair


def _record(case: StoredCase, pair: ImagePair) -> ParityCase:
    found = pair.comparison
    return ParityCase(
        name=case.name,
        about=case.about,
        pixels=found.pixels,
        different=found.different,
        correlation=found.correlation,
        largest_difference=found.largest_difference,
        excess=found.excess,
        header=found.header_differences,
    )


def table(parity: Parity) -> Table:
    """Table of the cases, the worst first."""
    rows = tuple(
        (
            case.name,
            f"{case.different} of {case.pixels}",
            "none" if case.correlation is None else f"{case.correlation:.9f}",
            number(case.largest_difference, 2),
            number(case.excess, 2),
            _header(case),
            case.about,
        )
        for case in sorted(parity.cases, key=lambda case: -case.excess)
    )
    columns = ("case", "pixels that differ", "correlation", "largest difference", "/ tolerance", "header", "about")
    return Table(caption="Our command beside the C program", columns=columns, rows=rows)


def _header(case: ParityCase) -> str:
    if case.header is None:
        return "none stored"
    return "; ".join(case.header) or "equal"


def interval_table(interval: Interval) -> Table:
    """Table of the mean derivative over the interval: of the C program, and of ours in two ways."""
    width = interval.high - interval.low
    rows = tuple(
        (
            row.loss.replace("_", " "),
            f"{number(row.difference / width, 11)} ± {number(row.error_bar / width, 2)}",
            number(row.integral / width, 11),
            number(row.by_cell / width, 11),
            "agrees" if row.agrees else "disagrees",
        )
        for row in interval.losses
    )
    return Table(
        caption=f"Mean derivative over λ = {interval.low:.8g} ... {interval.high:.8g} Å, per Å",
        columns=("loss", "C: difference of images", "ours: ∂/∂λ", "ours: −(a ∂/∂a + b ∂/∂b + c ∂/∂c)/λ", "verdict"),
        rows=rows,
    )


def conclude(parity: Parity, interval: Interval | None, program: Evidence | None) -> Verdict:
    """Verdict on images, gradient over the interval, and, with a C program, gradient of each cell parameter.

    Of what was interrupted nothing is said: cases that the record names, an interval that is None, and parameters by
    which the program was not differentiated.
    """
    wrong = [] if program is None else [row.symbol for row in program.derivatives if row.agreement != "agrees"]
    agreeing = len(parity.cases) - len(parity.differing)
    images = f"{agreeing} of {len(parity.cases)} cases agree with the C program in every pixel and stored header."
    compared = " that were compared" if parity.skipped else ""
    missed = [*parity.skipped, *(program.unchecked if program else ()), *([] if interval else [_BETWEEN])]
    if missed:
        images += f" Interrupted, so nothing is said of it: {', '.join(missed)}."
    if parity.differing:
        worst = next(case for case in parity.cases if case.name == parity.worst)
        where = f"{worst.name} most, in {worst.different} of {worst.pixels} pixels" if worst.different else "in headers"
        return Verdict(
            code="images_differ", status="failed", title="Images differ from the C program's",
            sentence=f"{images} Others: {', '.join(parity.differing)}.",
            remedy="Look at the picture of the worst case, then trace one of its pixels (-trace_pixel).",
            answer=f"No: {len(parity.differing)} of {len(parity.cases)} images{compared} differ from the C program's; "
            f"{where}.",
        )  # fmt: skip
    over = "" if interval is None or interval.agrees else f"over {interval.low_case} to {interval.high_case}"
    if wrong or over:
        what = f"of {', '.join(wrong)}" if wrong else over
        return Verdict(
            code="gradient_differs", status="failed", title="A gradient is not the C program's difference",
            sentence=f"{images} The gradient {what} differs from the C program's finite difference by more than its "
            "error bar.",
            remedy="Diagnose the gradient with the doctor, then look for a jump between the two images.",
            answer=f"Images yes, all {len(parity.cases)}{compared}; gradients no: that {what} is not the C program's "
            "difference.",
        )  # fmt: skip
    if interval is None or missed:
        return Verdict(
            code="parity_interrupted", status="interrupted", title="What was compared agrees; the rest was interrupted",
            sentence=images, remedy="Run the notebook again.",
        )  # fmt: skip
    shown = (
        f"Between {interval.low_case} and {interval.high_case}, which differ in the wavelength alone, the integral of "
        f"our gradient is the difference of the C program's images, to the rounding of all {interval.pixels} pixels. "
        "The same holds along the scale of the cell."
    )
    single = (
        "Not shown: single cell parameters, as no stored images differ in one and there was no C program."
        if program is None
        else "For each cell parameter our gradient agrees with finite differences of the C program itself."
    )
    return Verdict(
        code="parity", status="passed", title="Images and gradients are the C program's",
        sentence=f"{images} {shown} {single}",
        remedy="" if program else "Set NB_C_BIN to the C program and run again: it is then differentiated itself.",
        answer=f"Yes: {agreeing} of {len(parity.cases)} images are the C program's, and our gradient gives the "
        f"difference of two of its images in all {interval.pixels} pixels.",
    )  # fmt: skip
