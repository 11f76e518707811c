"""``nanobrag-workbook plan``: run a plan, show how far it is, begin a new one."""

import re
from pathlib import Path
from typing import Annotated

import jinja2
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.commands.terminal import complain, from_here, teller
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.ledger import index
from nanobrag_torch.workbook.machine import repository
from nanobrag_torch.workbook.plans import header as plan_header
from nanobrag_torch.workbook.plans import run as plan
from nanobrag_torch.workbook.plans.progress import next_action, progress
from nanobrag_torch.workbook.report.archive import scan
from nanobrag_torch.workbook.report.folder import check_stamp
from nanobrag_torch.workbook.running import parameters
from nanobrag_torch.workbook.running.publish import finish_orphans

app = typer.Typer(help="Plans: the phases of an investigation.", no_args_is_help=True, rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="The name of a plan: plans/NAME.md.")]
Reports = Annotated[Path | None, typer.Option(help="Where reports are (default: reports/ of the checkout).")]


@app.command()
def run(
    name: Name,
    phase: Annotated[str, typer.Option(help="Only this phase (b2), or all that start with a letter (b).")] = "",
    stamp: Annotated[str | None, typer.Option(help="UTC as YYYYmmddTHHMMSSZ (default: now).")] = None,
    again: Annotated[bool, typer.Option("--again", help="Repeat phases that are done.")] = False,
    reports: Reports = None,
) -> None:
    """Run the phases of a plan in order, say what is next, and print the path of the index.

    It ends at the first phase that is blocked or misses an exit criterion, and continues there when it is called again.
    """
    root = repository.root()
    folder = (reports or root / "reports").resolve()
    chosen = plan_header.read(name, root)
    session = plan.Session(chosen, chosen.phases(phase), root, folder, check_stamp(stamp) if stamp else None, again)
    tell = teller()
    for orphan, outcome in finish_orphans(folder, root):
        tell("killed run", f"{orphan} {outcome}")
    code, action = plan.execute(session, tell)
    tell("next", action)
    typer.echo(from_here(index.write(folder, root)))
    raise typer.Exit(code)


@app.command()
def status(name: Name, reports: Reports = None) -> None:
    """Show every phase of a plan with its state and evidence, and what is next."""
    root = repository.root()
    chosen = plan_header.read(name, root)
    states = progress(chosen, scan((reports or root / "reports").resolve()))
    table = Table(title=escape(f"{chosen.title} [{chosen.header.focus}], {chosen.header.state}"), title_justify="left")
    for column in ("phase", "state", "evidence", "exit criteria", "what"):
        table.add_column(column, overflow="fold")
    for step in states:
        met = sum(criterion.holds for criterion in step.criteria)
        evidence = step.run.stamp if step.run else "–"
        criteria = f"{met} of {len(step.phase.exit)} hold"
        table.add_row(step.phase.id, step.state, *map(escape, (evidence, criteria, step.phase.title)))
    Console(soft_wrap=False).print(table)
    for step in states:
        if step.reason:
            complain(f"phase {step.phase.id}: {step.reason}")
    typer.echo(f"Next: {next_action(chosen, states)}")


@app.command()
def new(
    name: Name,
    question: Annotated[str, typer.Option(help="What is to be found out.")],
    notebook: Annotated[Path, typer.Option(help="The notebook of the first phase, below notebooks/.")],
) -> None:
    """Begin a plan with one phase, as a file to be completed."""
    root = repository.root()
    path = root / plan_header.FOLDER / f"{name}.md"
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or path.exists():
        raise InputError.of("plan new", "name", name, "a new name such as gradient-flow", "Choose another name.")
    parameters.declared(root / notebook)
    template = jinja2.Environment(loader=jinja2.PackageLoader("nanobrag_torch.workbook"), autoescape=False)
    text = template.get_template("plan.md.j2").render(
        name=name, question=question, notebook=notebook.as_posix(), branch=repository.state(root).branch or "main"
    )
    plan_header.parse(text, f"{plan_header.FOLDER}/{path.name}")
    path.parent.mkdir(exist_ok=True)
    files.write(path, text)
    typer.echo(from_here(path))
