"""Drawings as files, and templates without escaping."""

import io
import json
import tomllib
from pathlib import Path

import jinja2
import pytest
from matplotlib.figure import Figure
from PIL import Image

from nanobrag_torch.workbook.records.run import Caption
from nanobrag_torch.workbook.show.drawing import Drawing
from nanobrag_torch.workbook.show.markdown import render_markdown
from nanobrag_torch.workbook.show.templates import plain


def drawing() -> Drawing:
    figure = Figure(figsize=(1.0, 0.5))
    figure.subplots().plot([0, 1], [0, 1])
    return Drawing(figure, Caption(name="line", title="A line", caption="It rises.", alt="A rising line"))


def test_a_drawing_is_saved_as_png_and_svg_with_its_words_beside_them(tmp_path: Path) -> None:
    drawing().save(tmp_path)
    drawing().save(tmp_path, "again")
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert names == {f"{name}.{kind}" for name in ("line", "again") for kind in ("png", "svg", "json")}
    with Image.open(tmp_path / "figures" / "line.png") as image:
        assert image.size == (144, 72)
    assert json.loads((tmp_path / "figures" / "line.json").read_text())["alt"] == "A rising line"


@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_equal_figures_are_equal_files_of_every_kind(kind: str, start: bytes) -> None:
    first, second = (drawing().rendered(kind) for _ in range(2))
    assert first == second and first.startswith(start)


def test_a_drawing_in_a_cell_carries_its_words_for_the_page() -> None:
    data, metadata = drawing()._repr_mimebundle_()
    assert Image.open(io.BytesIO(data["image/png"])).format == "PNG" and data["text/plain"] == "A rising line"
    assert metadata["image/png"] == {"title": "A line", "caption": "It rises.", "alt": "A rising line", "plot": True}


def test_a_drawing_whose_colours_are_values_is_no_plot() -> None:
    coloured = drawing()
    coloured.figure.axes[0].imshow([[0.0, 1.0]])
    assert not coloured.plot and drawing().plot


def test_a_question_with_quotes_stays_one_text_of_a_new_plan() -> None:
    values = {"name": "dark-image", "branch": "main", "notebook": "notebooks/trial/trial.ipynb"}
    text = plain("plan.md.j2", question='Why "dark"?\n[[phases]]', **values)
    header = tomllib.loads(text.partition("```toml")[2].partition("```")[0])
    assert header["question"] == 'Why "dark"?\n[[phases]]' and len(header["phases"]) == 1


def test_a_value_that_a_template_lacks_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError, match="name"):
        plain("plan.md.j2", question="Why?", branch="main", notebook="n")


def test_text_from_outside_cannot_act_in_markdown() -> None:
    class Chunk:
        number, files = "1](http://x) <b>", ("test_`a`.py",)

    class Result:
        meaning, exit_code, elapsed_s, command, tests = "some **tests** failed", 1, 0.5, ("pytest", "```"), ()

    text = render_markdown("triage_chunk.md.j2", chunk=Chunk, result=Result, remarkable=["failed: t"])
    assert r"# Chunk 1\](http://x) \<b\>" in text and r"ome \*\*tests\*\* failed" in text
    assert "````text\npytest ```\n````" in text
