"""Forward derivatives (Jacobian-vector products) of small tensors, by reverse-mode differentiation alone."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nanobrag_torch.kernel.cotangents import pulled_back


def tangents_of(outputs: Sequence[Tensor], parameters: Sequence[Tensor]) -> list[Tensor]:
    """Derivatives (m, *shape) of each output with respect to all m elements of ``parameters``.

    A cotangent of the outputs makes a gradient that is linear in it; the derivative of that gradient with respect to
    the cotangent is the tangent, by reverse-mode differentiation alone. An output that depends on no parameter, such as
    a table of structure factors, costs no more than its zeros.
    """
    count = sum(parameter.numel() for parameter in parameters)
    moving = [output for output in outputs if output.requires_grad]
    with torch.enable_grad():
        cotangents = [torch.zeros_like(output).requires_grad_() for output in moving]
        gradients = pulled_back(moving, cotangents, parameters, create_graph=True) if moving else ()
        elements = [element for gradient in gradients for element in gradient.reshape(-1)]
        rows = [
            torch.autograd.grad(
                element, cotangents, retain_graph=True, allow_unused=True, materialize_grads=True
            ) if element.requires_grad else [torch.zeros_like(bar) for bar in cotangents]
            for element in elements
        ]  # fmt: skip
    found = iter([torch.stack(column).detach() for column in zip(*rows, strict=True)])
    return [next(found) if output.requires_grad else output.new_zeros((count, *output.shape)) for output in outputs]
