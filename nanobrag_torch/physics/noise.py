"""Photon noise: Poisson counts of expected photons, an offset, and 16-bit integers.

See docs/physics.md, From photons to files. The noise of the C program has no readout term: the only randomness is the
number of photons, drawn pixel by pixel in row-major order from one stream, so that an image is reproducible to the last
count.
"""

import numpy as np

from nanobrag_torch.physics.random import Array, CRandom, _poisson, compiled

#: Largest value of a 16-bit pixel; anything above it is an overload.
OVERLOAD = 65535


@compiled
def _poisson_image(means: Array, photons: Array, seed: Array, table: Array, spare: Array) -> None:
    for i in range(means.size):
        photons[i] = _poisson(seed, table, spare, means[i])


def poisson_image(means: np.ndarray, stream: CRandom) -> np.ndarray:
    """Photons counted where ``means`` are expected, float32 of the same shape, drawn in row-major order.

    Counts are whole numbers unless the mean exceeds a million, where the deviate is Gaussian.
    """
    flat = np.ascontiguousarray(means, np.float32).reshape(-1)
    photons = np.empty_like(flat)
    _poisson_image(flat, photons, stream._seed, stream.state.table, stream.state.spare)
    return photons.reshape(means.shape)


def digitise(photons: np.ndarray, adc_offset: float) -> tuple[np.ndarray, int]:
    """16-bit pixels (truncated) of photons plus an offset, and how many of them were overloads."""
    values = photons.astype(np.float64) + adc_offset
    overloads = int((values > OVERLOAD).sum())
    return np.clip(values, 0, OVERLOAD).astype(np.uint16), overloads
