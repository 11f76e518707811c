"""A page as headless Chromium sees it, in a profile of its own and without the network."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)

needs_browser = pytest.mark.skipif(BROWSER is None, reason=f"no browser on PATH: none of {', '.join(NAMES)}")

QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip


def open_page(page: Path, *flags: str) -> str:
    """The document of a page after its scripts, if it has any that may run, have run; ``flags`` are the browser's."""
    assert BROWSER is not None
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [BROWSER, *QUIET, f"--user-data-dir={profile}", "--virtual-time-budget=3000", *flags, page.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 0, done.stderr
    return done.stdout


def document(page: Path) -> str:
    """The document object model of a page, as HTML, after loading."""
    return open_page(page, "--dump-dom")
