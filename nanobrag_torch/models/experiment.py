"""Established name of :mod:`nanobrag_torch.experiment`, which stands above the simulator; loaded when asked for."""

from importlib import import_module
from typing import Any

__all__ = ["BeamStageAParams", "CrystalStageAParams", "DetectorStageAParams", "ExperimentModel"]  # noqa: F822


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("nanobrag_torch.experiment"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
