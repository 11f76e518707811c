import html
import re
from pathlib import Path

import html5lib
import nbformat
import pytest
from checkouts import BRIEF
from finished import finished, write_plan
from markdown_it import MarkdownIt
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from samples import VERDICT, evidence, outcome_of_test, working_report

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.brief import document as briefs
from nanobrag_torch.workbook.ledger import index as indices
from nanobrag_torch.workbook.report import compare as comparison
from nanobrag_torch.workbook.report import page
from nanobrag_torch.workbook.report.folder import BRIEF as BRIEF_FILE
from nanobrag_torch.workbook.report.folder import NOTEBOOK, PAGE, Report, verify
from nanobrag_torch.workbook.running.publish import publish
from nanobrag_torch.workbook.show import markdown
from nanobrag_torch.workbook.show.tables import TABLE_TYPE, Table

ATTACK = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"


@pytest.fixture
def report(tmp_path: Path) -> Report:
    report = working_report(tmp_path / "reports", title=f"Title {ATTACK}")
    report.write(outcome_of_test().model_copy(update={"message": f"said {ATTACK}", "command": f"ran {ATTACK}"}))
    report.write(evidence("as found", 0.0, *["zero"] * 6), "snapshot.json")
    report.write(evidence("control", 100.0, *["agrees"] * 6, lit=256), "control.json")
    parsed = briefs.parse(BRIEF.read_text())
    hostile = parsed.model_copy(update={"summary": f"asks {ATTACK}", "pointers": (f"docs/x.md {ATTACK}", ATTACK)})
    report.write_text(BRIEF_FILE, hostile.model_dump_json())
    cells = [
        new_markdown_cell(f"# Heading\n\n{ATTACK}\n\n[link](javascript:alert(1))"),
        new_code_cell(f"x = '''{ATTACK}'''", outputs=outputs()),
    ]
    nbformat.write(new_notebook(cells=cells), report.folder / NOTEBOOK)
    report.write_text(f"{html.escape('<b>')[:1]}odd name.log", "x")
    return report


def outputs() -> list[nbformat.NotebookNode]:
    table = Table(caption=f"caption {ATTACK}", columns=("column",), rows=((f"entry {ATTACK}",),))._repr_mimebundle_()
    return [
        new_output("stream", text=f"log {ATTACK}\n" + "line\n" * 20),
        new_output("display_data", data=table | {"text/html": f"never {ATTACK}"}),
        new_output("display_data", data={"image/png": f"not base64 {ATTACK}", "text/plain": f"plain {ATTACK}"}),
        new_output("display_data", data={"image/svg+xml": f"<svg>{ATTACK}</svg>", "text/plain": "drawing"}),
        new_output("error", ename="Odd", evalue=ATTACK, traceback=[f"\x1b[31mtrace\x1b[0m {ATTACK}"]),
    ]


def rendered(report: Report, root: Path) -> tuple[str, str]:
    content = page.gather(report, VERDICT, root)
    return page.html(content), page.markdown(content)


def test_text_from_outside_is_shown_and_never_executed(report: Report, tmp_path: Path) -> None:
    text, _ = rendered(report, tmp_path)
    assert "<script" not in text.lower() and not re.search(r"<[^>]*\sonerror", text)
    assert "javascript:" not in text
    shown = html.unescape(text)
    for where in ("said", "ran", "asks", "log", "caption", "entry", "plain", "trace"):
        assert f"{where} {ATTACK}" in shown, where
    assert "never" not in re.findall(r"never \S+", shown) and f"never {ATTACK}" not in shown


def test_the_page_needs_nothing_from_anywhere(report: Report, tmp_path: Path) -> None:
    text, _ = rendered(report, tmp_path)
    assert "default-src 'none'" in text
    sources = re.findall(r"<[^>]*\s(?:src|href|action|srcset)=[\"']?([^\"' >]+)", text)
    assert all(source.startswith(("data:", "#")) for source in sources), sources


def test_the_finding_comes_first_and_the_checksums_last(report: Report, tmp_path: Path) -> None:
    text, _ = rendered(report, tmp_path)
    order = [text.index(part) for part in (VERDICT.title, "mapped test", "The evidence", "Parameters", "SHA-256")]
    assert order == sorted(order)


def test_the_answer_comes_before_the_title_of_the_finding(report: Report, tmp_path: Path) -> None:
    stated = VERDICT.model_copy(update={"answer": f"No: every structure factor is zero {ATTACK}"})
    content = page.gather(report, stated, tmp_path)
    text = html.unescape(page.html(content))
    body = text[text.index("<main>") :]
    assert body.index(stated.answer) < body.index(VERDICT.title) < body.index(VERDICT.sentence)
    assert "No: every structure factor is zero" in page.markdown(content)


def test_the_summary_is_markdown_in_which_nothing_from_outside_acts(report: Report, tmp_path: Path) -> None:
    _, text = rendered(report, tmp_path)
    shown = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert "<script" not in shown and "<img" not in shown
    assert html.unescape(shown).count("document.title='taken'") >= 6


def test_the_summary_has_command_time_gradients_and_assertion(report: Report, tmp_path: Path) -> None:
    _, text = rendered(report, tmp_path)
    assert "| cell\\_a | 3.5 | 3.5 | 1e−06 | 1/Å | agrees |" in text
    assert "ran <script>" in text and "exit code 1, 1.5 s" in text and "said <script>" in text


def test_a_pointer_is_a_link_where_it_leads_somewhere(report: Report, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "x.md").touch()
    _, text = rendered(report, tmp_path)
    assert "[`docs/x.md`](../../../../docs/x.md)" in text
    (tmp_path / "docs" / "x.md").unlink()
    _, text = rendered(report, tmp_path)
    assert "`docs/x.md` (not in this project)" in text


@pytest.mark.parametrize("text", ["``` \nclosed", "a ` b", "````", "<b>"])
def test_a_code_block_cannot_be_left(text: str) -> None:
    tokens = MarkdownIt("commonmark").parse(markdown._block(text))
    assert [token.type for token in tokens] == ["fence"] and tokens[0].content == f"{text.strip()}\n"


def test_a_report_of_a_notebook_that_was_never_started_still_has_a_page(tmp_path: Path) -> None:
    report = working_report(tmp_path / "reports")
    text, summary = rendered(report, tmp_path)
    assert "The notebook was not started" in text and VERDICT.title in summary


def test_artefacts_that_are_missing_are_named(tmp_path: Path) -> None:
    (tmp_path / "pytest.log").touch()
    assert page.missing(("pytest.log", "pytest.xml", "summary.md"), tmp_path) == ["pytest.xml"]


def test_a_table_of_a_notebook_may_have_any_shape(tmp_path: Path) -> None:
    report = working_report(tmp_path / "reports")
    output = new_output("display_data", data={TABLE_TYPE: {"caption": "c"}, "text/plain": "instead"})
    nbformat.write(new_notebook(cells=[new_code_cell("x", outputs=[output])]), report.folder / NOTEBOOK)
    text, _ = rendered(report, tmp_path)
    assert "instead" in text


#: A text in which colours, a title of the terminal, a bell, a null byte, half a character and a turned line would act.
ACTING = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x00 \x85 \udcff \ufffe \u202eback\rover"
SEEN = "red \\x1b]0;title\\x07 \\x00 \\x85 \\udcff \\ufffe \\u202eback\nover"


def test_what_would_act_unseen_is_shown_as_an_escape_on_page_and_summary(tmp_path: Path) -> None:
    report = working_report(tmp_path / "reports", title=ACTING)
    report.write(outcome_of_test().model_copy(update={"message": ACTING}))
    cells = [
        new_markdown_cell(f"# Heading\n\n{ACTING}"),
        new_code_cell(f"x = 1  # {ACTING}", outputs=[
            new_output("stream", text=ACTING),
            new_output("error", ename="Odd", evalue=ACTING, traceback=[ACTING]),
            new_output("display_data", data={"text/plain": ACTING}),
        ]),
    ]  # fmt: skip
    files.write(report.folder / NOTEBOOK, nbformat.writes(new_notebook(cells=cells)))
    text, summary = rendered(report, tmp_path)
    for shown in (text, summary):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff\ufffe]", shown)
    assert html.unescape(text).count(SEEN) >= 4 and SEEN in summary
    folder = publish(report, VERDICT.model_copy(update={"sentence": ACTING}), tmp_path)
    assert verify(folder) == []


def test_every_page_is_html_that_a_strict_parser_takes(report: Report, tmp_path: Path) -> None:
    other = finished(tmp_path / "reports", stamp="20260115T090000Z")
    report.folder.joinpath("figures").mkdir()
    folder = publish(report, VERDICT.model_copy(update={"title": ATTACK, "sentence": ACTING}), tmp_path)
    write_plan(tmp_path)
    index = indices.write(tmp_path / "reports", tmp_path)
    pages = [
        (folder / PAGE).read_text(),
        index.read_text(),
        (folder.parents[1] / index.name).read_text(),
        comparison.html(comparison.compare(folder, other)),
    ]
    for text in pages:
        html5lib.HTMLParser(strict=True).parse(text)
    with pytest.raises(html5lib.html5parser.ParseError):
        html5lib.HTMLParser(strict=True).parse(pages[0].replace("<main>", "<main>\x00", 1))
