"""Train and eval of a module compared: parameters whose gradient is of another kind in the other mode."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from .budget import Meter
from .measure import DRAWS, GRADIENT, gradients_by_parameter
from .modules import of_module
from .records import GradientVerdict
from .subject import Subject

Kind = Literal["present", "zero", "missing", "not finite"]

#: Most parameters that are named.
MOST_NAMED = 5


def compared(subject: Subject, found: dict[str, Tensor | None], meter: Meter) -> GradientVerdict | None:
    """Compare the gradients of a module in its own mode with those in the other one.

    Args:
        subject: the module, in its own mode.
        found: its gradients.
        meter: counts the gradients that are taken.

    Returns:
        One verdict on the whole module where gradients differ in kind; None where they do not, for anything else than a
        module, and for one that cannot be evaluated in the other mode.

    Raises:
        BudgetSpent: the budget does not allow for the comparison.
    """
    if subject.inputs is None:
        return None
    own = bool(subject.examined.training)
    here = {name: _kind(gradient) for name, gradient in found.items()}
    there = _kinds(subject, not own, 0, meter)
    # Whatever is there in one draw is there: dropout may leave out all that a parameter acts through.
    for seed in range(1, DRAWS):
        if all(here[name] == kind for name, kind in there.items()):
            return None
        # Batch normalisation may be in a mode of its own: that of the whole is None, not one of the two.
        here, there = (
            _joined(here, _kinds(subject, None, seed, meter)),
            _joined(there, _kinds(subject, not own, seed, meter)),
        )
    differ = {name: (here[name], kind) for name, kind in there.items() if here[name] != kind}
    if not differ:
        return None
    modes = ("train", "eval") if own else ("eval", "train")
    named = [
        f"{name}: {one} in {modes[0]}, {other} in {modes[1]}"
        for name, (one, other) in list(differ.items())[:MOST_NAMED]
    ]
    return GradientVerdict(
        "modes",
        "warning",
        "train and eval differ: some gradients are there in one mode alone",
        "If the module is trained, or its gradients are used, in the mode that lacks them, look at what depends on "
        "self.training; otherwise nothing.",
        {
            "parameters that differ": f"{len(differ)} of {len(there)}",
            "which": "; ".join(named) + "; ..." * (len(differ) > MOST_NAMED),
        },
    )


def _kinds(subject: Subject, training: bool | None, seed: int, meter: Meter) -> dict[str, Kind]:
    """Kind of every parameter's gradient in a mode and for a draw; empty where the module cannot be evaluated so."""
    meter.count(GRADIENT)
    function = of_module(subject.examined, subject.inputs, training, seed)
    return {name: _kind(g) for name, g in gradients_by_parameter(replace(subject, function=function)).items()}


def _joined(one: dict[str, Kind], other: dict[str, Kind]) -> dict[str, Kind]:
    return {name: "present" if other.get(name) == "present" else kind for name, kind in one.items()}


def _kind(gradient: Tensor | None) -> Kind:
    if gradient is None:
        return "missing"
    if not bool(torch.isfinite(gradient).all()):
        return "not finite"
    return "present" if bool((gradient != 0).any()) else "zero"
