"""Ground of all records: frozen, validated, written as JSON and read back the same, registered under their file names.

A :class:`Record` that names its file is found under that name by everything that reads reports: verification, key
numbers, ledger, schemas. A new kind of record therefore touches no table.
"""

import json
import math
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, model_validator

from nanobrag_torch.workbook import files

#: Bumped when a field changes its meaning or goes away.
SCHEMA_VERSION = 1
#: Marks the name of a key number that is a gradient, before the name of its parameter.
GRADIENT = ".gradient."
#: Key in the JSON of a record that was saved under another name than its own: the kind of record that it is.
KIND = "record"

_BY_FILE: dict[str, type["Record"]] = {}
_BORNE_OUT_BY: dict[str, list[str]] = {}


class RegistrationError(TypeError):
    """A record cannot be registered: it names no file, or a file that another record has."""


class Part(BaseModel):
    """A frozen piece of a record; numbers that are not finite are written as strings."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    def to_json(self) -> str:
        """JSON text, two blanks of indentation, without a final newline."""
        return json.dumps(json.loads(self.model_dump_json()), indent=2, allow_nan=False, ensure_ascii=False)


class KeyNumber(Part):
    """A number by which runs are compared; ``scale`` is the size that an error of it counts against."""

    value: float
    scale: float

    def differs(self, other: "KeyNumber") -> bool:
        """Tell whether the two are further apart than rounding explains: 1e-9 of the scale."""
        if math.isnan(self.value) or math.isnan(other.value):
            return math.isnan(self.value) != math.isnan(other.value)
        return self.value != other.value and not (
            abs(self.value - other.value) <= 1e-9 * max(abs(self.scale), abs(other.scale))
        )


def exact(value: float) -> KeyNumber:
    """Key number whose error counts against itself."""
    return KeyNumber(value=value, scale=abs(value))


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
        for name in names:
            known = _BY_FILE.get(name)
            if known is not None and _home(known) != _home(cls):
                raise RegistrationError(f"{cls.__name__}: the file {name!r} belongs to {_home(known)} already")
            if not name.endswith(".json") or "/" in name:
                raise RegistrationError(f"{cls.__name__}: the file {name!r} is not a name that ends in .json")
        _BY_FILE.update(dict.fromkeys(names, cls))
        for code, expression in (borne_out_by or {}).items():
            known_claims = _BORNE_OUT_BY.setdefault(code, [])
            if expression not in known_claims:
                known_claims.append(expression)

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
        if name and name != self.file and _BY_FILE.get(name) is not type(self):
            text = labelled(text, self.file)
        files.write(folder / (name or self.file), text)

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Numbers by which two runs are compared, by name: a repetition gives the same. Times are none of them."""
        return {}

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


def registered() -> dict[str, type[Record]]:
    """Every kind of record that has been imported, by the names of its files."""
    return dict(_BY_FILE)


def claims(code: str) -> tuple[str, ...]:
    """Expressions over key numbers that a verdict with this code needs, of every record that has been imported."""
    return tuple(_BORNE_OUT_BY.get(code, ()))


def _home(kind: type[Record]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
