"""The command ``nanobrag-workbook``: run a brief or a notebook, and check a report.

Exit codes: 0 the evidence was taken and explains what was asked (a mapped test that fails, and is explained, is such a
success); 1 the evidence shows a failure; 2 the input is wrong and nothing was started; 3 blocked, nothing is concluded;
130 interrupted.
"""

import json
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from nanobrag_torch.workbook.commands import ledger as ledger_command
from nanobrag_torch.workbook.commands import plan as plan_command
from nanobrag_torch.workbook.commands import share as share_command
from nanobrag_torch.workbook.commands import triage as triage_command
from nanobrag_torch.workbook.commands.doctor import doctor
from nanobrag_torch.workbook.commands.terminal import complain, from_here, teller
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.machine import limits, repository
from nanobrag_torch.workbook.records.phases import RECORDS
from nanobrag_torch.workbook.records.run import EXIT_CODES
from nanobrag_torch.workbook.report.page import PAGE
from nanobrag_torch.workbook.running.publish import finish_orphans
from nanobrag_torch.workbook.running.run import Request
from nanobrag_torch.workbook.running.run import run as run_request

BAD_INPUT = 2
_PARAMETER_OPTIONS = ("-p", "--parameter")

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.command()
def run(
    notebook: Annotated[Path | None, typer.Argument(help="A notebook, where there is no brief.")] = None,
    brief: Annotated[Path | None, typer.Option(help="A brief; its notebook is found from its focus and phase.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", metavar="NAME VALUE", help="Set a notebook parameter.")
    ] = None,
    reports: Annotated[Path | None, typer.Option(help="Where reports go (default: reports/ of the checkout).")] = None,
    stamp: Annotated[str | None, typer.Option(help="UTC as YYYYmmddTHHMMSSZ (default: now).")] = None,
    timeout: Annotated[int, typer.Option(help="Seconds that one cell may take.", min=1)] = 1800,
    notebook_timeout: Annotated[
        int | None, typer.Option(help="Seconds that the whole notebook may take (default: two hours).", min=1)
    ] = None,
    memory: Annotated[
        float | None,
        typer.Option(
            metavar="GIB", help="Memory for kernel and test (default: four fifths of the machine's).", min=0.01
        ),
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser at the end.")] = False,
) -> None:
    """Run a brief or a notebook, and print the path of the page that results."""
    tell = teller()
    request = Request(
        brief, notebook, _pairs(parameter or []), reports, stamp, timeout, limits.of_user(notebook_timeout, memory)
    )
    root = repository.root()
    for name, outcome in finish_orphans((reports or root / "reports").resolve(), root):
        tell("killed run", f"{name} {outcome}")
    folder, verdict = run_request(request, tell)
    tell(verdict.status, f"{verdict.title}. {verdict.sentence}")
    page = folder / PAGE
    typer.echo(from_here(page))
    if open_page:
        webbrowser.open(page.as_uri())
    raise typer.Exit(EXIT_CODES[verdict.status])


@app.command()
def schema(file: Annotated[str, typer.Argument(help=f"One of {', '.join(RECORDS)}.")]) -> None:
    """Print the JSON schema of a file in a report."""
    if file not in RECORDS:
        raise InputError.of("schema", "file", file, ", ".join(RECORDS), "Name a file of a report.")
    typer.echo(json.dumps(RECORDS[file].model_json_schema(), indent=2))


app.add_typer(plan_command.app, name="plan")
app.add_typer(triage_command.app, name="triage")
app.command()(doctor)
for command in (
    ledger_command.ledger,
    ledger_command.index,
    share_command.verify,
    share_command.compare,
    share_command.export,
):
    app.command()(command)


def run_command(arguments: list[str]) -> None:
    """Run the command with these arguments; it ends in ``SystemExit`` with one of the exit codes above."""
    try:
        app(args=_joined(arguments), prog_name="nanobrag-workbook")
    except InputError as error:
        complain(f"nanobrag-workbook: {error}")
        raise SystemExit(BAD_INPUT) from None
    except Blocked as error:
        complain(f"nanobrag-workbook: {error}")
        raise SystemExit(EXIT_CODES["blocked"]) from None
    except OSError as error:
        what = f"{error.strerror or error}" + (f" ({Path(str(error.filename)).name})" if error.filename else "")
        complain(
            f"nanobrag-workbook: {what}. Nothing is concluded; what was taken so far is kept, and a later run finishes "
            "it as interrupted. Make room, or give another place with --reports."
        )
        raise SystemExit(EXIT_CODES["blocked"]) from None


def _joined(arguments: list[str]) -> list[str]:
    """``-p NAME VALUE`` as ``-p NAME=VALUE``: the parser takes one word for each option that may be repeated."""
    words: list[str] = []
    rest = iter(arguments)
    for word in rest:
        words.append(word)
        if word == "--":
            # What follows belongs to pytest.
            return [*words, *rest]
        if word in _PARAMETER_OPTIONS:
            name = next(rest, None)
            if name is None:
                break
            value = None if "=" in name else next(rest, None)
            words.append(name if value is None else f"{name}={value}")
    return words


def _pairs(parameters: list[str]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError.of("run", "-p", text, "a name and a value", "Write -p NAME VALUE.")
        pairs.append((name, value))
    return tuple(pairs)
