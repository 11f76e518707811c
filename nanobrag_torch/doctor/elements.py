"""Elements of a large tensor, sorted by what is the matter with their gradient: zero, not finite, wrong.

A zero and a NaN are read off the gradient. A wrong element is searched for: along a block of elements the derivative of
the loss is measured by finite differences and held against the sum of the block's gradient, each element with a weight
of random sign and size, so that no errors cancel; a block that disagrees is halved, until single elements are left or
the calls are spent.
"""

import heapq
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from .budget import BudgetSpent
from .records import MARKS, Elements

#: Derivative along the elements from the first number up to the second, and its error, found with what is looked for.
Measure = Callable[[int, int, float], tuple[float, float]]

#: Most calls of the function for one tensor.
MOST_CALLS = 400
#: Halvings down to which all blocks that disagree are split in turn; below, one after the other down to its elements.
IN_TURN = 4
#: Error bars by which a block is off, and the part of the gap that an error bar may be to tell which half holds it.
BARS, SHARP = 3.0, 0.1
#: Most indices of elements that are kept, and those that are named.
MOST_KEPT, MOST_NAMED = 100, 5
#: Most cells of a picture in either direction.
MOST_CELLS = 64
_NUMBER = {kind: number for number, kind in enumerate(MARKS.values())}


@dataclass
class Search:
    """Search for the elements of one tensor whose gradient is wrong.

    Attributes:
        wrong: gap between gradient and finite difference, along the direction, by flat index of the element.
        suspects: blocks (first, last + 1) of flat indices that disagree as a whole, and were not searched to the end.
        calls: calls of the function.
        outright: an element is wrong by more than a tolerance, or rounding, can explain.
    """

    wrong: dict[int, float] = field(default_factory=dict)
    suspects: list[tuple[int, int]] = field(default_factory=list)
    calls: int = 0
    outright: bool = False

    @property
    def worst(self) -> int | None:
        """Flat index of the element with the largest gap; None where none was found."""
        return max(self.wrong, key=lambda index: abs(self.wrong[index]), default=None)


@dataclass(frozen=True)
class _Block:
    """Elements from ``low`` up to ``high``, after some halvings, and how far their gradient is off along them."""

    low: int
    high: int
    level: int
    gap: float
    error: float
    floor: float

    @property
    def disagrees(self) -> bool:
        return abs(self.gap) > max(BARS * self.error, self.floor)

    @property
    def order(self) -> tuple[int, int, int]:
        """Blocks come in turn while they are large, then the smallest first."""
        return (0, self.level, self.low) if self.level <= IN_TURN else (1, -self.level, self.low)


def search(contributions: Tensor, measure: Measure, gap: float | None, error: float, tolerance: float) -> Search:
    """Find the elements whose gradient is not the derivative of the loss.

    Args:
        contributions: gradient (elements,) times the direction, zero for elements that are left out.
        measure: measures the derivative along a block of elements; it may raise ``BudgetSpent``.
        gap: gradient less derivative along all of them, None to measure it.
        error: bound of the error of ``gap``.
        tolerance: part of a block's contributions by which its gradient may be off.

    Returns:
        Elements and blocks that were found, whose number of calls is for the caller to fill in.
    """
    found = Search()
    sums = _from_zero(contributions)
    squares = _from_zero(contributions**2)

    def size(low: int, high: int) -> float:
        return math.sqrt(max(squares[high] - squares[low], 0.0))

    def block(low: int, high: int, level: int, gap: float, error: float) -> _Block:
        return _Block(low, high, level, gap, error, tolerance * size(low, high))

    def measured(low: int, high: int, level: int, sought: float) -> _Block:
        derivative, error = measure(low, high, sought)
        return block(low, high, level, sums[high] - sums[low] - derivative, error)

    def halves(whole: _Block) -> list[_Block]:
        middle, level, sought = (whole.low + whole.high) // 2, whole.level + 1, abs(whole.gap)
        left = measured(whole.low, middle, level, sought)
        # What the left half does not explain is the right one's.
        right = block(middle, whole.high, level, whole.gap - left.gap, whole.error + left.error)
        alone = right.high - right.low == 1 and right.disagrees
        if alone or not right.error <= SHARP * sought:
            right = measured(middle, whole.high, level, sought)
        return [half for half in (left, right) if half.disagrees]

    count = contributions.numel()
    try:
        start = measured(0, count, 0, SHARP**2 * size(0, count)) if gap is None else block(0, count, 0, gap, error)
    except BudgetSpent:
        found.suspects.append((0, count))
        return found
    waiting = [(start.order, start)] if start.disagrees else []
    spent = False
    while waiting:
        _, whole = heapq.heappop(waiting)
        if whole.high - whole.low == 1:
            found.wrong[whole.low] = whole.gap
            continue
        try:
            bad = [] if spent else halves(whole)
        except BudgetSpent:
            spent, bad = True, []
        for half in bad:
            heapq.heappush(waiting, (half.order, half))
        if not bad:
            found.suspects.append((whole.low, whole.high))
    return found


def sorted_elements(gradient: Tensor, found: Search | None) -> Elements | None:
    """Sort the elements of a tensor by their gradient, in its shape; None where there is nothing to tell of any."""
    flat = gradient.reshape(-1)
    state = torch.zeros(flat.numel(), dtype=torch.int8)
    state[(flat == 0).cpu()] = _NUMBER["zero"]
    where = {"zero": (flat == 0).nonzero().reshape(-1), "not finite": (~torch.isfinite(flat)).nonzero().reshape(-1)}
    if found is not None:
        for low, high in found.suspects:
            state[low:high] = _NUMBER["suspect"]
        where["suspect"] = (state == _NUMBER["suspect"]).nonzero().reshape(-1)
        where["wrong"] = torch.tensor(sorted(found.wrong), dtype=torch.int64)
        state[where["wrong"]] = _NUMBER["wrong"]
    state[where["not finite"].cpu()] = _NUMBER["not finite"]
    counts = {kind: len(indices) for kind, indices in where.items() if len(indices)}
    if not counts and found is None:
        return None
    shape = tuple(gradient.shape)
    picture, cell = _picture(state, shape)
    return Elements(
        shape=shape,
        counts=counts,
        first={kind: _indices(where[kind], shape) for kind in counts if kind != "suspect"},
        picture=picture,
        cell=cell,
        calls=0 if found is None else found.calls,
    )


def words(elements: Elements | None) -> dict[str, float | str]:
    """Counts and first indices as evidence, and what the search cost and left."""
    if elements is None:
        return {}
    total, left = math.prod(elements.shape), elements.counts.get("suspect", 0)
    found: dict[str, float | str] = {}
    for kind, indices in elements.first.items():
        count = elements.counts[kind]
        named = ", ".join(str(list(index)) for index in indices[:MOST_NAMED])
        least = "at least " if kind == "wrong" and left else ""
        found[f"elements with gradient {kind}"] = f"{least}{count} of {total}: {named}{', ...' * (count > MOST_NAMED)}"
    if elements.calls:
        examined = total - left - elements.counts.get("not finite", 0)
        rest = f"; {left} lie in blocks that disagree and were not searched to the end" if left else ""
        found["search for wrong elements"] = f"{elements.calls} calls, {examined} of {total} elements examined{rest}"
    return found


def _from_zero(values: Tensor) -> list[float]:
    """Sums of the values before every index."""
    return [0.0, *torch.cumsum(values.double(), 0).tolist()]


def _indices(flat: Tensor, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """Indices in a tensor of this shape of the first of these flat ones."""
    columns = torch.unravel_index(flat[:MOST_KEPT], shape)
    return tuple(zip(*(column.tolist() for column in columns), strict=True))


def _picture(state: Tensor, shape: tuple[int, ...]) -> tuple[tuple[str, ...], tuple[int, int]]:
    """Rows of marks, and the rows and columns of elements that one mark stands for.

    All dimensions but the last make the rows; a vector runs on from row to row.
    """
    if len(shape) == 1:
        wide = -(-shape[0] // MOST_CELLS**2)
        cells = _pooled(state.reshape(1, -1), 1, wide).reshape(-1)
        cells = _padded(cells.reshape(1, -1), 1, min(MOST_CELLS, len(cells))).reshape(-1, min(MOST_CELLS, len(cells)))
        cell = (1, wide)
    else:
        grid = state.reshape(-1, shape[-1])
        cell = (-(-grid.shape[0] // MOST_CELLS), -(-grid.shape[1] // MOST_CELLS))
        cells = _pooled(grid, *cell)
    marks = [*MARKS, " "]
    return tuple("".join(marks[number] for number in row) for row in cells.tolist()), cell


def _pooled(grid: Tensor, high: int, wide: int) -> Tensor:
    """The largest number in every cell of so many rows and columns."""
    grid = _padded(grid, high, wide)
    return grid.reshape(grid.shape[0] // high, high, grid.shape[1] // wide, wide).amax((1, 3))


def _padded(grid: Tensor, high: int, wide: int) -> Tensor:
    """The grid (rows, columns) with -1 behind it, up to whole cells."""
    return torch.nn.functional.pad(grid, (0, -grid.shape[1] % wide, 0, -grid.shape[0] % high), value=-1)
