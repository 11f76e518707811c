"""The index in Chromium: filtered, sorted, a figure and a report opened from it, without a request to anywhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import needs_browser
from devtools import Tab, tab
from finished import finished, write_plan
from PIL import Image
from samples import VERDICT

from nanobrag_torch.workbook.ledger import index

pytestmark = [pytest.mark.browser, needs_browser]

FAILED = VERDICT.model_copy(update={"status": "failed", "code": "gradient_wrong", "title": "A gradient disagrees"})
ROWS = "[...document.querySelectorAll('#runs tbody tr')].filter(row => row.offsetHeight)"
STAMPS = f"{ROWS}.map(row => row.cells[0].textContent.trim().slice(9, 11))"
ATTACK = "<img src='http://127.0.0.1:9/x' onerror=\"document.title='taken'\"><script>document.title='taken'</script>"


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    write_plan(tmp_path)
    reports = tmp_path / "a folder with blanks & signs #1"
    finished(reports, started="2026-01-15T07:59:00+00:00")
    finished(reports, FAILED, lit=10, stamp="20260115T090000Z", notebook_sha256="1" * 64)
    finished(reports, stamp="20260115T100000Z", phase="phase_b")
    hostile = VERDICT.model_copy(update={"title": ATTACK, "sentence": ATTACK, "code": "odd"})
    finished(reports, hostile, stamp="20260115T110000Z", initiative=ATTACK.replace("/", "∕")[:80])
    for picture in reports.rglob("image.png"):
        Image.new("RGB", (640, 480), "navy").save(picture)
    index.write(reports, tmp_path)
    return reports


@pytest.fixture
def page(reports: Path) -> Iterator[Tab]:
    with tab() as opened:
        opened.open((reports / "index.html").as_uri())
        yield opened
        elsewhere = [address for address in opened.requested if not address.startswith(("file://", "data:"))]
        assert elsewhere == [] and opened.requested[0].endswith("/index.html")


def test_words_and_status_filter_the_runs(page: Tab):
    assert page.ask(STAMPS) == ["11", "10", "09", "08"]
    page.type("#words", "phase_a GRADIENT-flow")
    assert page.ask(STAMPS) == ["09", "08"]
    page.ask("status.value = 'failed'; status.dispatchEvent(new Event('change'))")
    assert page.ask(STAMPS) == ["09"]
    assert page.ask("document.getElementById('count').textContent") == "1 of 4 runs"


def test_a_heading_sorts_the_runs_up_and_down(page: Tab):
    page.click("#runs th:nth-child(1) button")
    assert page.ask(STAMPS) == ["08", "09", "10", "11"]
    page.click("#runs th:nth-child(5) button")
    assert page.ask(f"{ROWS}.map(row => row.dataset.status)") == ["failed", "passed", "passed", "passed"]
    page.click("#runs th:nth-child(5) button")
    assert page.ask(f"{ROWS}.map(row => row.dataset.status)") == ["passed", "passed", "passed", "failed"]
    assert page.ask("document.querySelector('[aria-sort]').textContent.trim()") == "status"
    page.click("#runs th:nth-child(7) button")
    seconds = page.ask(f"{ROWS}.map(row => Number(row.cells[6].dataset.sort))")
    assert seconds == sorted(seconds) and seconds[0] < seconds[-1]


def test_a_figure_opens_in_full_size(page: Tab):
    assert page.ask("document.querySelector('#gallery img').naturalWidth") == 360
    page.click("#gallery a")
    page.wait_for("Page.loadEventFired")
    assert page.ask("location.pathname").endswith("/figures/image.png")
    assert page.ask("document.images[0].naturalWidth") == 640


def test_a_report_and_an_initiative_open_and_lead_back(page: Tab):
    page.click("#runs tbody tr:nth-child(3) a")
    page.wait_for("Page.loadEventFired")
    assert page.ask("document.querySelector('.finding').textContent") == "A gradient disagrees"
    page.ask("void setTimeout(() => history.back())")  # answered before the page is left
    page.wait_for("Page.loadEventFired")
    page.ask("void setTimeout(() => document.querySelector('.cards a').click())")
    page.wait_for("Page.loadEventFired")
    assert page.ask("document.querySelectorAll('svg polyline').length") > 6
    page.click("header a")
    page.wait_for("Page.loadEventFired")
    assert page.ask("document.title") == "Investigations"


def test_hostile_text_is_shown_and_never_run(page: Tab):
    assert page.ask("document.title") == "Investigations"
    assert page.ask("document.querySelector('#runs tbody tr td:nth-child(4)').textContent").startswith("<img src=")
    assert page.ask("document.scripts.length") == 1
    assert page.ask("[...document.images].every(image => image.src.startsWith('data:'))")
    page.ask(
        "const late = document.createElement('script'); late.textContent = 'document.title = 1';"
        "document.body.append(late)"
    )
    assert page.ask("document.title") == "Investigations", "the content policy stops a script that gets in"


def test_the_index_fits_a_phone(page: Tab):
    page.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=2, mobile=True)
    assert page.ask("document.documentElement.scrollWidth") <= 390
    assert page.ask(f"{ROWS}.length") == 4
