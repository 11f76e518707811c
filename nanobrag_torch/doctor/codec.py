"""Codec of frozen dataclasses: to JSON and back, exactly, and the JSON schema that describes them.

JSON has no numbers that are not finite; they are written as the strings "NaN", "Infinity" and "-Infinity".
"""

import inspect
import json
import math
import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_SIMPLE: dict[type, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"anyOf": [{"type": "number"}, {"enum": list(_NOT_FINITE)}]},
    str: {"type": "string"},
    type(None): {"type": "null"},
}


def to_json(record: Any) -> str:
    """Write a record as JSON, indented by two blanks."""
    return json.dumps(plain(record), indent=2, allow_nan=False, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Convert a record to dicts, lists, strings and finite numbers."""
    if is_dataclass(value):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def from_json(kind: type[T], text: str) -> T:
    """Read a record of type ``kind`` from what :func:`to_json` wrote.

    Raises:
        ValueError: the text is anything else; the message names the place.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{kind.__name__}: line {error.lineno} is not JSON. Give what to_json() wrote.") from None
    except (ValueError, RecursionError):
        raise ValueError(f"{kind.__name__}: too long a number or too deep a nest. Give what to_json() wrote.") from None
    record: T = _read(kind, data, kind.__name__)
    return record


def schema(kind: type) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a record type; records within it stand under ``$defs``."""
    definitions: dict[str, Any] = {}
    root = _describe(kind, definitions)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "$defs": definitions}


def _read(kind: Any, data: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        chosen = [option for option in arguments if _fits(option, data)]
        return _read(chosen[0], data, where) if chosen else _refuse(where, data, kind)
    if not _fits(kind, data):
        return _refuse(where, data, kind)
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        unknown = sorted(set(data) - set(hints))
        missing = [f.name for f in fields(kind) if f.name not in data and f.default is MISSING]
        if unknown or missing:
            raise ValueError(f"{where}: unknown {unknown}, missing {missing}. Give what to_json() wrote.")
        return kind(**{name: _read(hints[name], item, f"{where}.{name}") for name, item in data.items()})  # type: ignore[operator]
    if origin is tuple:
        return tuple(_read(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(data))
    if origin is dict:
        return {key: _read(arguments[1], item, f"{where}[{key!r}]") for key, item in data.items()}
    if kind is float:
        return _NOT_FINITE[data] if isinstance(data, str) else float(data)
    return data


def _fits(kind: Any, data: Any) -> bool:
    origin = get_origin(kind)
    if origin is Literal:
        return data in get_args(kind)
    if origin is tuple:
        return isinstance(data, list)
    if origin is dict or is_dataclass(kind):
        return isinstance(data, dict)
    if kind is float:
        return (isinstance(data, (int, float)) and not isinstance(data, bool)) or data in _NOT_FINITE
    if kind is int:
        return isinstance(data, int) and not isinstance(data, bool)
    return isinstance(data, kind)


def _refuse(where: str, data: Any, kind: Any) -> Any:
    raise ValueError(f"{where} = {data!r}: must be {getattr(kind, '__name__', kind)}. Give what to_json() wrote.")


def _describe(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_describe(option, definitions) for option in arguments]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _describe(arguments[0], definitions)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _describe(arguments[1], definitions)}
    if not is_dataclass(kind):
        return _SIMPLE[kind]
    name = str(getattr(kind, "__name__", kind))
    if name not in definitions:
        definitions[name] = {}
        hints = get_type_hints(kind)
        definitions[name] = {
            "type": "object",
            "description": inspect.cleandoc(kind.__doc__ or ""),
            "properties": {item.name: _describe(hints[item.name], definitions) for item in fields(kind)},
            "required": [item.name for item in fields(kind)],
            "additionalProperties": False,
        }
    return {"$ref": f"#/$defs/{name}"}
