"""Pages on a phone, on dark paper and in print, and as a screen reader meets them: axe-core finds nothing serious."""

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import nbformat
import numpy as np
import pytest
import sweeping
from axe_playwright_python.sync_playwright import Axe
from checkouts import BRIEF
from chromium import BROWSER, needs_browser
from finished import fill, finished, write_plan
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from playwright.sync_api import Page, sync_playwright
from samples import VERDICT, working_report
from sweeping import block

from nanobrag_torch.workbook.brief import document as briefs
from nanobrag_torch.workbook.ledger import index, serve
from nanobrag_torch.workbook.records.run import Caption
from nanobrag_torch.workbook.report import compare as comparison
from nanobrag_torch.workbook.report.folder import BRIEF as BRIEF_FILE
from nanobrag_torch.workbook.report.folder import NOTEBOOK, PAGE
from nanobrag_torch.workbook.running.publish import publish
from nanobrag_torch.workbook.show.drawing import Drawing
from nanobrag_torch.workbook.show.raster import Raster
from nanobrag_torch.workbook.show.tables import Table
from nanobrag_torch.workbook.sweeps import page as sweep_page

pytestmark = [pytest.mark.browser, needs_browser]

Scheme = Literal["light", "dark"]
KINDS = ("report", "index", "initiative", "comparison", "sweep")
#: Width between the margins of A4, in pixels of a screen: 180 mm at 96 a inch.
A4 = 680
ATTACK = "</script><script>document.title='taken'</script>\"'"
#: Image whose values grow by the slow axis tenfold a row, and are told apart along the fast axis.
IMAGE = 10.0 ** np.arange(-2, 3)[:, None] * (1 + np.arange(8) / 10)
LONG = "nobody_would_break_" * 12


def drawing(name: str, coloured: bool) -> Drawing:
    figure = Figure(figsize=(9, 4))
    axes = figure.subplots()
    words = Caption(name=name, title=name, caption="Of a test.", alt=f"A {name}")
    if not coloured:
        axes.plot([0, 1])
        return Drawing(figure, words)
    axes.imshow(IMAGE)
    return Drawing(figure, words, (Raster.of(IMAGE, title=ATTACK, unit="photons / pixel", block=2),))


def shown(each: Drawing) -> nbformat.NotebookNode:
    """The output of a cell that shows a drawing, as a notebook stores it."""
    data, metadata = each._repr_mimebundle_()
    png = base64.b64encode(data["image/png"]).decode()
    return new_output("display_data", data=data | {"image/png": png}, metadata=metadata)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The file of a page of each kind."""
    root = tmp_path_factory.mktemp("pages")
    write_plan(root)
    reports = root / "reports"
    first = finished(reports, started="2026-01-15T07:59:00+00:00")
    report = working_report(reports, stamp="20260115T090000Z")
    fill(report, lit=10)
    report.write_text(BRIEF_FILE, briefs.parse(BRIEF.read_text()).model_dump_json())
    table = Table(caption="Wide", columns=("", *"abcdefgh"), rows=(("row", *["−1234.56789 ± 1e−05 per Å"] * 8),))
    outputs = [
        new_output("display_data", data=table._repr_mimebundle_()),
        *(shown(drawing(name, coloured)) for name, coloured in (("plot", False), ("picture", True))),
        new_output("error", ename="Odd", evalue=LONG, traceback=[LONG]),
    ]
    code = new_code_cell("def f():  # why\n    return 'a', 1", outputs=outputs)
    cells = [new_markdown_cell(f"# Heading\n\n{LONG}"), code]
    nbformat.write(new_notebook(cells=cells), report.folder / NOTEBOOK)
    second = publish(report, VERDICT.model_copy(update={"answer": f"Yes: {LONG}", "status": "failed"}), root)
    compared, swept = root / "compared.html", root / "swept.html"
    compared.write_text(comparison.html(comparison.compare(first, second)))
    swept.write_text(
        sweep_page.render(sweeping.underway(tmp_path_factory.mktemp("sweep"), block("a", 4), block("b", 3), lacking=2))
    )
    top = index.write(reports, root)
    initiative = first.parents[1] / index.INDEX
    return dict(zip(KINDS, (second / PAGE, top, initiative, compared, swept), strict=True))


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize(
    ("kind", "scheme"), [*((kind, "light") for kind in KINDS), ("report", "dark"), ("index", "dark")]
)
def test_axe_finds_nothing_serious(
    page: Page, places: dict[str, Path], kind: str, scheme: Literal["light", "dark"]
) -> None:
    page.set_viewport_size({"width": 390 if scheme == "dark" else 1440, "height": 900})
    page.emulate_media(color_scheme=scheme, media="screen")
    page.goto(places[kind].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    found = Axe().run(page, options={"resultTypes": ["violations", "passes"]}).response
    assert len(found["passes"]) > 10
    serious = [each for each in found["violations"] if each["impact"] in ("serious", "critical")]
    assert [(each["id"], each["nodes"][0]["html"]) for each in serious] == []


@pytest.mark.parametrize("kind", KINDS)
def test_no_page_scrolls_sideways_on_a_phone_and_none_is_cut_in_print(
    page: Page, places: dict[str, Path], kind: str
) -> None:
    page.goto(places[kind].as_uri())
    for width, media in ((390, "screen"), (A4, "print")):
        page.set_viewport_size({"width": width, "height": 844})
        page.emulate_media(media=media, color_scheme="light")
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, media


def test_on_dark_paper_plots_are_inverted_and_pictures_are_not(page: Page, places: dict[str, Path]) -> None:
    page.goto(places["report"].as_uri())
    for scheme, filters in (("light", ["none", "none"]), ("dark", ["invert(0.93) hue-rotate(180deg)", "none"])):
        page.emulate_media(color_scheme=scheme, media="screen")
        assert page.evaluate("[...document.images].map(each => getComputedStyle(each).filter)") == filters
    page.emulate_media(color_scheme="dark", media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_status_has_a_sign_beside_its_colour(page: Page, places: dict[str, Path]) -> None:
    page.goto(places["index"].as_uri())
    signs = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.badge')].map(each =>"
        " [each.textContent, getComputedStyle(each, '::before').content]))"
    )
    assert signs["passed"] == '"✓ "' and signs["failed"] == '"✗ "'
    assert len(set(signs.values())) >= 3, signs


def test_the_values_of_an_image_are_read_where_the_pointer_or_the_keys_go(page: Page, places: dict[str, Path]) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(media="screen", color_scheme="light")
    page.goto(places["report"].as_uri())
    sheet, said = page.locator(".viewer canvas"), page.locator(".viewer output")
    sheet.wait_for()
    error = 100 * np.expm1(np.log(IMAGE.max() / IMAGE.min()) / 252 / 2)
    assert f"within {error:.2g} %" in page.locator(".viewer").inner_text() and error < 2

    def reading() -> tuple[str, float]:
        place, _, value = said.inner_text().partition(": ")
        return place, float(value.partition(" ")[0])

    assert reading() == ("slow 4 to 5, fast 8 to 9", pytest.approx(IMAGE[2, 4], rel=0.02))
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 6.5 / 8, box["y"] + box["height"] * 4.5 / 5)
    assert reading() == ("slow 8 to 9, fast 12 to 13", pytest.approx(IMAGE[4, 6], rel=0.02))
    sheet.focus()
    for key in ("ArrowUp", "ArrowLeft", "+"):
        sheet.press(key)
    assert reading() == ("slow 6 to 7, fast 10 to 11", pytest.approx(IMAGE[3, 5], rel=0.02))
    assert page.title() != "taken"


def test_the_contrast_of_an_image_can_be_moved(page: Page, places: dict[str, Path]) -> None:
    page.goto(places["report"].as_uri())
    page.locator(".viewer canvas").wait_for()
    middle = "[...document.querySelector('.viewer canvas').getContext('2d').getImageData(200, 160, 1, 1).data]"
    before = page.evaluate(middle)
    page.locator(".viewer input").nth(1).fill("400")
    brighter = page.evaluate(middle)
    assert sum(brighter) > sum(before) + 50 and brighter[3] == 255


def test_without_scripts_the_picture_is_there_and_the_viewer_is_not(places: dict[str, Path], page: Page) -> None:
    assert page.context.browser is not None
    context = page.context.browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(places["report"].as_uri())
    assert still.locator("figure img").nth(1).is_visible() and not still.locator(".viewer").is_visible()
    context.close()


def test_served_reports_work_in_their_sandbox_and_the_index_follows_a_run(
    page: Page, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "EVERY_S", 0.1)
    reports = places["index"].parent
    page.emulate_media(media="screen", color_scheme="light")
    with serve.Server(reports, reports.parent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.goto(server.address)
        assert page.locator("#runs tbody tr").count() == 2
        page.locator("#runs tbody a").first.click()
        page.locator(".viewer canvas").wait_for()
        assert page.evaluate("fetch('/').then(() => 'read', () => 'refused')") == "refused"
        page.go_back()
        finished(reports, stamp="20260115T100000Z")
        page.locator("#runs tbody tr").nth(2).wait_for()
        server.shutdown()
