"""Reflections of pixels: the Miller indices whose spot lights each, and shoeboxes around the spots."""

from dataclasses import replace

import torch
from torch import Tensor

from nanobrag_torch.kernel import formula
from nanobrag_torch.physics.safe import fraction
from nanobrag_torch.refine.model import Model
from nanobrag_torch.refine.parameters import State
from nanobrag_torch.scene import Scene

#: Samples that are evaluated at once.
AT_ONCE = 1 << 20
#: Part of a spot's brightest pixel from which on a pixel belongs to its shoebox.
EDGE = 0.02


def indices_of_pixels(model: Model, state: State) -> Tensor:
    """Miller indices (n, 3) of the reflection that is brightest in the middle of each pixel of a model."""
    values, _ = model.parameters.leaves(state)
    simulator = model.scenario.simulator({name: value.detach() for name, value in values.items()})
    found = []
    with torch.no_grad():
        for scene, pixels in zip(simulator.scenes(oversample=1), simulator.panel_pixels(), strict=True):
            one = _one_table(replace(scene, panel=replace(scene.panel, layers=1)))
            slow, fast = pixels.lists(scene.panel.origin.device)
            chunk = max(1, AT_ONCE // one.samples_per_pixel)
            for start in range(0, len(slow), chunk):
                found.append(_brightest(one, slow[start : start + chunk], fast[start : start + chunk]))
    return torch.cat(found).cpu()


def _one_table(scene: Scene) -> Scene:
    """The scene with the structure factors of its first channel, which tell the reflection as well."""
    return scene if scene.amplitudes.channels is None else replace(scene, amplitudes=scene.amplitudes.of_channel(0))


def _brightest(scene: Scene, slow: Tensor, fast: Tensor) -> Tensor:
    s = formula.samples(scene, slow, fast)
    term = (s.F_cell**2 * s.F_latt**2).reshape(len(slow), -1)
    at = term.argmax(1)
    whole = (fraction(index)[0].reshape(len(slow), -1) for index in (s.h, s.k, s.l))
    return torch.stack([each.gather(1, at[:, None])[:, 0] for each in whole], 1).round().long()


def grouped(indices: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct reflections (m, 3) of pixels, and the number (n,) of that of each pixel."""
    distinct, number = torch.unique(indices, dim=0, return_inverse=True)
    return distinct, number


def predicted_boxes(model: Model, state: State, margin: int, least: float = 1.0) -> list[tuple[int, int, int, int]]:
    """Shoeboxes around the spots that a state predicts.

    Args:
        model: model of all pixels that count.
        state: values of the free quantities.
        margin: pixels by which a box is larger than its spot on every side.
        least: photons that a spot must have.

    Returns:
        First and last slow and fast index of each box, the brightest first.
    """
    photons = model.image(state)
    _, number = grouped(indices_of_pixels(model, state))
    count = int(number.max()) + 1
    totals = torch.zeros(count, dtype=torch.float64).index_add(0, number, photons)
    peaks = torch.zeros(count, dtype=torch.float64).scatter_reduce(0, number, photons, "amax")
    inside = (photons > EDGE * peaks[number]) & (totals[number] > least)
    boxes = []
    for spot in torch.argsort(totals, descending=True).tolist():
        if totals[spot] <= least:
            break
        of_spot = inside & (number == spot)
        slow, fast = model.slow[of_spot], model.fast[of_spot]
        boxes.append(
            (
                max(0, int(slow.min()) - margin), int(slow.max()) + margin,
                max(0, int(fast.min()) - margin), int(fast.max()) + margin,
            )
        )  # fmt: skip
    return boxes
