"""Photon noise and random numbers as tensors, from the C program's generator."""

import logging
import time

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.physics.noise import OVERLOAD, poisson_image
from nanobrag_torch.physics.random import CRandom
from nanobrag_torch.validation import check_range

_log = logging.getLogger(__name__)


def generate_poisson_noise(
    mean: Tensor,
    seed: int | None = None,
    adc_offset: float = 40.0,
    readout_noise: float = 3.0,
    overload_value: float = float(OVERLOAD),
) -> tuple[Tensor, int]:
    """(pixels, number of overloads): Poisson counts of ``mean`` photons, plus readout noise and offset, as int32.

    ``readout_noise`` is the standard deviation of a normal deviate drawn after all counts; with 0 the counts and pixels
    are those of the C program with the same seed. ``seed`` None takes the clock and says so in the log. Pixels are
    truncated to whole numbers and lie in 0 ... ``overload_value``. The result carries no gradient.
    Raises ``ValueError`` where a mean is not finite, or the readout noise is negative.
    """
    check_range("generate_poisson_noise", "readout_noise", readout_noise, 0)
    means = mean.detach().cpu().numpy()
    if not np.isfinite(means).all():
        raise ValueError("generate_poisson_noise: mean holds values that are not finite. Check the image.")
    if seed is None:
        seed = int(time.time())
        _log.info("noise seed %d, from the clock", seed)
    stream = CRandom.of_option(seed)
    values = poisson_image(means, stream).astype(np.float64) + adc_offset
    if readout_noise > 0:
        normal = np.fromiter((stream.gauss() for _ in range(values.size)), np.float64, values.size)
        values += readout_noise * normal.reshape(values.shape)
    overloads = int((values > overload_value).sum())
    pixels = torch.from_numpy(np.clip(values, 0, overload_value)).to(torch.int32)
    return pixels.to(mean.device), overloads


def lcg_random(
    seed: int, n: int = 1, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Tensor:
    """The first ``n`` uniform deviates (n,) in (0, 1) of the stream of ``seed``."""
    return torch.as_tensor(CRandom.of_option(seed).draws(n), dtype=dtype, device=device)
