"""A page of a sweep that refreshes itself while the sweep runs, beside the folders of the sweeps of that name."""

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.report.folder import Report
from nanobrag_torch.workbook.sweeps import page

WATCH = "watch.html"
#: Seconds between two pages, and the part of the time that making them may take.
_EVERY_S, _SHARE = 5, 0.05


@dataclass
class Watch:
    """The page of a sweep whose working folder is ``folder``, written anew every few seconds."""

    folder: Path
    _due: float = 0.0

    @property
    def path(self) -> Path:
        """Place of the page: it stays where it is when the working folder becomes a report."""
        return self.folder.with_name(WATCH)

    def refresh(self) -> None:
        """Write the page, if it is time for another."""
        started = time.monotonic()
        if started < self._due:
            return
        # A page that cannot be written stops nothing.
        with suppress(OSError, files.Unreadable):
            files.write(self.path, page.render(self.folder, _EVERY_S, self.folder.name))
        self._due = time.monotonic() + max(_EVERY_S, (time.monotonic() - started) / _SHARE)

    def end(self) -> None:
        """Write the last page, which stays as it is, over the report."""
        final = Report(self.folder).final
        with suppress(OSError, files.Unreadable):
            files.write(self.path, page.render(final, None, final.name))
