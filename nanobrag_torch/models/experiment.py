"""Established name of :mod:`nanobrag_torch.experiment`, which stands above the simulator; loaded when asked for."""

from typing import TYPE_CHECKING

from nanobrag_torch.lazy import lazy_names

if TYPE_CHECKING:
    from nanobrag_torch.experiment import (
        BeamStageAParams,
        CrystalStageAParams,
        DetectorStageAParams,
        ExperimentModel,
    )

__all__ = ["BeamStageAParams", "CrystalStageAParams", "DetectorStageAParams", "ExperimentModel"]

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, {name: f"nanobrag_torch.experiment:{name}" for name in __all__})
