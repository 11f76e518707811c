"""Image of a tile: photons in its pixels, chunk by chunk of samples, sources and orientations."""

import torch
from torch import Tensor

from nanobrag_torch.kernel import tables as at
from nanobrag_torch.kernel.torch_engine.chunks import Chunks, parts
from nanobrag_torch.kernel.torch_engine.orientations import OrientationSum
from nanobrag_torch.kernel.torch_engine.rays import (
    Instrument,
    SharedFactors,
    captures,
    polarizations,
    sampled,
    scatter,
    solid_angles,
)


def photons(instrument: Instrument, orientations: OrientationSum, slow: Tensor, fast: Tensor, chunks: Chunks) -> Tensor:
    """Photons in the pixels of a tile.

    Args:
        instrument: Panel, sources and sampling.
        orientations: Crystal and structure factors.
        slow: Indices (P,) of the pixels along slow.
        fast: Indices (P,) along fast.
        chunks: Largest numbers of samples, sources and orientations at once.

    Returns:
        Photons (P,), float64.
    """
    shared = SharedFactors.of(instrument, slow, fast, chunks)
    total = torch.zeros_like(slow, dtype=instrument.panel.dtype)
    for _, rays in sampled(instrument, slow, fast, chunks):
        omega = solid_angles(instrument, rays) if shared.omega is None else shared.omega
        capture = captures(instrument, rays) if shared.capture is None else shared.capture
        for part in parts(len(instrument.sources), chunks.sources):
            q, resolved = scatter(instrument, rays, part)
            weight, form = (
                instrument.sources[part, at.WEIGHT, None],
                instrument.sources[part, at.FORM :].T[:, None, :, None],
            )
            polar = polarizations(form, rays.direction[:, :, None]) if shared.polar is None else shared.polar[:, None]
            diffraction = resolved * orientations.sums(q.reshape(3, -1)).reshape(q.shape[1:])
            intensity = weight * diffraction + instrument.panel[at.BACKGROUND]
            total += ((omega * capture)[:, None] * polar * intensity).sum((0, 1))
    return total * instrument.panel[at.SCALE]
