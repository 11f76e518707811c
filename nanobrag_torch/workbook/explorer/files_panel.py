"""Files of the explorer: save a state, take evidence of it, load an image of one's own."""

import threading
from collections.abc import Callable
from html import escape
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from nanobrag_torch.refine import refine
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.cells.refinement_case import read_counts
from nanobrag_torch.workbook.explorer.description import python_lines, save
from nanobrag_torch.workbook.explorer.evidence import take_evidence
from nanobrag_torch.workbook.explorer.history import State
from nanobrag_torch.workbook.explorer.session import Session
from nanobrag_torch.workbook.explorer.subjects import ExploredScenario

_WIDE = widgets.Layout(width="320px")


class FilesPanel:
    """Fields and buttons for files.

    Attributes:
        own: the image that was loaded (slow, fast); None before.
        box: the widget that holds all.
    """

    def __init__(
        self,
        session: Session,
        say: Callable[[str], None],
        show: Callable[[], None],
        go: Callable[[State, str], None],
        links: str,
    ) -> None:
        self._session, self._say, self._show, self._go, self._links = session, say, show, go, links
        self.own: np.ndarray | None = None
        self.image_file = widgets.Text(placeholder="image: SMV, CBF or NXmx", layout=_WIDE)
        self.scenario_file = widgets.Text("explored.json", layout=_WIDE)
        self.mapped_test = widgets.Text(placeholder="with a test: its pytest id", layout=_WIDE)
        self.background = widgets.Text("0", description="background", layout=widgets.Layout(width="180px"))
        self.load, self.refine, self.keep, self.evidence, self.lines = (
            widgets.Button(description=name) for name in ("Load", "Refine from here", "Save", "Take evidence", "Python")
        )
        self.link = widgets.HTML()
        self.load.on_click(lambda _: self._tried(self._loaded))
        self.keep.on_click(lambda _: self._tried(self._kept))
        self.lines.on_click(lambda _: self._tried(self._written))
        self.evidence.on_click(lambda _: self._in_a_thread(self.evidence, self._evidence))
        self.refine.on_click(lambda _: self._in_a_thread(self.refine, self._refined))
        rows = (
            [self.image_file, self.load, self.background, self.refine],
            [self.scenario_file, self.keep, self.lines],
            [self.mapped_test, self.evidence, self.link],
        )
        wrapping = widgets.Layout(flex_flow="row wrap")
        self.box = widgets.VBox([widgets.HBox(row, layout=wrapping) for row in rows])

    def _scenario(self, state: State | None = None) -> Scenario:
        """The scenario at a state, by default the present one."""
        explored, state = self._session.explored, state or self._session.history.now
        assert isinstance(explored, ExploredScenario)
        return explored.at(state.values, state.free)

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

    def _in_a_thread(self, button: widgets.Button, action: Callable[[State], None]) -> None:
        """Do long work in a thread of its own: the page stays alive."""
        button.disabled = True
        self.link.value = "At work: this takes up to a minute."

        def run(state: State) -> None:
            try:
                action(state)
            except (OSError, ValueError, RuntimeError) as error:
                self.link.value = f"<span class='explorer-blocked'>{escape(str(error))}</span>"
            finally:
                button.disabled = False

        threading.Thread(target=run, args=(self._session.history.now,), daemon=True).start()

    def _evidence(self, state: State) -> None:
        page = take_evidence(self._scenario(state), self._hkl(), self.mapped_test.value.strip())
        place = page.relative_to(project.root()).as_posix()
        where = escape(self._links + place)
        self.link.value = f"<a class='explorer-report' href='{where}' target='_blank'>{escape(place)}</a>"

    def _refined(self, state: State) -> None:
        """Refine the free quantities against the image that was loaded, and go to what was found."""
        if self.own is None:
            raise ValueError("Refine: no image is loaded. Name a file and press Load.")
        words = self.background.value.strip()
        try:
            background: float | str = float(words)
        except ValueError:
            background = words
        found = refine(self._scenario(state), self.own, background)
        self.link.value = f"<pre>{escape(str(found))}</pre>"
        if found.converged:
            values = {name: found.scenario.value(name) for name in state.values}
            self._go(State(values, state.free), "refined: Undo returns to the start")
