"""The notebook of phase A in JupyterLab: opened in Chromium, run by its menu, until its plots are seen."""

import json
import os
import secrets
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import checkouts
import pytest
from chromium import needs_browser
from devtools import Tab, tab

pytestmark = [pytest.mark.browser, needs_browser, pytest.mark.timeout(300)]

_PATH = f"notebooks/gradient_flow/{checkouts.NOTEBOOK.name}"
_PICTURES = "[...document.querySelectorAll('.jp-OutputArea-output img')].filter(each => each.naturalWidth > 300).length"
_TEXT = "document.querySelector('.jp-Notebook').textContent"
_IDLE = "document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = checkouts.make_checkout(tmp_path / "checkout")
    notebook = folder / _PATH
    text = notebook.read_text()
    assert "detector_pixels: int = 1024" in text
    notebook.write_text(text.replace("detector_pixels: int = 1024", "detector_pixels: int = 32"))
    return folder


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that answers on this machine's own network to those who know its token."""

    address: str
    token: str

    def ask(self, what: str) -> Any:
        """What the server says, or None while it does not answer."""
        try:
            with urlopen(f"{self.address}/api/{what}?token={self.token}") as answer:
                return json.load(answer)
        except OSError:
            return None

    def kernel_is_idle(self) -> bool:
        """Whether the notebook has a kernel that waits for work."""
        return [each["kernel"]["execution_state"] for each in self.ask("sessions") or ()] == ["idle"]


def make_lab(checkout: Path) -> list[str]:
    """Words of ``make lab`` behind "jupyter lab"."""
    words = ["make", "-n", "-s", "-f", str(checkouts.PROJECT / "Makefile"), "-o", ".venv/.installed", "lab"]
    shown = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=True).stdout
    return shlex.split(shown)[2:]


@pytest.fixture
def lab(checkout: Path, tmp_path: Path) -> Iterator[Lab]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    opened = Lab(f"http://127.0.0.1:{port}", secrets.token_hex(16))
    words = [
        sys.executable, "-m", "jupyterlab", *make_lab(checkout), "--no-browser", "--ip=127.0.0.1", f"--port={port}",
        f"--IdentityProvider.token={opened.token}", "--LabApp.news_url=", "--LabApp.extension_manager=readonly",
    ]  # fmt: skip
    places = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "RUNTIME", "DATA")}
    with (tmp_path / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            words, cwd=checkout, env=os.environ | places, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        try:
            wait(lambda: opened.ask("status") is not None)
            yield opened
        finally:
            server.terminate()
            server.wait(timeout=30)


def wait(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def choose(page: Tab, kind: str, label: str) -> None:
    """Click on the entry of a menu with that label."""
    entry = f"[...document.querySelectorAll('.{kind}')].find(each => each.textContent.trim() === '{label}')"
    wait(lambda: page.ask(f"Boolean({entry})"))
    page.ask(f"{entry}.dataset.chosen = '{label}'")
    page.click(f"[data-chosen='{label}']")


def test_the_notebook_of_phase_a_runs_by_its_menu_and_shows_its_plots(lab: Lab):
    names = {each["name"] for each in lab.ask("contents")["content"]}
    assert {"notebooks", "plans", "pyproject.toml"} <= names, "every notebook and plan can be reached"
    with tab() as page:
        # Cells outside the window have no elements: this one holds the whole notebook.
        page.call("Emulation.setDeviceMetricsOverride", width=1400, height=9000, deviceScaleFactor=1, mobile=False)
        page.open(f"{lab.address}/lab/tree/{_PATH}?token={lab.token}")
        wait(lab.kernel_is_idle)
        wait(lambda: page.ask(f"Boolean({_IDLE})"))
        assert page.ask(_PICTURES) == 0
        choose(page, "lm-MenuBar-item", "Run")
        choose(page, "lm-Menu-item", "Run All Cells")
        wait(lambda: page.ask(_PICTURES) == 3)
        wait(lambda: page.ask(f"{_TEXT}.includes('The graph is intact; the image was dark')"))
        assert page.ask("document.querySelectorAll('[data-mime-type*=error]').length") == 0
        elsewhere = [each for each in page.requested if not each.startswith((lab.address, "data:", "blob:"))]
        assert elsewhere == []
