"""Refinement of a scenario against measured counts: arguments checked, fit made, result put into words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.kernel.engine import ENGINES
from nanobrag_torch.refine.amplitudes import checked_table
from nanobrag_torch.refine.capture import sought
from nanobrag_torch.refine.fit import Fit
from nanobrag_torch.refine.model import Model
from nanobrag_torch.refine.observed import observed, shape
from nanobrag_torch.refine.outcome import result_of
from nanobrag_torch.refine.parameters import Parameters, parameters_of
from nanobrag_torch.refine.reflections import predicted_boxes
from nanobrag_torch.refine.result import RefinementResult
from nanobrag_torch.refine.scoring import Progress
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.validation import check_choice, check_count, check_range, fail

#: Backgrounds that are refined along.
BACKGROUNDS = ("plane", "radial")
#: Part of the pattern that a fit may leave unexplained, beyond chance.
UNEXPLAINED = 0.2
#: Pixels around a predicted spot that belong to its shoebox.
MARGIN = 3


def refine(
    scenario: Scenario,
    counts: Any,
    background: Any = 0.0,
    *,
    mask: Any = None,
    gain: float = 1.0,
    readout_noise: float = 0.0,
    saturation: float | None = None,
    shoeboxes: str | Sequence[Sequence[int]] | None = None,
    restraints: Mapping[str, tuple[float, float]] | None = None,
    ties: Mapping[str, str] | None = None,
    system: str | None = None,
    space_group: str | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    robust: bool = False,
    structure_factors: float | None = None,
    capture: bool = True,
    unexplained: float = UNEXPLAINED,
    max_steps: int = 60,
    residuals: int = 20,
    engine: str = "auto",
    progress: Callable[[Progress], None] | None = None,
) -> RefinementResult:
    """Refine the free quantities of a scenario against measured counts, with standard errors.

    The likelihood is that of counting, the method Fisher scoring with Levenberg's damping on forward sensitivities in
    float64. Numbers of cells, fluence and mosaicity are refined by their logarithm, the misset as turns about the
    laboratory axes. An interruption by the keyboard keeps the best so far.

    Args:
        scenario: the start; its ``names`` are free, its configs hold their first values.
        counts: measured image (spixels, fpixels) of any dtype, of many panels the raw one.
        background: photons a pixel that the crystal did not scatter: a number, an image (spixels, fpixels), "plane" for
            one in each shoebox or "radial" for a curve over the scattering angle, both refined along.
        mask: pixels where it is 0 are left out (spixels, fpixels).
        gain: counts per photon.
        readout_noise: standard deviation of the readout noise, in counts.
        saturation: counts from which on a pixel is left out; None is the largest number of an unsigned dtype.
        shoeboxes: first and last slow and fast index of each box (n, 4), or "predicted" around the spots of the start;
            pixels elsewhere do not count. None for all pixels.
        restraints: expected value and standard deviation by name, in the quantity's unit.
        ties: a quantity to the free one that it is to equal.
        system: crystal system, which ties and fixes constants of the cell, such as "monoclinic".
        space_group: space group in its place, such as "P 43 21 2".
        bounds: least and largest value by name.
        robust: take weight from pixels that no model explains, such as zingers.
        structure_factors: make the structure factors of the reflections in view free, each within this standard
            deviation of its logarithm around its start; None leaves them as they are. The background is then given.
        capture: where the model does not describe the counts in the end, start again with spots that are wide first.
        unexplained: part of the pattern that may stay unexplained in a fit; beyond it the result is not converged.
        max_steps: largest number of steps.
        residuals: number of worst pixels that the result tells of.
        engine: engine of the simulator.
        progress: called with a :class:`Progress` after each step.

    Returns:
        Values with standard errors, and what was not determined. Where the fit did not converge, or does not describe
        the counts, ``converged`` is False, ``reason`` says why and there are no standard errors.

    Raises:
        ValueError: counts, mask or arguments from which nothing can be refined, or a start in which a free quantity has
            no effect: the message has the doctor's cause.

    Example:
        ```python
        scenario = Scenario(crystal, detector, beam, names=("crystal.cell_a", "beam.fluence"))
        result = refine(scenario, counts)
        print(result)
        ```
    """
    check_range("refine", "unexplained", unexplained, 0, 1, low_open=True, remedy="Give a part of the pattern.")
    fit, state = prepared(
        scenario, counts, background, mask=mask, gain=gain, readout_noise=readout_noise, saturation=saturation,
        shoeboxes=shoeboxes, restraints=restraints, ties=ties, system=system, space_group=space_group, bounds=bounds,
        robust=robust, structure_factors=structure_factors, max_steps=max_steps, engine=engine, progress=progress,
    )  # fmt: skip
    problem, found = sought(fit, state, unexplained, capture)
    return result_of(fit, state, problem, found, unexplained, residuals)


def prepared(
    scenario: Scenario,
    counts: Any,
    background: Any = 0.0,
    *,
    mask: Any = None,
    gain: float = 1.0,
    readout_noise: float = 0.0,
    saturation: float | None = None,
    shoeboxes: str | Sequence[Sequence[int]] | None = None,
    restraints: Mapping[str, tuple[float, float]] | None = None,
    ties: Mapping[str, str] | None = None,
    system: str | None = None,
    space_group: str | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    robust: bool = False,
    structure_factors: float | None = None,
    max_steps: int = 60,
    engine: str = "auto",
    progress: Callable[[Progress], None] | None = None,
) -> tuple[Fit, dict[str, float]]:
    """Arguments of :func:`refine` checked and made into a fit that has not begun, and its state at the start."""
    check_choice("refine", "engine", engine, ENGINES)
    check_count("refine", "max_steps", max_steps, remedy="Give a number of steps.")
    scenario = _without_switches(replace(scenario, engine=engine, dtype=torch.float64))
    parameters, state = parameters_of(scenario, ties, system, space_group, bounds)
    seen = observed(scenario, counts, mask, gain, readout_noise, saturation)
    _check_restraints(restraints or {}, parameters)
    _check_structure_factors(scenario, structure_factors, background)
    boxes = _boxes(scenario, parameters, state, seen.usable, shoeboxes, background)
    fit = Fit(
        scenario, parameters, seen, background, boxes, restraints or {}, max_steps, progress, robust, structure_factors
    )
    if not bool(fit.usable.any()):
        raise fail("refine", "shoeboxes", shoeboxes, "boxes with pixels that are not masked", "Check mask and boxes.")
    return fit, state


def _without_switches(scenario: Scenario) -> Scenario:
    """The scenario whose structure factors are interpolated or not as at its start, however few cells a step leaves."""
    return scenario.changed(crystal={"interpolate": scenario.simulator().crystal.interpolate})


def _check_restraints(restraints: Mapping[str, tuple[float, float]], parameters: Parameters) -> None:
    for name, pair in restraints.items():
        if name not in parameters.quantities:
            allowed = f"one of the free names {', '.join(parameters.quantities)}"
            raise fail("refine", "restraints", name, allowed, "Free it, or drop the restraint.")
        check_range("refine", f"restraints[{name!r}][1]", pair[1], 0, low_open=True, remedy="Give value and sigma.")
        check_range("refine", f"restraints[{name!r}][0]", pair[0], remedy="Give value and sigma.")


def _check_structure_factors(scenario: Scenario, sigma: float | None, background: Any) -> None:
    remedy = "Give a standard deviation of logarithms, such as 0.3."
    check_range("refine", "structure_factors", sigma, 0, low_open=True, optional=True, remedy=remedy)
    if sigma is not None:
        checked_table(scenario)
        if isinstance(background, str):
            allowed = "a number or an image beside free structure factors"
            raise fail("refine", "background", background, allowed, "Refine the background first, or the amplitudes.")


def _boxes(
    scenario: Scenario, parameters: Parameters, state: Mapping[str, float], usable: Tensor, given: Any, background: Any
) -> list[tuple[int, int, int, int]] | None:
    """Shoeboxes as given or predicted, inside the image; None for all pixels."""
    if isinstance(background, str):
        check_choice("refine", "background", background, BACKGROUNDS, "Or give a number or an image.")
        given = "predicted" if background == "plane" and given is None else given
    if given is None:
        return None
    if isinstance(given, str):
        check_choice("refine", "shoeboxes", given, ("predicted",), "Or give boxes (n, 4).")
        found = predicted_boxes(Model.of(scenario, parameters, usable), state, MARGIN)
        if not found:
            remedy = "Check the start: gradient, fluence and orientation."
            raise fail("refine", "shoeboxes", given, "boxes around spots: the start predicts no spot", remedy)
        return found
    height, width = shape(scenario)
    table = torch.as_tensor(given).reshape(-1, 4) if len(given) else torch.zeros((0, 4))
    inside = (table[:, 0] <= table[:, 1]) & (table[:, 2] <= table[:, 3]) & (table[:, 0] >= 0) & (table[:, 2] >= 0)
    inside &= (table[:, 1] < height) & (table[:, 3] < width)
    if not len(table) or not bool(inside.all()):
        bad = table[~inside][0].tolist() if len(table) else []
        allowed = f"boxes of first and last slow and fast index within ({height}, {width})"
        raise fail("refine", "shoeboxes", bad, allowed, "")
    return [(int(a), int(b), int(c), int(d)) for a, b, c, d in table.tolist()]
