"""Images to look into, side by side in Chromium: they show one place, and each says its own value there."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from chromium import BROWSER, needs_browser
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_notebook, new_output
from playwright.sync_api import Locator, Page, sync_playwright
from samples import VERDICT, working_report

from nanobrag_torch.workbook.records.run import Caption
from nanobrag_torch.workbook.report import page as pages
from nanobrag_torch.workbook.report.folder import NOTEBOOK
from nanobrag_torch.workbook.report.lightened import lightened
from nanobrag_torch.workbook.show.drawing import Drawing
from nanobrag_torch.workbook.show.raster import Raster

pytestmark = [pytest.mark.browser, needs_browser]

#: Expected photons, and counts beside them: one did not count, one is a zinger, one is none.
MODEL = 4.0 * (1 + np.arange(192.0).reshape(12, 16))
DATA = MODEL + np.sqrt(MODEL) * np.linspace(-2, 4, 192).reshape(12, 16)
DATA[3, 3], DATA[0, 7], DATA[1, 0] = np.nan, 1e4, 0.0
LEFT = (DATA - MODEL) / np.sqrt(MODEL)


def drawing() -> Drawing:
    figure = Figure(figsize=(9, 3))
    figure.subplots().imshow(LEFT)
    rasters = (
        Raster.of(DATA, title="data", unit="photons", beside=(MODEL,)),
        Raster.of(MODEL, title="model", unit="photons", beside=(DATA,), dark=40.0),
        Raster.signed(LEFT, title="left", unit="standard deviations", most=25.0, bright=5.0),
        Raster.of(MODEL[:, :4], title="other", unit="photons"),
    )
    return Drawing(figure, Caption(name="images", title="Images", caption="Of a test.", alt="Images"), rasters)


def written(root: Path, drawn: Drawing) -> Path:
    """The page of a report with one figure."""
    report = working_report(root / "reports")
    data, metadata = drawn._repr_mimebundle_()
    png = base64.b64encode(data["image/png"]).decode()
    output = new_output("display_data", data=data | {"image/png": png}, metadata=metadata)
    nbformat.write(new_notebook(cells=[new_code_cell("draw()", outputs=[output])]), report.folder / NOTEBOOK)
    file = root / "page.html"
    file.write_text(pages.html(pages.gather(report, VERDICT, root)))
    return file


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("viewers"), drawing())


@pytest.fixture(scope="module")
def chromium() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1440, "height": 900})
        browser.close()


@pytest.fixture
def page(chromium: Page, place: Path) -> Page:
    """The page, freshly opened, with all its images unpacked."""
    chromium.set_viewport_size({"width": 1440, "height": 900})
    chromium.goto(place.as_uri())
    chromium.locator(".viewer canvas").nth(3).wait_for()
    return chromium


def said(page: Page) -> list[str]:
    """Readings of data, model, residual and the image of another shape."""
    return page.locator(".viewer output").all_inner_texts()


def value(words: str) -> float:
    return float(words.partition(": ")[2].partition(" ")[0].replace("−", "-"))


def point_at(page: Page, sheet: Locator, row: float, column: float) -> None:
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * (column + 0.5) / 16, box["y"] + box["height"] * (row + 0.5) / 12)


def colour(sheet: Locator, row: float, column: float) -> list[int]:
    """Colour at the middle of a pixel of an image that is not zoomed."""
    read = "(each, [x, y]) => [...each.getContext('2d').getImageData(x * each.width, y * each.height, 1, 1).data]"
    red_green_blue: list[int] = sheet.evaluate(read, [(column + 0.5) / 16, (row + 0.5) / 12])[:3]
    return red_green_blue


@pytest.mark.parametrize("over", [0, 1, 2])
def test_data_model_and_residual_of_the_pixel_under_the_pointer_are_read_at_once(page: Page, over: int) -> None:
    point_at(page, page.locator(".viewer canvas").nth(over), 4, 1)
    readings = said(page)[:3]
    assert [each.partition(": ")[0] for each in readings] == [
        f"{title}, slow 4, fast 1" for title in ("data", "model", "left")
    ]
    data, model, left = map(value, readings)
    assert (data, model) == (pytest.approx(DATA[4, 1], rel=0.02), pytest.approx(MODEL[4, 1], rel=0.02))
    assert left == pytest.approx(LEFT[4, 1], abs=0.1) and readings[2].endswith("± 0.099 standard deviations")


def test_a_negative_residual_keeps_its_sign_and_one_beyond_all_levels_says_so(page: Page) -> None:
    sheet = page.locator(".viewer canvas").first
    point_at(page, sheet, 0, 2)
    assert value(said(page)[2]) == pytest.approx(LEFT[0, 2], abs=0.1) and LEFT[0, 2] < -1
    point_at(page, sheet, 0, 7)
    assert said(page)[2] == "left, slow 0, fast 7: above 25 standard deviations"


def test_a_pixel_that_did_not_count_is_grey_and_is_no_zero(page: Page) -> None:
    sheets = page.locator(".viewer canvas")
    point_at(page, sheets.nth(1), 3, 3)
    data, model, left = said(page)[:3]
    assert data.endswith("fast 3: did not count") and left.endswith("fast 3: did not count") and value(model) > 0
    assert colour(sheets.nth(0), 3, 3) == colour(sheets.nth(2), 3, 3) == [153, 153, 153]
    point_at(page, sheets.nth(1), 1, 0)
    assert said(page)[0] == "data, slow 1, fast 0: 0 photons"
    assert max(colour(sheets.nth(0), 1, 0)) < 10
    faint, beyond = (colour(sheets.nth(1), *each) for each in ((0, 5), (2, 0)))
    assert max(faint) < 10 < max(beyond), "the colours of the model begin at 40"


def test_zoom_by_the_keys_moves_images_of_the_same_pixels_and_no_others(page: Page) -> None:
    sheets = page.locator(".viewer canvas")
    before = [colour(sheets.nth(i), 11, 15) for i in range(4)]
    other = said(page)[3]
    sheets.nth(0).focus()
    for key in ("ArrowUp", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
        sheets.nth(0).press(key)
    page.get_by_role("button", name="left: zoom in").click()
    assert [each.partition(": ")[0] for each in said(page)[:3]] == [
        f"{title}, slow 5, fast 5" for title in ("data", "model", "left")
    ]
    assert said(page)[3] == other, "it has other pixels"
    assert colour(sheets.nth(3), 11, 15) == before[3]
    assert all(colour(sheets.nth(i), 11, 15) != before[i] for i in range(3))


def test_blue_is_below_the_model_and_red_above_and_the_slider_moves_where_they_end(page: Page) -> None:
    sheet, slider = page.locator(".viewer canvas").nth(2), page.get_by_role("slider", name="left: ends of the colours")
    low, high = colour(sheet, 0, 1), colour(sheet, 11, 10)
    assert low[2] > low[0] + 50 and high[0] > high[2] + 50
    slider.fill("1000")
    assert "± 25" in page.locator(".viewer").nth(2).inner_text()
    pale = colour(sheet, 11, 10)
    assert pale[2] > high[2] + 50 and pale[0] > pale[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_and_a_phone_does_not_scroll_sideways(page: Page, scheme: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []


def test_without_scripts_the_picture_alone_is_there(page: Page, place: Path) -> None:
    assert page.context.browser is not None
    context = page.context.browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto(place.as_uri())
    assert still.locator("figure img").is_visible() and not still.locator(".viewer").first.is_visible()
    context.close()


def test_a_page_made_small_for_an_email_keeps_every_value(page: Page, place: Path, tmp_path: Path) -> None:
    whole = place.read_bytes()
    small = lightened(whole, len(whole) - 1)
    assert small is not None
    (tmp_path / "small.html").write_bytes(small)
    rasters = "[...document.querySelectorAll('.viewer')].map(each => each.dataset.raster)"
    before = page.evaluate(rasters)
    page.goto((tmp_path / "small.html").as_uri())
    page.locator(".viewer canvas").nth(3).wait_for()
    assert page.evaluate(rasters) == before and len(said(page)) == 4


@pytest.mark.parametrize("shape", [(1, 300), (300, 1), (1, 1), (3, 2)])
def test_a_row_a_column_and_a_pixel_can_be_seen_pointed_at_and_not_zoomed_away(
    chromium: Page, tmp_path: Path, shape: tuple[int, int]
) -> None:
    values = 1.0 + np.arange(float(np.prod(shape))).reshape(shape)
    raster = Raster.of(values, title="narrow", unit="photons")
    place = written(tmp_path, replace(drawing(), rasters=(raster,)))
    chromium.goto(place.as_uri())
    sheet = chromium.locator(".viewer canvas")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    assert box is not None and 5 < box["height"] <= 4 * box["width"]
    row, column = (length // 3 for length in shape)
    if max(shape) < 8:
        chromium.get_by_role("button", name="narrow: zoom in").click()
    middle = {"x": box["width"] * (column + 0.5) / shape[1], "y": box["height"] * (row + 0.5) / shape[0]}
    sheet.hover(position=middle)
    said_there = chromium.locator(".viewer output").inner_text()
    assert f"slow {row}, fast {column}: " in said_there
    assert value(said_there) == pytest.approx(values[row, column], rel=0.03)
