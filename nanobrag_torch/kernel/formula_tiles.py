"""The formula tile by tile, differentiated by autograd, in the memory of the image and one tile.

A tile is recomputed in the backward pass instead of being kept. Two deviations of C depend on the order in which
samples are visited, and are resolved here before the formula is asked: interpolation that ends for the rest of the run
at the first sample outside the table [B12], and the one evaluation that a stale orientation spares [B02]. The ids are
explained in docs/deviations-of-c.md.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from nanobrag_torch.kernel.formula import photons, samples
from nanobrag_torch.kernel.geometry import sample_positions
from nanobrag_torch.kernel.memory import BYTES_PER_SAMPLE, MEMORY_BUDGET, check_positions
from nanobrag_torch.kernel.operation import Operation
from nanobrag_torch.kernel.pixels import Pixels, Progress
from nanobrag_torch.physics.scattering import is_resolved, scattering_vector
from nanobrag_torch.physics.structure_factor import in_range
from nanobrag_torch.scene import Scene, tensors_of, with_tensors


def pixels_per_tile(scene: Scene, memory_budget: int = MEMORY_BUDGET) -> int:
    """Pixels whose samples fill ``memory_budget`` bytes, at least one."""
    return max(1, memory_budget // (BYTES_PER_SAMPLE * scene.samples_per_pixel))


def render(
    scene: Scene, slow: Tensor, fast: Tensor, tile: int | None = None, progress: Progress | None = None
) -> Tensor:
    """Photons in pixels, in the order given.

    Args:
        scene: Description of the experiment.
        slow: Indices (n,) of the pixels along slow.
        fast: Indices (n,) along fast.
        tile: Pixels evaluated at once, which does not change the result; None for as many as 48 MiB hold.
        progress: Called with (pixels done, pixels in all) after each tile.

    Returns:
        Photons (n,) in the scene's dtype.
    """
    tile = tile or pixels_per_tile(scene)
    needs_graph = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors_of(scene))
    recompute = needs_graph and len(slow) > tile
    pieces = []
    smooth = True
    for start, stop, part in _pieces(scene, slow, fast, tile):
        s, f = slow[start:stop], fast[start:stop]
        interpolated, smooth = interpolated_samples(part, s, f, smooth)
        if recompute:
            pieces.append(_recomputed(part, s, f, interpolated))
        else:
            pieces.append(photons(part, s, f, interpolated))
        if progress is not None:
            progress(stop, len(slow))
    if not pieces:
        return torch.zeros(0, dtype=scene.dtype, device=scene.panel.origin.device)
    return torch.cat(pieces)


def _recomputed(scene: Scene, slow: Tensor, fast: Tensor, interpolated: Tensor | bool) -> Tensor:
    """Photons of a tile that keeps no graph: its derivatives, of any order, evaluate it anew."""

    def formula(*tensors: Tensor) -> tuple[Tensor]:
        return (photons(with_tensors(scene, tensors), slow, fast, interpolated),)

    (values,) = Operation(formula)(*tensors_of(scene))
    return values


def _pieces(scene: Scene, slow: Tensor, fast: Tensor, tile: int) -> Iterator[tuple[int, int, Scene]]:
    """Ranges of pixels with the scene that holds for them."""
    edges = [*list(range(0, len(slow), tile)), len(slow)]
    first = first_evaluation(scene, slow, fast, tile) if scene.first_lattice is not None else None
    if first is None:
        yield from ((start, stop, scene) for start, stop in itertools.pairwise(edges) if stop > start)
        return
    pixel, special = first
    edges = sorted({*edges, pixel, pixel + 1})
    for start, stop in itertools.pairwise(edges):
        yield start, stop, special if start == pixel else scene


def first_evaluation(scene: Scene, slow: Tensor, fast: Tensor, tile: int) -> tuple[int, Scene] | None:
    """First pixel with a resolved sample, and the scene in which that sample alone has the fresh orientation.

    Args:
        scene: A scene with a stale orientation [B02].
        slow: Indices (n,) of the pixels along slow.
        fast: Indices (n,) along fast.
        tile: Pixels looked at together.

    Returns:
        The number of the pixel and its scene, or None if no sample is resolved.
    """
    fresh, stale = scene.first_lattice, scene.lattice
    assert fresh is not None
    for start in range(0, len(slow), tile):
        stop = min(start + tile, len(slow))
        check_positions(scene.panel, stop - start, scene.sources.count)
        position = sample_positions(scene.panel, slow[start:stop], fast[start:stop])
        diffracted = position / torch.sqrt((position * position).sum(-1, keepdim=True))
        q = scattering_vector(diffracted, scene.sources.directions, scene.sources.wavelengths)
        resolved = is_resolved(q, scene.dmin)
        if bool(resolved.any()):
            pixel, k, s = resolved.nonzero()[0].tolist()
            chosen = torch.zeros(resolved.shape[1:], dtype=torch.bool, device=slow.device)
            chosen[k, s] = True
            here = chosen[..., None, None]
            a, b, c = (torch.where(here, getattr(fresh, axis), getattr(stale, axis)) for axis in "abc")
            return start + pixel, replace(scene, lattice=replace(stale, a=a, b=b, c=c))
    return None


def first_outside(scene: Scene, pixels: Pixels, memory_budget: int = MEMORY_BUDGET) -> int | None:
    """Number of the first pixel with a sample at which the interpolation leaves the table, or None."""
    tile = pixels_per_tile(scene, memory_budget)
    for start in range(0, len(pixels), tile):
        part = pixels.between(start, min(start + tile, len(pixels))).lists(scene.panel.origin.device)
        interpolated, smooth = interpolated_samples(scene, *part, True)
        if not smooth:
            assert isinstance(interpolated, Tensor)
            return start + int((~interpolated).flatten(1).any(1).nonzero()[0])
    return None


def interpolated_samples(scene: Scene, slow: Tensor, fast: Tensor, smooth: bool) -> tuple[Tensor | bool, bool]:
    """Samples of a tile at which the table may be interpolated.

    Args:
        scene: Description of the experiment.
        slow: Indices (P,) of the pixels along slow.
        fast: Indices (P,) along fast.
        smooth: True if interpolation has not ended before this tile.

    Returns:
        (P, K, S, O) or one flag; and True if interpolation has not ended after the tile.
    """
    amplitudes = scene.amplitudes
    if amplitudes.table is None or not amplitudes.interpolate or amplitudes.fallback == "per_sample":
        return True, True
    if not smooth:
        return False, False
    with torch.no_grad():
        s = samples(scene, slow, fast, interpolated=False)
        asked = s.resolved[..., None] & (
            torch.ones_like(s.F_latt, dtype=torch.bool) if scene.has_background else s.F_latt != 0
        )
        outside = (asked & ~in_range(amplitudes.table, amplitudes.minimum, s.h, s.k, s.l, amplitudes.margin)).flatten()
        if not bool(outside.any()):
            return True, True
        first = outside.to(torch.uint8).argmax()
        return (torch.arange(outside.numel(), device=outside.device) < first).reshape(s.h.shape), False
