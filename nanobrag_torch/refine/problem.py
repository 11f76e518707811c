"""The likelihood of an image at a state of its parameters: value, gradient and information in one evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.refine import likelihood
from nanobrag_torch.refine.amplitudes import FARTHEST, FreeAmplitudes
from nanobrag_torch.refine.background import Background
from nanobrag_torch.refine.model import Model
from nanobrag_torch.refine.parameters import Parameters, State


@dataclass(frozen=True)
class Point:
    """A state and what the data say there. Coefficients of the background are eliminated from gradient and matrix.

    Attributes:
        state: values of the free quantities.
        coefficients: those of the background (blocks, q).
        signal: photons of the crystal (n,).
        expected: photons in all (n,).
        loss: minus the logarithm of likelihood and restraints.
        gradient: derivative (p,) of the loss by the coordinates.
        matrix: normal matrix (p, p).
        background_step: step of the coefficients (blocks, q) where the coordinates stay.
        background_follows: change of that step (blocks, q, p) with a step of the coordinates.
        background_decrease: decrease of the loss that this step promises.
    """

    state: dict[str, float]
    coefficients: Tensor
    signal: Tensor
    expected: Tensor
    loss: float
    gradient: Tensor
    matrix: Tensor
    background_step: Tensor
    background_follows: Tensor
    background_decrease: float


@dataclass(frozen=True)
class Problem:
    """Counts of n pixels, a model of them, and how they are weighed.

    Attributes:
        model: expected photons by state.
        photons: measured photons (n,).
        background: background of the pixels.
        noise: variance of the readout noise.
        weights: weights (n,) of the pixels, 1 for a pixel that counts in full.
        restraints: centre and standard deviation by name of a free quantity.
        amplitudes: structure factors that are free, in the place of the background's coefficients; None for none.
    """

    model: Model
    photons: Tensor
    background: Background
    noise: float
    weights: Tensor
    restraints: Mapping[str, tuple[float, float]]
    amplitudes: FreeAmplitudes | None = None

    def start(self, state: State) -> Tensor:
        """Coefficients (blocks, q) to start from at a state."""
        if self.amplitudes is not None:
            return self.amplitudes.start()
        return self.background.start(self.weights * self.photons, self.weights * self.model.image(state))

    def moved(self, point: "Point", step: Tensor, damping: float = 0.0) -> Tensor:
        """Coefficients (blocks, q) after a step (p,) of the coordinates, their own step damped as that one is."""
        own = point.background_step / (1 + damping)
        change = own + torch.einsum("bqp,p->bq", point.background_follows, step)
        if self.amplitudes is None:
            return self.background.moved(point.coefficients, change)
        return point.coefficients + change.clamp(-FARTHEST, FARTHEST)

    def at(self, state: State, coefficients: Tensor) -> Point:
        """Evaluate at a state and coefficients (blocks, q) of the background, or logarithms of structure factors."""
        model = self.model if self.amplitudes is None else self.amplitudes.model_at(self.model, coefficients)
        signal, jacobian = model.with_derivatives(state)
        background = self.background.at(coefficients)
        expected = (signal + background).clamp_min(likelihood.LEAST_EXPECTED)
        slope = self.weights * likelihood.score(self.photons, expected, self.noise)
        weight = self.weights * likelihood.weight(expected, self.noise)
        loss = float((self.weights * likelihood.loss(self.photons, expected, self.noise)).sum())
        gradient = jacobian @ slope
        matrix = (jacobian * weight) @ jacobian.T
        along = self._along(signal, coefficients)
        step, follows, decrease = _eliminated(along, jacobian, slope, weight, gradient, matrix)
        more, slopes, curvatures = restrained(self.model.parameters, self.restraints, state)
        more += 0.5 * float((along.pull * coefficients).sum())
        return Point(
            dict(state), coefficients, signal, expected, loss + more, gradient + slopes, matrix + curvatures, step,
            follows, decrease,
        )  # fmt: skip

    def _along(self, signal: Tensor, coefficients: Tensor) -> "_Along":
        """The linear functions whose coefficients are refined along."""
        if self.amplitudes is None:
            b = self.background
            return _Along(b.functions, b.block, b.blocks, 0.0, torch.zeros_like(coefficients))
        free, precision = self.amplitudes, self.amplitudes.sigma**-2
        return _Along(free.functions(signal), free.number, free.blocks, precision, precision * coefficients)


@dataclass(frozen=True)
class _Along:
    """Functions (q, n) of the pixels, the block (n,) of each, and what is known of their coefficients (blocks, q)."""

    functions: Tensor
    block: Tensor
    blocks: int
    precision: float
    pull: Tensor


def restrained(
    parameters: Parameters, restraints: Mapping[str, tuple[float, float]], state: State
) -> tuple[float, Tensor, Tensor]:
    """Share of restraints in the loss, its gradient (p,) and the normal matrix (p, p), by coordinates."""
    by = parameters.by_coordinates(state)
    total, gradient, matrix = 0.0, by.new_zeros(len(by)), by.new_zeros(by.shape)
    for name, (centre, sigma) in restraints.items():
        row = by[parameters.quantities.index(name)] / sigma
        residual = (state[name] - centre) / sigma
        total += 0.5 * residual**2
        gradient = gradient + residual * row
        matrix = matrix + torch.outer(row, row)
    return total, gradient, matrix


def _eliminated(
    along: _Along, jacobian: Tensor, slope: Tensor, weight: Tensor, gradient: Tensor, matrix: Tensor
) -> tuple[Tensor, Tensor, float]:
    """Take coefficients out of gradient (p,) and matrix (p, p), in place: Schur's complement block by block.

    Returns:
        Step of the coefficients, its change with the coordinates, and the decrease of the loss that it promises.
    """
    functions, blocks, p = along.functions, along.blocks, len(gradient)
    q = functions.shape[0]
    if not q:
        return slope.new_zeros((blocks, 0)), slope.new_zeros((blocks, 0, p)), 0.0
    own = slope.new_zeros((blocks, q, q))
    mixed = slope.new_zeros((blocks, q, p))
    slopes = along.pull.clone()
    for i in range(q):
        slopes[:, i].index_add_(0, along.block, functions[i] * slope)
        weighed = functions[i] * weight
        for j in range(q):
            own[:, i, j].index_add_(0, along.block, weighed * functions[j])
        mixed[:, i].index_add_(0, along.block, (weighed * jacobian).T)
    diagonal = torch.diagonal(own, dim1=1, dim2=2)
    diagonal += along.precision + 1e-9 * diagonal.amax(1, keepdim=True) + 1e-12
    step = -torch.linalg.solve(own, slopes)
    follows = -torch.linalg.solve(own, mixed)
    gradient += torch.einsum("bqp,bq->p", mixed, step)
    matrix += torch.einsum("bqp,bqr->pr", mixed, follows)
    return step, follows, -0.5 * float((slopes * step).sum())
