"""Gradient doctor under a name of its own, for models whose package is called ``nanobrag_torch`` as well.

    from gradient_doctor import diagnose

Two packages of one name cannot be imported side by side. This module finds the files of the doctor beside itself, by
their place, and loads them without importing or hiding anything that is called ``nanobrag_torch``. It offers the names
of :mod:`nanobrag_torch.doctor` that need no simulator; pytest finds the gradient guard through it.
"""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nanobrag_torch.doctor import (
        CODES,
        RULES,
        DoctorError,
        GradientReport,
        GradientVerdict,
        ParameterReport,
        StepReport,
        diagnose,
        diagnose_step,
        report_schema,
    )

__all__ = [
    "CODES",
    "RULES",
    "DoctorError",
    "GradientReport",
    "GradientVerdict",
    "ParameterReport",
    "StepReport",
    "diagnose",
    "diagnose_step",
    "report_schema",
]

_HOME = Path(__file__).parent / "nanobrag_torch"
_OTHER_NAME = "_gradient_doctor"


def _doctor() -> str:
    """Name under which the doctor is imported: its usual one where that is loaded already."""
    loaded = getattr(sys.modules.get("nanobrag_torch"), "__file__", None)
    if loaded and Path(loaded).parent == _HOME:
        return "nanobrag_torch.doctor"
    if _OTHER_NAME not in sys.modules:
        package = ModuleType(_OTHER_NAME)
        package.__path__ = [str(_HOME)]
        sys.modules[_OTHER_NAME] = package
    return f"{_OTHER_NAME}.doctor"


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "pytest_options":
            return import_module(f"{_doctor()}.pytest_options")
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names: {', '.join(__all__)}")
        found = globals()[name] = getattr(import_module(_doctor()), name)
        return found

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
