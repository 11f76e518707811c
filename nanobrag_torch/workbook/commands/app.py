"""The command ``nanobrag-workbook``: run briefs, notebooks and plans, and read what came out.

Exit codes: 0 the evidence was taken and explains what was asked (a mapped test that fails, and is explained, is such a
success); 1 the evidence shows a failure; 2 the input is wrong and nothing was started; 3 blocked, nothing is concluded;
130 interrupted.
"""

from pathlib import Path
from typing import Annotated

import typer

from nanobrag_torch import __version__
from nanobrag_torch.workbook.commands import (
    doctor,
    explore,
    init,
    ledger,
    notebooks,
    plan,
    refine,
    run,
    schema,
    serve,
    share,
    sweep,
    triage,
)
from nanobrag_torch.workbook.commands.options import BAD_INPUT
from nanobrag_torch.workbook.errors import Blocked, InputError

BLOCKED = 3
#: First words of the commands that take evidence.
_TAKING = (("run",), ("doctor",), ("refine",), ("triage",), ("sweep",), ("plan", "run"))
_KEPT = (
    "Nothing is concluded; what was taken so far is kept, and a later run finishes it as interrupted. Make room, or "
    "give another place with --reports."
)

app = typer.Typer(
    help=__doc__,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"nanobrag_torch {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


app.command()(init.init)
app.command()(run.run)
app.command()(doctor.doctor)
app.command()(explore.explore)
app.command()(refine.refine)
app.add_typer(notebooks.app, name="notebooks")
app.add_typer(plan.app, name="plan")
app.add_typer(triage.app, name="triage")
app.command()(sweep.sweep)
for command in (ledger.ledger, ledger.index, serve.serve, share.verify, share.compare, share.export, schema.schema):
    app.command()(command)


def run_command(arguments: list[str]) -> None:
    """Run the command with these arguments; it ends in ``SystemExit`` with one of the exit codes above."""
    from nanobrag_torch.workbook.commands.terminal import complain

    try:
        app(args=run.joined(arguments), prog_name="nanobrag-workbook")
    except InputError as error:
        complain(f"nanobrag-workbook: {error}")
        raise SystemExit(BAD_INPUT) from None
    except Blocked as error:
        complain(f"nanobrag-workbook: {error}")
        raise SystemExit(BLOCKED) from None
    except ModuleNotFoundError as error:
        complain(
            f"nanobrag-workbook: the package {error.name!r} is missing. "
            "Install the workbook with: pip install 'nanobrag-torch[workbook,io]'"
        )
        raise SystemExit(BLOCKED) from None
    except OSError as error:
        what = f"{error.strerror or error}" + (f" ({Path(str(error.filename)).name})" if error.filename else "")
        took = any(tuple(arguments[: len(words)]) == words for words in _TAKING)
        complain(f"nanobrag-workbook: {what}. {_KEPT if took else 'Check that place, and try again.'}")
        raise SystemExit(BLOCKED) from None
