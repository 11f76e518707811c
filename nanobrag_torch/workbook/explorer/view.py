"""The explorer as widgets: sliders on the left, image, gradients and verdict on the right."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from nanobrag_torch.doctor import GradientReport
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.explorer import drawn, kept
from nanobrag_torch.workbook.explorer.canvas import Canvas
from nanobrag_torch.workbook.explorer.controls import Control
from nanobrag_torch.workbook.explorer.files_panel import FilesPanel
from nanobrag_torch.workbook.explorer.history import State
from nanobrag_torch.workbook.explorer.session import Seen, Session
from nanobrag_torch.workbook.explorer.subjects import Explored, ExploredScenario
from nanobrag_torch.workbook.show import progress

#: What the picture may show, by the word that is chosen.
IMAGE, DIFFERENCE, SENSITIVITY, OWN, RESIDUAL = "image", "difference to pinned", "sensitivity", "own image", "residual"
#: Seconds between two signs of life.
BEAT_S = 3.0
#: Words of the line that says what is computed, after something was told.
NEXT = {
    "picture": "computing gradients …",
    "sensitivity": "computing gradients …",
    "gradients": "asking the doctor …",
    "verdict": "",
    "done": "",
    "error": "no image: the reason stands in its place; the sliders work on, Back returns to the last image.",
}


class Row:
    """Tick, slider and number field of one control."""

    def __init__(self, control: Control, free: bool, value: float, session: Session, told: Callable[[str], None]):
        self.control, self._session, self._told, self._quiet = control, session, told, False
        name = f"{control.label}{f' [{control.unit}]' if control.unit else ''}"
        wide = widgets.Layout(width="190px")
        self.tick = widgets.Checkbox(free, description=name, indent=False, tooltip="carries a gradient", layout=wide)
        low, high = min(control.low, value), max(control.high, value)
        self.slider = widgets.FloatSlider(
            value, min=low, max=high, step=control.step, readout=False, layout=widgets.Layout(width="190px")
        )
        self.field = widgets.FloatText(value, step=control.step, layout=widgets.Layout(width="110px"))
        self.box = widgets.HBox([self.tick, self.slider, self.field], layout=widgets.Layout(flex_flow="row wrap"))
        self.slider.observe(self._moved, "value")
        self.field.observe(self._moved, "value")
        self.tick.observe(self._ticked, "value")

    def set(self, value: float, free: bool) -> None:
        """Show a value and a tick, without asking for anything."""
        self._quiet = True
        try:
            self.slider.max = max(self.slider.max, value)
            self.slider.min = min(self.slider.min, value)
            self.slider.value = self.field.value = value
            self.tick.value = free
        finally:
            self._quiet = False

    def _moved(self, change: dict[str, Any]) -> None:
        if self._quiet:
            return
        value = float(change["new"])
        try:
            self._session.move(self.control.name, value)
        except ValueError as error:
            self._told(str(error))
            return
        self.set(value, self.tick.value)
        self._told("computing the image …")

    def _ticked(self, change: dict[str, Any]) -> None:
        if not self._quiet:
            self._session.tick(self.control.name, bool(change["new"]))


class Explorer:
    """An exploration with its widgets; a cell that ends in it shows them.

    Attributes:
        session: states and answers, without any widget.
        widget: the widget that holds all others.
    """

    def __init__(self, explored: Explored, links: str = "/files/", keep: Path | None = None) -> None:
        self._loop, self._keep, self._beats = _running_loop(), keep, True
        self.session = Session(explored, self._heard)
        before = None if keep is None else kept.kept(keep, self.session.history.start)
        if before is not None:
            self.session.history.go(before)
        self.canvas = Canvas()
        self.rows: dict[str, Row] = {}
        self._report: GradientReport | None = None
        self.search = widgets.Text(placeholder="search all quantities", layout=widgets.Layout(width="200px"))
        self.buttons = {
            name: widgets.Button(description=name, layout=widgets.Layout(width="72px")) for name in _BUTTONS
        }
        self.status, self.bars, self.verdict, self.losses = (widgets.HTML() for _ in range(4))
        names = list(self.session.history.start.free)
        chooser = widgets.Layout(width="200px")
        self.shows = widgets.Dropdown(options=_PICTURES, layout=chooser, tooltip="what the picture shows")
        self.by = widgets.Dropdown(options=names or [""], layout=chooser, tooltip="quantity of the sensitivity")
        self.log = widgets.Checkbox(False, description="log", indent=False, layout=widgets.Layout(width="60px"))
        self.percentiles = widgets.FloatRangeSlider(
            value=(0.0, 99.5), min=0.0, max=100.0, step=0.1, description="percentiles"
        )
        self._list = widgets.VBox(layout=widgets.Layout(max_height="640px", overflow="auto", max_width="100%"))
        self.files = FilesPanel(self.session, self._say, self._show, self._go, links)
        self._wire()
        self._fill()
        self.widget = self._laid_out(isinstance(explored, ExploredScenario))
        self._say("computing the image …")
        self.session.ask()
        self._beat()

    def first(self, seconds: float | None = None) -> GradientReport:
        """Wait for the doctor's report on the present state.

        Args:
            seconds: most seconds to wait; None for no limit.

        Raises:
            InputError: there is no image, or nothing carries a gradient.
            Blocked: the seconds are over.
        """
        with progress.shown("The verdict", needed=True) as work:
            report = self.session.wait(seconds, lambda: work.at(None)).verdict
        if report is None:
            raise InputError("explore: nothing carries a gradient. Tick a quantity.")
        return report

    def close(self) -> None:
        """End the worker; the widgets show what they showed last."""
        self._beats = False
        self.session.close()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> Any:
        bundle = self.widget._repr_mimebundle_(include=include, exclude=exclude)
        data = dict(bundle[0] if isinstance(bundle, tuple) else bundle)
        return data | {"text/plain": "Explorer: sliders, image, gradients and verdict in JupyterLab or the browser."}

    def _wire(self) -> None:
        session = self.session
        actions: dict[str, Callable[[], None]] = {
            "Undo": session.undo, "Redo": session.redo, "Reset": session.reset, "Back": session.back,
            "Pin": self._pin, "Stop": session.give_up,
        }  # fmt: skip
        for name, action in actions.items():
            self.buttons[name].on_click(partial(self._pressed, action))
        self.search.observe(lambda _: self._fill(), "value")
        widgets.jslink((self.log, "value"), (self.canvas, "log"))
        self.percentiles.observe(self._limited, "value")
        self.shows.observe(lambda _: self._chosen(), "value")
        self.by.observe(lambda _: self._chosen(), "value")
        self.canvas.observe(self._pointed, "pointer")

    def _pressed(self, action: Callable[[], None], button: widgets.Button) -> None:
        if button not in (self.buttons["Pin"], self.buttons["Stop"]):
            self._say("computing the image …")
        action()
        self._settle()

    def _laid_out(self, of_scenario: bool) -> widgets.VBox:
        wrapping = widgets.Layout(flex_flow="row wrap", max_width="100%")
        left = [widgets.HBox([*self.buttons.values()], layout=wrapping), self.search, self._list]
        right = [
            widgets.HBox([self.shows, self.by, self.log], layout=wrapping), self.percentiles, self.canvas, self.bars,
            self.losses,
        ]  # fmt: skip
        column = {"width": "530px", "max_width": "100%", "flex": "0 1 auto"}
        columns = [widgets.VBox(each, layout=widgets.Layout(**column)) for each in (left, right)]
        wrapped = widgets.HBox(columns, layout=wrapping)
        return widgets.VBox([self.status, wrapped, self.verdict, *([self.files.box] if of_scenario else [])])

    def _fill(self) -> None:
        """Rows of what is searched for; without a search those that carried a gradient at the start."""
        wanted, now = self.search.value.strip().lower(), self.session.history.now
        shown: list[Any] = []
        group = ""
        for name, control in self.session.controls.items():
            found = wanted in f"{name} {control.label}".lower() if wanted else name in self.session.explored.free
            if not found:
                continue
            if control.group != group:
                group = control.group
                shown.append(widgets.HTML(f"<b>{escape(group)}</b>"))
            if name not in self.rows:
                self.rows[name] = Row(control, name in now.free, now.values[name], self.session, self._say)
            shown.append(self.rows[name].box)
        self._list.children = shown or [widgets.HTML("Nothing has that name.")]

    def _settle(self) -> None:
        """Rows show the present state."""
        now = self.session.history.now
        for name, row in self.rows.items():
            row.set(now.values[name], name in now.free)

    def _pin(self) -> None:
        self.session.pin()
        self.buttons["Pin"].description = "Unpin" if self.session.pinned else "Pin"
        self._show()

    def _limited(self, change: dict[str, Any]) -> None:
        with self.canvas.hold_sync():
            self.canvas.low, self.canvas.high = change["new"]

    def _chosen(self) -> None:
        wanted = self.by.value if self.shows.value == SENSITIVITY else ""
        if wanted != self.session.wanted_sensitivity:
            self.session.wanted_sensitivity = wanted
            self.session.ask()
        self._show()

    def _pointed(self, change: dict[str, Any]) -> None:
        place, seen = change["new"], self.session.good
        words = ""
        if place and seen is not None:
            with suppress(ValueError):
                words = self.session.explored.place(seen.state.values, *place)
        self.canvas.place = words

    def _heard(self, what: str) -> None:
        """Hear of an answer, in the worker's thread; widgets belong to the kernel's own."""
        self._hop(self._take, what)

    def _go(self, state: State, words: str) -> None:
        """Go to a state that another thread found, and say so."""

        def arrive() -> None:
            self.session.go(state)
            self._settle()
            self._say(words)

        self._hop(arrive)

    def _beat(self) -> None:
        """Give a sign of life, and again after a while; a kernel without a loop gives none."""
        if self._beats and self._loop is not None and not self._loop.is_closed():
            self.canvas.beat += 1
            self._loop.call_later(BEAT_S, self._beat)

    def _hop(self, action: Callable[..., None], *words: str) -> None:
        """Do something in the kernel's own thread; at once where there is none."""
        if self._loop is None or self._loop.is_closed():
            action(*words)
        else:
            self._loop.call_soon_threadsafe(action, *words)

    def _take(self, what: str) -> None:
        session, seen = self.session, self.session.seen
        if what == "error":
            self.canvas.word = session.reason
        if what == "picture" and self._keep is not None and session.good is not None:
            with suppress(OSError):  # as it could be at the start, a full disk alone ends it
                kept.keep(self._keep, session.good.state)
        if what in ("picture", "sensitivity"):
            self._show()
            self.losses.value = drawn.losses(session.losses)
        if what in ("gradients", "verdict") and seen.gradients is not None:
            was = session.pinned.gradients.values if session.pinned and session.pinned.gradients else None
            self.bars.value = drawn.bars(seen.gradients.values, seen.verdict, session.controls, was)
        if what in ("picture", "verdict"):
            self._report = seen.verdict or self._report
            self.verdict.value = drawn.verdict(seen.verdict, self._report)
        self._say(NEXT[what])

    def _show(self) -> None:
        """Show the chosen picture, or the reason why there is none."""
        seen = self.session.good
        if seen is None or seen.picture is None:
            return
        found = self._pictured(seen)
        if isinstance(found, str):
            self.canvas.word = found
        else:
            self.canvas.show(*found)

    def _pictured(self, seen: Seen) -> "tuple[Any, str, str, bool] | str":
        """Image, title, unit and whether it diverges; or words."""
        image = None if seen.picture is None else seen.picture.image
        if image is None:
            return "The function gives a loss and no image."
        if self.shows.value == SENSITIVITY:
            found = seen.sensitivity
            if found is None or found.image is None:
                return "The sensitivity image is being computed."
            unit = self.session.controls[found.name].unit or "1"
            return found.image, f"sensitivity by {found.name}", f"photons/{unit}", True
        if self.shows.value == DIFFERENCE:
            pinned = self.session.pinned
            if pinned is None or pinned.picture is None or pinned.picture.image is None:
                return "Nothing is pinned: press Pin at the state to compare with."
            if pinned.picture.image.shape != image.shape:
                return "The pinned image has another size."
            return image - pinned.picture.image, "difference to the pinned image", "photons", True
        if self.shows.value in (OWN, RESIDUAL):
            own = self.files.own
            if own is None:
                return "No image is loaded: name a file below and press Load."
            if own.shape != tuple(image.shape):
                sizes = [" x ".join(str(edge) for edge in each.shape) for each in (own, image)]
                return f"The file's image has {sizes[0]} pixels, this one has {sizes[1]}."
            return (own, "own image", "counts", False) if self.shows.value == OWN else (
                own - image.detach().numpy(), "own image less the simulated one", "counts", True)  # fmt: skip
        return image, "image", "photons", False

    def _say(self, words: str) -> None:
        self.status.value = f"<div class='explorer-status' role='status'>{escape(words) or 'ready'}</div>"


_PICTURES = (IMAGE, DIFFERENCE, SENSITIVITY, OWN, RESIDUAL)
_BUTTONS = ("Undo", "Redo", "Reset", "Back", "Pin", "Stop")


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
