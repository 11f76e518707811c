"""Photon noise: Poisson counts of expected photons, an offset, and 16-bit integers.

See docs/physics.md, From photons to files. The noise of the C program has no readout term: the only randomness is the
number of photons, drawn pixel by pixel in row-major order from one stream, so that an image is reproducible to the last
count.
"""

import numpy as np

#: Largest value of a 16-bit pixel; anything above it is an overload.
OVERLOAD = 65535


def digitise(photons: np.ndarray, adc_offset: float) -> tuple[np.ndarray, int]:
    """16-bit pixels (truncated) of photons plus an offset, and how many of them were overloads."""
    values = photons.astype(np.float64) + adc_offset
    overloads = int((values > OVERLOAD).sum())
    return np.clip(values, 0, OVERLOAD).astype(np.uint16), overloads
