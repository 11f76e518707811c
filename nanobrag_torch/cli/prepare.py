"""Models and scene of a run, made once before its first pixel."""

import os
from dataclasses import dataclass
from typing import Any

from nanobrag_torch.cli.precedence import Configuration
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.kernel.memory import check_positions
from nanobrag_torch.models.beam import Divergence
from nanobrag_torch.models.crystal import Crystal
from nanobrag_torch.models.detector import Detector
from nanobrag_torch.models.panels import PanelledDetector, detector_of
from nanobrag_torch.models.unit_cell import UnitCell
from nanobrag_torch.scene import Scene
from nanobrag_torch.simulator import Simulator

#: Set to 1, it leaves images to torch operations.
NO_COMPILATION = "NANOBRAGG_DISABLE_COMPILE"


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to be simulated.

    ``geometry`` is the simulator's; ``scenes`` has one entry for each panel; ``hkls`` is the number of structure
    factors that were read.
    """

    conf: Configuration
    settings: Settings
    simulator: Simulator
    geometry: Any
    cell: UnitCell
    scenes: list[Scene]
    divergence: Divergence
    hkls: int

    @property
    def scene(self) -> Scene:
        """The scene of the first panel; others differ from it in the panel alone."""
        return self.scenes[0]


def prepare(conf: Configuration, detector: Detector | PanelledDetector | None = None) -> Prepared:
    """Build the models of ``conf`` and their scenes.

    A ``detector`` of another frame with the same config remembers that no panel hides another. Raises ``ValueError``
    for what cannot be simulated.
    """
    s, compat = conf.settings, conf.compat
    crystal = Crystal(conf.crystal, conf.beam, dtype=conf.dtype, device=s.device, compat=compat)
    detector = detector or detector_of(conf.rendered, s.device, conf.dtype, compat)
    simulator = Simulator(
        crystal,
        detector,
        beam_config=conf.beam,
        device=s.device,
        dtype=conf.dtype,
        compat=compat,
        engine="torch" if os.environ.get(NO_COMPILATION) == "1" else "auto",
    )
    hkls = 0
    if conf.structure is not None:
        factors = conf.structure.factors
        crystal.hkl_data, crystal.hkl_metadata = factors.grid.to(simulator.device), factors.metadata
        hkls = factors.metadata["hkls"]
    geometry, scenes = simulator.geometry(), simulator.scenes()
    for scene in scenes:
        check_positions(scene.panel, 1)  # the last statistic holds those of a pixel: better refused now than then
    return Prepared(
        conf=conf,
        settings=s,
        simulator=simulator,
        geometry=geometry,
        cell=simulator.unit_cell(),
        scenes=scenes,
        divergence=simulator.beam.divergence(simulator.compat),
        hkls=hkls,
    )
