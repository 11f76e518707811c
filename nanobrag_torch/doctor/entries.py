"""Parameters as people hold them (modules, lists, nested dicts, distributions) as a flat dict of real tensors."""

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, ValuesView
from typing import Any

import torch
from torch import Tensor

from .distributions import is_distribution, made_again, parts

#: What is often handed over instead of parameters: its type, and the call to write instead.
_MISTAKEN: tuple[tuple[type, str], ...] = (
    (torch.nn.Module, "diagnose(module, inputs, loss=...)"),
    (torch.optim.Optimizer, "diagnose(module, inputs, loss=...), with the module whose parameters it holds"),
    (torch.optim.lr_scheduler.LRScheduler, "diagnose(module, inputs, loss=...), with the module that is trained"),
    (Tensor, "diagnose(lambda p: loss(p['x']), {'x': tensor})"),
    (Iterator, "diagnose(module, inputs, loss=...) if they are a module's; otherwise {'name': tensor, ...}"),
    (ValuesView, "the dict itself"),
)
#: Words in an error of torch about tensors on different devices.
_DEVICES = re.compile(r"same device|expected device|two devices|device type", re.IGNORECASE)


def mistaken(params: Any) -> str:
    """The call to write instead of handing over this value as parameters; empty where it is none of the usual ones."""
    for kind, call in _MISTAKEN:
        if isinstance(params, kind):
            return call
    if isinstance(params, (list, tuple)) and any(
        not (isinstance(value, Tensor) or _is_structure(value)) for value in params
    ):
        return "diagnose(function, {'x': torch.tensor([...], dtype=torch.float64)})"
    return ""


def advice(function: Any, error: Exception, params: Mapping[str, Tensor], inputs: Any = None) -> str:
    """Call to write instead of one whose evaluation raised an error.

    Args:
        function: what was called.
        error: raised by it.
        params: its parameters, by name.
        inputs: what a module was called with.
    """
    if isinstance(error, RuntimeError) and _DEVICES.search(str(error)):
        places = sorted({str(p.device) for p in params.values()})
        moved = "function, {name: tensor.to(device) for name, tensor in params.items()}"
        moved = moved if inputs is None else "module.to(device), inputs.to(device), ..."
        return f"The parameters are on {', '.join(places)}. Write diagnose({moved}), with the device of all else."
    if isinstance(error, TypeError) and inputs is None and (_takes_several(function) or "dict" in str(error)):
        name = getattr(function, "__name__", "function")
        name = name if name.isidentifier() else "function"
        return f"A function is called with the whole dict. Write diagnose(lambda p: {name}(**p), params)."
    return "It must be callable with the given values; call it once yourself to see the whole traceback."


def _takes_several(function: Any) -> bool:
    """The function cannot be called with one argument."""
    try:
        inspect.signature(function).bind({})
    except TypeError:
        return True
    except ValueError:
        return False
    return False


def choice_of(output: Any) -> str:
    """The reduction to write for an output that is no tensor."""
    if isinstance(output, Mapping) and output:
        return f"lambda output: output[{next(iter(output))!r}]"
    return "lambda output: output[0]" if isinstance(output, (tuple, list)) else "lambda output: ..."


def flattened(params: Any, prefix: str = "", known: dict[int, tuple[Tensor, Tensor]] | None = None) -> dict[str, Any]:
    """Flat dict of a nested one, by dotted name: "layers.0.weight". A complex tensor becomes two real ones.

    Args:
        params: a structure of tensors and numbers.
        prefix: name of the structure.
        known: parts of complex tensors by the tensor's id, so that one under two names is the same under both.

    Raises:
        ValueError: two values would bear the same name.
    """
    known = {} if known is None else known
    if isinstance(params, Tensor) and params.is_complex():
        if id(params) not in known:
            whole = params.detach() if params.is_leaf else params
            known[id(params)] = whole.real, whole.imag
        real, imag = known[id(params)]
        return {f"{prefix}.real": real, f"{prefix}.imag": imag}
    if not _is_structure(params):
        return {prefix: params}
    flat: dict[str, Any] = {}
    for key, value in _items(params):
        for name, item in flattened(value, f"{prefix}.{key}" if prefix else str(key), known).items():
            if name in flat:
                raise ValueError(f"params: two of them would be called {name!r}, must be one. Rename one of them.")
            flat[name] = item
    return flat


def nested(flat: Mapping[str, Any], like: Any, prefix: str = "") -> Any:
    """Inverse of :func:`flattened`: the values of a flat dict in the structure of ``like``."""
    if isinstance(like, Tensor) and like.is_complex():
        return torch.complex(flat[f"{prefix}.real"], flat[f"{prefix}.imag"])
    if not _is_structure(like):
        return flat[prefix]
    values = {key: nested(flat, value, f"{prefix}.{key}" if prefix else str(key)) for key, value in _items(like)}
    if isinstance(like, Mapping):
        return values
    if is_distribution(like):
        return made_again(like, values)
    # A named tuple takes its fields one by one.
    return type(like)(*values.values()) if hasattr(like, "_fields") else type(like)(values.values())


def _is_structure(value: Any) -> bool:
    return isinstance(value, (Mapping, list, tuple)) or is_distribution(value)


def _items(params: Any) -> Iterable[tuple[Any, Any]]:
    """Keys and values of a dict, parts of a distribution, fields of a named tuple, or indices and values of a sequence.

    Raises:
        ValueError: a distribution that has no parameters to change.
    """
    if isinstance(params, Mapping):
        return params.items()
    if is_distribution(params):
        found = parts(params)
        if not found and isinstance(params, torch.distributions.Distribution):
            raise ValueError(
                f"params: a {type(params).__name__} without parameters of its own: must be made of tensors. "
                "Pass these, and make the distribution in the function."
            )
        return found.items()
    return zip(getattr(params, "_fields", range(len(params))), params, strict=True)


def is_flat(params: Any) -> bool:
    """The parameters are a dict of real tensors or numbers already."""
    return isinstance(params, Mapping) and not any(
        _is_structure(value) or (isinstance(value, Tensor) and value.is_complex()) for value in params.values()
    )


def of_structure(function: Callable[[Any], Any], params: Any) -> Callable[[dict[str, Tensor]], Any]:
    """The function of a nested structure as a function of the flat dict."""

    def of_flat(flat: dict[str, Tensor]) -> Any:
        return function(nested(flat, params))

    return of_flat


def with_ties(function: Callable[[Any], Any], names: Iterable[str], ties: Mapping[str, str]) -> Callable[[Any], Any]:
    """The function of all names as one of those that stand for themselves.

    Args:
        function: takes a dict.
        names: all names, in their order.
        ties: name to the one of the same tensor.
    """
    if not ties:
        return function
    names = tuple(names)

    def of_untied(values: dict[str, Tensor]) -> Any:
        return function({name: values[ties.get(name, name)] for name in names})

    return of_untied
