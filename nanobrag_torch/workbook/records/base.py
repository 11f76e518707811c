"""Ground of all records: frozen, validated, written as JSON and read back the same, registered under their file names.

A :class:`Record` that names its file is found under that name by everything that reads reports: verification, key
numbers, ledger, schemas. A new kind of record therefore touches no table.
"""

import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationInfo, model_validator
from pydantic_core import PydanticSerializationError

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.formatting import measured

#: Marks the name of a key number that is a gradient, before the name of its parameter.
GRADIENT = ".gradient."
#: Key in the JSON of a record that was saved under another name than its own: the kind of record that it is.
KIND = "record"

_BY_FILE: dict[str, list[type["Record"]]] = {}
_BORNE_OUT_BY: dict[str, list[str]] = {}


class RegistrationError(TypeError):
    """A record cannot be registered: it names no file, or a file that another record has."""


class Part(BaseModel):
    """A frozen piece of a record; numbers that are not finite are written as strings."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    @model_validator(mode="before")
    @classmethod
    def _written_as_utf8(cls, data: Any, info: ValidationInfo) -> Any:
        # What comes from JSON is UTF-8 already.
        return data if info.mode == "json" else _as_utf8(data)

    def to_json(self) -> str:
        """JSON text, two blanks of indentation, without a final newline."""
        try:
            text = self.model_dump_json()
        except PydanticSerializationError:
            # A copy with a change in it was not validated, and may hold a text that UTF-8 has no place for.
            text = type(self).model_validate(self.model_dump()).model_dump_json()
        return json.dumps(json.loads(text), indent=2, allow_nan=False, ensure_ascii=False)


def _as_utf8(value: Any) -> Any:
    """Data with every text in it as UTF-8 can write it: the name of a file may hold bytes that are none."""
    if isinstance(value, str):
        return value if value.isascii() else files.utf8(value).decode()
    if isinstance(value, dict):
        return {_as_utf8(key): _as_utf8(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_as_utf8, value)) if type(value) in (list, tuple) else value
    return value


class KeyNumber(Part):
    """A number by which runs are compared.

    Attributes:
        value: the number.
        scale: size that an error of it counts against.
        unit: its unit, such as "1/Å"; empty where it has none.
        error: its error bar, or standard error, in the same unit; null where none is known.
    """

    value: float
    scale: float
    unit: str = ""
    error: float | None = None

    def differs(self, other: "KeyNumber") -> bool:
        """Tell whether the two are further apart than rounding explains, 1e-9 of the scale, or of different units."""
        if self.unit and other.unit and self.unit != other.unit:
            return True
        if math.isnan(self.value) or math.isnan(other.value):
            return math.isnan(self.value) != math.isnan(other.value)
        return self.value != other.value and not (
            abs(self.value - other.value) <= 1e-9 * max(abs(self.scale), abs(other.scale))
        )


def exact(value: float, unit: str = "") -> KeyNumber:
    """Key number whose error counts against itself."""
    return KeyNumber(value=value, scale=abs(value), unit=unit)


class Record(Part):
    """A frozen record with a file of its own in a report.

    A subclass names its file, and may say which numbers runs are compared by and what its findings need::

        class Fit(Record):
            file = "fit.json"
            borne_out_by = {"converged": "fit.residual < fit.limit"}

            residual: float
            limit: float

            def key_numbers(self):
                return {"residual": exact(self.residual), "limit": exact(self.limit)}

    ``borne_out_by`` maps the code of a verdict to an expression over key numbers, which the ledger holds against every
    run with that verdict.
    """

    file: ClassVar[str] = ""
    borne_out_by: ClassVar[dict[str, str]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        if KIND in cls.model_fields:
            raise RegistrationError(f"{cls.__name__}: {KIND!r} names the kind of a record, and can be no field")
        if "file" not in cls.__dict__:
            raise RegistrationError(f"{cls.__name__} names no file: add file = 'name.json' to the class")
        cls.register_as(cls.file, borne_out_by=cls.__dict__.get("borne_out_by", {}))

    @classmethod
    def register_as(cls, *names: str, borne_out_by: dict[str, str] | None = None) -> None:
        """Take files of these names in a report for records of this kind.

        Args:
            names: file names, such as "control.json".
            borne_out_by: code of a verdict to the expression over key numbers that it needs.

        Raises:
            RegistrationError: a name belongs to another record, or does not end in .json.
        """
        claims = borne_out_by or {}
        for code, expression in claims.items():
            if not isinstance(expression, str):
                raise RegistrationError(f"{cls.__name__}: what bears {code} out is no expression: {expression!r}")
        for name in names:
            cls._check_name(name)
        for name in names:
            # Investigations may share a name: a file is of the kind that can read it.
            _BY_FILE[name] = [*(kind for kind in _BY_FILE.get(name, []) if _home(kind) != _home(cls)), cls]
        for code, expression in claims.items():
            known = _BORNE_OUT_BY.setdefault(code, [])
            if expression not in known:
                known.append(expression)

    @classmethod
    def _check_name(cls, name: Any) -> None:
        """Raise ``RegistrationError`` where files of that name cannot be of this kind."""
        if not isinstance(name, str) or not re.fullmatch(r"\.?[A-Za-z_]\w*\.json", name):
            raise RegistrationError(f"{cls.__name__}: the file {name!r} is not a word that ends in .json")
        others = [kind for kind in _BY_FILE.get(name, []) if _home(kind) != _home(cls)]
        if any(_owner(kind) in (_OURS, _owner(cls)) for kind in others):
            raise RegistrationError(f"{cls.__name__}: the file {name!r} belongs to {_home(others[0])} already")

    @model_validator(mode="before")
    @classmethod
    def _without_kind(cls, data: Any) -> Any:
        """Drop the kind that a file under another name states."""
        if isinstance(data, dict) and KIND in data and KIND not in cls.model_fields:
            return {key: value for key, value in data.items() if key != KIND}
        return data

    def save(self, folder: Path, name: str = "") -> None:
        """Write the record into ``folder``, under its own file name unless another is given."""
        text = self.to_json()
        if name and name != self.file and type(self) not in _BY_FILE.get(name, ()):
            text = labelled(text, self.file)
        files.write(folder / (name or self.file), text)

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Numbers by which two runs are compared, by name: a repetition gives the same. Times are none of them."""
        return {}

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show a record at the end of a cell by its key numbers; all of its fields are in its file."""
        numbers = (f"{name} {measured(entry, 6)}" for name, entry in self.key_numbers().items())
        printer.text(f"{self.file}: {', '.join(numbers) or 'no key numbers'}")

    def headline(self) -> tuple[tuple[str, str], ...]:
        """The few (name, value) that a page shows large, in words."""
        return ()

    @classmethod
    def schema_of_file(cls) -> dict[str, Any]:
        """JSON schema of the file."""
        return cls.model_json_schema()


def labelled(text: str, file: str) -> str:
    """JSON text of an object that states its kind, by which it is recognised under any name."""
    return json.dumps({KIND: file.removesuffix(".json"), **json.loads(text)}, indent=2, ensure_ascii=False)


def registered() -> dict[str, tuple[type[Record], ...]]:
    """Kinds of record that have been imported, by the names of their files."""
    return {name: tuple(kinds) for name, kinds in _BY_FILE.items()}


def is_ours(kind: type[Record]) -> bool:
    """True for a kind of record that the package declares, and no investigation."""
    return _owner(kind) == _OURS


@contextmanager
def registering() -> Iterator[None]:
    """Take back what was registered within, where it ends in an error."""
    files_before = {name: list(kinds) for name, kinds in _BY_FILE.items()}
    claims_before = {code: list(found) for code, found in _BORNE_OUT_BY.items()}
    try:
        yield
    except BaseException:
        _BY_FILE.clear()
        _BY_FILE.update(files_before)
        _BORNE_OUT_BY.clear()
        _BORNE_OUT_BY.update(claims_before)
        raise


def claims(code: str) -> tuple[str, ...]:
    """Expressions over key numbers that a verdict with this code needs, of every record that has been imported."""
    return tuple(_BORNE_OUT_BY.get(code, ()))


#: Package of the records that are not those of an investigation.
_OURS = __name__.partition(".")[0]


def _owner(kind: type[Record]) -> str:
    """Package of a record, or the investigation that it belongs to."""
    top, *rest = kind.__module__.split(".")
    return top if top == _OURS or not rest else f"{top}.{rest[0]}"


def _home(kind: type[Record]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
