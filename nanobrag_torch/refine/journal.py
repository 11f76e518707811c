"""Journal of a refinement of many stills: a line of JSON for each still and each round, so that a call can go on."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from nanobrag_torch.refine.parameters import State
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.series import digest_of
from nanobrag_torch.validation import fail


@dataclass
class Journal:
    """Lines of what was done so far, added as it is done; a last line that is not whole does not count.

    Attributes:
        path: the file; None for none.
        stills: for each still that was refined by itself its state and what is held, or why it is left out.
        rounds: rounds made together.
        states: state of each still after the last of them.
    """

    path: Path | None = None
    stills: dict[int, dict[str, Any]] = field(default_factory=dict)
    rounds: int = 0
    states: dict[int, dict[str, float]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        path: str | PathLike[str] | None,
        starts: Sequence[Scenario],
        options: Mapping[str, Any],
    ) -> "Journal":
        """Open a journal, or begin one.

        Args:
            path: the file; None for none.
            starts: scenario of each still.
            options: all else that decides what is found; images are not read for it.

        Raises:
            ValueError: it is the journal of other stills, starts or options.
            OSError: it cannot be read or written.
        """
        if path is None:
            return cls()
        file = Path(path)
        found = cls(file)
        head = {"journal": "refine_many", "digest": digest_of(([_decisive(each) for each in starts], options))}
        if not file.exists():
            found._add(head)
            return found
        text = file.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        lines = _lines(whole)
        if not lines or lines[0] != head:
            allowed = "the journal of a call with these stills, starts, shared names and options"
            raise fail("refine_many", "journal", str(path), allowed, "Give another file, or remove it to begin anew.")
        if len(whole) < len(text):  # what a kill left of the last line, so that the next begins on its own
            with file.open("r+b") as stream:
                stream.truncate(len(whole))
        for line in lines[1:]:
            if "still" in line:
                found.stills[int(line["still"])] = line["found"]
            else:
                found.rounds = int(line["round"])
                found.states = {int(number): state for number, state in line["states"].items()}
        return found

    def still(self, number: int, found: Mapping[str, Any]) -> None:
        """Note a still that was refined by itself, or left out."""
        self.stills[number] = dict(found)
        self._add({"still": number, "found": dict(found)})

    def round(self, number: int, states: Mapping[int, State]) -> None:
        """Note the states of all stills after a round."""
        self._add({"round": number, "states": {str(still): dict(state) for still, state in states.items()}})

    def _add(self, line: Mapping[str, Any]) -> None:
        if self.path is None:
            return
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _lines(text: bytes) -> list[Any]:
    try:
        return [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return []


def _decisive(scenario: Scenario) -> dict[str, Any]:
    """Fields of a scenario that decide an image."""
    names = ("names", "crystal", "detector", "beam", "compat", "hkl_data", "hkl_metadata")
    return {name: getattr(scenario, name) for name in names}
