"""What was injected, and what went wrong: the table that ``make faults`` prints."""

from collections import Counter

FAILINGS = ("traceback", "survivor", "hang", "half folder", "unnoticed")
_injected: Counter[str] = Counter()
_found: dict[str, list[tuple[str, str]]] = {}


class Trial:
    """One fault of a row of the table; leaving it asserts that nothing went wrong.

    ``with tally.Trial("kill -9 of the runner") as trial: ...; trial.found("survivor", "pytest, pid 17")``
    """

    def __init__(self, fault: str, times: int = 1):
        self.fault = fault
        _injected[fault] += times
        self._mine: list[tuple[str, str]] = []

    def found(self, failing: str, detail: str) -> None:
        """Note one failing, one of ``FAILINGS``, and go on."""
        assert failing in FAILINGS
        self._mine.append((failing, detail))
        _found.setdefault(self.fault, []).append((failing, detail))

    def __enter__(self) -> "Trial":
        return self

    def __exit__(self, kind, error, trace) -> None:
        if error is None:
            assert self._mine == [], "\n".join(f"{failing}: {detail}" for failing, detail in self._mine)


def table() -> list[str]:
    """The lines of the table: a fault, how often it was injected, and the count of every failing."""
    width = max(map(len, _injected), default=0)
    heads = ["times", *FAILINGS]
    lines = [f"{'fault':<{width}}  " + "  ".join(heads)]
    for fault, times in _injected.items():
        counts = [times, *(sum(kind == failing for kind, _ in _found.get(fault, [])) for failing in FAILINGS)]
        cells = "  ".join(f"{count:>{len(head)}}" for count, head in zip(counts, heads, strict=True))
        lines.append(f"{fault:<{width}}  {cells}")
    return lines
