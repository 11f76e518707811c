"""The image of a tile: photons in its pixels, chunk by chunk of samples, sources and orientations."""

import torch
from torch import Tensor

from nanobrag_torch.kernel import tables as at
from nanobrag_torch.kernel.torch_engine.chunks import Chunks, parts
from nanobrag_torch.kernel.torch_engine.orientations import Crystal, sum_orientations
from nanobrag_torch.kernel.torch_engine.rays import (
    Plan,
    Shared,
    captures,
    polarizations,
    sampled,
    scatter,
    solid_angles,
)


def photons(plan: Plan, crystal: Crystal, slow: Tensor, fast: Tensor, chunks: Chunks) -> Tensor:
    """Photons (P,) in the pixels ``slow``, ``fast`` (P,), in float64."""
    shared = Shared.of(plan, slow, fast, chunks)
    total = torch.zeros_like(slow, dtype=plan.panel.dtype)
    for _, rays in sampled(plan, slow, fast, chunks):
        omega = solid_angles(plan, rays) if shared.omega is None else shared.omega
        capture = captures(plan, rays) if shared.capture is None else shared.capture
        for part in parts(len(plan.sources), chunks.sources):
            q, resolved = scatter(plan, rays, part)
            weight, form = plan.sources[part, at.WEIGHT, None], plan.sources[part, at.FORM :].T[:, None, :, None]
            polar = polarizations(form, rays.direction[:, :, None]) if shared.polar is None else shared.polar[:, None]
            diffraction = resolved * sum_orientations(crystal, q.reshape(3, -1)).reshape(q.shape[1:])
            intensity = weight * diffraction + plan.panel[at.BACKGROUND]
            total += ((omega * capture)[:, None] * polar * intensity).sum((0, 1))
    return total * plan.panel[at.SCALE]
