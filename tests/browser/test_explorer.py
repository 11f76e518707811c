"""The explorer as an application: one server and one page in Chromium for all tests of the file."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from chromium import BROWSER, needs_browser

from nanobrag_torch.workbook.cells.scenarios import read_scenario

playwright = pytest.importorskip("playwright.sync_api", reason="the package playwright is not installed")
pytestmark = [pytest.mark.browser, needs_browser, pytest.mark.timeout(300)]

PATIENCE = 60_000  # ms until something that should be seen fails the test
#: Counts every verdict that is put into the page.
COUNT = """
window.verdicts = 0;
new MutationObserver((changes) => {
  for (const change of changes) for (const node of change.addedNodes)
    if (node.querySelector && (node.matches('[data-code]') || node.querySelector('[data-code]'))) window.verdicts += 1;
}).observe(document, {childList: true, subtree: true});
"""
SCENARIO: dict[str, Any] = {
    "crystal": {
        "cell_a": 70, "cell_b": 80, "cell_c": 90, "cell_alpha": 75, "cell_beta": 85, "cell_gamma": 95,
        "misset_deg": [10, 20, 30], "N_cells": [5, 5, 5], "default_F": 100,
    },
    "detector": {"spixels": 16, "fpixels": 16, "pixel_size_mm": 1.2, "oversample": 1},
    "names": ["crystal.cell_a", "crystal.cell_beta"],
    "loss": "weighted_sum",
}  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name in ("notebooks", "reports"):
        (folder / name).mkdir()
    (folder / "start.json").write_text(json.dumps(SCENARIO))
    return folder


@pytest.fixture(scope="module")
def server(project: Path) -> Iterator[subprocess.Popen[str]]:
    command = "from nanobrag_torch.workbook.commands.main import main; main()"
    words = [sys.executable, "-c", command, "explore", "start.json", "--no-browser"]
    places = {f"JUPYTER_{name}_DIR": str(project / ".jupyter" / name.lower()) for name in ("CONFIG", "RUNTIME")}
    threads = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    with (project / "log").open("wb") as log:
        server = subprocess.Popen(
            words, cwd=project, env=os.environ | places | threads, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            yield server
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=60)
            if server.stdout is not None:
                server.stdout.close()


@pytest.fixture(scope="module")
def address(server: subprocess.Popen[str], project: Path) -> str:
    assert server.stdout is not None
    line = server.stdout.readline().strip()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[0-9a-f]{32}", line), (project / "log").read_text()
    return line


@pytest.fixture(scope="module")
def page(address: str) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        made = browser.new_page(viewport={"width": 1440, "height": 1300})
        made.set_default_timeout(PATIENCE)
        made.answers = []
        made.on("response", lambda answer: made.answers.append(answer.url))
        made.add_init_script(COUNT)
        _open(made, address)
        made.wait_for_selector(".explorer-verdict[data-code]")
        yield made
        browser.close()


def _open(page: Any, address: str) -> None:
    """Open the page as soon as the server answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            page.goto(address)
            return
        except playwright.Error:
            assert time.monotonic() < deadline
            time.sleep(0.3)


def picture(page: Any) -> str:
    """The pixels that the canvas shows."""
    return str(page.evaluate("document.querySelector('.explorer-canvas').toDataURL()"))


def loss(page: Any) -> float:
    """The loss that the page tells."""
    found = re.match(r"loss (\S+);", page.locator("small", has_text="states, from").first.inner_text())
    assert found is not None
    return float(found[1])


def verdicts(page: Any) -> int:
    """Number of verdicts that reached the page since it was opened."""
    return int(page.evaluate("window.verdicts"))


def settled(page: Any) -> None:
    """Wait until nothing is computed."""
    page.wait_for_function("document.querySelector('.explorer-status').textContent === 'ready'")


def expected_loss(project: Path, **moved: float) -> float:
    scenario = read_scenario(project / "start.json")
    with torch.no_grad():
        return float(scenario.at({f"crystal.{name}": value for name, value in moved.items()})())


def kernels(server: subprocess.Popen[str]) -> list[psutil.Process]:
    """Kernels that run for pages."""
    below = psutil.Process(server.pid).children(recursive=True)
    return [each for each in below if "ipykernel_launcher" in " ".join(each.cmdline())]


def test_the_page_shows_image_gradients_and_verdict_and_asks_no_other_server(page: Any, project: Path, address: str):
    settled(page)
    assert loss(page) == pytest.approx(expected_loss(project), rel=1e-5)
    assert page.locator(".explorer-verdict").get_attribute("data-code") == "healthy"
    assert "crystal.cell_a" in page.locator(".explorer-bars").get_attribute("aria-label")
    server = address.partition("/?")[0]
    assert [each for each in page.answers if not each.startswith((server, "data:", "blob:"))] == []


def test_a_slider_that_is_moved_moves_picture_loss_and_number(page: Any, project: Path):
    before = picture(page)
    slider = page.locator(".noUi-handle").first
    slider.focus()
    slider.press("PageUp")
    page.wait_for_function("before => document.querySelector('.explorer-canvas').toDataURL() !== before", arg=before)
    settled(page)
    value = float(page.locator("input[type=number]").first.input_value())
    assert value > 70
    assert loss(page) == pytest.approx(expected_loss(project, cell_a=value), rel=1e-5)


def test_late_answers_are_dropped_and_the_last_one_is_shown(page: Any, project: Path):
    slider = page.locator(".noUi-handle").first
    slider.focus()
    before = verdicts(page)
    for _ in range(40):
        slider.press("ArrowRight")
    settled(page)
    assert 0 < verdicts(page) - before < 40
    value = float(page.locator("input[type=number]").first.input_value())
    assert loss(page) == pytest.approx(expected_loss(project, cell_a=value), rel=1e-5)
    page.get_by_role("button", name="Reset").click()
    page.wait_for_function("document.querySelector('input[type=number]').value === '70'")
    settled(page)
    assert loss(page) == pytest.approx(expected_loss(project), rel=1e-5)


def test_zoom_is_kept_while_the_image_changes(page: Any):
    canvas = page.locator(".explorer-canvas")
    canvas.focus()
    canvas.press("+")
    zoomed = canvas.get_attribute("data-zoom")
    assert float(zoomed) == pytest.approx(512 / 16 * 1.25)
    before = picture(page)
    page.locator("input[type=number]").first.fill("70.5")
    page.locator("input[type=number]").first.press("Enter")
    page.wait_for_function("before => document.querySelector('.explorer-canvas').toDataURL() !== before", arg=before)
    settled(page)
    assert canvas.get_attribute("data-zoom") == zoomed
    canvas.press("0")


def test_the_pixel_under_the_pointer_has_value_indices_and_resolution(page: Any):
    page.locator(".explorer-canvas").hover(position={"x": 16, "y": 16})
    page.wait_for_function("/slow 0, fast 0: .*hkl .* Å/.test(document.querySelector('.explorer-pixel').textContent)")


def test_an_impossible_cell_has_its_reason_where_the_image_was_and_one_click_goes_back(page: Any):
    field = page.locator("input[type=number]").nth(1)
    field.fill("175")
    field.press("Enter")
    page.wait_for_function("document.querySelector('.explorer-word').textContent.includes('span a volume')")
    page.get_by_role("button", name="Back").click()
    page.wait_for_function("document.querySelector('.explorer-word').textContent === ''")
    settled(page)
    assert field.input_value() == "85"


def test_evidence_is_a_report_that_opens(page: Any, project: Path):
    (project / "test_dark.py").write_text("def test_dark(): assert 0.0 > 1.0\n")
    page.get_by_placeholder("with a test: its pytest id").fill("test_dark.py::test_dark")
    page.get_by_placeholder("with a test: its pytest id").press("Tab")
    page.get_by_role("button", name="Take evidence").click()
    link = page.wait_for_selector(".explorer-report, .explorer-blocked")
    assert link.get_attribute("class") == "explorer-report", link.inner_text()
    with page.expect_popup() as opened:
        link.click()
    opened.value.wait_for_load_state()
    assert "gradient" in opened.value.inner_text("body")
    assert "Mapped test test_dark.py::test_dark: the test ran and failed." in opened.value.inner_text("body")
    (report,) = project.glob("reports/*/*/*/report.html")
    assert (report.parent / "diagnosis.json").is_file()
    (state,) = project.glob("explored/*.json")
    assert read_scenario(state).crystal.cell_a == 70.5


def test_a_page_that_is_reloaded_leaves_no_kernel_behind(page: Any, server: subprocess.Popen[str]):
    (before,) = kernels(server)
    page.reload()
    page.wait_for_selector(".explorer-verdict[data-code]")
    settled(page)
    before.wait(timeout=60)
    assert len(kernels(server)) == 1


def test_a_kernel_that_ends_is_told_and_a_reloaded_page_goes_on_where_it_was(
    page: Any, server: subprocess.Popen[str], project: Path
):
    settled(page)
    field, before = page.locator("input[type=number]").first, verdicts(page)
    field.fill("70.25")
    field.press("Enter")
    page.wait_for_function("before => window.verdicts > before", arg=before)
    settled(page)
    for process in kernels(server):
        process.kill()
    page.wait_for_function("document.querySelector('.explorer-word').textContent.includes('No answer from the kernel')")
    page.reload()
    page.wait_for_selector(".explorer-verdict[data-code]")
    settled(page)
    assert float(page.locator("input[type=number]").first.input_value()) == 70.25
    assert loss(page) == pytest.approx(expected_loss(project, cell_a=70.25), rel=1e-5)
    assert page.locator(".explorer-word").first.text_content() == ""
