"""Distributions of torch as structures of parameters: taken apart, and made again of other values."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.distributions import (
    Distribution,
    Independent,
    MixtureSameFamily,
    TransformedDistribution,
)
from torch.distributions.transforms import Transform

#: Distributions that are made of others: the argument of their constructor, and the attribute that holds it.
_WRAPPERS: dict[type, dict[str, str]] = {
    Independent: {"base_distribution": "base_dist", "reinterpreted_batch_ndims": "reinterpreted_batch_ndims"},
    MixtureSameFamily: {
        "mixture_distribution": "_mixture_distribution",
        "component_distribution": "_component_distribution",
    },
    TransformedDistribution: {"base_distribution": "base_dist", "transforms": "transforms"},
}
#: Arguments of which a constructor takes one.
_ALTERNATIVES = (("probs", "logits"), ("covariance_matrix", "precision_matrix", "scale_tril"))


def is_distribution(value: Any) -> bool:
    """The value is a distribution, or a transform of one."""
    return isinstance(value, (Distribution, Transform))


def parts(value: Any) -> dict[str, Any]:
    """Parts of which a distribution or transform is a differentiable function, by the names of its constructor.

    Tensors are without their graph: torch broadcasts what a distribution is made of, and keeps no leaf.
    """
    made_of = vars(value) if isinstance(value, Transform) else _arguments(value)
    return {
        name: part.detach().clone() if isinstance(part, Tensor) else part
        for name, part in made_of.items()
        if _is_continuous(value, name, part)
    }


def made_again(value: Any, changed: Mapping[str, Any]) -> Any:
    """The distribution or transform with other parts."""
    if isinstance(value, Transform):
        again = copy.copy(value)
        vars(again).update(changed)
        vars(again).update(_inv=None, _cached_x_y=(None, None))
        return again
    arguments = {**_arguments(value), **changed}
    # A step of a finite difference may leave the domain; whether samples are checked stays as it was.
    again = type(value)(**arguments, validate_args=False)
    again._validate_args = value._validate_args
    return again


def _arguments(value: Any) -> dict[str, Any]:
    """Arguments of the constructor that makes this distribution."""
    if type(value) in _WRAPPERS:
        return {argument: getattr(value, attribute) for argument, attribute in _WRAPPERS[type(value)].items()}
    names = [name for name in inspect.signature(type(value)).parameters if name != "validate_args"]
    given = {name: getattr(value, name) for name in names if _was_given(value, name)}
    # What was computed of the argument, and kept, came later.
    held = list(vars(value))
    for alternatives in _ALTERNATIVES:
        found = [name for name in alternatives if name in given]
        for name in sorted(found, key=lambda name: held.index(name) if name in held else 0)[1:]:
            del given[name]
    return given


def _was_given(value: Any, name: str) -> bool:
    """The attribute is there, and is not one that is computed from another when it is asked for."""
    return name in vars(value) or isinstance(inspect.getattr_static(value, name, None), property)


def _is_continuous(value: Any, name: str, part: Any) -> bool:
    """A part that can carry a gradient."""
    if isinstance(part, (list, tuple)):
        return bool(part) and all(map(is_distribution, part))
    constraints = getattr(type(value), "arg_constraints", None)
    constraint = constraints.get(name) if isinstance(constraints, dict) else None
    if is_distribution(part):
        return bool(parts(part))
    return isinstance(part, Tensor) and part.is_floating_point() and not getattr(constraint, "is_discrete", False)
