"""Tutorials: each notebook runs in an empty folder, shows pictures, and finds the values that it states.

They are executed by the hook of the site, which keeps the result: a site that is built afterwards executes none again.
Where the comment behind the last expression of a cell is a Python literal, the cell shows that value.
"""

import ast
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import pytest
from stated import literal, same

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "tutorials"
NAMES = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
#: Values that the words around the cells rest on.
SAID = {
    "first-image": ("healthy", "70.0000(9)", "photons per Å"),
    "zero-gradient": ("0 of 4096 pixels are lit", "give structure factors", 'p["cell_a"].item()', "gradient: None"),
    "refine-an-image": ("34.761(5)", "misset and cell: together they leave the spots where they were", "not converged"),
    "sweep-on-a-cluster": ("35 points of scenario.json", "done already", "Slurm"),
    "your-own-model": ("profile.sum().item()", "part of the dependence is missing", "train and eval differ"),
    "images-into-dials": ("series.nxs",),
    "from-crystfel": ("run_0002.h5", "frame_2.nxs"),
}


def hook() -> ModuleType:
    pytest.importorskip("mkdocs")
    pytest.importorskip("papermill")
    name = "hook_that_executes_tutorials"
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / "gallery.py")
    assert spec is not None and spec.loader is not None
    sys.modules[name] = module = importlib.util.module_from_spec(spec)  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


def cells(book: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in book["cells"] if cell["cell_type"] == "code"]


def words(output: dict[str, Any]) -> str:
    """Text that an output shows."""
    return "".join(output["text"] if output["output_type"] == "stream" else output["data"].get("text/plain", ""))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_runs_in_an_empty_folder_and_finds_what_it_states(name):
    gallery = hook()
    shown = next(each for each in gallery.TUTORIALS if each.source.stem == name)
    book = json.loads((gallery.execute(shown) / shown.page).read_text(encoding="utf-8"))
    outputs = [output for cell in cells(book) for output in cell["outputs"]]
    failed = [output["evalue"] for output in outputs if output["output_type"] == "error"]
    assert failed == []
    assert [text for text in map(words, outputs) if "\x1b" in text] == []
    assert any("image/png" in output.get("data", {}) for output in outputs)
    shows = "\n".join(map(words, outputs))
    assert [text for text in SAID[name] if text not in shows] == []
    checked = [cell for cell in cells(book) if check_stated(cell)]
    assert checked, "no cell states its value"


def check_stated(cell: dict[str, Any]) -> bool:
    """Hold a cell to the value that its last line states; False where it states none."""
    last = "".join(cell["source"]).rstrip().rpartition("\n")[2]
    stated = literal(last.rpartition("  # ")[2]) if "  # " in last else None
    if stated is None:
        return False
    results = [words(output) for output in cell["outputs"] if output["output_type"] == "execute_result"]
    assert results, f"{last}: the cell shows no value"
    assert same(ast.literal_eval(results[0]), stated), f"{last}: the cell shows {results[0]}"
    return True


@pytest.mark.parametrize("name", NAMES)
def test_a_tutorial_is_stored_without_outputs_and_listed(name):
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    book = json.loads(text)
    assert text == json.dumps(book, indent=1, ensure_ascii=False) + "\n"
    assert [cell for cell in cells(book) if cell["outputs"] or cell["execution_count"] or cell["metadata"]] == []
    assert f"tutorials/{name}.ipynb" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert f"({name}.ipynb)" in (FOLDER / "index.md").read_text(encoding="utf-8")


def notebook_of_one_cell(gallery: ModuleType, monkeypatch: pytest.MonkeyPatch, root: Path, source: str) -> Any:
    """A tutorial with one cell, in a project and a cache of its own."""
    for name, place in {"ROOT": root, "DOCS": root / "docs", "CACHE": root / "cache"}.items():
        monkeypatch.setattr(gallery, name, place)
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# Title\n\nWords."), nbformat.v4.new_code_cell(source)]
    )
    (root / "docs").mkdir()
    nbformat.write(book, root / "docs" / "one.ipynb")
    return gallery.Shown("docs/one")


@pytest.mark.parametrize(
    ("source", "words"), [("1 / 0", "ZeroDivisionError"), ("import os; os._exit(3)", "Kernel died")]
)
def test_a_notebook_that_fails_is_a_warning_and_a_page_under_its_own_title(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, source: str, words: str
) -> None:
    gallery = hook()
    shown = notebook_of_one_cell(gallery, monkeypatch, tmp_path, source)
    folder = gallery.execute(shown)
    assert words in caplog.text
    book = json.loads((folder / shown.page).read_text(encoding="utf-8"))
    (noted,) = (text for text in ("".join(cell["source"]) for cell in book["cells"]) if "*Executed" in text)
    assert noted.startswith("# Title\n") and folder.name == "one-failed"


def test_a_page_stays_there_for_other_builds_while_it_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = hook()
    shown = notebook_of_one_cell(gallery, monkeypatch, tmp_path, "1")
    (tmp_path / "cache" / "one-before").mkdir(parents=True)
    page = gallery.execute(shown) / shown.page
    assert [each.name for each in (tmp_path / "cache").iterdir()] == [page.parent.name]
    assert [each.name for each in page.parent.iterdir()] == [page.name]
    witness = page.with_name("witness")
    witness.touch()
    assert gallery.execute(shown) / shown.page == page and witness.exists()


def test_links_of_a_notebook_lead_to_pages_of_the_site():
    gallery = hook()
    from mkdocs.config.base import load_config
    from mkdocs.structure.files import File, Files

    config = load_config(str(ROOT / "mkdocs.yml"), hooks=[], plugins=[])
    files = Files([File(name, None, config.site_dir, False) for name in ("doctor.md", "tutorials/a.ipynb")])
    page = type("Page", (), {"file": files.get_file_from_path("tutorials/a.ipynb")})
    content = (
        '<a href="../doctor.md#z1">Z1</a><a href="https://x.org/b.md">b</a><script src="https://x.org/x.js"></script>'
    )
    made = gallery.on_page_content(content, page=page, config=config, files=files)
    assert made == '<a href="../doctor.html#z1">Z1</a><a href="https://x.org/b.md">b</a>'
