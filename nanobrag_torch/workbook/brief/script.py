"""Script embedded in a brief: read from its syntax tree for the physical case that it describes, never run.

A brief embeds the Python that made its snapshot. The notebook makes the snapshot here, so that only values are taken
from the script: cell, crystal size, detector, dtype, device. They must be literals.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nanobrag_torch.workbook.errors import InputError

_FIELD = "How-To Map, script"
_COMMAND = re.compile(r"python3? - <<'(\w+)' > (\S+)")
_HEREDOC = re.compile(r"python3? - <<")

#: Call in a script -> its keyword -> notebook parameter.
PARAMETERS: dict[str, dict[str, str]] = {
    "CrystalConfig": {
        "cell_a": "cell_a",
        "cell_b": "cell_b",
        "cell_c": "cell_c",
        "cell_alpha": "cell_alpha",
        "cell_beta": "cell_beta",
        "cell_gamma": "cell_gamma",
        "N_cells": "N_cells",
        "default_F": "default_F",
        "mosaic_spread_deg": "mosaic_spread_deg",
        "mosaic_domains": "mosaic_domains",
    },
    "DetectorConfig": {
        "spixels": "detector_pixels",
        "fpixels": "detector_pixels",
        "pixel_size_mm": "pixel_size_mm",
        "distance_mm": "distance_mm",
    },
    "BeamConfig": {"wavelength_A": "wavelength_A"},
}
#: Notebook parameters of a script that sets none: the defaults of the three configs.
DEFAULTS: dict[str, Any] = {
    "cell_a": 100.0,
    "cell_b": 100.0,
    "cell_c": 100.0,
    "cell_alpha": 90.0,
    "cell_beta": 90.0,
    "cell_gamma": 90.0,
    "N_cells": [1, 1, 1],
    "default_F": 0.0,
    "mosaic_spread_deg": 0.0,
    "mosaic_domains": 1,
    "detector_pixels": 1024,
    "pixel_size_mm": 0.1,
    "distance_mm": 100.0,
    "wavelength_A": 1.0,
    "dtype": "float32",
    "device": "cpu",
}


@dataclass(frozen=True)
class Script:
    """An embedded script.

    Attributes:
        target: path that its output was to go to.
        guards: environment variables that it sets.
        parameters: notebook parameters of the case that it describes.
    """

    target: str
    guards: dict[str, str]
    parameters: dict[str, Any]


def is_script(text: str) -> bool:
    """Tell whether a fenced block is meant for Python rather than for a shell."""
    return _HEREDOC.match(text.lstrip()) is not None


def read_script(text: str) -> Script:
    """Read a ``python - <<'TAG' > FILE`` block, ``text`` as it stands between the fences.

    Raises:
        InputError: the block has another form, is not Python, or sets a value that the notebook has no parameter for.
    """
    first, *lines = text.splitlines()
    command = _COMMAND.fullmatch(first.strip())
    if not command:
        raise InputError.of("brief", _FIELD, first, "python - <<'TAG' > FILE", "Other commands are not executed.")
    tag, target = command.groups()
    if lines.count(tag) != 1 or lines[-1] != tag:
        given = "text after the closing tag" if tag in lines else "no closing tag"
        raise InputError.of("brief", _FIELD, given, f"the script, then {tag} on the last line", "Close the script.")
    try:
        tree = ast.parse("\n".join(lines[:-1]))
        return Script(target, dict(_guards(tree)), DEFAULTS | _parameters(tree))
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise InputError.of("brief", _FIELD, str(error), "Python", "Correct the script.") from None


def _guards(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Name and value of every ``os.environ.setdefault(NAME, VALUE)``."""
    for call in _calls(tree):
        if ast.unparse(call.func) == "os.environ.setdefault" and len(call.args) == 2:
            name, value = (_literal(argument) for argument in call.args)
            yield str(name), str(value)


def _parameters(tree: ast.AST) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names = dict(_assignments(tree))
    for name, value in names.items():
        if ast.unparse(value).startswith("torch.float") and name == "dtype":
            found["dtype"] = ast.unparse(value).removeprefix("torch.")
        elif isinstance(value, ast.Call) and ast.unparse(value.func) == "torch.device" and len(value.args) == 1:
            found["device"] = _literal(value.args[0])
    for call in _calls(tree):
        known = PARAMETERS.get(ast.unparse(call.func), {})
        for keyword in call.keywords if known else ():
            if keyword.arg not in known:
                allowed = ", ".join(known)
                raise InputError.of("brief", _FIELD, keyword.arg, allowed, "The notebook has no parameter for it.")
            value = _value(keyword.value, names)
            parameter = known[keyword.arg]
            if found.setdefault(parameter, value) != value:
                given = f"{keyword.arg} = {value}, and {found[parameter]}"
                raise InputError.of("brief", _FIELD, given, f"one value for {parameter}", "Keep one of them.")
    return found


def _value(node: ast.expr, names: dict[str, ast.expr]) -> Any:
    """Value of a literal, of a name bound to one, of an entry of a literal dict, or of a tensor made from one."""
    if isinstance(node, ast.Name) and node.id in names:
        return _value(names[node.id], {name: value for name, value in names.items() if name != node.id})
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        table = names.get(node.value.id)
        if isinstance(table, ast.Dict):
            for key, entry in zip(table.keys, table.values, strict=True):
                if key is not None and ast.dump(key) == ast.dump(node.slice):
                    return _value(entry, names)
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.tensor" and node.args:
        return _value(node.args[0], names)
    return _literal(node)


def _literal(node: ast.expr) -> Any:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        shown = ast.unparse(node)[:80]
        raise InputError.of("brief", _FIELD, shown, "literal values", "The script is read, not run.") from None
    return list(value) if isinstance(value, tuple) else value


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _assignments(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
