"""Portable greymaps: pictures of one byte a pixel."""

import os

import numpy as np
import torch

from nanobrag_torch.given import array
from nanobrag_torch.io.files import replacing


def write_pgm(filepath: str | os.PathLike[str], image_data: torch.Tensor | np.ndarray, pgm_scale: float = 1.0) -> None:
    """Write an image (slow, fast) times ``pgm_scale``, cut off at 255 and truncated.

    Raises ``OSError`` where the file cannot be written; an existing file is replaced only when all is written.
    """
    pixels = array(image_data)
    with np.errstate(over="ignore"):  # what overflows is cut off
        grey = np.clip(pixels.astype(np.float64) * pgm_scale, 0, 255).astype(np.uint8)
    slow, fast = grey.shape
    header = f"P5\n{fast} {slow}\n# pixels scaled by {pgm_scale:g}\n255\n"
    with replacing(filepath) as part:
        part.write_bytes(header.encode("ascii") + grey.tobytes())
