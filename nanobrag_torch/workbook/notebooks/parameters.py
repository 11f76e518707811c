"""Parameters of a notebook: declared in its ``parameters`` cell, one line each, and checked before a kernel starts.

A declaration is ordinary Python with a comment in a fixed form, so that a person who opens the notebook reads the same
thing as the runner::

    cell_a: float = 100.0  # [Angstrom] 1 .. 10000: edge a of the unit cell
    dtype: str = "float64"  # {float32 | float64}: precision of the image
    N_cells: list[int] = [5, 5, 5]  # [cells] 1 .. 1000: unit cells along a, b and c
    mapped_test: str = "tests/test_x.py::test_y"  # the pytest id under investigation
"""

import ast
import difflib
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.notebooks import reading
from nanobrag_torch.workbook.records.run import Source

#: Bound of a number without a declared range: it is at least finite.
LARGEST = sys.float_info.max

_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_COMMENT = re.compile(
    rf"(?:\[(?P<unit>[^\]]+)\]\s*)?(?:(?P<low>{_NUMBER})\s*\.\.\s*(?P<high>{_NUMBER})\s*)?"
    r"(?:\{(?P<choices>[^}]+)\}\s*)?(?::\s*)?(?P<help>\S.*)"
)
_FORM = "name: type = value  # [unit] low .. high: what it is"
#: Tag of the cell, and its name in messages.
CELL = "parameters"
_FIELD = "parameters cell"
_KINDS: dict[str, type] = {"float": float, "int": int, "bool": bool, "str": str}


@dataclass(frozen=True)
class Parameter:
    """One parameter as its notebook declares it.

    Attributes:
        kind: type of the value, or of each value of a list.
        default: value in the notebook.
        unit: unit in which it is given; empty without one.
        low: smallest value; ``high`` is the largest.
        choices: texts that it may be; empty for any.
        help: description.
        length: number of values of a list; None for a scalar.
    """

    name: str
    kind: type
    default: Any
    unit: str
    low: float
    high: float
    choices: tuple[str, ...]
    help: str
    length: int | None = None

    @property
    def allowed(self) -> str:
        """Values that it may have, in words."""
        if self.choices:
            return " or ".join(self.choices)
        what = {float: "a number", int: "an integer", bool: "true or false", str: "a text"}[self.kind]
        if self.length is not None:
            what = f"{self.length} values, each {what}"
        if self.low > -LARGEST:
            what += f" from {self.low:g} to {self.high:g}"
        return f"{what} {self.unit}".rstrip()

    def check(self, value: Any, owner: str) -> Any:
        """Check a value and return it as the notebook gets it.

        Raises:
            InputError: wrong type, or out of range; the message begins with ``owner``.
        """
        items = value if self.length is not None else [value]
        if not isinstance(items, list) or (self.length is not None and len(items) != self.length):
            raise self._refused(value, owner)
        checked = [self._check_scalar(item, value, owner) for item in items]
        return checked if self.length is not None else checked[0]

    def parse(self, text: str, owner: str) -> Any:
        """Parse and check a value; a list is written with commas or blanks.

        Raises:
            InputError: the text is no such value, or it is out of range.
        """
        words = re.split(r"[,\s]+", text.strip("[]() ")) if self.length is not None else [text]
        values = [self._parse_scalar(word, text, owner) for word in words]
        return self.check(values if self.length is not None else values[0], owner)

    def _parse_scalar(self, word: str, given: str, owner: str) -> Any:
        if self.kind is str:
            return word
        if self.kind is bool:
            if word.lower() not in ("true", "false"):
                raise self._refused(given, owner)
            return word.lower() == "true"
        try:
            return self.kind(word)
        except ValueError:
            raise self._refused(given, owner) from None

    def _check_scalar(self, item: Any, given: Any, owner: str) -> Any:
        if self.kind is float and type(item) is int and abs(item) <= LARGEST:
            item = float(item)
        if type(item) is not self.kind:
            raise self._refused(given, owner)
        if isinstance(item, int | float) and not self.low <= item <= self.high:
            raise self._refused(given, owner)
        if self.choices and item not in self.choices:
            raise self._refused(given, owner)
        return item

    def _refused(self, given: Any, owner: str) -> InputError:
        remedy = f"It is {self.help}."
        if self.choices and isinstance(given, str):
            nearest = difflib.get_close_matches(given, self.choices, n=1, cutoff=0.0)
            remedy = f"The nearest is {nearest[0]!r}. {remedy}" if nearest else remedy
        return InputError.of(owner, self.name, given, self.allowed, remedy)


def declared(notebook: Path) -> dict[str, Parameter]:
    """Read the parameters of a notebook: name -> declaration, in their order.

    Raises:
        InputError: the file is no notebook, has no ``parameters`` cell, or a line of that cell has another form.
    """
    return of_notebook(reading.read(notebook), notebook.name)


def of_notebook(notebook: Any, owner: str) -> dict[str, Parameter]:
    """Parameters of a notebook that was read: name -> declaration, in their order.

    Raises:
        InputError: as :func:`declared`; the message begins with ``owner``.
    """
    cell = reading.tagged(notebook, CELL)
    if cell is None:
        raise InputError.of(owner, _FIELD, "none", f"one cell tagged {CELL!r}", f"Lines are {_FORM!r}.")
    found = of_cell(cell, owner)
    if not found:
        raise InputError.of(owner, _FIELD, "no parameter", "a line for each", f"Lines are {_FORM!r}.")
    return found


def of_cell(cell: str, owner: str) -> dict[str, Parameter]:
    """Parameters in the source of a ``parameters`` cell: name -> declaration, in their order.

    Comments, imports, magics and texts that stand alone are passed over.

    Raises:
        InputError: a line has another form; the message begins with ``owner``.
    """
    text = python(cell)
    try:
        statements = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        given = getattr(error, "text", None) or type(error).__name__
        raise InputError.of(owner, _FIELD, given.strip(), _FORM, f"Python cannot read it: {error}.") from None
    lines = text.split("\n")
    comments = _comments(text)
    found: dict[str, Parameter] = {}
    last_line = 0
    for statement in statements:
        given = "\n".join(lines[statement.lineno - 1 : statement.end_lineno]).strip()
        if isinstance(statement, ast.Import | ast.ImportFrom) or _is_text(statement):
            continue
        if statement.lineno <= last_line:
            raise InputError.of(owner, _FIELD, given, _FORM, "Two stand on one line: give each a line of its own.")
        last_line = statement.end_lineno or statement.lineno
        parameter = _declaration(statement, given, comments.get(last_line, ""), owner)
        if parameter.name in found:
            raise InputError.of(owner, _FIELD, given, "each name once", f"{parameter.name} stands there already.")
        found[parameter.name] = parameter
    return found


def python(cell: str) -> str:
    """A cell with blank lines in place of those that only Jupyter understands."""
    return re.sub(r"(?m)^[ \t]*[%!].*$", "", cell)


def _comments(text: str) -> dict[int, str]:
    """Comment at the end of each line, by the number of the line."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.start[0]: token.string.lstrip("# ") for token in tokens if token.type == tokenize.COMMENT}


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def resolve(
    parameters: Mapping[str, Parameter],
    owner: str,
    from_brief: Mapping[str, Any],
    from_user: Iterable[tuple[str, str]],
    from_plan: Mapping[str, Any] | None = None,
) -> dict[str, tuple[Any, Source]]:
    """Resolve every parameter: the command line goes before the plan, the plan before the brief, the notebook last.

    Args:
        parameters: declarations of the notebook.
        owner: name of the notebook, for messages.
        from_brief: values of the brief.
        from_user: names and texts from the command line.
        from_plan: values of the plan; None without one.

    Returns:
        Name -> value and its source.

    Raises:
        InputError: an unknown name (the message has the nearest), a name given twice, a wrong type, or a value out of
            range.
    """
    resolved: dict[str, tuple[Any, Source]] = {
        name: (parameter.default, "notebook") for name, parameter in parameters.items()
    }
    layers: tuple[tuple[Source, Mapping[str, Any]], ...] = (("brief", from_brief), ("plan", from_plan or {}))
    for source, values in layers:
        for name, value in values.items():
            resolved[name] = (known(parameters, name, source).check(value, source), source)
    seen: set[str] = set()
    for name, text in from_user:
        if name in seen:
            raise InputError.of(owner, name, text, "one value", "It was given twice: keep one.")
        seen.add(name)
        resolved[name] = (known(parameters, name, owner).parse(text, owner), "command line")
    return resolved


def known(parameters: Mapping[str, Parameter], name: str, owner: str) -> Parameter:
    """Declaration of a name. Raises ``InputError`` for one that is not declared; the message has the nearest."""
    if name not in parameters:
        nearest = difflib.get_close_matches(name, parameters, n=1, cutoff=0.0)[0]
        allowed = ", ".join(parameters)
        raise InputError.of(owner, "parameter name", name, allowed, f"The nearest is {nearest!r}.")
    return parameters[name]


def _declaration(statement: ast.stmt, text: str, comment: str, owner: str) -> Parameter:
    """Parameter that a statement declares.

    Args:
        statement: the statement.
        text: its lines.
        comment: comment behind it.
        owner: file that it stands in.
    """

    def refused(remedy: str) -> InputError:
        return InputError.of(owner, _FIELD, text, _FORM, remedy)

    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
        untyped = isinstance(statement, ast.Assign)
        raise refused("It has no type." if untyped else "Only declarations of parameters may stand in this cell.")
    name, annotation = statement.target.id, ast.unparse(statement.annotation)
    listed = re.fullmatch(r"list\[(\w+)\]", annotation)
    kind = _KINDS.get(listed[1] if listed else annotation)
    if kind is None:
        raise refused(_better_type(statement.annotation, name))
    if statement.value is None:
        raise refused("It has no value.")
    try:
        default = ast.literal_eval(statement.value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        raise refused("Its value must be written out: a number, a text in quotes, or a list of them.") from None
    said = _COMMENT.fullmatch(comment)
    if said is None:
        raise refused("Say behind '#' what it is.")
    parameter = Parameter(
        name=name,
        kind=kind,
        default=default,
        unit=said["unit"] or "",
        low=float(said["low"]) if said["low"] else -LARGEST,
        high=float(said["high"]) if said["high"] else LARGEST,
        choices=tuple(choice.strip() for choice in (said["choices"] or "").split("|") if choice.strip()),
        help=said["help"],
        length=len(default) if listed and isinstance(default, list) else None,
    )
    parameter.check(default, owner)
    return parameter


def _better_type(annotation: ast.expr, name: str) -> str:
    """Advice on a type that no parameter has."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Literal"):
        inner = annotation.slice
        values = [ast.unparse(each).strip("'\"") for each in (inner.elts if isinstance(inner, ast.Tuple) else [inner])]
        return f"Name the choices in the comment: {name}: str = ...  # {{{' | '.join(values)}}}: what it is"
    return f"Types: {', '.join(_KINDS)}, and list[...] of them."
