"""Looking up single reflections in a grid of amplitudes."""

from nanobrag_torch.io.reflections import Metadata, StructureFactors


def amplitude(grid, metadata: Metadata, hkl) -> float:
    """The entry of one reflection."""
    low = (metadata["h_min"], metadata["k_min"], metadata["l_min"])
    return grid[tuple(int(index - first) for index, first in zip(hkl, low, strict=True))].item()


def amplitude_in(factors: StructureFactors, hkl) -> float:
    """The amplitude of one reflection in a record of structure factors."""
    return amplitude(factors.grid, factors.metadata, hkl)
