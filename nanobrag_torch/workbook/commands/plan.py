"""``nanobrag-workbook plan``: run a plan, show how far it is, begin a new one, take one that comes with the package."""

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.commands.options import BAD_INPUT, Reports, Stamp, places, places_to_read
from nanobrag_torch.workbook.errors import InputError

app = typer.Typer(help="Plans: the phases of an investigation.", no_args_is_help=True, rich_markup_mode=None)

_LONGEST_NAME = 60

Name = Annotated[str, typer.Argument(help="The name of a plan: plans/NAME.md.")]


@app.command()
def run(
    name: Name,
    phase: Annotated[str, typer.Option(help="Only this phase (b2), or all that start with a letter (b).")] = "",
    stamp: Stamp = None,
    again: Annotated[bool, typer.Option("--again", help="Repeat phases that are done.")] = False,
    reports: Reports = None,
) -> None:
    """Run the phases of a plan in order, say what is next, and print the path of the index.

    It ends at the first phase that is blocked or misses an exit criterion, and continues there when it is called again.
    """
    from nanobrag_torch.workbook.commands.terminal import begin, from_here
    from nanobrag_torch.workbook.ledger import index
    from nanobrag_torch.workbook.plans import header
    from nanobrag_torch.workbook.plans.run import Session, run_plan
    from nanobrag_torch.workbook.report.folder import check_stamp

    where = places(reports)
    chosen = header.read(name, where.root)
    phases = chosen.phases(phase)
    session = Session(chosen, phases, where.root, where.reports, check_stamp(stamp) if stamp else None, again)
    _, tell = begin(reports)
    code, action = run_plan(session, tell)
    tell("next", action)
    typer.echo(from_here(index.write(where.reports, where.root)))
    raise typer.Exit(code)


@app.command()
def status(name: Name, reports: Reports = None) -> None:
    """Show every phase of a plan with its state and evidence, and what is next."""
    from rich.console import Console
    from rich.table import Table

    from nanobrag_torch.workbook.commands.terminal import cell, complain, say
    from nanobrag_torch.workbook.plans import fields, header
    from nanobrag_torch.workbook.plans.progress import next_action, phase_states
    from nanobrag_torch.workbook.report.archive import scan

    where = places_to_read(reports)
    chosen = header.read(name, where.root)
    states = phase_states(chosen, scan(where.reports))
    table = Table(title=cell(f"{chosen.title} [{chosen.header.focus}], {chosen.header.state}"), title_justify="left")
    for column in ("phase", "state", "evidence", "exit criteria", "what"):
        table.add_column(column, overflow="fold")
    for step in states:
        met = sum(criterion.holds for criterion in step.criteria)
        evidence = step.run.stamp if step.run else "–"
        criteria = f"{met} of {len(step.phase.exit)} hold"
        table.add_row(step.phase.id, step.state, *map(cell, (evidence, criteria, step.phase.title)))
    Console(soft_wrap=False).print(table)
    for step in states:
        if step.reason:
            complain(f"phase {step.phase.id}: {step.reason}")
    faults = fields.problems(chosen, where.root)
    for fault in faults:
        complain(fault)
    say(f"Next: {next_action(chosen, states)}")
    raise typer.Exit(BAD_INPUT if faults else 0)


@app.command()
def new(
    name: Name,
    question: Annotated[str, typer.Option(help="What is to be found out.")],
    notebook: Annotated[Path, typer.Option(help="The notebook of the first phase, below notebooks/.")],
) -> None:
    """Begin a plan with one phase, as a file to be completed."""
    from nanobrag_torch.workbook.commands.terminal import from_here
    from nanobrag_torch.workbook.machine import repository
    from nanobrag_torch.workbook.notebooks import parameters
    from nanobrag_torch.workbook.plans import header
    from nanobrag_torch.workbook.show.templates import plain

    root = project.root()
    path = root / project.PLANS / f"{name}.md"
    check_name("plan new", name)
    if path.exists():
        raise InputError.of("plan new", "name", name, "a name that no plan has yet", "Choose another name.")
    source = project.notebook(notebook.as_posix(), root)
    parameters.declared(source)
    text = plain(
        "plan.md.j2", name=name, question=question, notebook=project.shown(source, root),
        branch=repository.state(root).branch or "main",
    )  # fmt: skip
    header.parse(text, f"{project.PLANS}/{path.name}")
    path.parent.mkdir(exist_ok=True)
    files.write(path, text)
    typer.echo(from_here(path))


@app.command()
def copy(name: Name) -> None:
    """Put an investigation that comes with the package into the project: plan, its folder, notebooks."""
    from nanobrag_torch.workbook.commands.terminal import from_here

    root, shipped = project.root(), project.shipped()
    known = [path.stem for path in sorted((shipped / project.PLANS).glob("*.md"))]
    if name not in known:
        raise InputError.of("plan copy", "name", name, ", ".join(known), "Name one of them.")
    parts = (f"{project.PLANS}/{name}.md", f"{project.PLANS}/{name}", f"{project.NOTEBOOKS}/{name.replace('-', '_')}")
    there = [part for part in parts if os.path.lexists(root / part)]
    check_folders("plan copy", root, [root / part for part in parts])
    if there:
        raise InputError.of("plan copy", "name", name, f"a project without {', '.join(there)}", "Nothing was copied.")
    for part in parts:
        source, target = shipped / part, root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            files.write(target, source.read_bytes())
        typer.echo(from_here(target))


def check_name(owner: str, name: str) -> None:
    """Raise ``InputError`` unless ``name`` can be that of a plan: small letters, digits and hyphens, and not "lab"."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or len(name) > _LONGEST_NAME or name == project.LAB:
        raise InputError.of(owner, "name", name, "a new name such as gradient-flow", "Choose another name.")


def check_folders(owner: str, base: Path, paths: Iterable[Path]) -> None:
    """Raise ``InputError`` where something else than a folder stands in the way of a file that is to be written."""
    for path in paths:
        for folder in path.parents:
            if not folder.is_relative_to(base):
                break
            if os.path.lexists(folder) and not folder.is_dir():
                remedy = "It is a file, or a link that leads nowhere; nothing was written."
                raise InputError.of(owner, "folder", str(folder), "a folder, or nothing yet", remedy)
