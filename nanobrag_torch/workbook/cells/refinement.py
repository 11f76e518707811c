"""Refinement in a notebook: the fit with its progress, tables of what was found, files for others, and the verdict."""

import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from nanobrag_torch.experiments import describe
from nanobrag_torch.io.dials_writer import write_experiments
from nanobrag_torch.io.files import require
from nanobrag_torch.quantities import QUANTITIES
from nanobrag_torch.refine import Progress, RefinedParameter, RefinementResult, refine
from nanobrag_torch.workbook.cells.refinement_case import OWNER, Case, Counts, prepare
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.formatting import number, with_error
from nanobrag_torch.workbook.records.refinement import FAR, RefinedValue, Refinement
from nanobrag_torch.workbook.records.run import Verdict
from nanobrag_torch.workbook.show import progress
from nanobrag_torch.workbook.show.tables import Table

__all__ = ["Refined", "conclude", "fit", "goodness", "held", "of_result", "prepare", "start", "values", "worst"]

#: Files of a refinement in a report, beside its record.
RESULT, EXPERIMENT = "result.json", "refined.expt"
_FLUENCE = "beam.fluence"
#: Name of a quantity within words.
_NAME = re.compile(r"\b(?:crystal|detector|beam)\.\w+(?:\[\d\])?")
#: Values that an answer names.
_SAID = 6


@dataclass(frozen=True)
class Refined:
    """A refinement that was made. In a notebook it shows itself as the table of its values.

    Attributes:
        case: its start.
        result: result of :func:`nanobrag_torch.refine`.
        record: the same as a record, with the truth.
    """

    case: Case
    result: RefinementResult
    record: Refinement

    def save(self, folder: Path, name: str = "") -> None:
        """Write record, ``result.json`` and ``refined.expt`` below ``folder``."""
        self.record.save(folder, name)
        self.result.to_json(folder / RESULT)
        at_end = self.result.scenario
        found = describe(
            at_end.crystal, at_end.detector, at_end.beam, frame=self.case.frame, compat=at_end.compat,
        )  # fmt: skip
        if found.crystal is not None and self.case.space_group is not None:
            group = require("gemmi", "space groups").SpaceGroup(self.case.space_group)
            found = replace(found, crystal=replace(found.crystal, space_group=group.hall))
        write_experiments(folder / EXPERIMENT, [found])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return values(self)._repr_mimebundle_(include, exclude)


def start(case: Case) -> Table:
    """Table of the image and of what is to be refined."""
    counts, names = case.counts, case.start.names
    used = counts.values if counts.mask is None else counts.values[counts.mask]
    rows = [
        ("image", case.image or "drawn at a known truth"),
        ("pixels", f"{counts.values.shape[0]} × {counts.values.shape[1]} (slow × fast), {used.size} not masked"),
        ("counts", f"{number(float(used.sum()), 6)}, at most {number(float(used.max(initial=0)), 6)} in a pixel"),
        ("space group", case.space_group or "none: every constant of the cell is free"),
        ("free", _in_short(", ".join(names))),
    ]
    return Table(caption="The image, and what is refined", columns=("", ""), rows=tuple(rows))


def fit(
    case: Case,
    background: str = "radial",
    *,
    gain: float = 1.0,
    readout_noise: float = 0.0,
    robust: bool = False,
    capture: bool = True,
    max_steps: int = 60,
) -> Refined:
    """Refine a case; each step is printed with likelihood and time left. An interruption keeps the best so far.

    Args:
        case: start and counts.
        background: photons a pixel, or "radial" or "plane" for one that is refined along.
        gain: counts per photon.
        readout_noise: standard deviation in counts.
        robust: take weight from pixels that no model explains.
        capture: where the start does not lead to a fit, start again with wide spots.
        max_steps: largest number of steps.

    Raises:
        InputError: counts or start from which nothing can be refined, with the cause.
    """
    level: float | str = background
    if background not in ("radial", "plane"):
        try:
            level = float(background)
        except ValueError:
            allowed = "photons a pixel, radial or plane"
            raise InputError.of(OWNER, "background", background, allowed, "Give one of them.") from None
    scenario = case.start if case.truth is not None else _to_scale(case, level, gain)
    try:
        with progress.shown("The refinement", needed=True) as work:
            result = refine(
                scenario,
                case.counts.values,
                level,
                mask=case.counts.mask,
                gain=gain,
                readout_noise=readout_noise,
                saturation=case.counts.saturation,
                space_group=case.space_group,
                robust=robust,
                capture=capture,
                max_steps=max_steps,
                progress=lambda step: _tell(step, work),
            )
            work.interrupted = result.interrupted
    except ValueError as error:
        raise InputError(f"{OWNER}: {error}") from None
    return Refined(case, result, _record(case, result))


def of_result(result: RefinementResult, counts: Any, truth: Mapping[str, float] | None = None) -> Refined:
    """A result of :func:`nanobrag_torch.refine` for tables and figures of this module.

    Args:
        result: the result.
        counts: the image (slow, fast) that it was refined against, as a tensor or an array.
        truth: true values by name, in the units of the quantities; None where they are not known.
    """
    case = Case(result.scenario, Counts(np.asarray(counts)), truth=None if truth is None else dict(truth))
    return Refined(case, result, _record(case, result))


def _to_scale(case: Case, level: float | str, gain: float) -> Any:
    """The start with the fluence at which its image holds as many photons as the counts do above their background."""
    scenario, counts = case.start, case.counts
    if _FLUENCE not in scenario.names:
        return scenario
    try:
        image = scenario.image().detach().cpu().numpy()
    except ValueError:
        return scenario  # the refinement says what is the matter
    if image.shape != counts.values.shape:
        return scenario
    used = np.ones(image.shape, bool) if counts.mask is None else counts.mask
    used = used & np.isfinite(counts.values) & (counts.values < (counts.saturation or math.inf))
    photons = counts.values[used] / gain
    below = level if isinstance(level, float) else float(np.median(photons)) if photons.size else 0.0
    total, light = float(image[used].sum()), float((photons - below).sum())
    if not (total > 0 and light > 0):
        return scenario
    return scenario.changed(beam={"fluence": scenario.value(_FLUENCE) * light / total, "flux": 0.0})


def _tell(step: Progress, work: progress.Work) -> None:
    left = f", at most {step.seconds_left:.0f} s left" if step.seconds_left else ""
    work.at(None, f"step {step.step} of at most {step.most}{left}")  # most refinements end long before the last
    sys.stdout.write(
        f"step {step.step} of at most {step.most}: −log L = {step.loss:.8g}, "
        f"the next promises −{step.decrease:.2g} and moves by {step.farthest:.2g} σ{left}\n"
    )
    sys.stdout.flush()


def _record(case: Case, result: RefinementResult) -> Refinement:
    truth, good = case.truth or {}, result.goodness

    def entry(each: RefinedParameter) -> RefinedValue:
        return RefinedValue(
            name=each.name, label=each.label, unit=each.unit, start=each.start, value=each.value, sigma=each.sigma,
            truth=truth.get(each.name), note=each.note,
        )  # fmt: skip

    return Refinement(
        image=case.image,
        pixels=len(result.observed),
        photons=float(result.observed.sum()),
        converged=result.converged,
        interrupted=result.interrupted,
        reason=result.reason,
        steps=result.steps,
        chi2=good.chi2,
        dof=good.dof,
        deviance=good.deviance,
        expected_deviance=good.expected_deviance,
        excess=good.excess,
        unexplained=good.unexplained,
        values=tuple(entry(each) for each in (*result.parameters, *result.turns)),
        held=result.held,
        null_directions=tuple(each.words for each in result.null_directions),
        weak_directions=tuple(each.words for each in result.weak_directions),
        remarks=result.remarks,
        quiet=good.quiet,
    )


def values(found: Refined) -> Table:
    """Values before and after with standard errors, beside the truth and the distance from it where there is one."""
    of_result = {each.name: each for each in (*found.result.parameters, *found.result.turns)}
    known = found.case.truth is not None
    rows = []
    for each in found.record.values:
        beside = (_short(each.truth), "–" if each.pull is None else f"{each.pull:+.1f}".replace("-", "−"))
        own = (each.label, each.unit, _short(each.start), str(of_result[each.name]))
        rows.append((*own, *(beside if known else ()), each.note or "–"))
    state = _upper(found.record.reason)
    state += f", in {found.record.steps} steps" if found.record.converged else "; there are no standard errors"
    return Table(
        caption=state,
        columns=("", "unit", "start", "refined", *(("truth", "pull") if known else ()), "remark"),
        rows=tuple(rows),
    )


def _short(value: float | None) -> str:
    return number(value, 6)


def goodness(found: Refined) -> Table:
    """Agreement of the model with the counts."""
    r = found.record
    rows = (
        ("pixels that counted", str(r.pixels)),
        ("photons in them", number(r.photons, 7)),
        ("deviance", f"{number(r.deviance, 6)}, expected {number(r.expected_deviance, 6)}"),
        ("excess", f"{r.excess:+.1f} standard deviations".replace("-", "−")),
        ("unexplained part of the pattern", f"{100 * max(r.unexplained, 0.0):.2f} %"),
        ("χ²", f"{number(r.chi2, 6)} with {r.dof} degrees of freedom"),
    )
    return Table(caption="How well the model describes the counts", columns=("", ""), rows=rows)


def held(found: Refined) -> Table:
    """Parameters that were held and why, what the counts determine poorly or not at all, and further remarks."""
    r = found.record
    rows = [(f"{_in_short(name)} held", because) for name, because in r.held.items()]
    rows += [("not determined", words) for words in r.null_directions]
    rows += [("poorly determined", words) for words in r.weak_directions]
    rows += [("remark", remark) for remark in r.remarks]
    caption = "What was held, and what the counts do not say" if rows else "Nothing was held, all is well determined"
    return Table(caption=caption, columns=("", ""), rows=tuple((what, _in_short(words)) for what, words in rows))


def _in_short(words: str) -> str:
    """Words with the labels of tables in place of the names of quantities."""
    labels = {name: row.label for name, row in QUANTITIES.items()}
    labels |= {f"crystal.turn_deg[{i}]": f"turn {axis}" for i, axis in enumerate("xyz")}
    return _NAME.sub(lambda found: labels.get(found[0], found[0]), words)


def worst(found: Refined, count: int = 10) -> Table:
    """The pixels that contribute most to the deviance."""
    rows = tuple(
        (
            f"{each.slow}, {each.fast}",
            " ".join(map(str, each.hkl)).replace("-", "−"),
            number(each.observed, 5),
            number(each.expected, 4),
            f"{each.residual:+.1f}".replace("-", "−"),
            f"{100 * each.part:.2f} %",
            number(each.weight, 2),
        )
        for each in found.result.worst[:count]
    )
    columns = ("pixel (slow, fast)", "h k l", "observed", "expected", "residual (σ)", "of the deviance", "weight")
    return Table(caption="Worst residuals, in photons", columns=columns, rows=rows)


def conclude(found: Refined) -> Verdict:
    """Verdict: a fit, a fit with parameters held, no fit, a fit far from the truth, or an interruption."""
    r = found.record
    errors = [each for each in found.result.parameters if each.sigma]
    fitted = f"{len(errors)} parameters have standard errors; {_excess(r)}"
    if r.interrupted:
        code, status, title = "R5", "interrupted", "The refinement was interrupted: these are the best values so far"
        sentence, remedy = f"{r.reason}. Values without standard errors are in {RESULT} and {EXPERIMENT}", "Run again."
    elif not r.converged:
        code, status, title = "R3", "failed", "There is no fit"
        sentence = f"{r.reason}. Nothing has a standard error"
        remedy = "See the residuals: a start that is nearer, another background, more steps, or fewer free parameters."
    elif r.quiet:
        code, status, title = "R6", "failed", "These are no counts of photons"
        sentence = (
            f"They scatter less than counting does: {_excess(r)}. Values and standard errors hold for counts alone"
        )
        remedy = "Give the offset of a pixel without photons (nanoBragg adds 40: -adc) and the gain."
    elif r.far():
        code, status, title = "R4", "failed", "The fit is not at the truth"
        off = ", ".join(f"{v.label} by {v.pull:+.1f} σ" for v in r.far()).replace("-", "−")
        sentence, remedy = f"Farther from the truth than {FAR:g} σ: {off}", "See the residuals and the correlations."
    elif r.held:
        code, status, title = "R2", "passed", f"Refined, {len(r.held)} of the parameters held"
        sentence = f"{fitted}. Held: " + "; ".join(_in_short(f"{name} ({why})") for name, why in r.held.items())
        remedy = "Leave them out of what is free, or restrain them."
    else:
        code, status, title = "R1", "passed", "Refined: the counts determine all that was free"
        sentence, remedy = fitted, ""
    answer = _answer(r) if status == "passed" else ""
    return Verdict(code=code, status=status, title=title, sentence=f"{_upper(sentence)}.", remedy=remedy, answer=answer)  # type: ignore[arg-type]


def _answer(record: Refinement) -> str:
    """Sentence with the first refined values, in the order of the table, and what they rest on; empty without any."""
    values = [v for v in record.values if v.sigma]
    if not values:
        return ""
    said = ", ".join(f"{v.label} = {with_error(v.value, v.sigma)} {v.unit}".rstrip() for v in values[:_SAID] if v.sigma)
    more = f" and {len(values) - _SAID} more" if len(values) > _SAID else ""
    return f"{said}{more}, from {number(record.photons, 6)} photons in {record.pixels} pixels."


def _excess(record: Refinement) -> str:
    return (
        f"the deviance is {number(record.deviance, 6)} where {number(record.expected_deviance, 6)} is expected "
        f"({record.excess:+.1f} standard deviations)"
    ).replace("(-", "(−")


def _upper(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"
