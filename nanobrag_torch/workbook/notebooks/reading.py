"""Notebooks as people and other programs write them: read into the current format, or refused in words.

Importing nbformat takes seconds; a kernel, which only looks at cells that were read, does without it.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.notebooks import source

#: Format into which every notebook is brought, and the oldest that can be.
FORMAT, OLDEST = 4, 3
_MINOR = 5
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: Entries of a cell that are kept: what a person wrote, and nothing of an earlier run.
_KEPT = ("cell_type", "metadata", "source", "attachments")
_OWNER = "notebook"


def read(path: Path) -> Any:
    """Notebook in a file, in the current format: valid, without outputs, every cell with an id of its own.

    A notebook of format 3 is converted. Ids that are missing, doubled or no ids, of which other programs take no
    notice, are replaced.

    Raises:
        InputError: there is no such file, or it is no notebook.
    """
    owner = path.name
    if not path.is_file():
        raise InputError.of(_OWNER, "path", str(path), "a notebook (.ipynb)", "Check the path.")
    try:
        found = source.data(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _no_notebook(owner, error) from None
    if not isinstance(found, dict) or not isinstance(found.get("nbformat"), int):
        raise _no_notebook(owner, "no object with an 'nbformat'")
    if not OLDEST <= found["nbformat"] <= FORMAT:
        remedy = "Convert it: jupyter nbconvert --to notebook"
        raise InputError.of(owner, "nbformat", found["nbformat"], f"{OLDEST} or {FORMAT}", remedy)
    from nanobrag_torch.workbook.notebooks.format import nbformat

    try:
        _, notebook = nbformat.validator.normalize(_cleared(_converted(found)), strip_invalid_metadata=True)
        nbformat.validate(notebook)
    except (ValueError, LookupError, TypeError, AttributeError, nbformat.ValidationError) as error:
        raise _no_notebook(owner, error) from None
    return nbformat.from_dict(notebook)


def tagged(notebook: Any, tag: str) -> str | None:
    """Source of the first code cell with that tag; None where there is none."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code" and tag in cell.metadata.get("tags", ()))
    return next((cell.source for cell in cells), None)


def _converted(found: dict[str, Any]) -> Any:
    """Data of a notebook of any format that can be read, in format 4."""
    if found["nbformat"] == FORMAT:
        return found
    from nanobrag_torch.workbook.notebooks.format import nbformat

    with _quiet():
        converted = nbformat.convert(nbformat.from_dict(found), FORMAT)
    for cell in converted.cells:
        # Ids that are drawn by lot would differ from run to run.
        cell.pop("id", None)
    return converted


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep nbformat from printing what it finds odd: what matters is whether the outcome is valid."""
    log = logging.getLogger("traitlets")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


def _cleared(found: Any) -> dict[str, Any]:
    """Data of a notebook of format 4 with what people wrote, and with ids that are such."""
    ids: set[str] = set()
    return {
        "nbformat": FORMAT,
        "nbformat_minor": _MINOR,
        "metadata": _metadata(found.get("metadata", {})),
        "cells": [_cell(cell, number, ids) for number, cell in enumerate(found["cells"])],
    }


def _metadata(found: dict[str, Any]) -> dict[str, Any]:
    """Metadata without what a kernel said of itself; the kernel has a title, which the format asks for."""
    kept = {key: entry for key, entry in found.items() if key not in ("language_info", "signature")}
    kernel = kept.get("kernelspec")
    if isinstance(kernel, dict) and "name" in kernel:
        kept["kernelspec"] = {"display_name": kernel["name"], **kernel}
    return kept


def _cell(cell: Any, number: int, ids: set[str]) -> dict[str, Any]:
    kept = {key: cell[key] for key in _KEPT if key in cell}
    given = cell.get("id")
    name = given if isinstance(given, str) and _ID.fullmatch(given) and given not in ids else f"cell-{number:02d}"
    while name in ids:
        name += "-x"
    ids.add(name)
    if cell["cell_type"] == "code":
        kept.pop("attachments", None)
        kept |= {"outputs": [], "execution_count": None}
    return {"metadata": {}, **kept, "id": name, "source": "".join(cell["source"])}


def _no_notebook(owner: str, error: object) -> InputError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
    return InputError.of(owner, "file", reason, "a Jupyter notebook of a Python kernel", "Check it.")
