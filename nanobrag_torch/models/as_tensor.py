"""Conversion of numbers or tensors of a config to float64 tensors on a device, within the graph."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def scalar(value: Any, device: torch.device) -> Tensor:
    """Convert a number or a one-element tensor to a 0-d float64 tensor."""
    if isinstance(value, Tensor):
        return (value if value.dim() == 0 else value.reshape(())).to(device=device, dtype=torch.float64)
    return torch.tensor(float(value), dtype=torch.float64, device=device)


def vector(values: Any, device: torch.device) -> Tensor:
    """Convert numbers, 0-d tensors, or a tensor to a float64 tensor (n,)."""
    if isinstance(values, Tensor):
        return values.reshape(-1).to(device=device, dtype=torch.float64)
    assert isinstance(values, Iterable)
    values = list(values)
    if any(isinstance(value, Tensor) for value in values):
        return torch.stack([scalar(value, device) for value in values])
    return torch.tensor([float(value) for value in values], dtype=torch.float64, device=device)


def dtype_of(dtype: torch.dtype) -> torch.dtype:
    """The dtype itself. Raises ``ValueError`` for any but the two that images come in."""
    if dtype not in (torch.float32, torch.float64):
        raise ValueError(f"dtype = {dtype!r}: must be torch.float32 or torch.float64. Use float64 for gradients.")
    return dtype


def device_of(value: torch.device | str | None) -> torch.device:
    """Torch device of a name, the CPU for None.

    Raises:
        ValueError: The name is no device's, or this machine lacks the device.
    """
    try:
        device = torch.device(value or "cpu")
    except TypeError:
        raise ValueError(
            f"device = {value!r}: must be a torch device such as 'cpu' or 'cuda:0'. Give a dtype by name, dtype=..."
        ) from None
    except RuntimeError as error:
        raise ValueError(f"device = {value!r}: must be a torch device such as 'cpu' or 'cuda:0'. {error}") from None
    if device.type == "cuda" and (not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count()):
        raise ValueError(
            f"device = {value!r}: this machine has {torch.cuda.device_count()} usable CUDA devices. "
            "Use 'cpu', or run where the device is."
        )
    return device
