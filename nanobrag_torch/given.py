"""Assignments by users: only names that an object has, and whole numbers and arrays of any library."""

import difflib
import operator
import sys
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch


class KnownNames:
    """Refuses names that an object does not have: ``crystal.cel_a = a`` in a fit would be lost without a word.

    It has what its class has, or annotates. Private names are free, and so is a subclass that somebody else wrote.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        kind = type(self)
        if not name.startswith("_") and kind.__module__.partition(".")[0] == __package__:
            held = getattr(kind, name, None)
            if isinstance(held, property) and held.fset is None:
                raise AttributeError(
                    f"{kind.__name__}.{name} cannot be assigned: it is computed from the configs. Assign to those."
                )
            if not hasattr(kind, name) and name not in kind.__annotations__:
                known = sorted({each for each in {*dir(kind), *kind.__annotations__} if not each.startswith("_")})
                near = difflib.get_close_matches(name, known, 1)
                remedy = f"Did you mean {near[0]!r}?" if near else f"It has {', '.join(known)}."
                raise AttributeError(f"{kind.__name__} has no {name!r}. {remedy}")
        super().__setattr__(name, value)


def whole(value: Any) -> Any:
    """An integer of numpy or a 0-d tensor of integers as Python's own; anything else as it is."""
    if not isinstance(value, int):
        with suppress(TypeError, RuntimeError):
            return operator.index(value)
    return value


def tensor(value: Any) -> Any:
    """An array of numpy, of any byte order and strides, or a list as a tensor; anything else as it is."""
    if isinstance(value, (list, tuple)):
        if any(isinstance(item, torch.Tensor) for item in value):
            return torch.stack([torch.as_tensor(item) for item in value])
        value = np.asarray(value)
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.astype(value.dtype.newbyteorder("="), order="C"))
    return value


def check_kind(owner: str, name: str, value: Any, kind: type) -> None:
    """Raise ``ValueError`` unless an argument of ``owner`` is of a ``kind``."""
    if not isinstance(value, kind):
        raise ValueError(
            f"{owner}: {name} is a {type(value).__name__}, must be a {kind.__name__}. Check the order of the arguments."
        )


def same(one: Any, other: Any) -> bool:
    """True where two values are equal; tensors, arrays and sequences of their shape are where every element is."""
    if one is other:
        return True
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if any(isinstance(value, (torch.Tensor, np.ndarray)) for value in (one, other)):
        try:
            a, b = torch.as_tensor(one), torch.as_tensor(other)
            return a.shape == b.shape and bool((a == b).all())
        except (TypeError, ValueError, RuntimeError):  # None, or another device
            return False
    return bool(one == other)


def array(value: Any) -> np.ndarray:
    """A tensor, outside its graph, or any sequence of numbers as an array."""
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def number(value: Any) -> Any:
    """A one-element tensor, outside its graph, as a plain number; anything else as it is."""
    return value.detach().item() if isinstance(value, torch.Tensor) else value


def warn_user(message: str) -> None:
    """Warn at the line of the user's program that led here, past this package, generated code and wrappers of torch."""
    ours, level, frame = (str(Path(__file__).parent), str(Path(torch.__file__).parent), "<string>"), 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(ours):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
