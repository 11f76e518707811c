"""Public API of the workbook: the names that notebooks, plans and records of an investigation are written against.

Every name is loaded when it is first asked for, so that a notebook can set the environment guards
(:func:`environment.guard`) before anything imports torch.
"""

from importlib import import_module
from typing import Any

#: Public name -> where it lives, as "module" or "module:attribute" below this package.
_HOMES = {
    "Report": "report.folder:Report",
    "environment": "machine.environment",
    "tables": "show.tables",
    "figures": "cells.figures",
    "probe": "cells.probe",
    "mapped_test": "cells.mapped_test",
    "diagnosis": "cells.diagnosis",
    "doctor_figures": "cells.doctor_figures",
    "scenarios": "cells.scenarios",
    "functions": "cells.functions",
    "losses": "cells.losses",
    "scan": "cells.scan:scan",
    "performance": "cells.performance",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load a public name from its home."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; public names: {', '.join(__all__)}")
    module, _, attribute = _HOMES[name].partition(":")
    found = import_module(f"{__name__}.{module}")
    return getattr(found, attribute) if attribute else found


def __dir__() -> list[str]:
    return [*globals(), *__all__]
