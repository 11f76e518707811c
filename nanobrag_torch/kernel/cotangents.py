"""Gradients of several tensors at once, from their cotangents."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class _Seed(torch.autograd.Function):
    """A number whose gradients with respect to ``count`` outputs are the cotangents that follow them."""

    @staticmethod
    def forward(count: int, *outputs_and_bars: Tensor) -> Tensor:
        return outputs_and_bars[0].new_zeros(())

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        count, *tensors = inputs
        ctx.count = count
        ctx.save_for_backward(*tensors[count:])

    @staticmethod
    def backward(ctx: Any, _: Tensor) -> Any:
        return None, *ctx.saved_tensors, *(None,) * ctx.count


def pulled_back(
    outputs: Sequence[Tensor], bars: Sequence[Tensor], inputs: Sequence[Tensor], create_graph: bool = False
) -> tuple[Tensor, ...]:
    """``torch.autograd.grad`` for cotangents, zeros where no output depends on an input.

    Given cotangents, that function imports sympy, half a second of the first gradient of a process, to compare shapes
    which autograd compares once more.

    Args:
        outputs: Tensors that require gradients.
        bars: Their cotangents, of the same shapes.
        inputs: What the gradients are with respect to.
        create_graph: True for gradients that can be differentiated, with respect to inputs and cotangents.

    Raises:
        RuntimeError: a cotangent has another shape than its output.
    """
    if not outputs:
        return tuple(torch.zeros_like(tensor) for tensor in inputs)
    with torch.enable_grad():
        number = _Seed.apply(len(outputs), *outputs, *bars)  # type: ignore[no-untyped-call]
    return torch.autograd.grad(
        number, list(inputs), create_graph=create_graph, allow_unused=True, materialize_grads=True
    )
