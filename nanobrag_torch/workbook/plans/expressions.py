"""Exit criteria: small expressions over plain data, evaluated from their syntax tree without Python's ``eval``.

Known are the names of records, their fields (``control.lit_pixels``), entries (``numbers["control.loss"]``), numbers
and texts, arithmetic, comparisons, ``and or not in``, the functions of :data:`FUNCTIONS`, and one loop in brackets
(``all(row.agreement == "agrees" for row in control.derivatives)``). A field is always a key of the data and never an
attribute of a Python object, so nothing else can be reached.

The points of a sweep are a :class:`Column`: a field of it is the column of that field, and a comparison of it the
column of its truths, for ``all``, ``any`` and ``count``: ``count(points.loss > 0) >= 0.9 * len(points)``.
"""

import ast
import difflib
import operator
import reprlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nanobrag_torch.workbook.errors import InputError

#: A criterion is one sentence; more is a program.
MAX_CHARACTERS = 500
#: Parts that an evaluation may look at, loops within loops included: about a second.
MAX_STEPS = 1_000_000
#: Names that a message lists.
_MOST_NAMES = 100
#: Largest integer that arithmetic may give: the largest that a float can hold.
_LARGEST = int(sys.float_info.max)
#: Characters of a text that are compared in the time of one step.
_CHARACTERS_A_STEP = 100


def _every(items: list[Any]) -> bool:
    """Tell whether all items are true.

    Raises:
        ValueError: there is no item, since evidence that is absent must not pass.
    """
    if not items:
        raise ValueError("all() of an empty list decides nothing")
    return all(items)


def _count(items: list[Any]) -> int:
    """Number of items that are true."""
    if not all(isinstance(item, bool) for item in items):
        raise ValueError("count() counts truths: count(points.status == 'done')")
    return sum(items)


class Column(list[Any]):
    """A field of every point of a sweep."""


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs, "all": _every, "any": any, "count": _count, "len": len, "max": max, "min": min, "sum": sum,
}  # fmt: skip
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le,
    ast.Gt: operator.gt, ast.GtE: operator.ge, ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_SIGNS: dict[type, Callable[[Any], Any]] = {
    ast.UAdd: operator.pos, ast.USub: operator.neg, ast.Not: operator.not_,
}  # fmt: skip
_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.BinOp, ast.UnaryOp, ast.Compare, ast.Call, ast.Name, ast.Load,
    ast.Store, ast.Attribute, ast.Subscript, ast.Constant, ast.GeneratorExp, ast.comprehension,
    *_ARITHMETIC, *_COMPARISONS, *_SIGNS,
)  # fmt: skip


class CannotEvaluate(ValueError):
    """The data lacks what the expression asks for, or has it in another type; nothing is decided."""


@dataclass(frozen=True)
class Expression:
    """A checked expression: its text and syntax tree."""

    text: str
    tree: ast.expr

    @classmethod
    def parse(cls, text: str, owner: str) -> "Expression":
        """Parse and check an expression.

        Raises:
            InputError: a part of it is not known; the message names ``owner`` and the part.
        """
        if len(text) > MAX_CHARACTERS:
            raise _refused(owner, text, f"at most {MAX_CHARACTERS} characters")
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise _refused(owner, text, "an expression such as control.lit_pixels > 0") from None
        _check(tree, owner, text)
        return cls(text.strip(), tree)

    @cached_property
    def records(self) -> frozenset[str]:
        """Names of the records that it asks for."""
        names = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        loops = {node.target.id for node in ast.walk(self.tree) if isinstance(node, ast.comprehension)}  # type: ignore[attr-defined]
        return frozenset(names - loops - FUNCTIONS.keys())

    def evaluate(self, data: Mapping[str, Any]) -> "Result":
        """Evaluate the expression over ``data``, records by name.

        Raises:
            CannotEvaluate: a name, field or entry is missing, or types do not fit.
        """
        evaluation = _Evaluation(dict(data))
        try:
            value = evaluation.of(self.tree)
        except CannotEvaluate:
            raise
        except RecursionError:
            raise CannotEvaluate(f"{self.text}: what it asks for is nested too deeply") from None
        except (TypeError, ValueError, ArithmeticError) as error:
            raise CannotEvaluate(f"{self.text}: {str(error)[:200]}") from None
        if not isinstance(value, bool):
            raise CannotEvaluate(f"{self.text}: gives {reprlib.repr(value)}, where true or false is needed")
        return Result(value, dict(evaluation.seen))


@dataclass(frozen=True)
class Result:
    """Value of an expression, and every number, text or truth that it read from the records, by its name."""

    holds: bool
    seen: dict[str, Any]


@dataclass
class _Evaluation:
    """Walk over a syntax tree: a method for each kind of node, the names known at that point, and the values seen."""

    names: dict[str, Any]
    seen: dict[str, Any] = field(default_factory=dict)
    loops: int = 0
    steps: int = 0

    def of(self, node: ast.expr) -> Any:
        """Value of a node; outside loops, a field or entry that it reads is noted in ``seen``."""
        self._spend(1)
        value = getattr(self, f"_{type(node).__name__}")(node)
        if isinstance(node, ast.Attribute | ast.Subscript) and not self.loops:
            if isinstance(value, Column):
                self.seen[ast.unparse(node)] = f"{len(value)} points"
            elif not isinstance(value, dict | list):
                self.seen[ast.unparse(node)] = value
        return value

    def _spend(self, steps: int) -> None:
        """Count steps: an evaluation ends after a number of them, however fast the machine is."""
        self.steps += steps
        if self.steps > MAX_STEPS:
            raise CannotEvaluate(f"it takes more than {MAX_STEPS} steps; make it simpler")

    def _weigh(self, value: Any) -> None:
        """Count every part of a value that is looked at as a whole."""
        if isinstance(value, str):
            self._spend(len(value) // _CHARACTERS_A_STEP)
        elif isinstance(value, list | dict):
            self._spend(len(value))
            for entry in value.values() if isinstance(value, dict) else value:
                self._weigh(entry)

    def _Constant(self, node: ast.Constant) -> Any:
        return node.value

    def _Name(self, node: ast.Name) -> Any:
        if node.id not in self.names:
            raise CannotEvaluate(f"there is no record {node.id!r}; {_offer(node.id, self.names)}")
        return self.names[node.id]

    def _Attribute(self, node: ast.Attribute) -> Any:
        return self._entry(node.value, node.attr)

    def _Subscript(self, node: ast.Subscript) -> Any:
        return self._entry(node.value, self.of(node.slice))

    def _entry(self, node: ast.expr, key: Any) -> Any:
        held = self.of(node)
        if isinstance(held, Column) and isinstance(key, str):
            return self._each(held, lambda row: self._field(node, row, key))
        if isinstance(held, list) and type(key) is int and -len(held) <= key < len(held):
            return held[key]
        return self._field(node, held, key)

    def _each(self, column: "Column", of: Callable[[Any], Any]) -> "Column":
        self._spend(len(column))
        return Column(of(entry) for entry in column)

    def _field(self, node: ast.expr, held: Any, key: Any) -> Any:
        if not isinstance(held, dict) or key not in held:
            there = _offer(str(key), held) if isinstance(held, dict) else f"it is a {type(held).__name__}"
            raise CannotEvaluate(f"{ast.unparse(node)} has no {reprlib.repr(key)}; {there}")
        return held[key]

    def _UnaryOp(self, node: ast.UnaryOp) -> Any:
        operand = self.of(node.operand)
        apply = _SIGNS[type(node.op)]
        return self._each(operand, apply) if isinstance(operand, Column) else apply(operand)

    def _BinOp(self, node: ast.BinOp) -> Any:
        return self._pairwise(self.of(node.left), self.of(node.right), lambda a, b: self._number(node, a, b))

    def _pairwise(self, left: Any, right: Any, of: Callable[[Any, Any], Any]) -> Any:
        """Value of two values, or of a column and a value, or of two columns, entry by entry."""
        columns = [each for each in (left, right) if isinstance(each, Column)]
        if not columns:
            return of(left, right)
        lefts = left if isinstance(left, Column) else [left] * len(columns[0])
        rights = right if isinstance(right, Column) else [right] * len(columns[0])
        self._spend(len(columns[0]))
        return Column(of(a, b) for a, b in zip(lefts, rights, strict=True))

    def _number(self, node: ast.BinOp, left: Any, right: Any) -> Any:
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise CannotEvaluate(f"{ast.unparse(node)}: {_both(left, right)} are not both numbers")
        value = _ARITHMETIC[type(node.op)](left, right)
        if isinstance(value, int) and abs(value) > _LARGEST:
            raise CannotEvaluate(f"{ast.unparse(node)}: an integer of more than 308 digits")
        return value

    def _BoolOp(self, node: ast.BoolOp) -> Any:
        wanted = isinstance(node.op, ast.Or)
        return next((wanted for value in node.values if bool(self.of(value)) is wanted), not wanted)

    def _Compare(self, node: ast.Compare) -> Any:
        left = self.of(node.left)
        for comparison, operand in zip(node.ops, node.comparators, strict=True):
            right = self.of(operand)
            if isinstance(left, Column) or (
                isinstance(right, Column) and not isinstance(comparison, ast.In | ast.NotIn)
            ):
                if len(node.ops) > 1:
                    raise CannotEvaluate(f"{ast.unparse(node)}: a column takes one comparison at a time")
                return self._compared(node, comparison, left, right)
            if not self._holds(node, comparison, left, right):
                return False
            left = right
        return True

    def _compared(self, node: ast.Compare, comparison: ast.cmpop, left: Any, right: Any) -> Any:
        if isinstance(comparison, ast.In | ast.NotIn):
            return self._each(left, lambda entry: self._holds(node, comparison, entry, right))
        return self._pairwise(left, right, lambda a, b: self._holds(node, comparison, a, b))

    def _holds(self, node: ast.Compare, comparison: ast.cmpop, left: Any, right: Any) -> bool:
        if _text_beside_number(left, right):
            raise CannotEvaluate(f"{ast.unparse(node)}: {_both(left, right)} cannot be compared")
        self._weigh(left)
        self._weigh(right)
        return bool(_COMPARISONS[type(comparison)](left, right))

    def _Call(self, node: ast.Call) -> Any:
        given = [self.of(argument) for argument in node.args]
        name = node.func.id  # type: ignore[attr-defined]
        if given and isinstance(given[0], Column):
            lacking = sum(entry is None or entry != entry for entry in given[0])
            if lacking and name in ("max", "min", "sum"):
                raise CannotEvaluate(f"{ast.unparse(node)}: {lacking} of {len(given[0])} points have no such number")
            if name == "abs":
                return self._each(given[0], abs)
        if node.func.id != "len":  # type: ignore[attr-defined]
            self._weigh(given)
        return FUNCTIONS[node.func.id](*given)  # type: ignore[attr-defined]

    def _GeneratorExp(self, node: ast.GeneratorExp) -> list[Any]:
        (loop,) = node.generators
        return list(self._items(loop, node.elt))

    def _items(self, loop: ast.comprehension, element: ast.expr) -> Iterator[Any]:
        items = self.of(loop.iter)
        if not isinstance(items, list | dict):
            raise CannotEvaluate(f"{ast.unparse(loop.iter)} is {reprlib.repr(items)}, not a list")
        if not self.loops:
            self.seen[ast.unparse(loop.iter)] = f"{len(items)} entries"
        outer, name = dict(self.names), loop.target.id  # type: ignore[attr-defined]
        self.loops += 1
        for item in items.values() if isinstance(items, dict) else items:
            self.names = {**outer, name: item}
            if all(self.of(condition) for condition in loop.ifs):
                yield self.of(element)
        self.loops -= 1
        self.names = outer


def _both(left: Any, right: Any) -> str:
    return f"{reprlib.repr(left)} and {reprlib.repr(right)}"


def _offer(name: str, known: Iterable[Any]) -> str:
    """Names beside one that is not there: the nearest, and the first of the others."""
    names = sorted(map(str, known))
    if not names:
        return "there is none"
    nearest = difflib.get_close_matches(name, names[:_MOST_NAMES], n=1)
    others = ", ".join(names[:_MOST_NAMES]) + (", ..." if len(names) > _MOST_NAMES else "")
    return (f"the nearest is {nearest[0]!r}; " if nearest else "") + f"there are: {others}"


def _text_beside_number(left: Any, right: Any) -> bool:
    """Tell a text beside a number: one that is not finite is a text in a record, and must not pass as "not 0"."""
    return any(isinstance(a, str) and isinstance(b, int | float) for a, b in ((left, right), (right, left)))


def _check(tree: ast.expr, owner: str, text: str) -> None:
    """Refuse every node that the language of criteria does not have."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise _refused(owner, text, f"no {type(node).__name__}: see the list of what an exit criterion may say")
        if isinstance(node, ast.Call) and (
            not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS or node.keywords
        ):
            raise _refused(owner, text, f"no function but {', '.join(FUNCTIONS)}")
        if isinstance(node, ast.Name) and node.id in FUNCTIONS and id(node) not in called:
            raise _refused(owner, text, f"{node.id}(...) with what it is applied to")
        if isinstance(node, ast.BinOp) and any(
            isinstance(side, ast.Constant) and isinstance(side.value, str) for side in (node.left, node.right)
        ):
            raise _refused(owner, text, "numbers on both sides of + - * /")
        if isinstance(node, ast.GeneratorExp) and not (
            len(node.generators) == 1 and isinstance(node.generators[0].target, ast.Name)
        ):
            raise _refused(owner, text, "one loop over one name")
        if isinstance(node, ast.Constant) and not isinstance(node.value, int | float | str | type(None)):
            raise _refused(owner, text, "numbers, texts, True, False and None")


def _refused(owner: str, text: str, allowed: str) -> InputError:
    return InputError.of(owner, "exit criterion", text, allowed, "Write it as a comparison of a record's fields.")
