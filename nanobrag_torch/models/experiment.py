"""Established name of :mod:`nanobrag_torch.experiment`, which stands above the simulator; loaded when asked for."""

from nanobrag_torch.lazy import lazy_names

__all__ = ["BeamStageAParams", "CrystalStageAParams", "DetectorStageAParams", "ExperimentModel"]  # noqa: F822

__getattr__, __dir__ = lazy_names(__name__, {name: f"nanobrag_torch.experiment:{name}" for name in __all__})
