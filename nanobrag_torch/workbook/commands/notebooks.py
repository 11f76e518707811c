"""``nanobrag-workbook notebooks``: the notebooks at hand, with their questions and parameters, and copies of them."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.notebooks.source import data

app = typer.Typer(help="Notebooks that come with the package, and those of the project.", rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def listed(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print names, questions and parameters as JSON.")] = False,
) -> None:
    """List every notebook with its question and its parameters."""
    if context.invoked_subcommand is not None:
        return
    root = project.root()
    found = {name: _described(path) | {"path": _place(path, root)} for name, path in project.notebooks(root).items()}
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    for name, entry in found.items():
        typer.echo(f"{name}  ({entry['path']})\n    {entry['question']}")
        for line in entry["parameters"]:
            typer.echo(f"      {line}")
    typer.echo("\nRun one:   nanobrag-workbook run NAME -p PARAMETER VALUE")
    typer.echo("Take one:  nanobrag-workbook notebooks copy NAME")


@app.command()
def copy(
    name: Annotated[str, typer.Argument(help="The name of a notebook, as it is listed.")],
    target: Annotated[
        Path | None, typer.Argument(help="Where it goes (default: notebooks/NAME.ipynb of the project).")
    ] = None,
) -> None:
    """Put a copy of a notebook, and of the files beside it that it reads, into the project; nothing is replaced."""
    from nanobrag_torch.workbook.commands.terminal import from_here

    root = project.root()
    source = project.notebook(name, root)
    if target is not None and (target.is_dir() or target.suffix != ".ipynb"):
        target = target / source.name
    own = target or root / project.NOTEBOOKS / f"{source.parent.name}/{source.name}"
    beside = [path for path in sorted(source.parent.iterdir()) if path.suffix in (".py", ".json")] if not target else []
    for path, place in [(source, own), *((path, own.parent / path.name) for path in beside)]:
        if place.exists() and path is not source:
            continue
        if place.exists():
            raise InputError.of("notebooks copy", "target", str(place), "a file that is not there yet", "Name another.")
        place.parent.mkdir(parents=True, exist_ok=True)
        files.write(place, path.read_bytes())
        typer.echo(from_here(place.absolute()))


def _place(path: Path, root: Path) -> str:
    own = path.is_relative_to(root / project.NOTEBOOKS)
    return path.relative_to(root).as_posix() if own else "comes with the package"


def _described(path: Path) -> dict[str, Any]:
    """Question (the title, and the first sentence below it) and declared parameters of a notebook, from its JSON.

    The lines of the parameters cell are shown as they stand, so that nothing needs to be loaded that checks them.
    """
    try:
        found = data(path.read_bytes())
        # Format 3 has its cells on sheets, and calls their source input.
        cells = found["worksheets"][0]["cells"] if "worksheets" in found else found["cells"]
        prose = next(_source(cell) for cell in cells if cell["cell_type"] in ("markdown", "heading"))
        tagged = (cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", ()))
        lines = [line for line in _source(next(tagged)).splitlines() if line.strip() and not line.startswith("#")]
        question = next(line for line in prose.splitlines() if line.strip()).lstrip("# ")
    except (OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError):
        return {"question": "cannot be read as a notebook with a title and a parameters cell", "parameters": []}
    return {"question": question, "parameters": lines}


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell.get("source", cell.get("input", "")))
