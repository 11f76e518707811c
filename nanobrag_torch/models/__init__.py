"""Configs made into SI tensors, once per evaluation."""

from nanobrag_torch.models.beam import Beam
from nanobrag_torch.models.crystal import Crystal
from nanobrag_torch.models.detector import Detector

__all__ = ["Beam", "Crystal", "Detector"]
