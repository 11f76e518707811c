"""The decision table: one row for each named cause, read from the top; the first row that holds is the verdict.

The codes are those of the project's notes on differentiability: Z zeros that are right, S zeros and gaps that are not,
N not finite, W finite but wrong, D discontinuous or random. W6 is a wrong derivative of which no cause is known.
"""

from dataclasses import dataclass

from nanobrag_torch.doctor import criteria as ask
from nanobrag_torch.doctor import evidence as show
from nanobrag_torch.doctor.observation import CLAMPS, ROUNDING
from nanobrag_torch.doctor.records import Severity


@dataclass(frozen=True)
class Rule:
    """A row: its code, when it holds, what it says, what to do, and the numbers that speak for it."""

    code: str
    severity: Severity
    holds: ask.Test
    title: str
    remedy: str
    evidence: show.Evidence = lambda o: {}


RULES: tuple[Rule, ...] = (
    Rule(
        "D3", "warning", lambda o: not o.shared.repeatable,
        "the loss is random: the same values gave two losses",
        "Draw once and freeze the draws (a seed, or draws made outside), and add noise after the differentiable image.",
        lambda o: {"first": o.shared.repeats[0], "second": o.shared.repeats[1]},
    ),
    Rule(
        "N8", "fault", ask.input_is_not_finite,
        "an input is not finite before anything is computed from it",
        "Check what was read or left uninitialised: files, empty tensors, missing values.", show.breakdown,
    ),
    Rule(
        "N7", "fault",
        ask.either(
            ask.loss_breaks,
            lambda o: ask.value_breaks_at("log", "log2", "log10", "log1p", "xlogy")(o) and ask.breaks_on_zeros(o),
            lambda o: ask.gradient_breaks_at("Log", "Log2", "Log10", "Xlogy")(o),
        ),
        "the loss is not finite, though the model is: a logarithm, root or quotient of pixels that are zero",
        "Give dark pixels a background, or leave them out before the logarithm, root or division.", show.breakdown,
    ),
    Rule(
        "N3", "fault", ask.gradient_breaks_at("Atan2", "Acos", "Asin"),
        "an angle is taken where it has no slope: atan2(0, 0), or acos of one",
        "Use the algebraic form of what the angle is needed for (cos 2φ from components) instead of the angle.",
        show.breakdown,
    ),
    Rule(
        "N5", "fault",
        ask.value_breaks_at(
            "sqrt", "rsqrt", "pow", "__pow__", "log", "log2", "log10", "acos", "asin", "acosh", "arccos", "arcsin",
        ),
        "a value outside the domain of a root, logarithm or angle: an impossible input",
        "Check the inputs: a cell that spans no volume, a wavelength that is not positive. Validate, do not clamp.",
        show.breakdown,
    ),
    Rule(
        "N6", "fault",
        ask.either(ask.value_breaks_at("exp", "exp2", "expm1", "sinh", "cosh"), ask.gradient_breaks_at("Exp")),
        "an exponential overflows",
        "Bound its argument by the physics: a detector seen from behind, a negative absorption length.", show.breakdown,
    ),
    Rule(
        "N1", "fault", lambda o: ask.value_breaks(o) and o.shared.watch.broken is not None,
        "0/0 at an exact integer index, or another quotient at its pole",
        "Reduce the argument to the nearest pole and use the series there, as a stable grating does.", show.breakdown,
    ),
    Rule(
        "N4", "fault",
        lambda o: ask.gradient_is_not_finite(o) and o.shared.graph.below_where and o.shared.graph.from_zero,
        "the branch that was not selected makes the gradient NaN: zero times infinity below a where()",
        "Make the input of each branch safe before the singular operation, then select.", show.breakdown,
    ),
    Rule(
        "N2", "fault", lambda o: ask.gradient_breaks_at(*ask.ROOTS)(o),
        "a root or norm of zero has an infinite slope",
        "Write the function in terms of the square, which needs no root.", show.breakdown,
    ),
    Rule(
        "N1", "fault", lambda o: ask.gradient_is_not_finite(o) and not o.shared.graph.below_where,
        "the derivative of a quotient at its pole",
        "Reduce the argument to the nearest pole and use the series there, as a stable grating does.", show.breakdown,
    ),
    Rule(
        "N4", "fault", ask.gradient_is_not_finite,
        "values are finite, the gradient is not",
        "Select between branches after making their inputs safe; look at the operation named.", show.breakdown,
    ),
    Rule(
        "S3", "fault", lambda o: bool(o.shared.second_error),
        "something computed in an earlier evaluation is used again, with its graph",
        "Recompute it at every evaluation, or key the cache by the parameters and never keep what carries a graph.",
        lambda o: {"error": o.shared.second_error},
    ),
    Rule(
        "S3", "fault", lambda o: o.flat and o.fresh is not None and abs(o.fresh) > 0,
        "the value is stale: only rebuilt objects notice that the parameter changed",
        "Rebuild the objects, or invalidate what they keep, whenever a parameter changes.",
        lambda o: {"finite difference, rebuilt": o.fresh, "finite difference, reused": 0.0},
    ),
    Rule(
        "S8", "fault", lambda o: not o.shared.subject.leaf[o.coordinate.parameter],
        "the tensor that was handed over is not a leaf: its .grad stays None",
        "Hand over the leaf itself, or call retain_grad() on the tensor.",
    ),
    Rule(
        "S8", "fault", lambda o: o.gradient is None and not o.responds and ask.depends_on_a_stranger(o),
        "the loss depends on another tensor of the same value, not on this one",
        "Give the optimiser the tensor that the model holds: they are equal, but not the same object.",
    ),
    Rule(
        "S9", "fault", lambda o: not o.shared.requires_grad and ask.first_conversion(o, ask.NO_GRAD) is not None,
        "gradients are switched off where the loss is computed",
        "Leave out no_grad() and inference_mode() around the forward pass.", show.conversion(ask.NO_GRAD),
    ),
    Rule(
        "S5", "fault", lambda o: o.silent and o.coordinate.value == 0 and o.responds and bool(o.near_zero),
        "the parameter is skipped at exactly zero",
        "Always apply the operation; a rotation by zero costs nothing and carries the gradient.",
        lambda o: {"gradient close to zero": o.near_zero},
    ),
    Rule(
        "S1", "fault", lambda o: o.gradient is None and o.responds and ask.first_conversion(o, ask.DIRECT) is not None,
        "the parameter leaves the graph at the input",
        "Keep the tensor: no float(), .item(), torch.tensor() or numpy between parameter and image.",
        show.conversion(ask.DIRECT),
    ),
    Rule(
        "S2", "fault", lambda o: o.gradient is None and o.responds,
        "the graph is cut inside the model: the loss changes with the parameter, the graph does not know",
        "Keep tensors: no detach(), numpy, no_grad() or number between parameter and loss.", show.conversion(ask.ANY),
    ),
    Rule(
        "Z2", "explained",
        lambda o: o.silent and o.coordinate.value == 0 and not o.responds and not o.response
        and o.difference is not None and o.difference.curvature != 0 and not o.ends_at(CLAMPS | ROUNDING),
        "the parameter enters squared and is zero: its first derivative vanishes, its second does not",
        "Start away from zero, or make the square the parameter.",
        lambda o: {"second derivative": o.difference.curvature if o.difference else None},
    ),
    Rule(
        "Z6", "explained", ask.revived("Z6"),
        "the resolution limit excludes every sample: the image is zero", "Lower dmin.", show.zero_factor,
    ),
    Rule(
        "Z7", "explained", ask.revived("Z7"),
        "mask or region of interest leave only dark pixels: the image is zero",
        "Widen the region, or open the mask where the spots are.", show.zero_factor,
    ),
    Rule(
        "Z10", "explained", ask.revived("Z10"),
        "no spot meets a pixel: the tails underflow to exactly zero",
        "Broaden the spots (a smaller fudge, more mosaicity), or start closer.", show.zero_factor,
    ),
    Rule(
        "Z1", "explained", lambda o: o.shared.dark and o.silent and not o.responds,
        "no signal: the image is zero everywhere, and so is every derivative",
        "Give the factor that is zero a value: structure factors, fluence, or the sensor's absorption.",
        show.zero_factor,
    ),
    Rule(
        "S7", "fault", lambda o: o.shared.is_single and o.silent and bool(o.double),
        "the gradient underflows in single precision", "Use float64, or combine the constants before multiplying.",
        show.both_precisions,
    ),
    Rule(
        "Z8", "explained", lambda o: ask.unweighted(o) and ask.pixels_are_clipped(o),
        "every pixel that responds is clipped in the loss", "Differentiate the image before it is clipped.",
        show.end_of_signal(CLAMPS),
    ),
    Rule(
        "Z9", "explained", lambda o: ask.unweighted(o) and ask.loss_is_flat(o),
        "the loss itself has zero slope here: a perfect fit, or a hinge that is inactive",
        "Nothing to do at a perfect fit; otherwise choose a loss that has a slope here.",
        lambda o: {"largest d(loss)/d(image)": 0.0, **show.end_of_signal()(o)},
    ),
    Rule(
        "Z7", "explained", ask.unweighted,
        "mask or weights leave out every pixel that responds", "Open the mask, or give weight to pixels that respond.",
        lambda o: {"response of all pixels": o.response, "response of weighted pixels": 0.0},
    ),
    Rule(
        "Z10", "explained", ask.misses_the_target,
        "what the loss looks for and what responds do not overlap",
        "Broaden the spots, or start closer to the target.",
        lambda o: {"overlap": (o.magnitude or 0) / ((o.peak_weight or 1) * (o.response or 1))},
    ),
    Rule(
        "S6", "fault", lambda o: o.silent and o.ends_at(ROUNDING) is not None,
        "a rounded value is used where the value itself is needed",
        "Use the value, and the rounded one only to find the nearest integer.", show.end_of_signal(ROUNDING),
    ),
    Rule(
        "S4", "fault", lambda o: o.silent and ask.is_clamped(o) and (o.responds or bool(o.far_changes)),
        "the parameter, or what is made of it, is clamped at its bound",
        "Remove the clamp: validate instead, or use a smooth limit.",
        lambda o: {**show.end_of_signal(CLAMPS)(o), **show.both_sides(o)},
    ),
    Rule(
        "Z4", "explained", lambda o: o.silent and o.flat and o.far_changes is False,
        "the model does not depend on this parameter",
        "See which option makes it inert, or leave it out of the parameters.",
    ),
    Rule(
        "Z5", "explained",
        lambda o: o.silent and not o.responds and ((o.flat and bool(o.far_changes)) or o.pattern == "jumps"),
        "the parameter acts in steps: the loss changes by jumps and is flat between them",
        "Relax it: real numbers of cells, GAUSS instead of TOPHAT, tricubic interpolation.", show.jump,
    ),
    Rule(
        "Z3", "explained", ask.stationary,
        "the loss is stationary here by symmetry: contributions cancel",
        "Break the symmetry, or choose a loss that depends on position.",
        lambda o: {"sum of |contributions|": o.magnitude, "cancellation": o.cancellation},
    ),
    Rule(
        "D1", "explained", lambda o: o.pattern == "jumps" and o.agreement in ("agrees", "inconclusive"),
        "the loss jumps near this point: finite differences scatter, the gradient is right almost everywhere",
        "Use an even number of cells, tricubic interpolation, or smoothing where the loss is to be optimised.",
        show.jump,
    ),
    Rule(
        "D2", "explained", lambda o: o.pattern == "kink",
        "the slope jumps here: left and right derivatives differ",
        "Any value between the two is a subgradient; move off the kink, or smooth it.", show.both_sides,
    ),
    Rule(
        "W2", "fault",
        lambda o: o.shared.is_single and o.double is not None and ask.relative_gap(o.gradient, o.double) > ask.COARSE,
        "single precision: rounding of the indices, amplified", "Use float64, or a form with the reduced argument.",
        show.both_precisions,
    ),
    Rule(
        "W3", "warning", lambda o: o.pattern == "unresolved" or o.agreement == "inconclusive",
        "finite differences do not settle at any step: they can neither confirm nor refute the gradient",
        "Give a step that suits the parameter: larger against rounding, smaller against curvature.", show.discrepancy,
    ),
    Rule(
        "W1", "fault",
        lambda o: o.agreement == "disagrees" and bool(o.shared.graph.noisy_divisions),
        "noise at the poles: a few samples close to a pole spoil the sum",
        "Reduce the argument before the quotient, and use its series near the pole.", show.pole,
    ),
    Rule(
        "W4", "fault",
        lambda o: o.agreement == "disagrees" and o.connected and ask.first_conversion(o, ask.OUTSIDE) is not None,
        "part of the dependence is missing from the graph: a normalisation or weight that was taken out of it",
        "Keep the normalising number a tensor, or normalise by a constant.", show.conversion(ask.OUTSIDE),
    ),
    Rule(
        "W6", "fault", lambda o: o.agreement == "disagrees",
        "the gradient is not the derivative of the loss", "Check the derivative rules that are written by hand.",
        lambda o: {**show.discrepancy(o), "own rules": ", ".join(o.shared.graph.custom) or "none"},
    ),
    Rule(
        "W5", "warning", lambda o: ask.other_mode(o) is not None,
        "the reference belongs to another sampling of the pixel's factors",
        "Compare gradients of one and the same mode.",
        lambda o: {"reference": o.shared.reference[o.coordinate.name], "its mode": ask.other_mode(o)},
    ),
    Rule(
        "S10", "warning", ask.update_is_negligible,
        "the gradient is right, but an optimiser loses it: its epsilon is larger",
        "Optimise the logarithm, or rescale the parameter.",
        lambda o: {"gradient times value by loss": (o.gradient or 0) * o.coordinate.value / o.shared.loss},
    ),
    Rule(
        "healthy", "warning", lambda o: o.cancellation is not None and o.cancellation < ask.CANCELS,
        "healthy, but cancelling: the net gradient is a small rest of large contributions",
        "Prefer a loss that depends on position; compare gradients against the sum of contributions.",
        lambda o: {"cancellation": o.cancellation},
    ),
    Rule("healthy", "healthy", lambda o: True, "healthy", "Nothing to do."),
)  # fmt: skip

#: All codes of the table, in its order, each once.
CODES = tuple(dict.fromkeys(rule.code for rule in RULES))
