"""``nanobrag-workbook run``: a brief or a notebook becomes a report."""

import os
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.commands.options import Reports, Stamp
from nanobrag_torch.workbook.errors import InputError

_PARAMETER_OPTIONS = ("-p", "--parameter")


def run(
    notebook: Annotated[
        str | None,
        typer.Argument(help="A notebook, by its path or its name (see: notebooks), where there is no brief."),
    ] = None,
    brief: Annotated[Path | None, typer.Option(help="A brief; its notebook is found from its focus and phase.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", metavar="NAME VALUE", help="Set a notebook parameter.")
    ] = None,
    reports: Reports = None,
    stamp: Stamp = None,
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
    kernel: Annotated[
        str | None, typer.Option(metavar="NAME", help="Run in this kernel (default: the one that the notebook names).")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser at the end.")] = False,
) -> None:
    """Run a brief or a notebook, and print the path of the page that results."""
    from nanobrag_torch.workbook.commands.terminal import begin, conclude
    from nanobrag_torch.workbook.machine import limits
    from nanobrag_torch.workbook.report.folder import PAGE
    from nanobrag_torch.workbook.running.run import RunRequest
    from nanobrag_torch.workbook.running.run import run as run_request

    allowed = limits.of_user(notebook_timeout, memory)
    given = tuple((name, from_root(value)) for name, value in pairs(parameter or []))
    request = RunRequest(brief, notebook, given, reports, stamp, timeout, allowed, kernel=kernel)
    _, tell = begin(reports)
    folder, verdict = run_request(request, tell)
    if open_page:
        webbrowser.open((folder / PAGE).as_uri())
    conclude(folder, verdict, tell)


def joined(arguments: list[str]) -> list[str]:
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


def from_root(value: str) -> str:
    """Value of a parameter that names a file, as it is named from the root of the project.

    Notebooks run at the root; "model.py:loss" typed in a folder below it means the file that is there. A path in full
    is taken from the root as well, since a report names no folder of a machine.
    """
    path, colon, rest = value.partition(":")
    for name, others in ((value, ""), (path, colon + rest)):
        place = Path.cwd() / name
        # A text that is too long for a name is none.
        with suppress(OSError):
            if name and (place.is_file() or (Path(name).is_absolute() and place.exists())):
                return Path(os.path.relpath(place.resolve(), project.root())).as_posix() + others
    return value


def pairs(parameters: list[str]) -> tuple[tuple[str, str], ...]:
    """(name, value) of every text "name=value". Raises ``InputError`` for another."""
    found = []
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals:
            raise InputError.of("run", "-p", text, "a name and a value", "Write -p NAME VALUE.")
        found.append((name, value))
    return tuple(found)
