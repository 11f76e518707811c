"""Design before measuring: the errors that counting alone allows, without any data (the bound of Cramér and Rao)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.quantities import quantity
from nanobrag_torch.refine import background as backgrounds
from nanobrag_torch.refine import normal_matrix
from nanobrag_torch.refine.model import Model
from nanobrag_torch.refine.normal_matrix import OpenDirection
from nanobrag_torch.refine.notation import value_with_error
from nanobrag_torch.refine.observed import rendered, shape
from nanobrag_torch.refine.parameters import Parameters, parameters_of
from nanobrag_torch.refine.problem import Problem
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.validation import check_range, fail


@dataclass(frozen=True)
class ExpectedErrors:
    """Least standard errors of unbiased estimates from one image of a scenario.

    Attributes:
        sigma: standard error by name; of what the image does not determine there is none.
        held: what it does not determine, and why.
        weak_directions: combinations that it determines poorly.
        photons: expected photons of the crystal in the pixels that count.
        scenario: the scenario.
    """

    sigma: dict[str, float]
    held: dict[str, str]
    weak_directions: tuple[OpenDirection, ...]
    photons: float
    scenario: Scenario

    def __getitem__(self, name: str) -> float:
        """Standard error of a quantity.

        Raises:
            KeyError: it has none; the message says why, or which have one.
        """
        if name not in self.sigma:
            because = self.held.get(name, f"must be one of {', '.join(self.sigma)}")
            raise KeyError(f"{name!r}: {because}")
        return self.sigma[name]

    def __str__(self) -> str:
        rows = [
            (quantity(name).label, value_with_error(self.scenario.value(name), sigma), quantity(name).unit)
            for name, sigma in self.sigma.items()
        ]
        rows += [(quantity(name).label, "-", because) for name, because in self.held.items()]
        width = [max(len(row[i]) for row in rows) for i in range(2)]
        lines = [f"{label.ljust(width[0])}  {value.rjust(width[1])}  {rest}" for label, value, rest in rows]
        return "\n".join([f"Expected from {self.photons:.3g} photons:", *lines])


def expected_errors(
    scenario: Scenario,
    names: Iterable[str] | None = None,
    *,
    background: Any = 0.0,
    readout_noise: float = 0.0,
    mask: Any = None,
    system: str | None = None,
    space_group: str | None = None,
    ties: Mapping[str, str] | None = None,
    restraints: Mapping[str, tuple[float, float]] | None = None,
) -> ExpectedErrors:
    """Least standard errors that one image of a scenario allows, before any is measured.

    They are those of the inverse of the Fisher information under counting, which :func:`refine` reaches where
    there are enough counts.

    Args:
        scenario: the experiment at its true values.
        names: free quantities; None for the scenario's own.
        background: photons a pixel that the crystal does not scatter: a number, or an image (spixels, fpixels).
        readout_noise: standard deviation of the readout noise, in photons.
        mask: pixels where it is 0 are left out (spixels, fpixels).
        system: crystal system, which ties and fixes constants of the cell.
        space_group: space group in its place.
        ties: a quantity to the free one that it is to equal.
        restraints: value and standard deviation that are known beforehand, by name.

    Raises:
        ValueError: no image can be computed, or an argument contradicts another.

    Example:
        ```python
        expected_errors(scenario, ("crystal.cell_a", "beam.fluence"))["crystal.cell_a"]  # Å
        ```
    """
    check_range("expected_errors", "readout_noise", readout_noise, 0, unit="photons", remedy="Give 0 for none.")
    scenario = replace(scenario, names=tuple(names or scenario.names), dtype=torch.float64)
    parameters, state = parameters_of(scenario, ties, system, space_group)
    wanted = shape(scenario)
    chosen = torch.ones(wanted, dtype=torch.bool) if mask is None else torch.as_tensor(mask) != 0
    if tuple(chosen.shape) != wanted:
        raise fail("expected_errors", "mask.shape", tuple(chosen.shape), f"{wanted}", "Slow axis first.")
    model = Model.of(scenario, parameters, chosen & rendered(scenario, wanted))
    photons = model.image(state)
    if not bool((photons > 0).any()):
        remedy = "Ask nanobrag_torch.diagnose(scenario) why."
        raise fail("expected_errors", "scenario", "a dark image", "one with light in a pixel", remedy)
    problem = Problem(
        model, photons, backgrounds.given(background, wanted, model.slow, model.fast), readout_noise**2,
        torch.ones_like(photons), restraints or {},
    )  # fmt: skip
    point = problem.at(state, problem.background.start(photons, photons))
    kept = normal_matrix.determined(parameters.names, point.matrix)
    return _told(scenario, parameters.by_coordinates(state), point.matrix, kept, parameters, float(photons.sum()))


def _told(
    scenario: Scenario, by: Tensor, matrix: Tensor, kept: list[bool], parameters: Parameters, photons: float
) -> ExpectedErrors:
    covariance = by @ normal_matrix.covariance(matrix, kept) @ by.T
    chosen = [i for i, keep in enumerate(kept) if keep]
    names = [parameters.names[i] for i in chosen]
    null = normal_matrix.open_directions(parameters.names, matrix)
    sigma, held = {}, {}
    for name in scenario.names:
        if name in parameters.fixed:
            held[name] = "fixed by symmetry"
            continue
        place = parameters.quantities.index(parameters.ties.get(name, name))
        error = float(covariance[place, place].clamp_min(0) ** 0.5)
        if error > 0 and error == error:
            sigma[name] = error
        else:
            words = [each.words for each in null if parameters.names[place] in each.components]
            held[name] = words[0] if words else "not determined"
    weak = normal_matrix.open_directions(names, matrix[chosen][:, chosen], normal_matrix.WEAK) if names else []
    return ExpectedErrors(sigma, held, tuple(weak), photons, scenario)
