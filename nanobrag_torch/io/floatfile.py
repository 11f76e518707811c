"""Raw images: float32 in native byte order, row by row, without a header."""

import os

import numpy as np
import torch

from nanobrag_torch.given import array
from nanobrag_torch.io.files import read_bytes, replacing


def write_float_image(filepath: str | os.PathLike[str], image_data: torch.Tensor | np.ndarray) -> None:
    """Write an image (slow, fast) as float32, the fast axis contiguous.

    Raises ``OSError`` where the file cannot be written; an existing file is replaced only when all is written.
    """
    pixels = array(image_data)
    with replacing(filepath) as part:
        pixels.astype(np.float32).tofile(part)


def read_float_image(filepath: str | os.PathLike[str], shape: tuple[int, int]) -> np.ndarray:
    """The float32 image of ``shape`` (slow, fast) that a file holds.

    Raises ``OSError`` where there is no such file, ``ValueError`` where it is not of that size.
    """
    content = read_bytes(filepath, "float image")
    slow, fast = shape
    if len(content) != 4 * slow * fast:
        raise ValueError(
            f"{filepath}: {len(content)} bytes, but {slow} x {fast} pixels of 4 bytes are {4 * slow * fast}. "
            "Give the number of slow and of fast pixels that it was written with."
        )
    return np.frombuffer(content, np.float32).reshape(shape).copy()
