"""``nanobrag-workbook verify``, ``compare`` and ``export``: reports to trust and to share."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.commands.options import ReportFolder
from nanobrag_torch.workbook.errors import InputError

if TYPE_CHECKING:
    from nanobrag_torch.workbook.report.compare import Comparison


def verify(
    path: Annotated[Path, typer.Argument(help="The folder of a report, or one above several.")],
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign what is as it should be, with this private SSH key.")
    ] = None,
    signers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Demand a signature of somebody in this allowed_signers file.")
    ] = None,
) -> None:
    """Hash and read every file of a report again, and name what is not as its manifest says (exit code 1)."""
    from nanobrag_torch.workbook.commands.terminal import complain, say
    from nanobrag_torch.workbook.records import catalogue
    from nanobrag_torch.workbook.report import contents, signatures
    from nanobrag_torch.workbook.report import verify as verification

    failed = False
    for problem in catalogue.problems(project.root()):
        complain(f"{problem.rstrip('.')}. Records of that investigation are not read.")
    for folder in verification.folders(path):
        found = contents.read(folder)
        signed = ""
        if signers is not None:
            try:
                signed = f", signed by {signatures.signer(folder, signers)}"
            except files.Unreadable as error:
                found.problems.append(f"{contents.SIGNATURE}: {error}")
        failed = failed or bool(found.problems)
        for problem in found.problems:
            complain(f"{folder}: {problem}")
        if not found.problems:
            say(f"{folder}: every file is as the manifest says{signed}")
            for note in found.unchecked:
                say(f"{folder}: {note}")
            if sign is not None:
                say(f"{folder}: signed, in {signatures.sign(folder, sign).name}")
    raise typer.Exit(1 if failed else 0)


def compare(
    first: ReportFolder,
    second: ReportFolder,
    output: Annotated[Path, typer.Option(help="Where the page goes; it is replaced.")] = Path("comparison.html"),
) -> None:
    """Put two runs side by side, as a table of numbers and as a page; exit code 1 where numbers differ.

    Of two sweeps, the points are joined by the parameters that both vary.
    """
    from rich.console import Console
    from rich.table import Table

    from nanobrag_torch.workbook.commands.terminal import cell, from_here, say
    from nanobrag_torch.workbook.formatting import in_words, number
    from nanobrag_torch.workbook.report import compare as comparison

    found = _with_points(comparison.compare(first, second), first, second)
    for each in found.columns:
        if each.differing:
            say(f"{each.name}: {each.differing} of {each.points} points differ, most at {each.where}")
    table = Table(title="Numbers", title_justify="left")
    for column in ("name", "A", "B", "unit", "relative difference", ""):
        table.add_column(column, overflow="fold")
    for line in found.numbers:
        values = (*line.texts, cell(in_words(line.unit)), number(line.relative, 2))
        table.add_row(cell(line.name), *values, "" if line.same else "differs")
    Console().print(table)
    for other in (*found.parameters, *found.environment):
        if not other.same:
            say(f"{other.name}: {other.first} | {other.second}")
    _check_output("compare", output)
    files.write(output, comparison.html(found))
    typer.echo(from_here(output.absolute()))
    different = found.different_numbers or any(each.differing for each in found.columns)
    raise typer.Exit(1 if different else 0)


def _with_points(found: "Comparison", first: Path, second: Path) -> "Comparison":
    """A comparison with the points of two sweeps; as it is where one is none."""
    from nanobrag_torch.workbook.sweeps import compare as sweeps

    if not (sweeps.is_sweep(first) and sweeps.is_sweep(second)):
        return found
    return replace(found, columns=sweeps.columns(first, second))


def export(
    run: ReportFolder,
    output: Annotated[Path | None, typer.Option(help="A .zip or .html (default: a .zip named after the run).")] = None,
    crate: Annotated[bool, typer.Option("--crate", help="Make the zip a research object: an RO-Crate 1.1.")] = False,
    licence: Annotated[
        str, typer.Option(metavar="SPDX", help="Licence of the research object, as CC-BY-4.0, or its address.")
    ] = "",
    doi: Annotated[
        str, typer.Option(metavar="DOI", help="DOI that a repository has reserved for the research object.")
    ] = "",
    orcid: Annotated[
        str, typer.Option(metavar="ORCID", help="ORCID of the person whom git's configuration names.")
    ] = "",
) -> None:
    """Make one file of a report: a zip of everything, or its page alone, small enough for an e-mail."""
    from nanobrag_torch.workbook.commands.terminal import from_here
    from nanobrag_torch.workbook.machine import repository
    from nanobrag_torch.workbook.report import export as exports
    from nanobrag_torch.workbook.report import verify as verification
    from nanobrag_torch.workbook.report.crate import Crate

    verification.folders(run)
    for name, given in {"licence": licence, "doi": doi, "orcid": orcid}.items():
        if given and not crate:
            raise InputError.of("export", name, given, f"a {name} together with --crate", "Add --crate.")
    target = (output or Path(exports.name(run, ".zip"))).absolute()
    _check_output("export", target)
    asked = Crate(licence, repository.person(run.absolute()), doi, orcid) if crate else None
    typer.echo(from_here(exports.export(run, target, asked)))


def _check_output(command: str, output: Path) -> None:
    """Raise ``InputError`` where a file cannot go: in a folder that is not there, or within a report."""
    folder = output.absolute().parent
    if not folder.is_dir():
        raise InputError.of(command, "output", str(output), "a file in a folder that exists", "Make the folder.")
    if project.report_around(folder) is not None:
        allowed = "a file outside of reports, which hold what their manifest lists and nothing else"
        raise InputError.of(command, "output", str(output), allowed, "Give another place with --output.")
