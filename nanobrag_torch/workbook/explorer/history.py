"""States that were explored: undone, redone, pinned."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

#: Seconds within which moves of one slider are one step to undo.
TOGETHER = 1.0
#: Most steps that can be undone.
MOST = 500


@dataclass(frozen=True)
class State:
    """Values of all controls, and names of those that carry a gradient, in the order of the controls."""

    values: Mapping[str, float]
    free: tuple[str, ...]


@dataclass
class History:
    """The present state, those before it, and those that were undone.

    Attributes:
        start: the state that a reset returns to.
        now: the present state.
    """

    start: State
    now: State = field(init=False)
    _past: list[State] = field(default_factory=list, init=False)
    _future: list[State] = field(default_factory=list, init=False)
    _moved: tuple[str, float] = field(default=("", -TOGETHER), init=False)

    def __post_init__(self) -> None:
        self.now = self.start

    def move(self, name: str, value: float, time: float) -> None:
        """Set a value; moves of one control that follow each other within ``TOGETHER`` seconds are one step.

        Args:
            name: the control's name.
            value: its new value.
            time: present time in seconds, on any clock that only goes forward.
        """
        state = replace(self.now, values={**self.now.values, name: value})
        if state == self.now:
            return
        last, when = self._moved
        if last == name and time - when < TOGETHER:
            self.now, self._future = state, []
        else:
            self.go(state)
        self._moved = (name, time)

    def tick(self, name: str, free: bool) -> None:
        """Let a control carry a gradient, or not."""
        names = tuple(each for each in self.now.values if (free if each == name else each in self.now.free))
        self.go(replace(self.now, free=names))

    def go(self, state: State) -> None:
        """Make ``state`` the present one; a state that is the present one already is no step."""
        self._moved = ("", self._moved[1])
        if state != self.now:
            self._past = [*self._past[-MOST + 1 :], self.now]
            self.now, self._future = state, []

    def undo(self) -> bool:
        """Return to the state before; False where there is none."""
        return self._step(self._past, self._future)

    def redo(self) -> bool:
        """Go to the state that was undone last; False where there is none."""
        return self._step(self._future, self._past)

    def _step(self, source: list[State], target: list[State]) -> bool:
        self._moved = ("", self._moved[1])
        if not source:
            return False
        target.append(self.now)
        self.now = source.pop()
        return True
