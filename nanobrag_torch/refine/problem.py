"""The likelihood of an image at a state of its parameters: value, gradient and information in one evaluation."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.refine import likelihood
from nanobrag_torch.refine.background import Background
from nanobrag_torch.refine.model import Model
from nanobrag_torch.refine.parameters import State


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
    """

    model: Model
    photons: Tensor
    background: Background
    noise: float
    weights: Tensor
    restraints: Mapping[str, tuple[float, float]]

    def at(self, state: State, coefficients: Tensor) -> Point:
        """Evaluate at a state and coefficients (blocks, q) of the background."""
        signal, jacobian = self.model.with_derivatives(state)
        background = self.background.at(coefficients)
        expected = (signal + background).clamp_min(likelihood.LEAST_EXPECTED)
        slope = self.weights * likelihood.score(self.photons, expected, self.noise)
        weight = self.weights * likelihood.weight(expected, self.noise)
        loss = float((self.weights * likelihood.loss(self.photons, expected, self.noise)).sum())
        gradient = jacobian @ slope
        matrix = (jacobian * weight) @ jacobian.T
        step, follows, decrease = self._eliminated(jacobian, slope, weight, gradient, matrix)
        more, slopes, curvatures = self._restrained(state)
        return Point(
            dict(state), coefficients, signal, expected, loss + more, gradient + slopes, matrix + curvatures, step,
            follows, decrease,
        )  # fmt: skip

    def _eliminated(
        self, jacobian: Tensor, slope: Tensor, weight: Tensor, gradient: Tensor, matrix: Tensor
    ) -> tuple[Tensor, Tensor, float]:
        """Take the background's coefficients out of gradient and matrix, in place: Schur's complement block by block.

        Returns:
            Step of the coefficients, its change with the coordinates, and the decrease of the loss that it promises.
        """
        functions, blocks, p = self.background.functions, self.background.blocks, len(gradient)
        q = functions.shape[0]
        if not q:
            return slope.new_zeros((blocks, 0)), slope.new_zeros((blocks, 0, p)), 0.0
        zeros = slope.new_zeros
        own = zeros((blocks, q, q))
        mixed = zeros((blocks, q, p))
        slopes = zeros((blocks, q))
        for i in range(q):
            slopes[:, i].index_add_(0, self.background.block, functions[i] * slope)
            weighed = functions[i] * weight
            for j in range(q):
                own[:, i, j].index_add_(0, self.background.block, weighed * functions[j])
            mixed[:, i].index_add_(0, self.background.block, (weighed * jacobian).T)
        diagonal = torch.diagonal(own, dim1=1, dim2=2)
        diagonal += 1e-9 * diagonal.amax(1, keepdim=True) + 1e-12
        step = -torch.linalg.solve(own, slopes)
        follows = -torch.linalg.solve(own, mixed)
        gradient += torch.einsum("bqp,bq->p", mixed, step)
        matrix += torch.einsum("bqp,bqr->pr", mixed, follows)
        return step, follows, -0.5 * float((slopes * step).sum())

    def _restrained(self, state: State) -> tuple[float, Tensor, Tensor]:
        """Share of the restraints in loss, gradient and matrix."""
        parameters = self.model.parameters
        by = parameters.by_coordinates(state)
        total, gradient, matrix = 0.0, by.new_zeros(len(by)), by.new_zeros(by.shape)
        for name, (centre, sigma) in self.restraints.items():
            row = by[parameters.quantities.index(name)] / sigma
            residual = (state[name] - centre) / sigma
            total += 0.5 * residual**2
            gradient = gradient + residual * row
            matrix = matrix + torch.outer(row, row)
        return total, gradient, matrix
