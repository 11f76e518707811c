"""Design of a sweep: from what was asked for to its points, every one of them checked before the first is computed."""

import itertools
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.sweep import Block, Grain, Measure, Specification
from nanobrag_torch.workbook.sweeps import inputs, values
from nanobrag_torch.workbook.sweeps.targets import Target
from nanobrag_torch.workbook.sweeps.values import Range, Value

Design = Literal["sobol", "lhs", "random"]
DESIGNS: tuple[Design, ...] = ("sobol", "lhs", "random")
MEASURES: tuple[Measure, ...] = ("image", "loss", "gradients", "doctor", "errors")
#: Points of one sweep that need no word of the user, and complaints that one message lists.
MANY, _MOST_COMPLAINTS = 1_000_000, 10
_NAME = r"[A-Za-z0-9][\w.-]{0,99}"


@dataclass(frozen=True)
class Request:
    """Request of a user.

    Attributes:
        target: what is evaluated.
        over: ``NAME=SPEC`` or ``@table.csv``, as :mod:`~nanobrag_torch.workbook.sweeps.values` has it.
        fixed: values for all points, by name.
        name: name of the sweep; empty for that of the target.
        grain: what a point leaves; None for what is usual for the target.
        measure: groups of numbers of a point of grain "record"; empty for image and loss.
        zipped: pair the axes, instead of all their combinations.
        sample: points that are drawn within ranges; None to take the values as they are.
        design: how they are drawn.
        seed: seed of the draw.
        many: allow more than a million points.
        plan: plan that asks for it, and ``phase``, its phase; None without one.
    """

    target: Target
    over: tuple[str, ...]
    fixed: Mapping[str, Value] = field(default_factory=dict)
    name: str = ""
    grain: Grain | None = None
    measure: tuple[Measure, ...] = ()
    zipped: bool = False
    sample: int | None = None
    design: Design = "sobol"
    seed: int = 1
    many: bool = False
    plan: str | None = None
    phase: str | None = None


def specify(request: Request, root: Path) -> Specification:
    """The sweep that a request describes, every value read and every point checked; nothing is started.

    Raises:
        InputError: something is wrong; the message lists all of it.
    """
    target = request.target
    complaints = _Complaints()
    grain = request.grain or target.grains[0]
    with complaints:
        if grain not in target.grains:
            remedy = "A scenario gives records; sweep the notebook doctor/scenario for reports of one."
            raise InputError.of("sweep", "--as", grain, " or ".join(target.grains), remedy)
    with complaints:
        if not request.over:
            raise InputError.of("sweep", "--over", "nothing", "one axis or more", "Write --over NAME=START:STOP:STEP.")
    with complaints:
        if request.zipped and request.sample is not None:
            raise InputError.of("sweep", "--zip", "with --sample", "one of them", "A draw varies all names at once.")
    with complaints:
        _check_name(name := request.name or re.sub(r"[^\w.-]", "_", Path(target.path).stem))
    measure = request.measure or (("image", "loss") if grain == "record" else ())
    with complaints:
        if grain == "report" and request.measure:
            allowed = "none, as a notebook measures"
            raise InputError.of("sweep", "--measure", ", ".join(request.measure), allowed, "Leave it out.")
    fixed = dict(_fixed(request, complaints))
    blocks = _blocks(request, complaints)
    complaints.end()
    specification = Specification(
        name=name,
        target=target.path,
        kind=target.kind,
        grain=grain,
        measure=tuple(each for each in MEASURES if each in measure),
        blocks=tuple(blocks),
        fixed=fixed,
        inputs=inputs.today(target.files, root),
        plan=request.plan,
        phase=request.phase,
    )
    if specification.count > MANY and not request.many:
        raise InputError.of("sweep", "--over", f"{specification.count} points", f"at most {MANY}", "--yes allows it.")
    for number, point in enumerate(specification.points()):
        with complaints.of(f"point {number} ({_shown(point)})"):
            target.check(fixed | point)
    complaints.end()
    return specification


def _check_name(name: str) -> None:
    if not re.fullmatch(_NAME, name) or name == project.LAB:
        raise InputError.of("sweep", "--name", name, "letters, digits, dots, - and _, up to 100", "Give another.")


def _fixed(request: Request, complaints: "_Complaints") -> Iterator[tuple[str, Any]]:
    varied = {values.split(text)[0] for text in request.over if "=" in text}
    for name, word in request.fixed.items():
        with complaints:
            if name in varied:
                raise InputError.of("sweep", "--set", name, "a name that does not vary", "--over has it as well.")
            request.target.unit(name)
            yield name, request.target.read(name, word)


def _blocks(request: Request, complaints: "_Complaints") -> list[Block]:
    if request.sample is not None:
        return _sampled(request, complaints)
    found: list[Block] = []
    for text in request.over:
        with complaints:
            name, spec = values.split(text)
            if spec.startswith("@"):
                read = values.table(spec)
                names = read.columns if not name else (name,)
                if missing := [each for each in names if each not in read.columns]:
                    raise InputError.of("sweep", "table", ", ".join(missing), ", ".join(read.columns), "Name a column.")
                places = [read.columns.index(each) for each in names]
                rows = [tuple(row[i] for i in places) for row in read.rows]
            else:
                names, rows = (name,), [(word,) for word in values.listed(name, spec)]
            found += _block(request.target, names, rows, complaints)
    if request.zipped and found:
        with complaints:
            found = [_paired(found)]
    _once(found, complaints)
    for block in found:
        with complaints:
            _distinct(block)
    return found


def _block(
    target: Target, names: Sequence[str], rows: Iterable[Sequence[Value]], complaints: "_Complaints"
) -> list[Block]:
    """A block of the values that the words of its rows are; none where there is something to complain of."""
    before = len(complaints)
    units = []
    for name in names:
        with complaints:
            units.append(target.unit(name))
    if len(units) < len(names):
        return []
    read = []
    for row in rows:
        line = []
        for name, word in zip(names, row, strict=True):
            with complaints:
                line.append(target.read(name, word))
        read.append(tuple(line))
    if len(complaints) > before:
        return []
    return [Block(names=tuple(names), units=tuple(units), rows=tuple(read))]


def _distinct(block: Block) -> None:
    """Refuse values that stand in a block twice. Raises ``InputError``."""
    seen: set[str] = set()
    for number, row in enumerate(block.rows, start=1):
        if (words := repr(row)) in seen:
            shown = _shown(dict(zip(block.names, row, strict=True)))
            raise InputError.of("sweep", ", ".join(block.names), shown, "each once", f"Leave number {number} out.")
        seen.add(words)


def _paired(blocks: Sequence[Block]) -> Block:
    lengths = {", ".join(block.names): len(block.rows) for block in blocks}
    if len(set(lengths.values())) > 1:
        given = ", ".join(f"{names}: {length}" for names, length in lengths.items())
        raise InputError.of("sweep", "--zip", given, "as many values for each", "Leave --zip out for all combinations.")
    return Block(
        names=tuple(itertools.chain.from_iterable(block.names for block in blocks)),
        units=tuple(itertools.chain.from_iterable(block.units for block in blocks)),
        rows=tuple(
            tuple(itertools.chain.from_iterable(rows)) for rows in zip(*(block.rows for block in blocks), strict=True)
        ),
    )


def _once(blocks: Sequence[Block], complaints: "_Complaints") -> None:
    names = [name for block in blocks for name in block.names]
    for name in sorted({name for name in names if names.count(name) > 1}):
        with complaints:
            raise InputError.of("sweep", "--over", name, "each name once", "It varies twice: keep one.")


def _sampled(request: Request, complaints: "_Complaints") -> list[Block]:
    """One block of points that are drawn within ranges."""
    target = request.target
    ranges: dict[str, Range] = {}
    for text in request.over:
        with complaints:
            name, spec = values.split(text)
            if spec.startswith("@"):
                raise InputError.of("sweep", "--sample", spec, "ranges low:high", "Leave --sample out for a table.")
            if name in ranges:
                raise InputError.of("sweep", "--over", name, "each name once", "It varies twice: keep one.")
            found = values.drawn(name, spec)
            target.unit(name)
            if target.whole(name) and math.ceil(found.low) > math.floor(found.high):
                raise InputError.of("sweep", f"--over {name}", spec, "a range with whole numbers in it", "Widen it.")
            ranges[name] = found
    if len(complaints) or not ranges:
        return []
    assert request.sample is not None
    rows = [
        tuple(_within(each, part, target.whole(name)) for part, (name, each) in zip(row, ranges.items(), strict=True))
        for row in _unit_cube(request.sample, len(ranges), request.design, request.seed)
    ]
    if (different := len(set(rows))) < len(rows):
        with complaints:
            remedy = "Draw fewer, or give every value: a range with a step."
            raise InputError.of("sweep", "--sample", f"{len(rows)}", f"points that differ: {different} did", remedy)
    return _block(target, tuple(ranges), rows, complaints)


def _unit_cube(count: int, dimensions: int, design: Design, seed: int) -> list[list[float]]:
    """Points (count, dimensions) between 0 and 1."""
    import numpy
    from scipy.stats import qmc

    generator = numpy.random.default_rng(seed)
    if design == "random":
        return [list(map(float, row)) for row in generator.random((count, dimensions))]
    if design == "lhs":
        return [list(map(float, row)) for row in qmc.LatinHypercube(d=dimensions, rng=generator).random(count)]
    # A Sobol' sequence is balanced in powers of two: so many are made, and the first are taken.
    points = qmc.Sobol(d=dimensions, rng=generator).random_base2(math.ceil(math.log2(max(count, 1))))
    return [list(map(float, row)) for row in points[:count]]


def _within(bounds: Range, part: float, whole: bool) -> float | int:
    if whole:
        low, high = math.ceil(bounds.low), math.floor(bounds.high)
        if bounds.logarithmic:
            return min(high, int(low * ((high + 1) / low) ** part))
        return min(high, low + int(part * (high + 1 - low)))
    if bounds.logarithmic:
        return float(bounds.low * (bounds.high / bounds.low) ** part)
    return bounds.low + part * (bounds.high - bounds.low)


def _shown(point: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in point.items())


class _Complaints:
    """Collects errors of the input, so that one message lists them all."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._owner = ""

    def __len__(self) -> int:
        return len(self.found)

    def of(self, owner: str) -> "_Complaints":
        """This collection, whose next errors belong to ``owner``."""
        self._owner = owner
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> bool:
        owner, self._owner = self._owner, ""
        if not isinstance(error, ValueError):
            return False
        text = str(error)
        if not any(text in known for known in self.found):
            self.found.append(f"{owner}: {text}" if owner else text)
        return True

    def end(self) -> None:
        """Raise ``InputError`` with everything that was found, if anything was."""
        if not self.found:
            return
        if len(self.found) == 1:
            raise InputError(self.found[0])
        more = len(self.found) - _MOST_COMPLAINTS
        lines = self.found[:_MOST_COMPLAINTS] + ([f"and {more} more"] if more > 0 else [])
        raise InputError(f"{len(self.found)} things are wrong:{os.linesep}" + os.linesep.join(f"- {e}" for e in lines))
