"""Fields that exit criteria ask for, held against those that records can have, before anything is run."""

import ast
import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.plans.expressions import FUNCTIONS, Expression
from nanobrag_torch.workbook.plans.header import Phase, Plan
from nanobrag_torch.workbook.plans.progress import POINTS
from nanobrag_torch.workbook.records import catalogue
from nanobrag_torch.workbook.records.base import KIND, Record
from nanobrag_torch.workbook.report.folder import BRIEF

#: Names of JSON files that a run leaves beside its records.
_BESIDE_RECORDS = (Path(BRIEF).stem,)


@dataclass(frozen=True)
class _Shape:
    """Data that an expression may stand for: JSON schemas of which one holds; none where anything may be there.

    Attributes:
        schemas: the schemas, without references.
        definitions: what a reference in them names.
        free: True within a file that no record declares.
    """

    schemas: tuple[Mapping[str, Any], ...] = ()
    definitions: Mapping[str, Any] = field(default_factory=dict)
    free: bool = False

    def narrowed(self, schemas: Iterable[Any]) -> "_Shape":
        """Shape of a part, of which one of ``schemas`` holds; True is the schema of anything."""
        found = tuple(self._resolved(schemas))
        return _ANYTHING if any(not schema for schema in found) else _Shape(found, self.definitions)

    def _resolved(self, schemas: Iterable[Any]) -> Iterator[Mapping[str, Any]]:
        for schema in schemas:
            if not isinstance(schema, Mapping):
                yield {}
            elif "$ref" in schema:
                yield from self._resolved([self.definitions.get(schema["$ref"].rpartition("/")[2], {})])
            elif "anyOf" in schema:
                yield from self._resolved(schema["anyOf"])
            else:
                yield schema

    def names(self) -> list[str]:
        """Names of its fields."""
        return sorted({name for schema in self.schemas for name in schema.get("properties", {})})

    def entry(self, name: str) -> "_Shape | None":
        """Shape of a field; None where it cannot be there."""
        found: list[Any] = []
        for schema in self.schemas:
            if name in schema.get("properties", {}):
                found.append(schema["properties"][name])
            elif schema.get("type", "object") == "object" and schema.get("additionalProperties", True) is not False:
                found.append(schema.get("additionalProperties", {}))
        return self.narrowed(found) if found else None

    def item(self) -> "_Shape":
        """Shape of an entry of a list, or of a value of an object."""
        found: list[Any] = []
        for schema in self.schemas:
            kind = schema.get("type")
            if kind == "array":
                found += [*schema.get("prefixItems", ()), *([schema["items"]] if "items" in schema else ())]
            elif kind in ("object", None):
                found += [*schema.get("properties", {}).values(), schema.get("additionalProperties", {})]
        return self.narrowed(schema for schema in found if schema is not False)


_ANYTHING, _FREE = _Shape(), _Shape(free=True)


def problems(plan: Plan, root: Path) -> list[str]:
    """Faults of the exit criteria of a plan: records and fields that no run can leave, with the nearest that it can.

    A record that is declared has the fields of its JSON schema. A file of another name, and what is in it, must be
    named in the notebook of the phase or in a Python file of an investigation, since something has to write it.
    """
    found = []
    for phase in plan.header.phases:
        words = _Words(phase, root)
        for text in phase.exit:
            for fault in dict.fromkeys(_Criterion(words).faults(Expression.parse(text, plan.path).tree)):
                found.append(f"{plan.path}, phase {phase.id}, exit criterion {text!r}: {fault}")
    return found


class _Words:
    """Names that mean something in a phase: those of records, and those in its notebook and the investigations."""

    def __init__(self, phase: Phase, root: Path) -> None:
        self.phase, self.root = phase, root

    @cached_property
    def records(self) -> dict[str, tuple[type[Record], ...]]:
        """Declared records by the stems of their files."""
        return {Path(name).stem: kinds for name, kinds in catalogue.declared(self.root).items()}

    def shape(self, name: str) -> _Shape:
        """Shape of a declared record."""
        return _shape(catalogue.schema(kind) for kind in self.records[name])

    @cached_property
    def written(self) -> set[str]:
        """Every word in the notebook of the phase, or in all notebooks where a brief chooses it, and in the plans."""
        notebooks = [project.find(self.phase.notebook, self.root)] if self.phase.notebook else []
        bases = (project.shipped() / project.PLANS, self.root / project.PLANS)
        paths = [
            *(notebooks or project.notebooks(self.root).values()),
            *(path for base in bases for path in base.glob("*/*.py")),
        ]
        return {word for path in paths for word in re.findall(r"\w+", _text(path))}

    @cached_property
    def fields(self) -> set[str]:
        """Names of the fields of every declared record, at any depth."""
        return {
            name
            for shape in map(self.shape, self.records)
            for schema in (*shape.schemas, *shape.definitions.values())
            for name in schema.get("properties", {})
        }


def _text(path: Path) -> str:
    try:
        return files.read_text(path)
    except files.Unreadable:
        return ""


def _shape(schemas: Iterable[Mapping[str, Any]]) -> _Shape:
    listed = list(schemas)
    definitions = {name: schema for each in listed for name, schema in each.get("$defs", {}).items()}
    return _Shape(definitions=definitions).narrowed(listed)


@dataclass
class _Criterion:
    """Walk over the syntax tree of a criterion: the shape of every part, and what cannot be there."""

    words: _Words
    loops: dict[str, _Shape] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def faults(self, tree: ast.expr) -> list[str]:
        """Faults of the criterion."""
        try:
            self.of(tree)
        except RecursionError:
            self.found.append("it is nested too deeply")
        return self.found

    def of(self, node: ast.AST) -> _Shape:
        """Shape of the value of a node."""
        match node:
            case ast.Name(id=name):
                return self._name(name)
            case ast.Attribute(value=held, attr=name) | ast.Subscript(value=held, slice=ast.Constant(value=str(name))):
                return self._entry(held, name)
            case ast.Subscript(value=held, slice=key):
                self.of(key)
                shape = self.of(held)
                return shape if shape.free else shape.item()
            case ast.GeneratorExp(elt=element, generators=[loop]):
                return self._loop(element, loop)
        for child in ast.iter_child_nodes(node):
            self.of(child)
        return _ANYTHING

    def _name(self, name: str) -> _Shape:
        if name in self.loops:
            return self.loops[name]
        if name in FUNCTIONS or name in _BESIDE_RECORDS or (name == POINTS and self.words.phase.sweep):
            return _ANYTHING
        if name in self.words.records:
            return self.words.shape(name)
        if name not in self.words.written:
            where = "neither the notebook nor a Python file of an investigation names it"
            self.found.append(f"no record {name!r} is declared, and {where}. {_nearest(name, self.words.records)}")
            return _ANYTHING
        return _FREE

    def _entry(self, node: ast.expr, name: str) -> _Shape:
        held = self.of(node)
        if held.free:
            if name not in self.words.fields and name not in self.words.written:
                self.found.append(f"no record has a field {name!r}. {_nearest(name, self.words.fields)}")
            return held
        if not held.schemas or name == KIND:
            return _ANYTHING
        shape = held.entry(name)
        if shape is None:
            self.found.append(f"{ast.unparse(node)} has no field {name!r}. {_nearest(name, held.names())}")
        return shape or _ANYTHING

    def _loop(self, element: ast.expr, loop: ast.comprehension) -> _Shape:
        held = self.of(loop.iter)
        name, outer = cast(ast.Name, loop.target).id, dict(self.loops)
        self.loops[name] = held if held.free else held.item()
        for condition in loop.ifs:
            self.of(condition)
        self.of(element)
        self.loops = outer
        return _ANYTHING


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.0)
    return f"The nearest is {near[0]!r}." if near else "It has none."
