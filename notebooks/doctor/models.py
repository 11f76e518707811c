"""Small models of a spot on a detector, to try the doctor on: one that is right, and three with a known fault.

A model of your own may stand in any file: give the notebook its name as "file.py:function".

Each takes a dict of the 0-d tensors "position", "width" and "height" and gives an image of 64 pixels.
"""

import torch
from torch import Tensor

PIXELS = torch.linspace(-1, 1, 64, dtype=torch.float64)


def spot(p: dict[str, Tensor]) -> Tensor:
    """A Gaussian spot: every gradient is right."""
    return p["height"] * torch.exp(-(((PIXELS - p["position"]) / p["width"]) ** 2))


def converted(p: dict[str, Tensor]) -> Tensor:
    """The width becomes a number on the way: its gradient is missing (S1)."""
    return spot({**p, "width": torch.as_tensor(float(p["width"]), dtype=torch.float64)})


def rounded(p: dict[str, Tensor]) -> Tensor:
    """The position is rounded to a pixel: its gradient is zero (S6)."""
    return spot({**p, "position": torch.round(p["position"] * 32) / 32})


def normalised(p: dict[str, Tensor]) -> Tensor:
    """Divided by its own sum, taken out of the graph: gradients are there, and wrong (W4)."""
    image = spot(p)
    return image / image.sum().item()
