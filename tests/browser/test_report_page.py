"""The page of a report in Chromium: hostile text is shown and does nothing, and no byte is asked from anywhere."""

import html
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import nbformat
import pytest
from checkouts import BRIEF
from chromium import document, needs_browser, open_page
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image
from samples import VERDICT, evidence, outcome_of_test, working_report

from nanobrag_torch.workbook.brief import document as briefs
from nanobrag_torch.workbook.report import folder, page
from nanobrag_torch.workbook.report.folder import NOTEBOOK, Report
from nanobrag_torch.workbook.show.tables import Table

pytestmark = [pytest.mark.browser, needs_browser]

#: The policy that forbids scripts; escaping must hold without it as well.
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')


class Listener(HTTPServer):
    """A server that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked: list[str] = []


class Asked(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Listener)
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"document.title = 'taken'")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def attack(where: str, listener: Listener) -> str:
    address = f"http://127.0.0.1:{listener.server_port}/{where}"
    return (
        f"{where}</pre></td></title><script>document.title='taken'</script><script src='{address}'></script>"
        f"<img src='{address}' onerror=\"document.title='taken'\"><svg onload=\"document.title='taken'\">"
        f"<link rel=stylesheet href='{address}'><iframe src='{address}'></iframe>"
    )


@pytest.fixture
def report(tmp_path: Path, listener: Listener) -> Report:
    report = working_report(tmp_path / "reports", title=attack("title", listener))
    report.write(outcome_of_test().model_copy(update={"message": attack("message", listener)}))
    report.write(evidence("control", 100.0, *["agrees"] * 6, lit=256), "control.json")
    parsed = briefs.parse(BRIEF.read_text())
    changes = {name: attack(name, listener) for name in ("summary", "mode", "branch", "if_blocked")}
    changes |= {name: (attack(name, listener),) for name in ("pointers", "pitfalls")}
    report.write_text(folder.BRIEF, parsed.model_copy(update=changes).model_dump_json())
    table = Table(caption=attack("caption", listener), columns=("c",), rows=((attack("entry", listener),),))
    outputs = [
        new_output("stream", text=attack("log", listener)),
        new_output("display_data", data=table._repr_mimebundle_()),
        new_output("error", ename="Odd", evalue=attack("error", listener), traceback=[attack("trace", listener)]),
    ]
    cells = [new_markdown_cell(attack("prose", listener)), new_code_cell(attack("code", listener), outputs=outputs)]
    nbformat.write(new_notebook(cells=cells), report.folder / NOTEBOOK)
    report.write_text("<img src=x onerror=document.title='taken'>.log", "x")
    return report


SHOWN = [
    "message",
    "summary",
    "branch",
    "if_blocked",
    "pointers",
    "pitfalls",
    "caption",
    "entry",
    "log",
    "error",
    "trace",
]


@pytest.mark.parametrize("policy", [True, False])
def test_hostile_text_is_shown_and_does_nothing(
    report: Report, listener: Listener, tmp_path: Path, policy: bool
) -> None:
    text = page.html(page.gather(report, VERDICT, tmp_path))
    file = tmp_path / "page.html"
    file.write_text(text if policy else POLICY.sub("", text))
    assert bool(POLICY.search(file.read_text())) == policy

    seen = document(file)
    title = re.search(r"<title>(.*?)</title>", seen, re.DOTALL)
    assert title is not None and html.unescape(title[1]).startswith("title</pre>")
    assert "<script" not in seen and "<iframe" not in seen and "<svg" not in seen
    shown = html.unescape(re.sub(r"<[^>]*>", "", seen))
    for where in SHOWN:
        assert f"{where}</pre></td></title><script>document.title='taken'" in shown, where
    assert listener.asked == []


def test_the_listener_would_have_been_asked_by_a_page_that_is_not_safe(listener: Listener, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(f"<title>safe</title><body>{attack('naive', listener)}")
    assert "<title>taken</title>" in document(file)
    assert "/naive" in listener.asked


def test_the_page_fits_a_narrow_screen(tmp_path: Path) -> None:
    report = working_report(tmp_path / "reports")
    report.write(outcome_of_test())
    report.write(evidence("control", 100.0, *["agrees"] * 6, lit=256), "control.json")
    file = tmp_path / "page.html"
    file.write_text(page.html(page.gather(report, VERDICT, tmp_path)))
    picture = tmp_path / "page.png"
    open_page(file, f"--screenshot={picture}", "--window-size=500,900")
    with Image.open(picture) as image:
        pixels = image.convert("L")
    assert pixels.width == 500
    margin = pixels.crop((494, 0, 500, 900)).getextrema()
    assert margin == (255, 255), "nothing is cut off at the right"
    assert pixels.crop((0, 0, 400, 300)).getextrema()[0] < 64, "and something is shown"
