"""An exploration without any widget: states in, answers out as they are ready, errors in words."""

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.doctor import GradientReport
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.explorer.history import History, State
from nanobrag_torch.workbook.explorer.newest import Newest, Outcome
from nanobrag_torch.workbook.explorer.subjects import Explored

#: Most losses that the history keeps.
MOST_LOSSES = 1000
_LOOK_S = 0.2


@dataclass(frozen=True)
class Picture:
    """Loss of a state, and its image (slow, fast), None where there is none."""

    image: Tensor | None
    loss: float


@dataclass(frozen=True)
class Gradients:
    """Derivatives of the loss by the free numbers, None where the graph does not reach one."""

    values: dict[str, float | None]


@dataclass(frozen=True)
class Sensitivity:
    """Derivative of the image (slow, fast) by one number, None where there is no such image."""

    name: str
    image: Tensor | None


Answer = Picture | Gradients | GradientReport | Sensitivity
#: Kind of an answer -> its place among those on a state, which is the word that tells of it.
PLACES: dict[type, str] = {
    Picture: "picture", Gradients: "gradients", Sensitivity: "sensitivity", GradientReport: "verdict",
}  # fmt: skip


@dataclass
class Seen:
    """Answers on a state so far.

    Attributes:
        state: the state.
        picture: its loss and image.
        gradients: its gradients.
        verdict: the doctor's report, whose finite differences have error bars.
        sensitivity: derivative image of the number that was asked for.
    """

    state: State
    picture: Picture | None = None
    gradients: Gradients | None = None
    verdict: GradientReport | None = None
    sensitivity: Sensitivity | None = None

    def take(self, answer: Answer) -> None:
        """Keep an answer in its place."""
        setattr(self, PLACES[type(answer)], answer)


@dataclass(frozen=True)
class Request:
    """A state, the number whose sensitivity image is wanted (empty for none), and when it was asked for."""

    state: State
    sensitivity: str
    asked: float


class Session:
    """An exploration: a history of states, and a worker that computes the newest.

    Image and loss are told first, then gradients, then the doctor's verdict, each as soon as it is ready; a newer state
    overtakes. An error becomes ``reason``, and ``good`` stays the last state that had an image.

    Args:
        explored: what is explored.
        told: called in the worker's thread after something in the session changed, with words for what: "picture",
            "gradients", "verdict", "sensitivity", "error" or "done".
    """

    def __init__(self, explored: Explored, told: Callable[[str], None]) -> None:
        self.explored = explored
        self.controls = {control.name: control for control in explored.controls}
        start = {control.name: control.value for control in explored.controls}
        self.history = History(State(start, tuple(name for name in start if name in explored.free)))
        self.seen = Seen(self.history.now)
        self.good: Seen | None = None
        self.pinned: Seen | None = None
        self.reason = ""
        self.losses: list[float] = []
        self.latencies: dict[str, float] = {}
        self.wanted_sensitivity = ""
        self._told = told
        self._ended = threading.Event()
        self._worker: Newest[Request, Answer] = Newest(self._compute, self._take)

    def ask(self) -> None:
        """Compute the present state; returns at once."""
        self._ended.clear()
        self._worker.ask(Request(self.history.now, self.wanted_sensitivity, time.monotonic()))

    def move(self, name: str, value: float) -> None:
        """Move a control. Raises ``ValueError`` for a value that it cannot take."""
        control = self.controls[name]
        if not control.least <= value <= control.most:
            raise ValueError(
                f"{name} = {value!r}: must be between {control.least:g} and {control.most:g} {control.unit}."
            )
        self.history.move(name, value, time.monotonic())
        self.ask()

    def tick(self, name: str, free: bool) -> None:
        """Let a control carry a gradient, or not."""
        self.history.tick(name, free)
        self.ask()

    def undo(self) -> None:
        """Return to the state before."""
        if self.history.undo():
            self.ask()

    def redo(self) -> None:
        """Go to the state that was undone."""
        if self.history.redo():
            self.ask()

    def reset(self) -> None:
        """Return to the start; can be undone."""
        self.go(self.history.start)

    def back(self) -> None:
        """Return to the last state that had an image."""
        if self.good is not None:
            self.go(self.good.state)

    def go(self, state: State) -> None:
        """Make ``state`` the present one."""
        self.history.go(state)
        self.ask()

    def pin(self) -> None:
        """Keep the last good state to compare with; again to let go of it."""
        self.pinned = self.good if self.pinned is None else None

    def wait(self, seconds: float | None = None, look: Callable[[], None] = lambda: None) -> Seen:
        """Wait for all answers on the present state.

        Args:
            seconds: most seconds to wait; None for no limit.
            look: is called now and then.

        Raises:
            InputError: there is no image; the message says why.
            Blocked: the seconds are over.
        """
        until = math.inf if seconds is None else time.monotonic() + seconds
        while not self._ended.wait(max(0.0, min(_LOOK_S, until - time.monotonic()))) and time.monotonic() < until:
            look()
        if not self._ended.is_set():
            raise Blocked(f"No answer within {seconds:g} s: allow more, or explore a smaller image.")
        if self.reason:
            raise InputError(self.reason)
        return self.seen

    def give_up(self) -> None:
        """Leave a computation that hangs to itself, and tell so."""
        self._worker.abandon()
        self.reason = "The computation was given up; it may still use a core until it ends."
        self._told("error")

    def close(self) -> None:
        """End the worker."""
        self._worker.close()

    def _compute(self, request: Request) -> Iterator[Answer]:
        state = request.state
        constants = {name: torch.tensor(value, dtype=torch.float64) for name, value in state.values.items()}
        with torch.no_grad():
            image, loss = self.explored.evaluate(constants)
        yield Picture(None if image is None else image.detach().cpu(), float(loss))
        if request.sensitivity:
            yield Sensitivity(request.sensitivity, self.explored.sensitivity(state.values, request.sensitivity))
        if not state.free:
            return
        yield self._gradients(constants, state.free)
        yield self.explored.diagnose(state.values, state.free)

    def _gradients(self, constants: dict[str, Tensor], free: tuple[str, ...]) -> Gradients:
        leaves = {name: constants[name].clone().requires_grad_() for name in free}
        _, loss = self.explored.evaluate({**constants, **leaves})
        if not loss.requires_grad:
            return Gradients(dict.fromkeys(free))
        found = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        return Gradients({name: None if each is None else float(each) for name, each in zip(free, found, strict=True)})

    def _take(self, outcome: Outcome[Request, Answer]) -> None:
        request, answer = outcome.request, outcome.answer
        if outcome.last:
            self.reason = outcome.reason
            self._ended.set()
        if outcome.reason:
            self._told("error")
            return
        if answer is None:
            self._told("done")
            return
        if isinstance(answer, Picture):
            self.reason = ""
            if self.seen.picture is None or self.seen.state != request.state:
                self.losses = [*self.losses[-MOST_LOSSES + 1 :], answer.loss]
            self.seen = Seen(request.state)
            self.good = self.seen
        self.seen.take(answer)
        what = PLACES[type(answer)]
        self.latencies[what] = time.monotonic() - request.asked
        self._told(what)
