"""``nanobrag-workbook schema``: the JSON schema of a file in a report."""

import json
from typing import Annotated

import typer

from nanobrag_torch.workbook.errors import InputError


def schema(
    file: Annotated[str, typer.Argument(help="A file of a report; without one, the known files are listed.")] = "",
) -> None:
    """Print the JSON schema of a file in a report."""
    from nanobrag_torch.workbook.records.catalogue import kinds

    known = kinds()
    if not file:
        typer.echo("\n".join(sorted(known)))
        return
    if file not in known:
        raise InputError.of("schema", "file", file, ", ".join(sorted(known)), "Name a file of a report.")
    typer.echo(json.dumps(known[file].schema_of_file(), indent=2))
