"""A table of structure factors for each channel of a spectrum: one scene a channel, of the kind that engines render."""

from collections.abc import Callable
from dataclasses import replace

from nanobrag_torch.kernel.sequential import ends_for_good
from nanobrag_torch.scene import Scene, Sources

#: Scenes whose channels depend on each other: reason -> test.
JOINED: dict[str, Callable[[Scene], bool]] = {
    "factors multiply the running total [B05]": lambda scene: bool(scene.weighing.running),
    "the first evaluation has an orientation of its own [B02]": lambda scene: scene.first_lattice is not None,
    "interpolation ends for good [B12]": ends_for_good,
    "water is divided by the steps [B10]": lambda scene: (
        scene.has_background and scene.weighing.background_model == "c"
    ),
}


def by_channel(scene: Scene) -> list[Scene]:
    """Scenes of one table each, whose mean image is that of the scene: itself where one table serves all."""
    amplitudes, sources, count = scene.amplitudes, scene.sources, scene.amplitudes.channels
    if count is None:
        return [scene]
    return [
        replace(
            scene,
            sources=Sources(
                *(each[channel::count] for each in (sources.directions, sources.wavelengths, sources.weights))
            ),
            amplitudes=amplitudes.of_channel(channel),
        )
        for channel in range(count)
    ]
