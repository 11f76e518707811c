"""Structure factors as parameters: one for each reflection in view, restrained to its start, eliminated one by one."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nanobrag_torch.refine.model import Model
from nanobrag_torch.refine.parameters import State
from nanobrag_torch.refine.reflections import grouped, indices_of_pixels
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.validation import fail

#: Photons that a reflection must have for its structure factor to be free.
LEAST = 5.0
#: Largest change of a logarithm in a step.
FARTHEST = 0.7


@dataclass(frozen=True)
class FreeAmplitudes:
    """Logarithms of m structure factors, from their start.

    A pixel counts for the reflection that is brightest in it. Others may light it too, faintly: the score stays
    unbiased, since it is a sum over pixels of what was counted less what the whole model expects.

    Attributes:
        table: structure factors at the start (h, k, l), electrons.
        places: places (m, 3) of the free ones in the table.
        indices: their Miller indices (m, 3).
        number: number (n,) of the reflection of each pixel; m where it is not free.
        sigma: standard deviation of the logarithms that is known beforehand.
    """

    table: Tensor
    places: Tensor
    indices: Tensor
    number: Tensor
    sigma: float

    @property
    def blocks(self) -> int:
        """Number of blocks of pixels, the last of which has no free structure factor."""
        return len(self.indices) + 1

    def table_at(self, logarithms: Tensor) -> Tensor:
        """Structure factors (h, k, l) for logarithms (m + 1, 1)."""
        moved = self.table.clone()
        h, k, l = self.places.T
        moved[h, k, l] *= torch.exp(logarithms[:-1, 0])
        return moved

    def model_at(self, model: Model, logarithms: Tensor) -> Model:
        """The model with structure factors for logarithms (m + 1, 1)."""
        return replace(model, scenario=replace(model.scenario, hkl_data=self.table_at(logarithms)))

    def functions(self, signal: Tensor) -> Tensor:
        """Derivative (1, n) of the expected photons by the logarithm of each pixel's own structure factor."""
        return torch.where(self.number < len(self.indices), 2 * signal, torch.zeros_like(signal))[None]

    def start(self) -> Tensor:
        """Logarithms (m + 1, 1) at the start."""
        return torch.zeros((self.blocks, 1), dtype=torch.float64)


@dataclass(frozen=True)
class RefinedAmplitudes:
    """Structure factors at the end of a refinement.

    Attributes:
        indices: Miller indices (m, 3).
        start: electrons at the start (m,).
        value: electrons at the end (m,).
        sigma: standard errors (m,), electrons, with those of all other parameters in them.
    """

    indices: Tensor
    start: Tensor
    value: Tensor
    sigma: Tensor


def free_amplitudes(model: Model, state: State, sigma: float) -> FreeAmplitudes:
    """Make the structure factors of the reflections free that have a few photons in the pixels of a model.

    Args:
        model: expected photons.
        state: values of the free quantities.
        sigma: standard deviation of the logarithms that is known beforehand.
    """
    scenario = model.scenario
    table, metadata = checked_table(scenario)
    indices, number = grouped(indices_of_pixels(model, state))
    places = indices - torch.tensor([metadata[f"{axis}_min"] for axis in "hkl"])
    inside = ((places >= 0) & (places < torch.tensor(table.shape))).all(1)
    photons = torch.zeros(len(indices), dtype=torch.float64).index_add(0, number, model.image(state))
    h, k, l = places.clamp_min(0).minimum(torch.tensor(table.shape) - 1).T
    free = inside & (photons > LEAST) & (table[h, k, l] > 0)
    new_number = torch.full((len(indices),), int(free.sum()), dtype=torch.long)
    new_number[free] = torch.arange(int(free.sum()))
    return FreeAmplitudes(table.double(), places[free], indices[free], new_number[number], sigma)


def checked_table(scenario: Scenario) -> tuple[Tensor, dict[str, int]]:
    """The scenario's table of structure factors and its least indices.

    Raises ``ValueError`` where there is none, or one for each channel.
    """
    table, metadata = scenario.hkl_data, scenario.hkl_metadata
    if table is None or metadata is None or table.ndim != 3:
        given = "no table" if table is None else f"a table of shape {tuple(table.shape)}"
        allowed = "a scenario with one table of structure factors (h, k, l)"
        raise fail("refine", "structure_factors", given, allowed, "Give hkl_data and hkl_metadata.")
    return table.detach().cpu(), {key: int(metadata[key]) for key in ("h_min", "k_min", "l_min")}
