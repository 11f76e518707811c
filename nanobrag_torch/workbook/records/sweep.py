"""Records of a sweep: what was asked, one finished point, and what came of all of them."""

import hashlib
import itertools
import math
from collections.abc import Iterator
from typing import Any, Literal

from pydantic import field_validator, model_validator

from nanobrag_torch.workbook.records.base import KeyNumber, Part, Record, exact

#: ``report``: a point is a run of a notebook with a report of its own; ``record``: one call of a scenario.
Grain = Literal["report", "record"]
#: Groups of numbers that a point of grain "record" may measure.
Measure = Literal["image", "loss", "gradients", "doctor", "errors"]
#: End of a point: "failed" with an error of its own or a verdict that says so, "blocked" where nothing is concluded.
PointStatus = Literal["done", "failed", "blocked"]
#: A cell of the table of points.
Cell = float | int | str | bool | None
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Block(Part):
    """Parameters that vary together: a row for each of their steps.

    One axis of a grid is a block of one name; paired axes, a sample and a table are blocks of several.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    @model_validator(mode="after")
    def _rectangular(self) -> "Block":
        widths = {len(self.names), len(self.units), *map(len, self.rows)}
        if len(widths) != 1 or not self.rows or not self.names:
            raise ValueError(f"a block has a name, a unit and a value a row for each parameter, got widths {widths}")
        return self


class Specification(Record):
    """A sweep as it was asked for, every value written out; points are numbered from 0, the last block runs fastest.

    Attributes:
        name: name of the sweep, the folder of its reports.
        target: what is evaluated, from the root of the project: a scenario, a notebook, or a brief.
        kind: kind of the target.
        grain: what a point leaves.
        measure: groups of numbers that a point of grain "record" gives.
        blocks: parameters that vary.
        fixed: parameters that were set for all points, by name.
        inputs: SHA-256 of every file that the target consists of, by its path.
        plan: plan that asks for the sweep, and ``phase``, its phase; None without one.
    """

    file = "sweep.json"

    name: str
    target: str
    kind: Literal["scenario", "notebook", "brief"]
    grain: Grain
    measure: tuple[Measure, ...] = ()
    blocks: tuple[Block, ...]
    fixed: dict[str, Any] = {}
    inputs: dict[str, str] = {}
    plan: str | None = None
    phase: str | None = None

    @property
    def count(self) -> int:
        """Number of points."""
        return math.prod(len(block.rows) for block in self.blocks)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters that vary, in the order of the blocks."""
        return tuple(name for block in self.blocks for name in block.names)

    @property
    def units(self) -> dict[str, str]:
        """Units of the parameters that vary, by name; empty for a number or a text."""
        return {name: unit for block in self.blocks for name, unit in zip(block.names, block.units, strict=True)}

    def values(self, number: int) -> dict[str, Any]:
        """Varied parameters of one point, by name."""
        rows: list[tuple[Any, ...]] = []
        for block in reversed(self.blocks):
            number, step = divmod(number, len(block.rows))
            rows.insert(0, block.rows[step])
        return dict(zip(self.names, itertools.chain.from_iterable(rows), strict=True))

    def points(self) -> Iterator[dict[str, Any]]:
        """Varied parameters of every point, in the order of their numbers."""
        return map(self.values, range(self.count))

    @property
    def digest(self) -> str:
        """SHA-256 of what decides the numbers of the points: two sweeps with the same are the same question."""
        asked = self.model_copy(update={"plan": None, "phase": None})
        return hashlib.sha256(asked.to_json().encode()).hexdigest()


class Point(Part):
    """One finished point; it is a file of its own, written whole before anybody is told.

    Attributes:
        number: its number.
        status: how it ended.
        cause: in words, why it failed or is blocked; empty where it is done.
        columns: what it found, by the name of the column, such as "loss" or "gradient.crystal.cell_a"; a number that is
            not finite is kept as it is.
        report: folder of its report below that of the sweep, for grain "report".
        thumbnail: PNG of its image in base64, for some points of grain "record".
        seconds: time that it took, and ``host``, the machine; no part of the result.
        deaths: workers that died while they computed it.
    """

    number: int
    status: PointStatus
    cause: str = ""
    columns: dict[str, Cell] = {}
    report: str | None = None
    thumbnail: str | None = None
    seconds: float = 0.0
    host: str = ""
    deaths: int = 0

    @field_validator("columns", mode="before")
    @classmethod
    def _numbers_back(cls, columns: Any) -> Any:
        """Numbers that are not finite are texts in JSON, and numbers again when they are read."""
        if not isinstance(columns, dict):
            return columns
        return {
            name: _NOT_FINITE.get(value, value) if isinstance(value, str) else value for name, value in columns.items()
        }


class SweepResults(Record):
    """Outcome of a sweep: how many points ended how, and its extremes.

    Attributes:
        points: points that were asked for.
        done: points by their end; ``open`` ones were not computed.
        seconds: sum of the times of all points.
        verdicts: number of points by the code of their verdict.
        least: smallest finite value of each column of numbers, and ``greatest``, the largest.
    """

    file = "results.json"

    points: int
    done: int
    failed: int
    blocked: int
    open: int
    seconds: float
    verdicts: dict[str, int] = {}
    least: dict[str, float] = {}
    greatest: dict[str, float] = {}

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Counts and extremes; times are none of them."""
        counts = {name: float(getattr(self, name)) for name in ("points", "done", "failed", "blocked", "open")}
        extremes = {
            f"{end}.{name}": value for end in ("least", "greatest") for name, value in getattr(self, end).items()
        }
        return {name: exact(value) for name, value in (counts | extremes).items()}

    def headline(self) -> tuple[tuple[str, str], ...]:
        """Counts in words."""
        others = [f"{getattr(self, name)} {name}" for name in ("failed", "blocked", "open") if getattr(self, name)]
        return (("points", f"{self.done} of {self.points} done" + "".join(f", {each}" for each in others)),)
