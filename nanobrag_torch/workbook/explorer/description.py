"""A scenario as the JSON file that makes it, and as lines of Python that do."""

import json
import os
from enum import Enum
from pathlib import Path
from typing import Any

from torch import Tensor

from nanobrag_torch.config import DetectorConfig
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.cells.losses import LOSSES
from nanobrag_torch.workbook.errors import InputError

_CONFIGS = ("crystal", "detector", "beam")
_KINDS = {"crystal": "CrystalConfig", "detector": "DetectorConfig", "beam": "BeamConfig"}
#: Elements of a tensor up to which a scenario file holds it.
_FEW = 9


def description(scenario: Scenario, hkl: str = "") -> dict[str, Any]:
    """Data of the JSON file that makes a scenario.

    Args:
        scenario: the scenario.
        hkl: file of its structure factors, as the JSON file is to name it; empty where it has none.

    Raises:
        InputError: something in it has no place in such a file.
    """
    if scenario.hkl_data is not None and not hkl:
        raise _refused("hkl_data", "a table in memory", "a file of structure factors", "Write it to a file first.")
    if not isinstance(scenario.detector, DetectorConfig):
        raise _refused("detector", "many panels", "one panel", "Keep its experiment file, and change that.")
    losses = [name for name, loss in LOSSES.items() if loss is scenario.loss]
    if not losses:
        raise _refused("loss", "a function", ", ".join(LOSSES), "Name one of them.")
    if not isinstance(scenario.compat, str):
        raise _refused("compat", "a Compat of its own", "the name of a mode", "Name a mode.")
    data: dict[str, Any] = {
        name: {key: _plain(f"{name}.{key}", value) for key, value in getattr(scenario, name).given().items()}
        for name in _CONFIGS
    }
    data |= {"names": list(scenario.names), "loss": losses[0], "compat": scenario.compat}
    return data | ({"hkl": hkl} if hkl else {})


def save(scenario: Scenario, file: Path, hkl: Path | None = None) -> Path:
    """Write a scenario as the JSON file that ``doctor``, ``run`` and ``sweep`` take.

    Args:
        scenario: the scenario.
        file: the file; one of this name is replaced.
        hkl: file of its structure factors.

    Raises:
        InputError: something in it has no place in such a file.
    """
    name = "" if hkl is None else Path(os.path.relpath(hkl.resolve(), file.parent.resolve())).as_posix()
    files.write(file, json.dumps(description(scenario, name), indent=2, ensure_ascii=False) + "\n")
    return file


def python_lines(scenario: Scenario, hkl: str = "") -> str:
    """Lines of Python that make a scenario. Raises ``InputError`` as :func:`description` does."""
    data = description(scenario, hkl)
    lines = [
        "from nanobrag_torch import BeamConfig, CrystalConfig, DetectorConfig, Scenario",
        "from nanobrag_torch.workbook import losses",
        "",
    ]
    for name in _CONFIGS:
        fields = ", ".join(f"{key}={_word(value)}" for key, value in data[name].items())
        lines.append(f"{name} = {_KINDS[name]}({fields})")
    last = f"names={tuple(data['names'])!r}, loss=losses.LOSSES[{data['loss']!r}], compat={data['compat']!r}"
    if hkl:
        lines[0:0] = ["from nanobrag_torch.io.hkl import try_load_hkl_or_fdump"]
        lines.append(f"table, metadata = try_load_hkl_or_fdump({hkl!r}, default_F=float(crystal.default_F))")
        last += ", hkl_data=table, hkl_metadata=metadata"
    lines.append(f"scenario = Scenario(crystal, detector, beam, {last})")
    return "\n".join(lines) + "\n"


def _plain(name: str, value: Any) -> Any:
    """Value as JSON has it. Raises ``InputError`` for one that it has not."""
    if isinstance(value, Tensor) and value.numel() <= _FEW:
        return value.detach().tolist()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [_plain(name, each) for each in value]
    if isinstance(value, (bool, str)) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise _refused(name, type(value).__name__, "numbers, words and lists", "Leave it out, or keep the Python lines.")


def _word(value: Any) -> str:
    return repr(tuple(value) if isinstance(value, list) else value)


def _refused(field: str, given: Any, allowed: str, remedy: str) -> InputError:
    return InputError.of("scenario file", field, given, allowed, remedy)
