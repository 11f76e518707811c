"""Photon noise and random numbers as tensors, from the C program's generator."""

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.config import NoiseConfig
from nanobrag_torch.physics.noise import OVERLOAD
from nanobrag_torch.physics.random import CRandom
from nanobrag_torch.readout import noise_image

__all__ = ["generate_poisson_noise", "lcg_random", "noise_image"]


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
    config = NoiseConfig(seed, adc_offset, readout_noise, overload_value)
    return noise_image(mean, config)


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
