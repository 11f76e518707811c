"""``nanobrag-workbook init``: a project with an investigation of the user's own, which runs as it stands."""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer

from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.errors import InputError

#: Folder of the package whose files make a new project, and the name that they carry in place of the user's.
SCAFFOLD = Path(__file__).parents[1] / "scaffold"
PLACEHOLDER = "first-look"


def init(
    folder: Annotated[
        Path | None, typer.Argument(help="Where the project goes (default: this project, or else this folder).")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the investigation, such as spot-width.")] = PLACEHOLDER,
) -> None:
    """Begin a project: plan, brief, notebook, records, a small model and its test, to be replaced by one's own."""
    from nanobrag_torch.workbook.commands.plan import check_folders, check_name
    from nanobrag_torch.workbook.commands.terminal import from_here

    check_name("init", name)
    target = folder.absolute() if folder else project.root()
    content = {target / _named(path.relative_to(SCAFFOLD).as_posix(), name): path for path in _scaffold()}
    there = sorted(path.relative_to(target).as_posix() for path in content if os.path.lexists(path))
    check_folders("init", target, content)
    if there:
        allowed = f"a name whose files are not there yet; these are: {', '.join(there)}"
        raise InputError.of(
            "init", "name", name, allowed, "Give another --name, or another folder. Nothing was written."
        )
    for path, source in content.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, _named(source.read_text(encoding="utf-8"), name))
        typer.echo(from_here(path))
    (target / project.REPORTS).mkdir(exist_ok=True)
    where = "" if target.resolve() == project.root() else f"cd {shlex.quote(from_here(target))} && "
    typer.echo(f"\nRun it:  {where}nanobrag-workbook plan run {name}")


def _scaffold() -> list[Path]:
    return [path for path in sorted(SCAFFOLD.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]


def _named(text: str, name: str) -> str:
    """``text`` with the user's name in place of the placeholder, in each of the forms that names take."""
    for form in (str, str.upper, lambda word: word.replace("-", "_"), lambda word: word.replace("-", " ").capitalize()):
        text = text.replace(form(PLACEHOLDER), form(name))
    return text
