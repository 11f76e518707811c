"""Journal of a suite: events of its sessions, a line of JSON for each, that survive a crash.

A session that is given the journal of one that was broken off goes on behind it. This module needs nothing but Python,
so that the plugin can use it in any project.
"""

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Events that open something, and those that close it; what is open at the end of a session ended it.
_OPENS = ("started", "collecting")
_CLOSES = ("finished", "collected from", "uncollected", "broken off")


def visible(value: Any) -> Any:
    """JSON data whose texts can be encoded: bytes of a file name that are no text are written as escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {visible(key): visible(each) for key, each in value.items()}
    return [visible(each) for each in value] if isinstance(value, list) else value


def raw(text: str) -> str:
    """The name that :func:`visible` made readable, as the system takes it."""
    return re.sub(r"\\udc([89a-f][0-9a-f])", lambda found: chr(0xDC00 + int(found[1], 16)), text)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Read the events in a journal; a line that a process was killed in the middle of is left out."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with suppress(ValueError):
                yield visible(json.loads(line))


def open_at_end(events: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Tests that were running, and files that were being collected, with the time at which each began."""
    begun: dict[str, float] = {}
    for event in events:
        if event["event"] in _OPENS:
            begun[event["id"]] = event["at"]
        elif event["event"] in _CLOSES:
            begun.pop(event["id"], None)
    return begun


def done(events: Iterable[dict[str, Any]]) -> set[str]:
    """Tests and files that are not to be tried again: they came to their end, or ended the session."""
    return {event["id"] for event in events if event["event"] in ("finished", "uncollected", "broken off")}


def break_off(path: Path, names: Iterable[str], **how: Any) -> None:
    """Write behind the end of a session which tests and files were open then; ``how`` goes into each event."""
    with path.open("a", encoding="utf-8") as stream:
        # The last line may be half a line.
        stream.write("\n")
        stream.writelines(json.dumps({"event": "broken off", "id": name, **how}) + "\n" for name in names)
