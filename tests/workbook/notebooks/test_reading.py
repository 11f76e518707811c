"""Notebooks of other people and programs: made valid, or refused in one line."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.notebooks import parameters, reading


def written(folder: Path, *cells: dict[str, Any], **others: Any) -> Path:
    """A notebook of format 4.5 with these cells, however wrong they are."""
    path = folder / "n.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)} | others))
    return path


def code(**entries: Any) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": "x = 1"} | entries


@pytest.mark.parametrize(
    "cell",
    [
        code(id="with blanks"), code(id=""), code(id=3), code(id="x" * 65), code(id="ä"), code(), code(id="same"),
        code(id="i", outputs=None), code(id="i", outputs=[{"output_type": "none"}]), code(id="i", collapsed=False),
        {"cell_type": "code", "source": "x = 1"}, code(id="i", attachments={}),
        code(metadata={"tags": "parameters"}), code(source=["x = ", "1"]),
        {"cell_type": "markdown", "source": "# T", "outputs": [], "id": "m"},
    ],
)  # fmt: skip
def test_what_other_programs_take_no_notice_of_is_made_valid(tmp_path: Path, cell: dict[str, Any]) -> None:
    notebook = reading.read(written(tmp_path, cell, code(id="same"), code(id="same")))
    nbformat.validate(notebook)
    assert notebook.cells[0].source in ("x = 1", "# T") and len({each.id for each in notebook.cells}) == 3


def test_pictures_in_prose_are_kept(tmp_path: Path) -> None:
    picture = {"a.png": {"image/png": "aGFsbG8="}}
    prose = {"cell_type": "markdown", "metadata": {}, "id": "m", "source": "![](attachment:a.png)"}
    (cell,) = reading.read(written(tmp_path, prose | {"attachments": picture})).cells
    assert cell.attachments == picture


def test_a_kernel_without_a_title_keeps_its_name(tmp_path: Path) -> None:
    notebook = reading.read(written(tmp_path, code(), metadata={"kernelspec": {"name": "mine"}, "language_info": {}}))
    assert notebook.metadata.kernelspec.name == "mine"


def test_a_notebook_of_format_3_is_converted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cells = [
        {"cell_type": "heading", "level": 1, "metadata": {}, "source": "An old one"},
        {"cell_type": "code", "collapsed": False, "input": "n: int = 3  # 1 .. 4: how many", "language": "python",
         "metadata": {"tags": ["parameters"]}, "outputs": [], "prompt_number": 1},
    ]  # fmt: skip
    path = written(tmp_path, nbformat=3, nbformat_minor=0, worksheets=[{"metadata": {}, "cells": cells}])
    notebook = reading.read(path)
    assert notebook.nbformat == 4 and notebook.cells[0].source == "# An old one"
    assert parameters.declared(path)["n"].default == 3
    assert reading.read(path) == notebook, "its ids are the same again"
    assert caplog.text == "", "its entry 'cells' is none of format 3, and is not missed"


@pytest.mark.parametrize("number", [0, 1, 2, 5, 10**30, True, "4", None, 4.0])
def test_another_format_is_refused_by_its_number(tmp_path: Path, number: Any) -> None:
    with pytest.raises(InputError, match=r"n\.ipynb, (nbformat|file): got") as error:
        reading.read(written(tmp_path, nbformat=number))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff\xfe", b"\x00\x00", b"[" * 100_000, b"[]", b"3", b'{"nbformat": 4}',
        b'{"nbformat": 4, "cells": [3]}', b'{"nbformat": 4, "cells": [{}]}',
        b'{"nbformat": 4, "cells": [{"cell_type": "code", "source": 3}]}',
        b'{"nbformat": 4, "cells": [{"cell_type": "odd", "source": ""}]}',
        b'{"nbformat": 4, "cells": [], "metadata": []}', b'{"nbformat": 3, "worksheets": 3}', b'{"nbformat": 3}',
    ],
)  # fmt: skip
def test_a_file_that_is_no_notebook_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "n.ipynb"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        reading.read(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


def test_a_folder_or_nothing_is_no_notebook(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.ipynb"):
        with pytest.raises(InputError, match="Check the path"):
            reading.read(path)
