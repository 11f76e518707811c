"""Readout of a detector: photons in an image made into the pixels that a file holds (docs/physics.md, Detector).

In the order of the hardware: photons are counted (Poisson), their light spreads, the gain makes pixel values of it,
offset and readout noise are added, values saturate, and masked pixels are dead.
"""

import logging
import time
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from nanobrag_torch.config import NoiseConfig
from nanobrag_torch.given import array, number
from nanobrag_torch.models.as_tensor import scalar
from nanobrag_torch.physics.noise import OVERLOAD, digitise
from nanobrag_torch.physics.point_spread import spread
from nanobrag_torch.physics.random import CRandom
from nanobrag_torch.slabs import Slab, assembled
from nanobrag_torch.validation import LARGEST_COUNT, check_range

_log = logging.getLogger(__name__)


def read_out(
    image: Tensor,
    config: NoiseConfig | None = None,
    mask: Tensor | None = None,
    slabs: Sequence[Slab] | None = None,
) -> Tensor:
    """Expected pixel values of an image, without noise and rounding: what a refinement compares with a measured image.

    Gain, offset, width of the point spread and image carry gradients. A saturated pixel has none; at the overload value
    itself it still has.

    Args:
        image: Photons (slow, fast).
        config: The detector's response; None is the default one.
        mask: 0 where a pixel is dead, of the image's shape; None has no dead pixels.
        slabs: Panels of a raw image (``detector.slabs``), which no light leaves; None is one panel.

    Returns:
        Pixel values (slow, fast), of the image's precision.

    Raises:
        ValueError: The image or mask has another shape.
    """
    c = config or NoiseConfig()
    c.validate()
    _check_shapes(image.shape, None if mask is None else mask.shape, c.psf != "none")
    values = signal(image.double(), c, slabs) + scalar(c.adc_offset, image.device)
    values = values.clamp(max=float(number(c.overload_value)))
    if mask is not None and c.dead_value is not None:
        dead = torch.full_like(values, float(number(c.dead_value)))
        values = torch.where(mask.to(image.device) == 0, dead, values)
    return values.to(image.dtype)


def signal(photons: Tensor, config: NoiseConfig, slabs: Sequence[Slab] | None = None) -> Tensor:
    """Pixel values above the offset (slow, fast), float64: photons spread, in each slab alone, times the gain."""
    if config.psf != "none":
        width = scalar(config.psf_fwhm_pixels, photons.device)
        if slabs is None:
            photons = spread(photons, config.psf, width)
        elif slabs:
            lit = assembled([spread(slab.of(photons), config.psf, width) for slab in slabs], slabs)
            rows, columns = (wanted - given for wanted, given in zip(photons.shape, lit.shape, strict=True))
            photons = pad(lit, (0, columns, 0, rows))
    return photons * scalar(config.gain, photons.device)


def noise_image(
    image: Tensor | np.ndarray,
    config: NoiseConfig | None = None,
    mask: Tensor | np.ndarray | None = None,
    slabs: Sequence[Slab] | None = None,
) -> tuple[Tensor, int]:
    """Pixels of an image as a detector reads it, drawn from the config's seed, and the number of overloads.

    With a gain of 1, no point spread and no readout noise they are those of the C program. Neither has a gradient.

    Args:
        image: Expected photons, of any shape; (slow, fast) where there is a point spread.
        config: The detector's response; None is the default one. Without a seed the clock is taken, and named in the
            log.
        mask: 0 where a pixel is dead, of the image's shape; ``dead_value`` says what it reads.
        slabs: Panels of a raw image (``detector.slabs``), which no light leaves; None is one panel.

    Returns:
        Pixels of the shape of ``image``, int32, truncated, in 0 ... ``overload_value``; and the number above it.

    Raises:
        ValueError: A mean is not finite, or a number or shape is impossible.
    """
    c = config or NoiseConfig()
    c.validate()
    overload = number(c.overload_value)
    check_range("NoiseConfig", "overload_value", overload, 0, LARGEST_COUNT, remedy="Pixels have 32 bits.")
    means = array(image)
    if not np.isfinite(means).all():
        raise ValueError("noise_image: image holds values that are not finite. Check the image.")
    dead = None if mask is None else array(mask) == 0
    _check_shapes(means.shape, None if dead is None else dead.shape, c.psf != "none")
    seed = c.seed
    if seed is None:
        seed = int(time.time())
        _log.info("noise seed %d, from the clock", seed)
    stream = CRandom.of_option(seed)
    pixels, overloads = drawn_pixels(stream, stream.poissons(means), c, dead, overload, np.int32, slabs)
    drawn = torch.from_numpy(pixels)
    return (drawn.to(image.device) if isinstance(image, Tensor) else drawn), overloads


def drawn_pixels(
    stream: CRandom,
    counts: np.ndarray,
    config: NoiseConfig,
    dead: np.ndarray | None = None,
    overload: float = OVERLOAD,
    dtype: type[np.integer] = np.uint16,
    slabs: Sequence[Slab] | None = None,
) -> tuple[np.ndarray, int]:
    """Whole pixels of photons that have been counted, and how many of them are overloads.

    Args:
        stream: Stream of the readout noise, which follows the photons.
        counts: Photons (slow, fast).
        config: The detector's response.
        dead: True where a pixel is dead; None has no dead pixels.
        overload: Largest pixel value.
        dtype: Kind of the pixels.
        slabs: Panels that no light leaves; None is one panel.

    Returns:
        Pixels of the shape of ``counts``, and the number of overloads among those that are not dead.
    """
    with torch.no_grad():
        values = signal(torch.from_numpy(counts.astype(np.float64)), config, slabs).numpy()
    if config.psf != "none":
        values = np.maximum(
            values, 0
        )  # a transform leaves dark pixels a rounding below zero, which truncation would show
    noise = float(number(config.readout_noise))
    if noise > 0:
        values = values + noise * stream.gausses(values.size).reshape(values.shape)
    if dead is None or config.dead_value is None:
        return digitise(values, number(config.adc_offset), overload, dtype)
    pixels, _ = digitise(values, number(config.adc_offset), overload, dtype)
    _, overloads = digitise(values[~dead], number(config.adc_offset), overload, dtype)
    pixels[dead] = np.clip(number(config.dead_value), np.iinfo(dtype).min, np.iinfo(dtype).max)
    return pixels, overloads


def _check_shapes(image: tuple[int, ...], mask: tuple[int, ...] | None, spreads: bool) -> None:
    if mask is not None and tuple(mask) != tuple(image):
        raise ValueError(
            f"mask has shape {tuple(mask)}: must be that of the image, {tuple(image)}. Give one of its size."
        )
    if spreads and len(image) != 2:
        raise ValueError(f"image has shape {tuple(image)}: must be (slow, fast) for a point spread. Give one image.")
