"""A module as a function of its parameters, which stand in the module for as long as a backward pass may ask for them.

:func:`torch.func.functional_call` takes them out again when the call returns. What calls the module once more in the
backward pass (an adjoint solver, a checkpoint), or later in the loss (a decay of the weights), then finds others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

#: Modules in which values of ours stand, with what gives each of them its own back.
_OCCUPIED: "WeakKeyDictionary[torch.nn.Module, Callable[[], None]]" = WeakKeyDictionary()


def of_module(
    module: torch.nn.Module, inputs: Any, training: bool | None = None, seed: int = 0
) -> Callable[[dict[str, Tensor]], Any]:
    """The output of a module as a function of its parameters, by dotted name.

    The parameters, and copies of the buffers, stay in the module until the next call or :func:`release`. Statistics
    gathered in training do not run on from call to call, and what torch draws at random, as in dropout, is drawn alike
    in every call.

    Args:
        module: to be examined in the mode, train or eval, that it is in.
        inputs: a tensor, or a tuple or list of positional arguments, or a dict of keyword arguments.
        training: mode in which all of the module is called instead; None for its own.
        seed: of the random draws.
    """
    positional, named = ((), dict(inputs)) if isinstance(inputs, Mapping) else (inputs, {})
    if not isinstance(positional, (tuple, list)) or hasattr(positional, "_fields"):
        # A named tuple, as a packed sequence is one, is one argument.
        positional = (positional,)

    def output(parameters: dict[str, Tensor]) -> Any:
        release(module)
        buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
        _OCCUPIED[module] = _occupy(module, {**buffers, **parameters}, training)
        with _drawn_alike(seed, parameters.values()):
            return module(*positional, **named)

    return output


def release(module: Any) -> None:
    """Give a module its own parameters, buffers and mode back, where others stand in it."""
    if isinstance(module, torch.nn.Module) and (give_back := _OCCUPIED.pop(module, None)):
        give_back()


def _occupy(module: torch.nn.Module, values: Mapping[str, Tensor], training: bool | None) -> Callable[[], None]:
    """Put values in the places of parameters and buffers, of all places of one that is tied; return how to undo it."""
    own = {id(tensor): name for name, tensor in (*module.named_parameters(), *module.named_buffers())}
    places: list[tuple[dict[str, Any], str, Tensor]] = [
        (held, key, tensor)
        for part in module.modules()
        for held in (part._parameters, part._buffers)
        for key, tensor in held.items()
        if tensor is not None
    ]
    modes = [(part, part.training) for part in module.modules()]
    for held, key, tensor in places:
        held[key] = values.get(own[id(tensor)], tensor)
    for part, mode in modes:
        part.training = mode if training is None else training

    def give_back() -> None:
        for held, key, tensor in places:
            held[key] = tensor
        for part, mode in modes:
            part.training = mode

    return give_back


@contextmanager
def _drawn_alike(seed: int, tensors: Iterable[Tensor]) -> Iterator[None]:
    """Start torch's generators, of the CPU and of these tensors' GPUs, from a seed, and leave them as they were."""
    places = sorted({tensor.get_device() for tensor in tensors if tensor.is_cuda})
    with torch.random.fork_rng(places):
        torch.default_generator.manual_seed(seed)
        for place in places:
            torch.cuda.default_generators[place].manual_seed(seed)
        yield
