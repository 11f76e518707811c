"""Models of crystal, detector and beam: configs made into SI tensors, once per evaluation."""

from importlib import import_module
from typing import Any

from nanobrag_torch.models.beam import Beam
from nanobrag_torch.models.crystal import Crystal
from nanobrag_torch.models.detector import Detector

__all__ = ["Beam", "Crystal", "Detector", "ExperimentModel"]


def __getattr__(name: str) -> Any:
    # ExperimentModel stands on the simulator, which stands on these models: it is imported when first asked for.
    if name == "ExperimentModel":
        return import_module("nanobrag_torch.experiment").ExperimentModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
