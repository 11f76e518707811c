"""A page in headless Chromium that can be clicked and asked, over the protocol of its developer tools."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import websocket
from chromium import BROWSER, QUIET


class Connection:
    """Commands to the browser or to one of its tabs; every address that is asked for on the way is remembered."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(address, timeout=60, suppress_origin=True)
        self.number = 0
        self.requested: list[str] = []

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = self._next()
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]

    def wait_for(self, event: str) -> None:
        """Wait until an event has happened."""
        while self._next().get("method") != event:
            pass

    def _next(self) -> dict[str, Any]:
        message = json.loads(self.socket.recv())
        if message.get("method") == "Network.requestWillBeSent":
            self.requested.append(message["params"]["request"]["url"])
        return message


class Tab(Connection):
    """One tab of the browser."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        for domain in ("Page", "Network", "Runtime"):
            self.call(f"{domain}.enable")

    def open(self, address: str) -> None:
        """Go to an address and wait until it is loaded."""
        self.call("Page.navigate", url=address)
        self.wait_for("Page.loadEventFired")

    def ask(self, script: str) -> Any:
        """What a script in the page gives, as plain data."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def type(self, selector: str, text: str) -> None:
        """Put the cursor into a field and type, as a person does."""
        self.ask(f"document.querySelector({selector!r}).focus()")
        self.call("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click in the middle of an element, as a person does."""
        x, y = self.ask(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center'}});"
            " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


@contextmanager
def tab() -> Iterator[Tab]:
    """An empty tab of a browser of its own, which ends with it."""
    assert BROWSER is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [BROWSER, *QUIET, f"--user-data-dir={profile}", "--remote-debugging-port=0", "about:blank"]
        browser = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
        assert browser.stderr is not None
        try:
            lines = (re.search(r"(ws://[\d.:]+/devtools)/browser/\S+", line) for line in browser.stderr)
            address = next(found for found in lines if found)
            with closing(Connection(address[0])) as connection:
                targets = connection.call("Target.getTargets")["targetInfos"]
            target = next(each for each in targets if each["type"] == "page")
            with closing(Tab(f"{address[1]}/page/{target['targetId']}")) as page:
                yield page
        finally:
            browser.terminate()
            browser.wait(timeout=30)
            browser.stderr.close()
