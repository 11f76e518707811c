"""Numbers, sequences and tensors made into tensors without leaving the graph."""

from typing import Any

import torch
from torch import Tensor


def floating(x: Tensor | float) -> Tensor:
    """A number or integers as a tensor of the default dtype, since an angle in theirs would be cut off; else ``x``."""
    x = torch.as_tensor(x)
    return x if x.is_floating_point() or x.is_complex() else x.to(torch.get_default_dtype())


def as_tensor_preserving_grad(
    x: Any, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> Tensor:
    """``x`` as a tensor on ``device`` in ``dtype``, connected to every tensor that it was made of.

    A number, an array, a tensor, or a sequence of these of equal shapes, which are stacked. None keeps the device and
    dtype of ``x``; in a sequence, those of its first tensor.
    """
    if isinstance(x, (list, tuple)):
        first = next((item for item in x if isinstance(item, Tensor)), None)
        if first is not None:
            device, dtype = device or first.device, dtype or first.dtype
            x = torch.stack([torch.as_tensor(item, device=device, dtype=dtype) for item in x])
    return torch.as_tensor(x, device=device, dtype=dtype)
