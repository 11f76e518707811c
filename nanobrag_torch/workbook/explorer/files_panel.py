"""Files of the explorer: save a state, take evidence of it, load an image of one's own."""

import threading
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.cells.refinement_case import read_counts
from nanobrag_torch.workbook.explorer.description import python_lines, save
from nanobrag_torch.workbook.explorer.evidence import take_evidence
from nanobrag_torch.workbook.explorer.session import Session
from nanobrag_torch.workbook.explorer.subjects import ExploredScenario

_WIDE = widgets.Layout(width="320px")


class FilesPanel:
    """Fields and buttons for files.

    Attributes:
        own: the image that was loaded (slow, fast); None before.
        box: the widget that holds all.
    """

    def __init__(self, session: Session, say: Callable[[str], None], show: Callable[[], None], links: str) -> None:
        self._session, self._say, self._show, self._links = session, say, show, links
        self.own: np.ndarray | None = None
        self.image_file = widgets.Text(placeholder="image: SMV, CBF or NXmx", layout=_WIDE)
        self.scenario_file = widgets.Text("explored.json", layout=_WIDE)
        self.load, self.keep, self.evidence, self.lines = (
            widgets.Button(description=name) for name in ("Load", "Save", "Take evidence", "Python")
        )
        self.link = widgets.HTML()
        self.load.on_click(lambda _: self._tried(self._loaded))
        self.keep.on_click(lambda _: self._tried(self._kept))
        self.lines.on_click(lambda _: self._tried(self._written))
        self.evidence.on_click(lambda _: self._taken())
        rows = ([self.image_file, self.load], [self.scenario_file, self.keep, self.lines], [self.evidence, self.link])
        self.box = widgets.VBox([widgets.HBox(row) for row in rows])

    def _scenario(self) -> Any:
        explored, now = self._session.explored, self._session.history.now
        assert isinstance(explored, ExploredScenario)
        return explored.at(now.values, now.free)

    def _hkl(self) -> Path | None:
        explored = self._session.explored
        return explored.hkl if isinstance(explored, ExploredScenario) else None

    def _tried(self, action: Callable[[], str]) -> None:
        """Do something with a file, and say how it went."""
        try:
            self._say(action())
        except (OSError, ValueError, RuntimeError) as error:
            self._say(str(error))

    def _loaded(self) -> str:
        self.own = read_counts(self.image_file.value.strip()).values
        self._show()
        return f"loaded an image of {self.own.shape[0]} x {self.own.shape[1]} pixels: show own image, or residual"

    def _kept(self) -> str:
        name = self.scenario_file.value.strip()
        if not name.endswith(".json"):
            raise ValueError(f"Save: got {name!r}; allowed: a name that ends in .json, from the root of the project.")
        file = save(self._scenario(), project.root() / name, self._hkl())
        return f"saved as {file.name}: doctor, run and sweep take it"

    def _written(self) -> str:
        hkl = self._hkl()
        lines = python_lines(self._scenario(), "" if hkl is None else str(hkl))
        self.link.value = f"<pre class='explorer-python'>{escape(lines)}</pre>"
        return "the lines of Python stand beside the button"

    def _taken(self) -> None:
        """Take evidence in a thread of its own: the page stays alive."""
        self.evidence.disabled = True
        self.link.value = "The runner is at work: it takes about a minute."
        threading.Thread(target=self._run, args=(self._session.history.now,), daemon=True).start()

    def _run(self, state: Any) -> None:
        explored = self._session.explored
        assert isinstance(explored, ExploredScenario)
        try:
            page = take_evidence(explored.at(state.values, state.free), explored.hkl)
            place = page.relative_to(project.root()).as_posix()
            where = escape(self._links + place)
            self.link.value = f"<a class='explorer-report' href='{where}' target='_blank'>{escape(place)}</a>"
        except (OSError, ValueError, RuntimeError) as error:
            self.link.value = f"<span class='explorer-blocked'>{escape(str(error))}</span>"
        finally:
            self.evidence.disabled = False
