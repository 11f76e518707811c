"""Expected photons of a scenario in chosen pixels, and their derivatives by the coordinates of a refinement."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from nanobrag_torch.kernel.geometry import sample_positions
from nanobrag_torch.kernel.panels import render_panels
from nanobrag_torch.kernel.sensitivities import sensitivities
from nanobrag_torch.refine.observed import with_mask
from nanobrag_torch.refine.parameters import Parameters, State
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.simulator import Simulator

FLUENCE = "beam.fluence"


@dataclass(frozen=True)
class Model:
    """Images of a scenario as functions of a state, in chosen pixels.

    Attributes:
        scenario: in float64, with a mask that lets the n chosen pixels through.
        parameters: coordinates by which to differentiate, p of them.
        oversample: sub-pixels per axis, counted once: an automatic number would make the image jump.
        slow: slow indices (n,) of the pixels.
        fast: fast indices (n,) of the pixels.
    """

    scenario: Scenario
    parameters: Parameters
    oversample: int
    slow: Tensor
    fast: Tensor

    @classmethod
    def of(cls, scenario: Scenario, parameters: Parameters, chosen: Tensor) -> "Model":
        """Make the model of the pixels ``chosen`` (slow, fast)."""
        masked = with_mask(replace(scenario, dtype=torch.float64), chosen)
        slow, fast = masked.simulator().rendered_pixels()
        return cls(masked, parameters, scenario.oversample(), slow.cpu(), fast.cpu())

    def image(self, state: State) -> Tensor:
        """Photons (n,) at a state."""
        with torch.no_grad():
            values, _ = self.parameters.leaves(state)
            simulator = self.scenario.simulator({name: value.detach() for name, value in values.items()})
            scenes = simulator.scenes(oversample=self.oversample)
            parts = render_panels(
                scenes, simulator.panel_pixels(), simulator.engine, None, None, simulator.memory_budget
            )
            return torch.cat(list(parts)).cpu()

    def with_derivatives(self, state: State) -> tuple[Tensor, Tensor]:
        """Photons (n,) and derivatives (p, n) by the coordinates, from one sweep over the pixels.

        Photons are proportional to the fluence, so that its derivative gives them too.
        """
        values, tracked = self.parameters.leaves(state)
        names = list(self.parameters.names)
        if FLUENCE not in names:
            held = values.get(FLUENCE, torch.tensor(self.scenario.value(FLUENCE), dtype=torch.float64))
            values[FLUENCE] = held.detach().requires_grad_()
            tracked = [*tracked, values[FLUENCE]]
        simulator = self._turning(values, tracked)
        scenes = simulator.scenes(oversample=self.oversample)
        moved = torch.cat(
            [
                sensitivities(scene, pixels, tracked, simulator.engine)
                for scene, pixels in zip(scenes, simulator.panel_pixels(), strict=True)
            ],
            dim=1,
        ).cpu()
        place = names.index(FLUENCE) if FLUENCE in names else len(moved) - 1
        photons = moved[place] * float(values[FLUENCE].detach())
        return photons, moved[: len(names)] * self.parameters.slopes(state)[:, None]

    def angles(self) -> Tensor:
        """Scattering angle (n,) in radians of the middle of each pixel at the start."""
        simulator = self.scenario.simulator()
        found = []
        with torch.no_grad():
            for scene, pixels in zip(simulator.scenes(oversample=1), simulator.panel_pixels(), strict=True):
                panel = replace(scene.panel, layers=1)
                position = sample_positions(panel, *pixels.lists(panel.origin.device))[:, 0]
                along = (position * panel.beam).sum(-1)
                found.append(
                    torch.atan2(torch.linalg.vector_norm(position - along[:, None] * panel.beam, dim=-1), along)
                )
        return torch.cat(found).cpu()

    def _turning(self, values: dict[str, Tensor], tracked: list[Tensor]) -> Simulator:
        """A fresh simulator whose crystal turns with the leaf of the turns, if there is one."""
        simulator = self.scenario.simulator(values)
        if self.parameters.turning:
            simulator.crystal.turn = next(leaf for leaf in tracked if leaf.ndim == 1)
        return simulator


def scenario_at(scenario: Scenario, parameters: Parameters, state: State) -> Scenario:
    """The scenario with the values of a state in its configs, as plain numbers."""
    everything = {**state, **parameters.fixed, **{tied: state[root] for tied, root in parameters.ties.items()}}
    return scenario.at(everything)
