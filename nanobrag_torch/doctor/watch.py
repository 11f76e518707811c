"""Watch of a forward pass: lines at which a tensor leaves the graph, and the first value that is not finite."""

import linecache
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ..eager import eager

#: Functions that turn a tensor into something that no graph can follow.
CONVERSIONS = frozenset({"item", "tolist", "numpy", "__array__", "__float__", "__int__", "__index__", "__complex__"})
#: Reads of a tensor that lose nothing.
_QUERIES = frozenset(
    {"requires_grad_", "retain_grad", "backward", "__repr__", "__format__", "size", "dim", "numel", "_is_all_true"}
)
#: Functions that read the shape of a tensor, not its values.
_LIKE = frozenset(
    {
        "ones_like", "zeros_like", "empty_like", "full_like", "rand_like", "randn_like", "randint_like", "new_zeros",
        "new_ones", "new_empty", "new_full", "result_type", "is_same_size",
    }
)  # fmt: skip
#: Functions that read the values of their first argument alone.
_AS_ANOTHER = frozenset({"type_as", "expand_as", "view_as", "reshape_as"})
_COMPARISONS = frozenset(
    {"lt", "le", "gt", "ge", "eq", "ne", "__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__", "__and__"}
)
#: Functions of torch's own modules under whose name a user knows what happens within them.
_KNOWN_BY = frozenset({"sample", "grad"})
_MOST_EVENTS = 2000
#: Code of the function that lends a module other parameters than its own for the time of one call.
_FUNCTIONAL_CALL = torch.func.functional_call.__code__
#: The folder of this package, by which its files are known: a user's package may bear its name.
PACKAGE = f"{Path(__file__).parent.parent}{os.sep}"
_INTERNAL = (
    f"{Path(__file__).parent}{os.sep}",
    f"{Path(torch.__file__).parent}{os.sep}",
    eager.__code__.co_filename,
    "<frozen",
    "<string",
)


@dataclass(frozen=True)
class Event:
    """A tensor that left the graph, or a value that ceased to be finite.

    Attributes:
        operation: name of the torch function.
        line: line of code that called it, "file.py:12: text".
        leaves: parameters that the tensor depends on.
        direct: the tensor was a parameter itself.
        without_grad: gradients were switched off.
        whole: what came out is a whole number or a truth value, which changes in steps.
        function: name of the torch.autograd.Function within whose own forward it happened, empty for none.
        lent: parameters that a functional_call around that Function put into a module, and takes out again before the
            backward pass.
        lent_at: line of that functional_call.
        zeros: number of exact zeros in what the operation was applied to.
        result: "NaN" or "infinite"; empty for a tensor that left the graph.
        internal: the line is in this package, which reads numbers from tensors to validate them.
    """

    operation: str
    line: str
    leaves: frozenset[str] = frozenset()
    direct: bool = False
    without_grad: bool = False
    whole: bool = False
    function: str = ""
    lent: frozenset[str] = frozenset()
    lent_at: str = ""
    zeros: int = 0
    result: str = ""
    internal: bool = False


class Watch(TorchFunctionMode):
    """Record, while active, the events that befall tensors which depend on ``leaves``.

    Attributes:
        names: parameter by the id of its leaf.
        lost_at: events at which a dependence was lost, each once.
        hooked_at: lines at which a hook was put on a gradient.
        emptied_at: lines of comparisons that held for no element.
        precision: coarsest floating-point type of a tensor that depends on a parameter.
        lenders: modules that had other parameters than their own for the time of the forward pass of a Function alone.
        nonfinite_at: first operation whose result is not finite although its input is.
        nonfinite_input: first operation whose input already was not, where none is to blame before.
    """

    def __init__(self, leaves: dict[str, Tensor]) -> None:
        super().__init__()
        self.names = {id(leaf): name for name, leaf in leaves.items()}
        self.lost_at: dict[Event, None] = {}
        self.hooked_at: dict[str, None] = {}
        self.emptied_at: dict[str, None] = {}
        self.precision = torch.float64
        self.lenders: dict[torch.nn.Module, None] = {}
        self.nonfinite_at: Event | None = None
        self.nonfinite_input: Event | None = None
        self._places = {leaf.data_ptr(): name for name, leaf in leaves.items()}
        self._reached: dict[Any, frozenset[str]] = {}

    def detached_at(self, parameter: str) -> tuple[Event, ...]:
        """Events at which a dependence on a parameter left the graph for good, in the order of the code.

        Whole numbers carry none, and within a Function's own forward nothing is recorded by design.
        """
        return tuple(e for e in self.lost_at if parameter in e.leaves and not e.whole and not e.function)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function and look at its inputs and its result."""
        inputs = list(_tensors((*args, *(kwargs or {}).values())))
        result = func(*args, **(kwargs or {}))
        name = _name_of(func)
        if (name == "__get__" and not isinstance(result, Tensor)) or name in _QUERIES:
            return result
        return self._looked_at(name, inputs, result)

    @eager
    def _looked_at(self, name: str, inputs: list[Tensor], result: Any) -> Any:
        """Look at a function's inputs and result, and give the result that the model is to go on with."""
        with torch._C.DisableTorchFunction():
            result = self._look_for_loss(name, inputs, result)
            if self.nonfinite_at is None and self.nonfinite_input is None:
                # Nothing is recorded of these looks: a checkpoint counts what its function saves.
                with torch.no_grad():
                    self._look_for_nonfinite(name, inputs, result)
        return result

    def _look_for_loss(self, name: str, inputs: list[Tensor], result: Any) -> Any:
        """Note what is lost, and give the result that the model is to go on with."""
        if name in _COMPARISONS and isinstance(result, Tensor) and result.numel() > 1 and not bool(result.any()):
            self.emptied_at[line_at(*user_frame())] = None
        read = inputs[:1] if name in _AS_ANOTHER else inputs
        dependent = [tensor for tensor in read if tensor.requires_grad]
        if not dependent or name in _LIKE:
            return result
        if name == "register_hook":
            self.hooked_at[line_at(*user_frame())] = None
            return result
        # A function that changes its first argument gives it back, or nothing.
        changed = inputs[0] if name == "__setitem__" or (name.endswith("_") and not name.endswith("__")) else None
        outputs = [changed] if changed is not None else list(_tensors((result,)))
        for tensor in (*outputs, *dependent):
            if _is_coarser(tensor, self.precision):
                self.precision = tensor.dtype
        whole = bool(outputs) and not any(t.is_floating_point() or t.is_complex() for t in outputs)
        gone = name in CONVERSIONS or (bool(outputs) and not any(tensor.requires_grad for tensor in outputs))
        renewed = next((t for t in dependent if self._is_renewed(t)), None)
        if not gone and renewed is None:
            return result
        within = None if torch.is_grad_enabled() else _custom_function()
        leaves = frozenset().union(*(self._leaves_of(tensor) for tensor in dependent))
        lent, lent_at = (frozenset(), "") if within is None else self._lent(within, leaves)
        path, number = user_frame()
        event = Event(
            "Parameter" if renewed is not None and not gone else _known_by(name),
            line_at(path, number),
            leaves,
            any(id(tensor) in self.names for tensor in dependent) or renewed is not None,
            not torch.is_grad_enabled(),
            whole=whole,
            function="" if within is None else getattr(within.f_locals.get("cls"), "__name__", "Function"),
            lent=lent,
            lent_at=lent_at,
            internal=path.startswith(PACKAGE),
        )
        if len(self.lost_at) < _MOST_EVENTS:
            self.lost_at[event] = None
        return self.lose(event, result, changed) if gone else result

    def _lent(self, function: FrameType, leaves: frozenset[str]) -> tuple[frozenset[str], str]:
        """Those of these parameters that a functional_call around a Function put into a module, and its line."""
        frame = function.f_back
        while frame is not None and frame.f_code is not _FUNCTIONAL_CALL:
            frame = frame.f_back
        if frame is None:
            return frozenset(), ""
        handed = frame.f_locals["parameter_and_buffer_dicts"]
        dicts = handed if isinstance(handed, (list, tuple)) else (handed,)
        tensors = [t for each in dicts for t in each.values() if isinstance(t, Tensor) and t.requires_grad]
        lent = leaves & frozenset().union(*(self._leaves_of(tensor) for tensor in tensors))
        if lent:
            self.lenders[frame.f_locals["module"]] = None
        return lent, line_at(*user_frame(frame)) if lent else ""

    def lose(self, event: Event, result: Any, changed: Tensor | None) -> Any:
        """Give what a model goes on with where a dependence is lost: what the function gave.

        Args:
            event: what happened.
            result: what the function returned.
            changed: the tensor that it changed in place, None for none.
        """
        return result

    def _is_renewed(self, tensor: Tensor) -> bool:
        """A new leaf stands on the memory of a parameter, as nn.Parameter(tensor) makes one."""
        return tensor.is_leaf and id(tensor) not in self.names and tensor.data_ptr() in self._places

    def _look_for_nonfinite(self, name: str, inputs: list[Tensor], result: Any) -> None:
        outputs = [tensor for tensor in _tensors((result,)) if tensor.is_floating_point()]
        if all(bool(torch.isfinite(tensor).all()) for tensor in outputs):
            return
        floats = [tensor for tensor in inputs if tensor.is_floating_point()]
        # The operand that decides (the divisor, the argument of a root) comes last.
        zeros = int((floats[-1] == 0).sum()) if floats else 0
        kind = "NaN" if any(bool(torch.isnan(tensor).any()) for tensor in outputs) else "infinite"
        event = Event(name, line_at(*user_frame()), zeros=zeros, result=kind)
        if floats and all(bool(torch.isfinite(tensor).all()) for tensor in floats):
            self.nonfinite_at = event
        else:
            self.nonfinite_input = event

    def _leaves_of(self, tensor: Tensor) -> frozenset[str]:
        if id(tensor) in self.names:
            return frozenset({self.names[id(tensor)]})
        if self._is_renewed(tensor):
            return frozenset({self._places[tensor.data_ptr()]})
        return frozenset() if tensor.grad_fn is None else self._leaves_below(tensor.grad_fn)

    def _leaves_below(self, root: Any) -> frozenset[str]:
        """Parameters that a node leads to; every node is visited once, however often it is asked about."""
        stack = [root]
        while stack:
            node = stack[-1]
            following = [other for other, _ in node.next_functions if other is not None]
            ahead = [other for other in following if other not in self._reached]
            if node not in self._reached and ahead:
                stack.extend(ahead)
                continue
            stack.pop()
            if node not in self._reached:
                name = self.names.get(id(getattr(node, "variable", None)))
                self._reached[node] = frozenset().union(
                    *(self._reached[other] for other in following), {name} if name else ()
                )
        return self._reached[root]


class Uses(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Note, while active, that some of these tensors are used, in a backward pass too.

    Attributes:
        found: one of them was an operand.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found = False
        # The tensors are kept, so that no other one gets the id of one of them.
        self._tensors = {id(tensor): tensor for tensor in tensors}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Look at the operands and run the operation."""
        operands = _tensors((*args, *(kwargs or {}).values()))
        self.found = self.found or any(id(tensor) in self._tensors for tensor in operands)
        return func(*args, **(kwargs or {}))


class Replay(Watch):
    """Watch that gives, where a dependence is lost, what was lost at an earlier evaluation.

    With nothing kept it keeps what comes. The derivative of the loss under a replay is without all that flows through
    the places that are replayed: if it is the gradient then, they are what the gradient lacks.

    Args:
        leaves: the parameters.
        kept: results by event, in the order in which they came.
        events: events that are replayed; None to keep.
    """

    def __init__(
        self, leaves: dict[str, Tensor], kept: dict[Event, list[Any]], events: frozenset[Event] | None
    ) -> None:
        super().__init__(leaves)
        self.kept, self.events = kept, events
        self._given: dict[Event, int] = {}

    def lose(self, event: Event, result: Any, changed: Tensor | None) -> Any:
        """Keep the result, or give the one that was kept."""
        current = result if changed is None else changed
        if self.events is None:
            self.kept.setdefault(event, []).append(_copied(current))
            return result
        number = self._given.get(event, 0)
        self._given[event] = number + 1
        if event not in self.events or number >= len(self.kept.get(event, ())):
            return result
        earlier = _copied(self.kept[event][number])
        if changed is not None and changed.shape == earlier.shape:
            with torch.no_grad():
                changed.copy_(earlier)
            return result
        return earlier


def user_frame(frame: FrameType | None = None) -> tuple[str, int]:
    """File and number of the innermost line of code from a frame outwards that is neither torch's nor the doctor's."""
    frame = frame or sys._getframe(1)
    while frame is not None and is_internal(frame.f_code.co_filename):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("", 0)


def line_at(path: str, number: int) -> str:
    """A line of a file as "file.py:12: text".

    The folder is left out, since a report may be shared; a file of this package has its place there in front, as
    "nanobrag_torch/physics/safe.py", so that nobody's own file is taken for it.
    """
    text = linecache.getline(path, number).strip()
    file = Path(path)
    name = f"nanobrag_torch/{file.relative_to(PACKAGE).as_posix()}" if path.startswith(PACKAGE) else file.name
    return f"{name}:{number}" + (f": {text}" if text else "")


def is_internal(path: str) -> bool:
    """The file belongs to torch or to the doctor itself."""
    return path.startswith(_INTERNAL)


def _name_of(func: Any) -> str:
    if func == torch.Tensor.data.__get__:  # type: ignore[attr-defined]
        return "data"
    return getattr(func, "__name__", type(func).__name__)


def _known_by(name: str) -> str:
    """Name of the function that the user called, where torch's own modules stand between it and the operation."""
    frame = sys._getframe(1)
    while frame is not None and is_internal(frame.f_code.co_filename):
        if frame.f_code.co_name in _KNOWN_BY:
            return frame.f_code.co_name
        frame = frame.f_back  # type: ignore[assignment]
    return name


def _custom_function() -> FrameType | None:
    """Frame of the call of the torch.autograd.Function whose forward is running, None for none."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != torch.autograd.function.__file__:
        frame = frame.f_back
    return frame


def _is_coarser(tensor: Tensor, dtype: torch.dtype) -> bool:
    if not (tensor.is_floating_point() or tensor.is_complex()) or not tensor.requires_grad:
        return False
    return torch.finfo(tensor.dtype).eps > torch.finfo(dtype).eps


def _copied(value: Any) -> Any:
    """Copy that later changes in place do not reach."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, (tuple, list)):
        return type(value)(_copied(item) for item in value)
    return value.copy() if hasattr(value, "__array__") else value


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _tensors(value)
