"""Panels of a detector one after the other: the memory of an evaluation is that of one of them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.kernel.engine import render
from nanobrag_torch.kernel.pixels import Pixels, Progress
from nanobrag_torch.scene import Scene


def render_panels(
    scenes: Sequence[Scene],
    pixels: Sequence[Pixels],
    engine: str,
    rows: int | None,
    progress: Progress | None,
    memory_budget: int,
) -> Iterator[Tensor]:
    """Photons in the pixels of each panel.

    Args:
        scenes: One scene for each panel.
        pixels: The n pixels of each.
        engine: One of ``ENGINES``.
        rows: Rows that torch operations evaluate at once; None for as many as the memory budget holds.
        progress: Called with (pixels done, pixels in all) of all panels.
        memory_budget: Bytes beside image and gradient.

    Returns:
        Photons (n,) of one panel after the other.
    """
    total, before = sum(map(len, pixels)), 0
    for scene, part in zip(scenes, pixels, strict=True):
        tile = None if rows is None else rows * part.shape[1]
        yield render(scene, part, engine, tile, _shifted(progress, before, total), memory_budget)
        before += len(part)


def _shifted(progress: Progress | None, before: int, total: int) -> Progress | None:
    """Progress of one panel as that of all of them."""
    if progress is None:
        return None
    tell = progress

    def told(done: int, _: int) -> None:
        tell(before + done, total)

    return told


def drawn(pixels: Sequence[Pixels], count: int) -> tuple[list[Pixels], Tensor]:
    """Random subset of ``count`` pixels of all panels, without replacement, by torch's generator.

    Returns:
        The pixels of each panel, and the order (count,) in which they were drawn among those of all panels, one panel
        after the other.
    """
    ends = np.cumsum([len(part) for part in pixels])
    numbers = torch.randperm(int(ends[-1]))[:count].numpy()
    of_panel = np.searchsorted(ends, numbers, side="right")
    sequence = np.argsort(of_panel, kind="stable")
    parts = []
    for panel, part in enumerate(pixels):
        here = numbers[sequence][of_panel[sequence] == panel] - (ends[panel] - len(part))
        parts.append(replace(part, chosen=here if part.chosen is None else part.chosen[here]))
    return parts, torch.from_numpy(np.argsort(sequence, kind="stable"))
