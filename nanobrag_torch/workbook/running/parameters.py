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
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from papermill.exceptions import PapermillException
from papermill.inspection import inspect_notebook

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.run import Source

#: Bound of a number without a declared range: it is at least finite.
LARGEST = sys.float_info.max

_NUMBER = r"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
_COMMENT = re.compile(
    rf"(?:\[(?P<unit>[^\]]+)\]\s*)?(?:(?P<low>{_NUMBER})\s*\.\.\s*(?P<high>{_NUMBER})\s*)?"
    r"(?:\{(?P<choices>[^}]+)\}\s*)?(?::\s*)?(?P<help>\S.*)"
)
#: Errors that reading a file that is no notebook ends in, depending on how far it looks like one.
_UNREADABLE = (
    ValueError, TypeError, LookupError, AttributeError, OSError, NameError, RecursionError, nbformat.ValidationError,
    PapermillException,
)  # fmt: skip
_FORM = "name: type = value  # [unit] low .. high: what it is"


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
    owner = notebook.name
    # Braces in a path are escaped, since papermill takes a path for a template.
    try:
        found = inspect_notebook(str(notebook).replace("{", "{{").replace("}", "}}"))
    except FileNotFoundError:
        raise InputError.of("notebook", "path", str(notebook), "a notebook (.ipynb)", "Check the path.") from None
    except _UNREADABLE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError.of(owner, "file", reason, "a Jupyter notebook of a Python kernel", "Check it.") from None
    if not found:
        raise InputError.of(owner, "parameters cell", "none", "one cell tagged 'parameters'", f"Lines are {_FORM!r}.")
    for line in _declaring_lines(notebook):
        if line.split(":")[0].strip() not in found:
            raise InputError.of(
                owner, "parameters cell", line, _FORM, "papermill cannot read it: no '=' after the '#'."
            )
    return {name: _declaration(entry, owner) for name, entry in found.items()}


def _declaring_lines(notebook: Path) -> list[str]:
    """Declaring lines of the parameters cell; papermill drops those that it cannot read."""
    cells = nbformat.read(notebook, as_version=4).cells
    source = next(cell.source for cell in cells if "parameters" in cell.metadata.get("tags", ()))
    return [line for line in source.splitlines() if re.match(r"\s*\w+\s*:", line)]


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
            resolved[name] = (_known(parameters, name, source).check(value, source), source)
    seen: set[str] = set()
    for name, text in from_user:
        if name in seen:
            raise InputError.of(owner, name, text, "one value", "It was given twice: keep one.")
        seen.add(name)
        resolved[name] = (_known(parameters, name, owner).parse(text, owner), "command line")
    return resolved


def _known(parameters: Mapping[str, Parameter], name: str, owner: str) -> Parameter:
    if name not in parameters:
        nearest = difflib.get_close_matches(name, parameters, n=1, cutoff=0.0)[0]
        allowed = ", ".join(parameters)
        raise InputError.of(owner, "parameter name", name, allowed, f"The nearest is {nearest!r}.")
    return parameters[name]


def _declaration(entry: Mapping[str, Any], owner: str) -> Parameter:
    name, annotation, help_text = entry["name"], entry["inferred_type_name"], entry["help"]
    listed = re.fullmatch(r"list\[(\w+)\]", annotation)
    kinds = {"float": float, "int": int, "bool": bool, "str": str}
    kind = kinds.get(listed[1] if listed else annotation)
    comment = _COMMENT.fullmatch(help_text)
    try:
        default = ast.literal_eval(entry["default"])
    except (ValueError, SyntaxError):
        default = None
    if kind is None or comment is None or default is None:
        given = f"{name}: {annotation} = {entry['default']}  # {help_text}"
        raise InputError.of(owner, "parameters cell", given, _FORM, "Types: float, int, bool, str, lists of them.")
    parameter = Parameter(
        name=name,
        kind=kind,
        default=default,
        unit=comment["unit"] or "",
        low=float(comment["low"]) if comment["low"] else -LARGEST,
        high=float(comment["high"]) if comment["high"] else LARGEST,
        choices=tuple(choice.strip() for choice in (comment["choices"] or "").split("|") if choice.strip()),
        help=comment["help"],
        length=len(default) if listed and isinstance(default, list) else None,
    )
    parameter.check(default, owner)
    return parameter
