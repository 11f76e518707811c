"""Watch of a forward pass: lines at which a tensor leaves the graph, and the first value that is not finite."""

import linecache
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

#: Functions that turn a tensor into something that no graph can follow.
CONVERSIONS = frozenset(
    {
        "item", "tolist", "numpy", "__array__", "__float__", "__int__", "__index__", "__complex__",
        "detach", "detach_", "data", "tensor", "as_tensor",
    }
)  # fmt: skip
#: Reads of a tensor that lose nothing.
_QUERIES = frozenset(
    {"requires_grad_", "register_hook", "retain_grad", "backward", "__repr__", "__format__", "size", "dim", "numel"}
)
_MOST_EVENTS = 2000
#: The folder of this package.
PACKAGE = str(Path(__file__).parent.parent)


@dataclass(frozen=True)
class Event:
    """A tensor that left the graph, or a value that ceased to be finite.

    Attributes:
        operation: name of the torch function.
        line: line of code that called it, "file.py:12: text".
        leaves: parameters that the tensor depends on.
        direct: the tensor was a parameter itself.
        without_grad: gradients were switched off.
        zeros: number of exact zeros in what the operation was applied to.
        result: "NaN" or "infinite"; empty for a tensor that left the graph.
        internal: the line is in this package, which reads numbers from tensors to validate them.
    """

    operation: str
    line: str
    leaves: frozenset[str] = frozenset()
    direct: bool = False
    without_grad: bool = False
    zeros: int = 0
    result: str = ""
    internal: bool = False


class Watch(TorchFunctionMode):
    """Record, while active, the events that befall tensors which depend on ``leaves``.

    Attributes:
        names: parameter by the id of its leaf.
        detached_at: events at which a dependence was lost.
        nonfinite_at: first operation whose result is not finite although its input is.
        nonfinite_input: first operation whose input already was not, where none is to blame before.
    """

    def __init__(self, leaves: dict[str, Tensor]) -> None:
        super().__init__()
        self.names = {id(leaf): name for name, leaf in leaves.items()}
        self.detached_at: list[Event] = []
        self.nonfinite_at: Event | None = None
        self.nonfinite_input: Event | None = None
        self._reached: dict[Any, frozenset[str]] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function and look at its inputs and its result."""
        inputs = list(_tensors(args))
        result = func(*args, **(kwargs or {}))
        name = _name_of(func)
        if (name == "__get__" and not isinstance(result, Tensor)) or name in _QUERIES:
            return result
        with torch._C.DisableTorchFunction():
            if len(self.detached_at) < _MOST_EVENTS:
                self._look_for_loss(name, inputs, result)
            if self.nonfinite_at is None and self.nonfinite_input is None:
                self._look_for_nonfinite(name, inputs, result)
        return result

    def _look_for_loss(self, name: str, inputs: list[Tensor], result: Any) -> None:
        dependent = [tensor for tensor in inputs if tensor.requires_grad]
        if not dependent:
            return
        lost = name in CONVERSIONS or (isinstance(result, Tensor) and _was_lost(result))
        # Within a Function's own forward nothing is recorded by design: its derivative is written by hand.
        if not lost or (not torch.is_grad_enabled() and _in_custom_function()):
            return
        leaves = frozenset().union(*(self._leaves_of(tensor) for tensor in dependent))
        direct = any(id(tensor) in self.names for tensor in dependent)
        path, number = user_frame()
        self.detached_at.append(
            Event(
                name,
                line_at(path, number),
                leaves,
                direct,
                not torch.is_grad_enabled(),
                internal=path.startswith(PACKAGE),
            )
        )

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
        found: set[str] = set()
        seen: set[Any] = set()
        stack = [tensor.grad_fn]
        while stack:
            node = stack.pop()
            if node is None or node in seen:
                continue
            seen.add(node)
            if node in self._reached:
                found |= self._reached[node]
                continue
            variable = getattr(node, "variable", None)
            if variable is not None and id(variable) in self.names:
                found.add(self.names[id(variable)])
            stack.extend(following for following, _ in node.next_functions)
        if tensor.grad_fn is not None:
            self._reached[tensor.grad_fn] = frozenset(found)
        return frozenset(found)


def user_frame() -> tuple[str, int]:
    """File and number of the innermost line of code that is neither torch's nor the doctor's."""
    frame = sys._getframe(1)
    while frame is not None and is_internal(frame.f_code.co_filename):
        frame = frame.f_back  # type: ignore[assignment]
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("", 0)


def line_at(path: str, number: int) -> str:
    """A line of a file as "file.py:12: text".

    The folder is left out, since a report may be shared; a file of this package has its place there in front, as
    "nanobrag_torch/physics/safe.py", so that nobody's own file is taken for it.
    """
    text = linecache.getline(path, number).strip()
    file = Path(path)
    name = file.relative_to(Path(PACKAGE).parent).as_posix() if path.startswith(PACKAGE) else file.name
    return f"{name}:{number}" + (f": {text}" if text else "")


def is_internal(path: str) -> bool:
    """The file belongs to torch or to the doctor itself."""
    return path.startswith((str(Path(__file__).parent), str(Path(torch.__file__).parent), "<frozen", "<string"))


def _name_of(func: Any) -> str:
    if func == torch.Tensor.data.__get__:  # type: ignore[attr-defined]
        return "data"
    return getattr(func, "__name__", type(func).__name__)


def _in_custom_function() -> bool:
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == torch.autograd.function.__file__:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def _was_lost(result: Tensor) -> bool:
    """A result that depends on a parameter no longer says so; a comparison has nothing to lose."""
    return not result.requires_grad and result.dtype is not torch.bool


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _tensors(value)
