"""Double precision for a model that computes in less: every operation is handed its operands in double.

A model is often tied to single precision by its data, buffers and constants, so that a cast of its parameters is not
enough: it raises, or nothing changes because numbers do not promote arrays. Here the operands are widened at every
operation of torch instead.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

#: Wider type of every floating-point type.
WIDE = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}
#: Casts by a method's name.
_CASTS = {torch.Tensor.float: "double", torch.Tensor.half: "double", torch.Tensor.bfloat16: "double"}


class Widened(TorchFunctionMode):
    """Mode in which every torch function computes in double precision.

    What a function changes in place stays as it is. A tensor says that it is wide before it is. Autocast is off.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function on widened operands."""
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if func == torch.Tensor.dtype.__get__:  # type: ignore[attr-defined]
            return _widened(func(*args))
        if name in ("__get__", "__set__", "requires_grad_", "backward", "register_hook"):
            return func(*args, **kwargs)
        if func in _CASTS:
            return args[0].double()
        in_place = name.startswith("__set") or (name.endswith("_") and not name.endswith("__"))
        first = args[:1] if in_place else tuple(_widened(a) for a in args[:1])
        rest = tuple(_widened(a) for a in args[1:])
        wide = {key: value if key == "out" else _widened(value) for key, value in kwargs.items()}
        if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
            with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
                result = func(*first, *rest, **wide)
        else:
            result = func(*first, *rest, **wide)
        return result if in_place or "out" in kwargs else _widened(result)


def widened(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, computed in double precision throughout."""

    def wide(*args: Any) -> Any:
        with Widened():
            return function(*args)

    return wide


def _widened(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(WIDE[value.dtype]) if value.dtype in WIDE and value.layout is torch.strided else value
    if isinstance(value, torch.dtype):
        return WIDE.get(value, value)
    if type(value) in (tuple, list):
        return type(value)(_widened(item) for item in value)
    if type(value) is dict:
        return {key: _widened(item) for key, item in value.items()}
    return value
