"""Photon noise and random numbers as tensors, from the C program's generator."""

import logging
import time

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.config import NoiseConfig
from nanobrag_torch.given import array, number
from nanobrag_torch.physics.noise import OVERLOAD
from nanobrag_torch.physics.random import CRandom
from nanobrag_torch.validation import LARGEST_COUNT, check_range

_log = logging.getLogger(__name__)


def generate_poisson_noise(
    mean: Tensor | np.ndarray,
    seed: int | None = None,
    adc_offset: float = 40.0,
    readout_noise: float = 3.0,
    overload_value: float = float(OVERLOAD),
) -> tuple[Tensor, int]:
    """Poisson counts of the expected photons, plus readout noise and offset, as whole pixels without a gradient.

    Args:
        mean: Expected photons, of any shape.
        seed: Seed of the stream; None takes the clock and says so in the log.
        adc_offset: Added to every pixel.
        readout_noise: Standard deviation of a normal deviate, drawn after all counts; with 0 the counts and pixels are
            those of the C program with the same seed.
        overload_value: Largest pixel value.

    Returns:
        Pixels of the shape of ``mean``, int32, truncated, in 0 ... ``overload_value``; and the number above it.

    Raises:
        ValueError: A mean is not finite, or another number is impossible.
    """
    me = "generate_poisson_noise"
    adc_offset, readout_noise, overload_value = map(number, (adc_offset, readout_noise, overload_value))
    check_range(me, "readout_noise", readout_noise, 0)
    check_range(me, "adc_offset", adc_offset)
    check_range(me, "overload_value", overload_value, 0, LARGEST_COUNT, remedy="Pixels have 32 bits.")
    means = array(mean)
    if not np.isfinite(means).all():
        raise ValueError("generate_poisson_noise: mean holds values that are not finite. Check the image.")
    if seed is None:
        seed = int(time.time())
        _log.info("noise seed %d, from the clock", seed)
    stream = CRandom.of_option(seed)
    values = stream.poissons(means).astype(np.float64) + adc_offset
    if readout_noise > 0:
        values += readout_noise * stream.gausses(values.size).reshape(values.shape)
    overloads = int((values > overload_value).sum())
    pixels = torch.from_numpy(np.clip(values, 0, overload_value)).to(torch.int32)
    return (pixels.to(mean.device) if isinstance(mean, Tensor) else pixels), overloads


def noise_image(image: Tensor, config: NoiseConfig | None = None) -> tuple[Tensor, int]:
    """Pixels of an ``image`` in photons as a detector of ``config`` reads it, and the number of overloads.

    The result is that of :func:`generate_poisson_noise` with the config's seed, offset, readout noise and overload.
    """
    c = config or NoiseConfig()
    return generate_poisson_noise(image, c.seed, c.adc_offset, c.readout_noise, c.overload_value)


def lcg_random(
    seed: int, n: int = 1, dtype: torch.dtype = torch.float32, device: torch.device | str | None = None
) -> Tensor:
    """The first uniform deviates of a stream.

    Args:
        seed: Seed of the stream.
        n: Number of deviates.
        dtype: Precision.
        device: Device of the tensor.

    Returns:
        Deviates (n,) in (0, 1).
    """
    return torch.as_tensor(CRandom.of_option(seed).draws(n), dtype=dtype, device=device)
