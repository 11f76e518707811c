"""The doctor at the door: parameters whose derivative is zero or no number end a refinement before its first step."""

from dataclasses import replace

import torch

from nanobrag_torch.doctor import diagnose
from nanobrag_torch.doctor.records import GradientVerdict
from nanobrag_torch.refine.parameters import MISSET, TURNS, Parameters
from nanobrag_torch.refine.problem import Point
from nanobrag_torch.scenario import Scenario


def check_start(scenario: Scenario, parameters: Parameters, point: Point) -> None:
    """Raise ``ValueError`` with the doctor's verdict where the start cannot be refined from.

    The sensitivities of the start say which parameter has no derivative; the doctor is asked for the cause of those
    alone, so that a sound start costs nothing.

    Args:
        scenario: the start.
        parameters: its coordinates.
        point: likelihood at the start.
    """
    if not bool(torch.isfinite(point.expected).all()) or not bool((point.signal > 0).any()):
        raise _refused(_verdict(scenario, parameters.quantities[0]), "the model of the start has no light in any pixel")
    of_turns = dict(zip(TURNS, MISSET, strict=True))
    for i, name in enumerate(parameters.names):
        information = float(point.matrix[i, i])
        if information > 0 and bool(torch.isfinite(point.gradient[i])):
            continue
        own = of_turns.get(name, name)
        words = "has no effect on any pixel" if information == 0 else "has a derivative that is no number"
        raise _refused(_verdict(scenario, own), f"{own} {words}")


def _verdict(scenario: Scenario, name: str) -> GradientVerdict:
    report = diagnose(replace(scenario, names=(name,), loss=torch.sum), evaluations=200)
    return report[name].verdict


def _refused(verdict: GradientVerdict, words: str) -> ValueError:
    because = "; ".join(f"{key} {value}" for key, value in verdict.evidence.items() if isinstance(value, str))
    cause = f"{verdict.code}: {verdict.title}" + (f" ({because})" if because else "")
    return ValueError(f"refine: {words}. The doctor finds {cause}. {verdict.remedy}")
