"""Memo of pure results, keyed by the values of their numeric inputs."""

from collections.abc import Callable
from dataclasses import is_dataclass
from enum import Enum
from typing import Any, TypeVar

import torch
from torch import Tensor

from nanobrag_torch.kernel.operation import carry_tangents, is_transformed
from nanobrag_torch.scene import names_of

Made = TypeVar("Made")

#: Tensors with more elements are not compared.
MOST_ELEMENTS = 16


class Memo:
    """Last result of each of some pure functions, with the numbers that it was made of.

    Values are compared, not identities: a config that is changed in place is seen. A result that depends on a tensor
    that requires a gradient, is large, carries a tangent, or belongs to a ``torch.func`` transform is made anew each
    time, so no graph is kept.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Any, Any]] = {}

    def __call__(self, name: str, make: Callable[[], Made], *given: Any) -> Made:
        """Result of ``make`` for the numbers in ``given``, kept under ``name`` from the last time, or made now."""
        if torch.is_inference_mode_enabled():  # a tensor made there can enter no graph later
            return make()
        try:
            key = _numbers_of(given)
        except _NotPlainError:
            return make()
        kept = self._kept.get(name)
        if kept is None or kept[0] != key:
            kept = self._kept[name] = (key, make())
        return kept[1]


class _NotPlainError(Exception):
    """Raised for a value that cannot be compared by value."""


def _numbers_of(value: Any) -> Any:
    if isinstance(value, (int, float, str, Enum, type(None))):
        return value
    if isinstance(value, Tensor):
        if value.requires_grad or value.numel() > MOST_ELEMENTS or is_transformed() or carry_tangents([value]):
            raise _NotPlainError
        return (str(value.device), *value.reshape(-1).tolist())
    if isinstance(value, (tuple, list)):
        return tuple(_numbers_of(item) for item in value)
    if is_dataclass(value):
        return (type(value), *(_numbers_of(getattr(value, name)) for name in names_of(value.__class__)))
    raise _NotPlainError  # such as an array of numpy's, which may be changed in place


def numbers_besides(record: Any, *left_out: str) -> tuple[Any, ...]:
    """Values of a record's fields without those ``left_out``."""
    return tuple(getattr(record, name) for name in names_of(record.__class__) if name not in left_out)
