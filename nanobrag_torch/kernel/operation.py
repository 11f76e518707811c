"""Operations on tensors that torch differentiates and batches to any order, whatever happens within them.

An operation sees plain tensors alone: no graph, no wrapper of ``torch.func``, no tangent. It may therefore look at
numbers, ask compiled loops and go tile by tile. Between two calls only its inputs are kept: each derivative is an
operation as well, which evaluates anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

#: A pure function of tensors; autograd can differentiate it where gradients are enabled.
Function = Callable[..., Sequence[Tensor]]
Wanted = Sequence[bool]


@dataclass(frozen=True)
class Operation:
    """A pure function of tensors with its derivatives.

    Attributes:
        formula: The function, in operations that autograd differentiates.
        fast: The same values in less time, without a graph; None for the formula's.
        fast_pull_back: Likewise for the reverse pass: called with the flags of the inputs whose cotangents are
            wanted, the inputs, and the cotangents of the outputs. None for that of the formula.
        fast_push: Likewise for the forward derivative: called with the inputs and their tangents.
    """

    formula: Function
    fast: Function | None = None
    fast_pull_back: Callable[..., Sequence[Tensor]] | None = None
    fast_push: Function | None = None

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Outputs, connected to the inputs."""
        apply: Callable[..., tuple[Tensor, ...]] = _Evaluation.apply
        return apply(self, *inputs)

    def values(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Outputs of plain inputs, outside any graph; none is an input, or another output, under a second name."""
        plain = [tensor.detach() for tensor in inputs]
        with torch.no_grad():
            outputs = (self.fast or self.formula)(*plain)
        taken = [*plain, *outputs]
        return tuple(
            output.clone() if any(output is other for other in taken[: len(plain) + number]) else output
            for number, output in enumerate(outputs)
        )

    def pull_back(self, wanted: Wanted) -> "Operation":
        """Cotangents of the ``wanted`` inputs, from the inputs and the cotangents of the outputs."""
        fast = None if self.fast_pull_back is None else partial(self.fast_pull_back, wanted)
        return Operation(partial(_pulled_back, self.formula, wanted), fast)

    def push(self, count: int) -> "Operation":
        """Tangents of the outputs, from ``count`` inputs and their tangents."""
        return Operation(partial(_pushed, self.formula, count), self.fast_push)


def is_transformed() -> bool:
    """True within a transform of ``torch.func``."""
    return torch._C._functorch.peek_interpreter_stack() is not None


def carry_tangents(tensors: Sequence[Tensor]) -> bool:
    """True if one of the tensors carries a forward-mode tangent."""
    return forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(t).tangent is not None for t in tensors)


class _Evaluation(torch.autograd.Function):
    @staticmethod
    def forward(operation: Operation, *inputs: Tensor) -> tuple[Tensor, ...]:
        return operation.values(*inputs)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.operation, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, *cotangents: Tensor) -> Any:
        wanted = ctx.needs_input_grad[1:]
        found = iter(_one_by_one(ctx.operation.pull_back(wanted), *ctx.saved_tensors, *cotangents))
        return None, *(next(found) if want else None for want in wanted)

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: Tensor | None) -> tuple[Tensor, ...]:
        inputs = ctx.saved_tensors
        moved = [
            torch.zeros_like(value) if tangent is None else tangent
            for value, tangent in zip(inputs, tangents, strict=True)
        ]
        return tuple(_one_by_one(ctx.operation.push(len(inputs)), *inputs, *moved))

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], operation: Operation, *inputs: Tensor) -> Any:
        rows = [
            operation(*(t if dim is None else t.select(dim, row) for t, dim in zip(inputs, in_dims[1:], strict=True)))
            for row in range(info.batch_size)
        ]
        outputs = tuple(torch.stack(column) for column in zip(*rows, strict=True))
        return outputs, (0,) * len(outputs)


def _one_by_one(operation: Operation, *inputs: Tensor) -> Sequence[Tensor]:
    """Outputs of an operation, also where autograd has batched cotangents for itself (``is_grads_batched``)."""
    batched = [torch._C._functorch.is_legacy_batchedtensor(tensor) for tensor in inputs]
    if not any(batched):
        return operation(*inputs)
    level = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    columns = [
        torch._remove_batch_dim(tensor, level, 0, 0).unbind() if apart else None
        for tensor, apart in zip(inputs, batched, strict=True)
    ]
    count = max(len(column) for column in columns if column is not None)
    rows = [
        operation(*(t if column is None else column[row] for t, column in zip(inputs, columns, strict=True)))
        for row in range(count)
    ]
    return [torch._add_batch_dim(torch.stack(column), 0, level) for column in zip(*rows, strict=True)]


def _leaves(tensors: Sequence[Tensor], wanted: Wanted, kept: bool) -> list[Tensor]:
    """The tensors as inputs of their own, connected to what they came from only where the graph is ``kept``."""
    return [
        tensor.view_as(tensor) if kept and tensor.requires_grad else tensor.detach().requires_grad_(want)
        for tensor, want in zip(tensors, wanted, strict=True)
    ]


def _gradients(outputs: Sequence[Tensor], bars: Sequence[Tensor], inputs: Sequence[Tensor], kept: bool) -> list[Tensor]:
    """Cotangents of inputs, zeros where no output depends on them."""
    moving = [(output, bar) for output, bar in zip(outputs, bars, strict=True) if output.requires_grad]
    if not moving or not inputs:
        return [torch.zeros_like(tensor) for tensor in inputs]
    found = torch.autograd.grad(
        [output for output, _ in moving], list(inputs), [bar for _, bar in moving],
        create_graph=kept, allow_unused=True, materialize_grads=True,
    )  # fmt: skip
    return list(found)


def _pulled_back(function: Function, wanted: Wanted, *given: Tensor) -> list[Tensor]:
    kept, inputs, cotangents = torch.is_grad_enabled(), given[: len(wanted)], given[len(wanted) :]
    with torch.enable_grad():
        leaves = _leaves(inputs, wanted, kept)
        outputs = function(*leaves)
        return _gradients(outputs, cotangents, [leaf for leaf, want in zip(leaves, wanted, strict=True) if want], kept)


def _pushed(function: Function, count: int, *given: Tensor) -> list[Tensor]:
    """Tangents by reverse-mode differentiation alone: a gradient is linear in its cotangent, with them as slopes."""
    kept, inputs, tangents = torch.is_grad_enabled(), given[:count], given[count:]
    with torch.enable_grad():
        leaves = _leaves(inputs, [True] * count, kept)
        outputs = function(*leaves)
        bars = [torch.zeros_like(output).requires_grad_() for output in outputs]
        gradients = _gradients(outputs, bars, leaves, True)
        return _gradients(gradients, tangents, bars, kept)
