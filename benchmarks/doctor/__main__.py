"""Command ``python -m benchmarks.doctor``: the doctor beside torch's own tools, on faults reported in public."""

import json
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.doctor.cases import Case, read_cases
from benchmarks.doctor.judges import JUDGES, Opinion

CASES = Path(__file__).parents[2] / "tests" / "doctor" / "cases"
#: Kinds of cause, by the first letter of their codes.
KINDS = {"Z": "zero, with a reason", "S": "zero or missing", "N": "not finite", "W": "wrong", "D": "kink, jump, random"}

Opinions = list[tuple[Case, dict[str, Opinion]]]


def judged(folder: Path) -> tuple[Opinions, dict[str, str]]:
    """Opinions of all judges on all cases of a folder, and what the cases lack that could not be read."""
    cases, lacking = read_cases(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [(case, {name: judge(case) for name, judge in JUDGES.items()}) for case in cases], lacking


def table(opinions: Opinions) -> Table:
    """Count, for every kind of case, how often each judge says something and how often it names the cause."""
    result = Table("cases", "", *JUDGES, title="says something / names the cause")
    for kind in (*KINDS.values(), "misuse", "any of these", "healthy"):
        of_kind = [found for case, found in opinions if kind in (kind_of(case), case.codes and "any of these")]
        if not of_kind:
            continue
        counts = []
        for judge in JUDGES:
            speaks = sum(found[judge].speaks for found in of_kind)
            cause = sum(found[judge].names_cause for found in of_kind)
            counts.append(f"{speaks} false" if kind == "healthy" else f"{speaks} / {cause}")
        result.add_row(kind, str(len(of_kind)), *counts, end_section=kind in ("misuse", "any of these"))
    return result


def kind_of(case: Case) -> str:
    """Kind of a case: that of the first of its right codes, in alphabetical order."""
    return KINDS.get(min(case.codes)[0], "misuse") if case.codes else "healthy"


def main(
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of cases.")] = CASES,
    output: Annotated[Path, typer.Option(help="File for every opinion on every case.")] = Path("doctor-benchmark.json"),
) -> None:
    """Ask the doctor, gradcheck and anomaly mode about every case, and count what they say."""
    console = Console()
    with console.status(str(folder)):
        opinions, lacking = judged(folder)
    console.print(table(opinions))
    for name, what in lacking.items():
        console.print(f"left out: {name}: {what}")
    kept = [
        {
            "case": case.name, "title": case.title, "source": case.source, "maintainers": case.maintainers,
            "expected": {name: sorted(codes) for name, codes in (case.expected or {}).items()},
            "opinions": {name: asdict(opinion) for name, opinion in found.items()},
        }
        for case, found in opinions
    ]  # fmt: skip
    output.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    console.print(f"Kept in {output}")


if __name__ == "__main__":
    typer.run(main)
