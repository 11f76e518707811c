"""Losses that notebooks and scenario files name: each makes one number of an image."""

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor], Tensor]


def weighted_sum(image: Tensor) -> Tensor:
    """Sum of all pixels with weights from 1 at the first to 4 at the last, so that a shift of photons counts."""
    slow = torch.arange(image.shape[0], dtype=image.dtype, device=image.device)[:, None]
    fast = torch.arange(image.shape[1], dtype=image.dtype, device=image.device)[None, :]
    return ((1 + 2 * slow / image.shape[0] + fast / image.shape[1]) * image).sum()


def sum_of_squares(image: Tensor) -> Tensor:
    """Sum of the squares of all pixels."""
    return (image * image).sum()


#: Losses by name.
LOSSES: dict[str, Loss] = {"sum": torch.sum, "weighted_sum": weighted_sum, "sum_of_squares": sum_of_squares}


def reduction(name: str) -> Loss | None:
    """Loss called ``name``, or None for "none": the function examined gives the loss itself.

    Raises ``KeyError`` for another name; a notebook's parameter is held to the names before it runs.
    """
    return None if name == "none" else LOSSES[name]
