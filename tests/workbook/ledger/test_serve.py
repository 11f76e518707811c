"""Reports at an address of this machine: what is served, what is not, and an index that follows the runs that end."""

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from finished import finished

from nanobrag_torch.workbook.ledger import serve

PLACE = "2026-01-gradient-flow/phase_a/20260115T080000Z"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[serve.Server]:
    monkeypatch.setattr(serve, "EVERY_S", 0.05)
    folder = finished(tmp_path / "reports")
    (tmp_path / "secret.txt").write_text("mine")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder.parent / ".hidden").write_text("mine")
    with serve.Server(tmp_path / "reports", tmp_path) as found:
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def ask(server: serve.Server, path: str, token: str | None = None, host: str | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(serve.HOST, server.server_port, timeout=20)
    words = {} if host is None else {"Host": host}
    connection.request("GET", f"/{server.token if token is None else token}/{path}", headers=words)
    return connection.getresponse()


def test_index_pages_and_files_are_served_and_pages_of_reports_are_sandboxed(server: serve.Server):
    top = ask(server, "")
    text = top.read().decode()
    assert top.status == 200 and f"{PLACE}/report.html" in text and "connect-src 'self'" in text
    assert urlsplit(server.address).path == f"/{server.token}/index.html"
    page = ask(server, f"{PLACE}/report.html")
    assert b"The image was dark" in page.read()
    assert "sandbox allow-scripts; default-src 'none'" in page.headers["Content-Security-Policy"]
    assert ask(server, f"{PLACE}/figures/image.png").headers["Content-Type"] == "image/png"
    record = ask(server, f"{PLACE}/manifest.json")
    assert record.headers["Content-Type"].startswith("text/plain") and b"dark_image" in record.read()
    assert record.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "../secret.txt",
        "%2e%2e/secret.txt",
        f"{PLACE}/link.txt",
        f"{PLACE}/../.hidden",
        "/etc/passwd",
        "a%00b",
        "nowhere",
    ],
)
def test_links_hidden_files_and_what_is_not_below_the_reports_are_not_served(server: serve.Server, path: str):
    assert ask(server, path).status == 404


def test_nobody_without_the_token_and_no_page_of_another_name_sees_anything(server: serve.Server):
    assert ask(server, "index.html").status == 200
    for token in ("", "guess", server.token[:-1], "%ff"):
        assert ask(server, "index.html", token=token).status == 404
    assert ask(server, "index.html", host="evil.example").status == 404
    assert server.server_address[0] == "127.0.0.1"


def test_the_index_follows_a_run_that_ends_and_tells_the_pages_that_wait(server: serve.Server, tmp_path: Path):
    waiting = ask(server, f"{serve.CHANGES}?{server.version}")
    assert waiting.headers["Content-Type"] == "text/event-stream"
    finished(tmp_path / "reports", stamp="20260115T090000Z")
    assert waiting.readline() == b"data: changed\n"
    assert "20260115T090000Z" in ask(server, "index.html").read().decode()


def test_a_page_that_was_loaded_before_a_run_ended_hears_of_it_at_once(server: serve.Server):
    assert ask(server, f"{serve.CHANGES}?{server.version - 1}").readline() == b"data: changed\n"
