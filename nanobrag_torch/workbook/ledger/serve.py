"""Reports at this machine's own address, for one reader at a time: the index follows the runs that end.

Addresses begin with a token that nobody else on the machine knows. Pages of reports come from anywhere, so they are
sandboxed: what runs in one reads no other. Links, and what is not below the reports, are not served.
"""

import base64
import hashlib
import secrets
import threading
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.ledger import index
from nanobrag_torch.workbook.report.folder import RUNNING

#: Address that is listened at: that of this machine alone.
HOST = "127.0.0.1"
#: Seconds between two looks at the reports, and between two signs of life to a page that waits.
EVERY_S, ALIVE_S = 2.0, 15.0
#: Name below the token at which a page waits for the next run to end.
CHANGES = "changes"
_RELOAD = 'new EventSource("/{token}/{changes}?{version}").onmessage = () => location.reload();'
_PICTURES = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
#: Types of the files that a browser shows, with the policy that each is shown under; others are sent as plain text.
_SHOWN = {
    ".html": ("text/html; charset=utf-8", f"sandbox allow-scripts; {_PICTURES}; script-src 'unsafe-inline'"),
    ".png": ("image/png", "sandbox"),
    ".svg": ("image/svg+xml", f"sandbox; {_PICTURES}"),
}
_TEXT = ("text/plain; charset=utf-8", "sandbox")


class Server(ThreadingHTTPServer):
    """Server of the reports below a folder; as a context it looks for runs that end until it is left.

    Args:
        reports: folder of the reports.
        root: root of their project.
        port: port to listen at; 0 for any that is free.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, reports: Path, root: Path, port: int = 0) -> None:
        self.reports, self.root = reports.resolve(), root
        self.token = secrets.token_urlsafe(16)
        self.ended, self.changed, self.version = threading.Event(), threading.Condition(), 0
        self._runs: set[str] = set()
        super().__init__((HOST, port), _Handler)

    @property
    def address(self) -> str:
        """Address of the index."""
        return f"http://{HOST}:{self.server_port}/{self.token}/{index.INDEX}"

    def __enter__(self) -> "Server":
        self.look()
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        with self.changed:
            self.changed.notify_all()
        self.server_close()

    def look(self) -> None:
        """Write the index anew where runs have begun or ended since the last look, and tell the pages that wait."""
        runs = {folder.as_posix() for folder in self.reports.glob("*/*/*") if folder.is_dir()}
        if self.version and runs == self._runs:
            return
        self._runs = runs
        index.write(self.reports, self.root)
        with self.changed:
            self.version += 1
            self.changed.notify_all()

    def _watch(self) -> None:
        while not self.ended.wait(EVERY_S):
            with suppress(OSError):  # a folder that vanished meanwhile, or a full disk: the next look tells
                self.look()


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """Answer with a file of the reports, or with the news that a run has ended."""
        hosts = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        asked = urlsplit(self.path)
        token, _, name = unquote(asked.path).removeprefix("/").partition("/")
        if self.headers.get("Host") not in hosts or not secrets.compare_digest(
            token.encode(errors="replace"), self.server.token.encode()
        ):
            self.send_error(HTTPStatus.NOT_FOUND)
        elif name == CHANGES:
            self._tell(asked.query)
        else:
            self._send(name)

    def _send(self, name: str) -> None:
        path, version = self._path(name), self.server.version
        try:
            content = None if path is None else files.read(path, path.stat().st_size)
        except (files.Unreadable, OSError):
            content = None
        if path is None or content is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        kind, policy = _SHOWN.get(path.suffix, _TEXT)
        if path.name == index.INDEX and len(path.relative_to(self.server.reports).parts) <= 2:
            content, policy = _following(content, self.server.token, version), ""
        self._begin(kind, policy, len(content))
        self.wfile.write(content)

    def _path(self, name: str) -> Path | None:
        """File of that name; None where it is hidden, a link, or not below the reports."""
        parts = PurePosixPath(name or index.INDEX).parts
        if any((part.startswith(("/", ".")) and not part.endswith(RUNNING)) or "\0" in part for part in parts):
            return None
        path = self.server.reports.joinpath(*parts)
        path = path / index.INDEX if path.is_dir() else path
        return path if path.is_file() and path.resolve() == path else None

    def _tell(self, since: str) -> None:
        """Keep the connection until the index is no longer the one of version ``since``, and say so."""
        server = self.server
        self._begin("text/event-stream", "", None)
        try:
            while not server.ended.is_set():
                with server.changed:
                    server.changed.wait_for(lambda: server.ended.is_set() or str(server.version) != since, ALIVE_S)
                if str(server.version) != since:
                    self.wfile.write(b"data: changed\n\n")
                    return
                self.wfile.write(b": alive\n\n")
        except OSError:  # the page was left
            pass

    def _begin(self, kind: str, policy: str, length: int | None) -> None:
        self.send_response(HTTPStatus.OK)
        fields = {"Content-Type": kind, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        fields |= {"Referrer-Policy": "no-referrer"} | ({"Content-Security-Policy": policy} if policy else {})
        fields |= {} if length is None else {"Content-Length": str(length)}
        for field, value in fields.items():
            self.send_header(field, value)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing: the terminal is for the address."""


def _following(page: bytes, token: str, version: int) -> bytes:
    """Index with a script, allowed by its hash, that loads it again when it is no longer of this version."""
    script = _RELOAD.format(token=token, changes=CHANGES, version=version)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    text = page.replace(b"script-src '", f"connect-src 'self'; script-src 'sha256-{digest}' '".encode(), 1)
    return text.replace(b"</body>", f"<script>{script}</script></body>".encode(), 1)
