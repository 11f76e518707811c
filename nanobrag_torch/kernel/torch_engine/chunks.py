"""Chunks: the pixels, samples, sources and orientations that are evaluated at once within a memory budget."""

from collections.abc import Iterator
from dataclasses import dataclass

from nanobrag_torch.scene import Scene

#: Bytes that the reverse pass holds at its peak for one ray with one orientation, in float64, by the kind of look-up.
BYTES_PER_SAMPLE = {"constant": 640, "nearest": 640, "tricubic": 1200}
#: Rays that a chunk should have before it takes several orientations: the innermost loops go over rays.
FEWEST_RAYS = 256


@dataclass(frozen=True)
class Chunks:
    """Largest numbers of pixels, samples, sources and orientations that are evaluated at once; all at least one."""

    pixels: int
    samples: int
    sources: int
    orientations: int

    @classmethod
    def of(cls, scene: Scene, pixels: int, memory_budget: int, tile: int | None = None) -> "Chunks":
        """Largest chunks within a memory budget.

        Args:
            scene: Description of the experiment.
            pixels: Pixels of the image.
            memory_budget: Bytes that a chunk may hold.
            tile: Largest number of pixels, or None.
        """
        most = max(1, memory_budget // BYTES_PER_SAMPLE[lookup_kind(scene)])
        in_pixel = scene.panel.samples * scene.sources.count
        pixels = max(1, min(pixels, tile or pixels))
        rays = min(most, pixels * in_pixel, max(FEWEST_RAYS, most // scene.lattice.orientations))
        sources = min(scene.sources.count, rays)
        samples = min(scene.panel.samples, rays // sources)
        pixels = min(pixels, max(1, rays // (sources * samples)))
        orientations = min(scene.lattice.orientations, max(1, most // (sources * samples * pixels)))
        return cls(pixels, samples, sources, orientations)


def lookup_kind(scene: Scene) -> str:
    """Kind of the look-up of structure factors: "constant", "nearest" or "tricubic"."""
    if scene.amplitudes.table is None:
        return "constant"
    return "tricubic" if scene.amplitudes.interpolate else "nearest"


def parts(count: int, size: int) -> Iterator[slice]:
    """Slices of ``size`` that cover a range of ``count``."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
