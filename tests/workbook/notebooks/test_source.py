"""The digest of a notebook: what a person wrote counts, what a run leaves does not."""

import json
from pathlib import Path

import nbformat
import pytest
from checkouts import NOTEBOOK

from nanobrag_torch.workbook.notebooks.source import data, digest, writable


def changed(**cell: object) -> bytes:
    """The notebook of phase A with other entries in its first code cell."""
    notebook = json.loads(NOTEBOOK.read_bytes())
    next(each for each in notebook["cells"] if each["cell_type"] == "code").update(cell)
    return json.dumps(notebook).encode()


AS_WRITTEN = digest(NOTEBOOK.read_bytes())


def test_what_a_run_leaves_in_a_notebook_changes_no_digest() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"other-{number}"
        if cell.cell_type == "code":
            cell.execution_count = 3
            cell.outputs = [nbformat.v4.new_output("stream", text="printed")]
            cell.metadata["execution"] = {"iopub.status.busy": "2026-01-15T08:00:00Z"}
    notebook.metadata["language_info"] = {"name": "python", "version": "3.9"}
    assert digest(nbformat.writes(notebook, indent=3).encode()) == AS_WRITTEN


@pytest.mark.parametrize(
    "cell",
    [{"source": "x = 1"}, {"cell_type": "raw"}, {"metadata": {"tags": ["parameters", "raises-exception"]}}],
)
def test_what_a_person_writes_changes_the_digest(cell: dict[str, object]) -> None:
    assert digest(changed(**cell)) != AS_WRITTEN


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cells": 3}', b"\xff\x00", b"[" * 100_000])
def test_a_file_that_is_no_notebook_has_the_digest_of_its_bytes(content: bytes) -> None:
    assert digest(content) != digest(content + b" ") and len(digest(content)) == 64


def test_half_a_character_becomes_its_escape_and_nothing_else_changes() -> None:
    found = data(rb'{"\udcff": ["a\ud83d", "\ud83d\ude00", "\u00e5", 1, null]}')
    assert found == {"\\udcff": ["a\\ud83d", "😀", "å", 1, None]}
    assert writable("plain") == "plain"


def test_a_notebook_in_another_encoding_of_unicode_is_read() -> None:
    text = Path(NOTEBOOK).read_text(encoding="utf-8")
    for encoding in ("utf-8-sig", "utf-16", "utf-32"):
        assert data(text.encode(encoding)) == json.loads(text), encoding
