"""Forward derivatives (Jacobian-vector products) of small tensors, by reverse-mode differentiation alone."""

from collections.abc import Sequence

import torch
from torch import Tensor


def tangents_of(outputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> list[Tensor]:
    """Derivatives (m, *shape) of each output with respect to all m elements of ``parameters``.

    A cotangent of the outputs makes a gradient that is linear in it; the derivative of that gradient with respect to
    the cotangent is the tangent, by reverse-mode differentiation alone.
    """
    with torch.enable_grad():
        cotangents = [torch.zeros_like(output).requires_grad_() for output in outputs]
        moving = [(output, bar) for output, bar in zip(outputs, cotangents, strict=True) if output.requires_grad]
        if not moving:
            count = sum(parameter.numel() for parameter in parameters)
            return [bar.new_zeros((count, *bar.shape)) for bar in cotangents]
        gradients = torch.autograd.grad(
            [output for output, _ in moving], parameters, [bar for _, bar in moving],
            create_graph=True, allow_unused=True, materialize_grads=True,
        )  # fmt: skip
        elements = [element for gradient in gradients for element in gradient.reshape(-1)]
        rows = [
            torch.autograd.grad(
                element, cotangents, retain_graph=True, allow_unused=True, materialize_grads=True
            ) if element.requires_grad else [torch.zeros_like(bar) for bar in cotangents]
            for element in elements
        ]  # fmt: skip
    return [torch.stack(column).detach() for column in zip(*rows, strict=True)]
