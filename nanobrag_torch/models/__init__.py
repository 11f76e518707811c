"""Models of crystal, detector and beam: configs made into SI tensors, once per evaluation."""

from typing import TYPE_CHECKING

from nanobrag_torch.lazy import lazy_names
from nanobrag_torch.models.beam import Beam
from nanobrag_torch.models.crystal import Crystal
from nanobrag_torch.models.detector import Detector

if TYPE_CHECKING:
    from nanobrag_torch.experiment import ExperimentModel

__all__ = ["Beam", "Crystal", "Detector", "ExperimentModel"]


# ExperimentModel stands on the simulator, which stands on these models: it is imported when first asked for.
if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, {"ExperimentModel": "nanobrag_torch.experiment:ExperimentModel"})
