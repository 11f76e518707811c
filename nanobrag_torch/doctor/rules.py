"""Decision table: one row for each named cause, read from the top; the first row that holds is the verdict.

The codes are explained in docs/doctor.md: Z zeros that are right, S zeros and gaps that are not, N not finite, W finite
but wrong, D discontinuous or random. W6 is a wrong derivative of which no cause is known.
"""

from dataclasses import dataclass

from . import criteria, evidence
from .criteria import Criterion
from .evidence import EvidenceFunction
from .observation import CLAMPS, ROUNDING, Observation
from .records import Severity


@dataclass(frozen=True)
class VerdictRule:
    """A row of the decision table.

    Attributes:
        code: name of the cause; rows of one cause share it.
        severity: weight of the verdict.
        holds: criterion of the row, asked only where no row above it held.
        title: meaning, in words.
        remedy: what to do.
        evidence: gathers the numbers and places that speak for the verdict.
    """

    code: str
    severity: Severity
    holds: Criterion
    title: str
    remedy: str
    evidence: EvidenceFunction = lambda o: {}


RULES: tuple[VerdictRule, ...] = (
    VerdictRule(
        "S3", "fault", lambda o: bool(o.shared.second_error),
        "something computed in an earlier evaluation is used again, with its graph",
        "Recompute it at every evaluation, or key the cache by the parameters and never keep what carries a graph.",
        lambda o: {"error": o.shared.second_error},
    ),
    VerdictRule(
        "D3", "warning", lambda o: not o.shared.repeatable,
        "the loss is random: the same values gave two losses",
        "Draw once and freeze the draws (a seed, or draws made outside), and add noise after the differentiable image.",
        lambda o: {"first": o.shared.repeats[0], "second": o.shared.repeats[1]},
    ),
    VerdictRule(
        "N8", "fault", criteria.input_is_not_finite,
        "an input is not finite before anything is computed from it",
        "Check what was read or left uninitialised: files, empty tensors, missing values.", evidence.nonfinite,
    ),
    VerdictRule(
        "N4", "fault", criteria.not_selected,
        "the branch that was not selected makes the gradient NaN: zero times infinity below a where()",
        "Make the input of each branch safe before the singular operation, then select.", evidence.nonfinite,
    ),
    VerdictRule(
        "N7", "fault",
        criteria.either(
            criteria.loss_is_not_finite,
            lambda o: criteria.value_nonfinite_at("log", "log2", "log10", "log1p", "xlogy")(o)
            and criteria.nonfinite_on_zeros(o),
            criteria.gradient_nonfinite_at(*criteria.LOGARITHMS),
        ),
        "the loss is not finite, though the model is: a logarithm, root or quotient of pixels that are zero",
        "Give dark pixels a background, or leave them out before the logarithm, root or division.", evidence.nonfinite,
    ),
    VerdictRule(
        "N5", "fault",
        criteria.value_nonfinite_at(
            "sqrt", "rsqrt", "pow", "__pow__", "log", "log2", "log10", "acos", "asin", "acosh", "arccos", "arcsin",
        ),
        "a value outside the domain of a root, logarithm or angle: an impossible input",
        "Check the inputs: a cell that spans no volume, a wavelength that is not positive. Validate, do not clamp.",
        evidence.nonfinite,
    ),
    VerdictRule(
        "N6", "fault",
        criteria.either(
            criteria.value_nonfinite_at("exp", "exp2", "expm1", "sinh", "cosh"),
            criteria.gradient_nonfinite_at("Exp"),
        ),
        "an exponential overflows",
        "Bound its argument by the physics: a detector seen from behind, a negative absorption length.",
        evidence.nonfinite,
    ),
    VerdictRule(
        "N1", "fault", lambda o: criteria.value_is_not_finite(o) and o.shared.watch.nonfinite_at is not None,
        "0/0 at an exact integer index, or another quotient at its pole",
        "Reduce the argument to the nearest pole and use the series there, as a stable grating does.",
        evidence.nonfinite,
    ),
    VerdictRule(
        "N3", "fault", criteria.gradient_nonfinite_at(*criteria.ANGLES),
        "an angle is taken where it has no slope: atan2(0, 0), or acos of one",
        "Use the algebraic form of what the angle is needed for (cos 2φ from components) instead of the angle.",
        evidence.nonfinite,
    ),
    VerdictRule(
        "N2", "fault", criteria.gradient_nonfinite_at(*criteria.ROOTS),
        "a root or norm of zero has an infinite slope",
        "Write the function in terms of the square, which needs no root.", evidence.nonfinite,
    ),
    VerdictRule(
        "N1", "fault", lambda o: criteria.gradient_is_not_finite(o) and not o.shared.graph.below_where,
        "the derivative of a quotient at its pole",
        "Reduce the argument to the nearest pole and use the series there, as a stable grating does.",
        evidence.nonfinite,
    ),
    VerdictRule(
        "N4", "fault", criteria.gradient_is_not_finite,
        "values are finite, the gradient is not",
        "Select between branches after making their inputs safe; look at the operation named.", evidence.nonfinite,
    ),
    VerdictRule(
        "S3", "fault", lambda o: o.flat and o.fresh is not None and abs(o.fresh) > 0,
        "the value is stale: only rebuilt objects notice that the parameter changed",
        "Rebuild the objects, or invalidate what they keep, whenever a parameter changes.",
        lambda o: {"finite difference, rebuilt": o.fresh, "finite difference, reused": 0.0},
    ),
    VerdictRule(
        "S8", "fault", lambda o: not o.shared.subject.leaf[o.coordinate.parameter],
        "the tensor that was handed over is not a leaf: its .grad stays None",
        "Hand over the leaf itself, or call retain_grad() on the tensor.",
    ),
    VerdictRule(
        "S8", "fault", lambda o: o.gradient is None and not o.responds and criteria.depends_on_a_foreign_leaf(o),
        "the loss depends on another tensor of the same value, not on this one",
        "Give the optimiser the tensor that the model holds: they are equal, but not the same object.",
    ),
    VerdictRule(
        "S9", "fault",
        lambda o: not o.shared.requires_grad and criteria.first_conversion(o, criteria.NO_GRAD) is not None,
        "gradients are switched off where the loss is computed",
        "Leave out no_grad() and inference_mode() around the forward pass.", evidence.conversion(criteria.NO_GRAD),
    ),
    VerdictRule(
        "N2", "warning", lambda o: o.pattern == "cusp" and not criteria.precision_is_too_coarse(o),
        "the slope is infinite here, as that of a root of zero: what autograd gives stands for no derivative",
        "Move off the point, or write the function in terms of the square or a power that has a slope.",
        evidence.both_sides,
    ),
    VerdictRule(
        "D2", "explained", criteria.is_a_subgradient,
        "the slope jumps here: left and right derivatives differ",
        "Any value between the two is a subgradient; move off the kink, or smooth it.", evidence.both_sides,
    ),
    VerdictRule(
        "S5", "fault", lambda o: o.silent and o.at_zero and o.responds and o.revives_near_zero,
        "the parameter is skipped at exactly zero",
        "Always apply the operation; a rotation by zero costs nothing and carries the gradient.",
        lambda o: {"gradient close to zero": o.near_zero},
    ),
    VerdictRule(
        "S1", "fault",
        lambda o: o.gradient is None and o.responds and criteria.left_at_the_input(o),
        "the parameter leaves the graph at the input",
        "Keep the tensor: no float(), .item(), torch.tensor() or numpy between parameter and image.",
        evidence.culprit,
    ),
    VerdictRule(
        "S2", "fault", lambda o: o.gradient is None and o.responds,
        "the graph is cut inside the model: the loss changes with the parameter, the graph does not know",
        "Keep tensors: no detach(), numpy, no_grad() or number between parameter and loss.",
        evidence.culprit,
    ),
    VerdictRule(
        "S9", "warning", criteria.is_frozen,
        "the parameter is frozen: its requires_grad is False, so that in a program of its own its .grad stays None",
        "Call requires_grad_() on it if it is to be trained; otherwise leave it out.",
    ),
    VerdictRule(
        "N3", "fault", lambda o: o.silent and not o.flat and o.zeroed_by(frozenset(criteria.ANGLES)) is not None,
        "an angle is taken where it has no slope, and torch puts zero in its place: atan2(0, 0), the phase of zero",
        "Use the algebraic form of what the angle is needed for (cos 2φ from components) instead of the angle.",
        evidence.zeroed(frozenset(criteria.ANGLES)),
    ),
    VerdictRule(
        "Z2", "explained",
        lambda o: o.silent and o.at_zero and not o.responds and not o.response
        and o.difference is not None and o.difference.curvature != 0 and not o.zeroed_by(CLAMPS | ROUNDING)
        and o.pattern != "jumps",
        "the parameter enters squared and is zero: its first derivative vanishes, its second does not",
        "Start away from zero, or make the square the parameter.",
        lambda o: {"second derivative": o.difference.curvature if o.difference else None},
    ),
    VerdictRule(
        "Z6", "explained", criteria.revived("Z6"),
        "the resolution limit excludes every sample: the image is zero", "Lower dmin.", evidence.zero_factor,
    ),
    VerdictRule(
        "Z7", "explained", criteria.revived("Z7"),
        "mask or region of interest leave only dark pixels: the image is zero",
        "Widen the region, or open the mask where the spots are.", evidence.zero_factor,
    ),
    VerdictRule(
        "Z10", "explained", criteria.revived("Z10"),
        "no spot meets a pixel: the tails underflow to exactly zero",
        "Broaden the spots (a smaller fudge, more mosaicity), or start closer.", evidence.zero_factor,
    ),
    VerdictRule(
        "Z7", "explained", criteria.nothing_passes_a_mask,
        "a mask or filter lets nothing pass: the image is zero",
        "Look at the limit that it compares with, and at the unit of both.", evidence.empty_mask,
    ),
    VerdictRule(
        "Z10", "explained", criteria.tail_vanished,
        "the tails of what would meet a pixel underflow to exactly zero",
        "Broaden it, or start closer.", evidence.zero_factor,
    ),
    VerdictRule(
        "Z1", "explained", lambda o: o.shared.dark and o.silent and not o.responds,
        "no signal: the image is zero everywhere, and so is every derivative",
        "Give the factor that is zero a value: structure factors, fluence, or the sensor's absorption.",
        evidence.zero_factor,
    ),
    VerdictRule(
        "S7", "fault", criteria.underflows,
        "the gradient underflows in single precision", "Use float64, or combine the constants before multiplying.",
        evidence.both_precisions,
    ),
    VerdictRule(
        "Z8", "explained", lambda o: criteria.unweighted(o) and criteria.pixels_are_clipped(o),
        "every pixel that responds is clipped in the loss", "Differentiate the image before it is clipped.",
        evidence.zeroed(CLAMPS),
    ),
    VerdictRule(
        "Z9", "explained", lambda o: criteria.unweighted(o) and criteria.loss_is_flat(o),
        "the loss itself has zero slope here: a perfect fit, or a hinge that is inactive",
        "Nothing to do at a perfect fit; otherwise choose a loss that has a slope here.",
        lambda o: {"largest d(loss)/d(image)": 0.0, **evidence.zeroed()(o)},
    ),
    VerdictRule(
        "Z7", "explained", criteria.unweighted,
        "mask or weights leave out every pixel that responds", "Open the mask, or give weight to pixels that respond.",
        lambda o: {"response of all pixels": o.response, "response of weighted pixels": 0.0},
    ),
    VerdictRule(
        "Z10", "explained", criteria.misses_the_target,
        "what the loss looks for and what responds do not overlap",
        "Broaden the spots, or start closer to the target.",
        lambda o: {"overlap": (o.magnitude or 0) / ((o.peak_weight or 1) * (o.response or 1))},
    ),
    VerdictRule(
        "S6", "fault", lambda o: o.silent and o.zeroed_by(ROUNDING) is not None,
        "a rounded value is used where the value itself is needed",
        "Use the value, and the rounded one only to find the nearest integer.", evidence.zeroed(ROUNDING),
    ),
    VerdictRule(
        "S4", "fault", lambda o: o.silent and criteria.is_clamped(o) and (o.responds or bool(o.far_changes)),
        "the parameter, or what is made of it, is clamped at its bound",
        "Remove the clamp: validate instead, or use a smooth limit.",
        lambda o: {**evidence.zeroed(CLAMPS)(o), **evidence.both_sides(o)},
    ),
    VerdictRule(
        "Z10", "explained", lambda o: o.silent and o.flat and o.alive_elsewhere,
        "nothing reaches the parameter from here: outside of the image, before the contact, where a unit is off",
        "Start where it acts, or let it act everywhere: a padding that goes on, a smooth tail, a soft threshold.",
        evidence.zeroed(),
    ),
    VerdictRule(
        "Z4", "explained", lambda o: o.hidden and o.far_changes is False,
        "the model does not depend on this parameter",
        "See which option makes it inert, or leave it out of the parameters.",
    ),
    VerdictRule(
        "Z5", "explained",
        lambda o: o.silent and not o.responds and (
            (o.flat and bool(o.far_changes) and not o.magnitude) or o.pattern == "stairs"
            or (o.gradient is None and o.pattern == "jumps")
        ),
        "the parameter acts in steps: the loss changes by jumps and is flat between them",
        "Relax it: real numbers of cells, GAUSS instead of TOPHAT, tricubic interpolation.", evidence.jump,
    ),
    VerdictRule(
        "Z3", "explained", criteria.stationary,
        "the loss is stationary here by symmetry: contributions cancel",
        "Break the symmetry, or choose a loss that depends on position.",
        lambda o: {"sum of |contributions|": o.magnitude, "cancellation": o.cancellation},
    ),
    VerdictRule(
        "W2", "warning", lambda o: criteria.precision_is_too_coarse(o) and criteria.is_slightly_rounded(o),
        "single precision: slight rounding, as of the steps of a solver",
        "Nothing to do for an optimiser; use float64 where the gradient must be better.", evidence.both_precisions,
    ),
    VerdictRule(
        "W2", "fault",
        criteria.precision_is_too_coarse,
        "single precision: rounding of the indices, amplified", "Use float64, or a form with the reduced argument.",
        evidence.both_precisions,
    ),
    VerdictRule(
        "D1", "explained",
        lambda o: o.pattern in ("jumps", "stairs") and o.agreement in ("agrees", "zero", "inconclusive"),
        "the loss jumps near this point: finite differences scatter, the gradient is right almost everywhere",
        "Use an even number of cells, tricubic interpolation, or smoothing where the loss is to be optimised.",
        evidence.jump,
    ),
    VerdictRule(
        "W3", "warning", lambda o: o.pattern == "unresolved" or o.agreement in ("inconclusive", "missing"),
        "finite differences do not settle at any step: they can neither confirm nor refute the gradient",
        "Give a step that suits the parameter: larger against rounding, smaller against curvature.",
        evidence.discrepancy,
    ),
    VerdictRule(
        "S8", "fault", criteria.is_lent,
        "the backward pass uses other tensors than the forward pass: the module's own parameters, not those handed in",
        "Hand the tensors to what calls the module in the backward pass.",
        lambda o: {**evidence.discrepancy(o), **evidence.lent(o)},
    ),
    VerdictRule(
        "W1", "fault",
        lambda o: o.agreement == "disagrees" and bool(o.shared.graph.noisy_divisions),
        "noise at the poles: a few samples close to a pole spoil the sum",
        "Reduce the argument before the quotient, and use its series near the pole.", evidence.pole,
    ),
    VerdictRule(
        "healthy", "warning", lambda o: o.agreement == "disagrees" and criteria.within_tolerance(o),
        "healthy, to the tolerance of a solver or an approximation within the model",
        "Nothing to do; tighten the tolerance if the gradient is to be better.", evidence.discrepancy,
    ),
    VerdictRule(
        "W4", "warning", lambda o: o.agreement == "disagrees" and o.pattern in ("flat", "stairs") and o.explained,
        "the loss moves in steps, and the gradient passes them by: a straight-through estimate, if it was meant",
        "Nothing to do if it was meant; otherwise use the value itself, not the rounded one.", evidence.culprit,
    ),
    VerdictRule(
        "W4", "warning", lambda o: o.agreement == "disagrees" and criteria.lacks_little(o),
        "a slight part of the dependence is missing from the graph: it was taken out of it on the way",
        "Nothing to do if it is meant, as in the control of a solver's steps; otherwise keep it a tensor of the graph.",
        lambda o: {**evidence.discrepancy(o), **evidence.culprit(o)},
    ),
    VerdictRule(
        "W3", "warning", lambda o: o.agreement == "disagrees" and not o.explained and criteria.is_slight(o),
        "gradient and finite difference differ slightly: a solver's own tolerance, an approximation, or a small slip",
        "Tighten the solver's tolerance: if the gap shrinks with it, give it as tolerance=; if not, look for a slip.",
        lambda o: {**evidence.discrepancy(o), **evidence.own_rules(o)},
    ),
    VerdictRule(
        "W3", "warning", criteria.is_drawn_implicitly,
        "the gradient of an average over draws: that of one gamma or Dirichlet variate, its seed kept, is another",
        "Nothing to do: compare the averages of many draws, if at all.", evidence.discrepancy,
    ),
    VerdictRule(
        "W4", "fault", lambda o: o.agreement == "disagrees" and o.explained,
        "part of the dependence is missing from the graph: it was taken out of it on the way",
        "Keep it a tensor of the graph: a normalising number, a weight, the step of a solver; or make it a constant.",
        lambda o: {**evidence.discrepancy(o), **evidence.culprit(o)},
    ),
    VerdictRule(
        "W6", "fault", lambda o: o.agreement == "disagrees",
        "the gradient is not the derivative of the loss", "Check the derivative rules that are written by hand.",
        lambda o: {**evidence.discrepancy(o), **evidence.own_rules(o)},
    ),
    VerdictRule(
        "W5", "warning", lambda o: criteria.other_mode(o) is not None,
        "the reference belongs to another sampling of the pixel's factors",
        "Compare gradients of one and the same mode.",
        lambda o: {"reference": o.shared.reference[o.coordinate.name], "its mode": criteria.other_mode(o)},
    ),
    VerdictRule(
        "S10", "warning", criteria.update_is_negligible,
        "the gradient is right, but an optimiser loses it: its epsilon is larger",
        "Optimise the logarithm, or rescale the parameter.",
        lambda o: {"gradient times value by loss": (o.gradient or 0) * o.coordinate.value / o.shared.loss},
    ),
    VerdictRule(
        "healthy", "warning", lambda o: o.cancellation is not None and o.cancellation < criteria.CANCELS,
        "healthy, but cancelling: the net gradient is a small rest of large contributions",
        "Prefer a loss that depends on position; compare gradients against the sum of contributions.",
        lambda o: {"cancellation": o.cancellation},
    ),
    VerdictRule("healthy", "healthy", lambda o: True, "healthy", "Nothing to do.", evidence.harmless),
)  # fmt: skip

#: What to do about an operation, where that says more than the remedy of its row: by code, and by the name of the
#: operation that the evidence gives.
REMEDIES: dict[tuple[str, str], str] = {
    ("S", "sample"): "Draw with rsample(), which keeps the graph, or write the draw as loc + scale * noise.",
    ("S", "grad"): "Pass create_graph=True to autograd.grad(), so that its result can be differentiated.",
    ("S", "Parameter"): "Do not make a new nn.Parameter of it: that is a new leaf. Call the module with "
    "torch.func.functional_call(module, {name: tensor}, inputs).",
    ("S", "data"): "Use the tensor itself: .data is not recorded.",
    ("S", "copy_"): "Copy outside of no_grad(), or use the tensor itself.",
    ("W", "grad"): "Pass create_graph=True to autograd.grad(), so that its result can be differentiated.",
    ("N", "LinalgEigh"): "Equal eigenvalues have no eigenvectors of their own: use a function of the whole subspace (a "
    "projector, a matrix function), or keep the eigenvalues apart.",
    ("N", "LinalgEig"): "Equal eigenvalues have no eigenvectors of their own: use a function of the whole subspace (a "
    "projector, a matrix function), or keep the eigenvalues apart.",
    (
        "N",
        "LinalgSvd",
    ): "Equal or zero singular values have no vectors of their own: use what does not need them (a polar "
    "or QR decomposition, a solve), or keep the singular values apart.",
    ("N", "var"): "The variance of one value divides by N - 1 = 0: give more values, or correction=0.",
    ("N", "std"): "The deviation of one value divides by N - 1 = 0: give more values, or correction=0.",
}
_LENT = (
    "{} calls the module again in its backward pass, when functional_call has put the module's own parameters back. "
    "Let what it calls put them in each time (odeint_adjoint(lambda t, y: functional_call(module, p, (t, y)), y0, t, "
    "adjoint_params=tuple(p.values()))), or differentiate through the steps (odeint)."
)
_UNDER_NO_GRAD = (
    "Compute it outside of no_grad(), which cuts whatever is computed within; keep no_grad() for what is constant."
)
_WITHIN_A_FUNCTION = (
    "The torch.autograd.Function {} does not get this parameter as an argument, and only arguments have gradients: "
    "hand it over (odeint_adjoint: a module's parameter, or adjoint_params=)."
)


def remedy(rule: VerdictRule, o: Observation) -> str:
    """Advice: the remedy of the operation in the evidence where one is known, otherwise that of the row."""
    if rule.code == "S8" and criteria.is_lent(o) and o.culprit is not None:
        return _LENT.format(o.culprit.function)
    if o.culprit is not None and o.culprit.function and rule.code in ("S1", "S2", "W4"):
        return _WITHIN_A_FUNCTION.format(o.culprit.function)
    if o.culprit is not None and criteria.NO_GRAD(o.culprit) and rule.code in ("S1", "S2", "W4"):
        return _UNDER_NO_GRAD
    operation = str(rule.evidence(o).get("operation", "")).removeprefix("derivative of ")
    return REMEDIES.get((rule.code[0], operation), rule.remedy)


#: All codes of the table, in its order, each once.
CODES = tuple(dict.fromkeys(rule.code for rule in RULES))
