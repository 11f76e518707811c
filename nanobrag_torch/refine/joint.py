"""Normal equations of many stills with shared parameters: what is each still's own is eliminated still by still."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.refine import normal_matrix


@dataclass(frozen=True)
class Block:
    """Normal equations of one still at its state: p coordinates, m of them shared by all stills.

    Attributes:
        loss: minus the logarithm of its likelihood.
        gradient: derivative (p,) of the loss by its coordinates.
        matrix: its normal matrix (p, p).
        shared: places (m,) of the shared coordinates, in the order that all stills have.
        own: places (q,) of those of its own that the data determine.
    """

    loss: float
    gradient: Tensor
    matrix: Tensor
    shared: Tensor
    own: Tensor

    def eliminated(self, damping: float = 0.0) -> "Eliminated":
        """Schur's complement of the still's own coordinates, the diagonal raised by the part ``damping``."""
        matrix = self.matrix + damping * torch.diag(torch.diagonal(self.matrix))
        own, mixed = matrix[self.own][:, self.own], matrix[self.own][:, self.shared]
        inverse = normal_matrix.covariance(own, [True] * len(own))
        follows = -inverse @ mixed
        step = -inverse @ self.gradient[self.own]
        return Eliminated(
            matrix[self.shared][:, self.shared] + mixed.T @ follows,
            self.gradient[self.shared] + mixed.T @ step,
            step,
            follows,
            inverse,
        )


@dataclass(frozen=True)
class Eliminated:
    """A still without its own coordinates.

    Attributes:
        matrix: what it says of the shared coordinates beyond its own (m, m).
        gradient: their gradient (m,) where its own coordinates follow.
        step: step (q,) of its own where the shared ones stay.
        follows: change (q, m) of that step with one of the shared.
        covariance: of its own coordinates (q, q) where the shared are known.
    """

    matrix: Tensor
    gradient: Tensor
    step: Tensor
    follows: Tensor
    covariance: Tensor


@dataclass(frozen=True)
class Joint:
    """The normal equations of all stills.

    Attributes:
        matrix: of the shared coordinates (m, m), restraints included.
        kept: True for each of them that the data determine.
        step: their step (m,).
        covariance: theirs (m, m).
        steps: step (p,) of each still.
        decrease: decrease of the loss that the steps promise.
        farthest: largest component of a step in standard errors.
    """

    matrix: Tensor
    kept: list[bool]
    step: Tensor
    covariance: Tensor
    steps: tuple[Tensor, ...]
    decrease: float
    farthest: float


def solved(
    names: Sequence[str], blocks: Sequence[Block], gradient: Tensor, matrix: Tensor, damping: float = 0.0
) -> Joint:
    """Solve for the shared step, and let each still follow.

    Args:
        names: names of the shared coordinates, m of them.
        blocks: one for each still.
        gradient: what restraints add to the gradient (m,) of the shared coordinates.
        matrix: and to their normal matrix (m, m).
        damping: part by which diagonals are raised.
    """
    true = [block.eliminated() for block in blocks]
    whole = matrix + sum((each.matrix for each in true), torch.zeros_like(matrix))
    kept = normal_matrix.determined(names, whole)
    covariance = normal_matrix.covariance(whole, kept)
    raised = true if damping == 0.0 else [block.eliminated(damping) for block in blocks]
    damped = matrix + sum((each.matrix for each in raised), torch.zeros_like(matrix))
    slope = gradient + sum((each.gradient for each in raised), torch.zeros_like(gradient))
    step = -normal_matrix.covariance(damped, kept) @ slope
    steps = []
    decrease = -float(gradient @ step) - 0.5 * float(step @ matrix @ step)
    parts = [0.0, *_in_errors(step, covariance)]
    for block, plain, each in zip(blocks, true, raised, strict=True):
        whole_step = torch.zeros_like(block.gradient)
        whole_step[block.shared] = step
        whole_step[block.own] = own = each.step + each.follows @ step
        decrease -= float(block.gradient @ whole_step) + 0.5 * float(whole_step @ block.matrix @ whole_step)
        parts += _in_errors(own, plain.covariance + plain.follows @ covariance @ plain.follows.T)
        steps.append(whole_step)
    return Joint(whole, kept, step, covariance, tuple(steps), decrease, max(parts))


def covariance_of(block: Block, shared: Tensor) -> Tensor:
    """Covariance (p, p) of a still's coordinates, its own and the shared, where the shared have ``shared`` (m, m)."""
    each = block.eliminated()
    found = torch.zeros_like(block.matrix)
    found[block.shared[:, None], block.shared] = shared
    found[block.own[:, None], block.shared] = each.follows @ shared
    found[block.shared[:, None], block.own] = shared @ each.follows.T
    found[block.own[:, None], block.own] = each.covariance + each.follows @ shared @ each.follows.T
    return found


def _in_errors(step: Tensor, covariance: Tensor) -> list[float]:
    errors = torch.sqrt(torch.diagonal(covariance))
    return [abs(part) / error for part, error in zip(step.tolist(), errors.tolist(), strict=True) if error > 0]
