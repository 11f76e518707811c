"""Photon noise: Poisson counts of expected photons, an offset, and 16-bit integers.

See docs/physics.md, From photons to files. The noise of the C program has no readout term: the only randomness is the
number of photons, drawn pixel by pixel in row-major order from one stream, so that an image is reproducible to the last
count.
"""

from typing import Any

import numpy as np

#: Largest value of a 16-bit pixel; anything above it is an overload.
OVERLOAD = 65535


def digitise(
    signal: np.ndarray, adc_offset: float, overload: float = OVERLOAD, dtype: type[np.integer[Any]] = np.uint16
) -> tuple[np.ndarray, int]:
    """Whole pixels (truncated) of a signal plus an offset, at most ``overload``, and how many of them were more."""
    values = signal.astype(np.float64) + adc_offset
    overloads = int((values > overload).sum())
    return np.clip(values, 0, overload).astype(dtype), overloads
