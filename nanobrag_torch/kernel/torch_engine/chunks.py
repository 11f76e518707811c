"""Chunks: the pixels, samples, sources and orientations that are evaluated at once within a memory budget."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

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
        pixels = max(1, min(pixels, tile or pixels))
        found = cls.of_rays(scene, pixels, min(most, max(FEWEST_RAYS, most // scene.lattice.orientations)))
        at_once = max(1, most // (found.sources * found.samples * found.pixels))
        return replace(found, orientations=min(scene.lattice.orientations, at_once))

    @classmethod
    def of_rays(cls, scene: Scene, pixels: int, rays: int) -> "Chunks":
        """Chunks of at most so many ``pixels`` and ``rays``, with all orientations."""
        pixels = max(1, pixels)
        rays = min(rays, pixels * scene.panel.samples * scene.sources.count)
        sources = min(scene.sources.count, rays)
        samples = min(scene.panel.samples, rays // sources)
        return cls(min(pixels, max(1, rays // (sources * samples))), samples, sources, scene.lattice.orientations)


def lookup_kind(scene: Scene) -> str:
    """Kind of the look-up of structure factors: "constant", "nearest" or "tricubic"."""
    if scene.amplitudes.table is None:
        return "constant"
    return "tricubic" if scene.amplitudes.interpolate else "nearest"


def parts(count: int, size: int) -> Iterator[slice]:
    """Slices of ``size`` that cover a range of ``count``."""
    return (slice(start, min(start + size, count)) for start in range(0, count, size))
