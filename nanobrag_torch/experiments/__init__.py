"""Experiments of other programs (DIALS, CrystFEL, NXmx) as configs, and configs as what those programs read."""

from nanobrag_torch.experiments.cells import by_cell
from nanobrag_torch.experiments.configs import Experiment, descriptions, load_experiments
from nanobrag_torch.experiments.describe import describe

__all__ = ["Experiment", "by_cell", "describe", "descriptions", "load_experiments"]
