"""Record of a refinement: values before and after, what was held, how good the fit is; beside the truth where known."""

from nanobrag_torch.workbook.records.base import KeyNumber, Part, Record, exact

#: Standard errors by which a value may be off its truth.
FAR = 4.0
#: Part of a standard error to which a refinement repeats itself.
_REPEATS = 1e-3


class RefinedValue(Part):
    """A parameter of a refinement.

    Attributes:
        name: name of the quantity, or of a turn about a laboratory axis.
        label: short name for tables.
        unit: unit of the values.
        start: value at the start.
        value: value at the end.
        sigma: standard error; null where there is none, and then ``note`` says why.
        truth: value that the image was drawn at; null where none is known.
        note: remark on the parameter.
    """

    name: str
    label: str
    unit: str
    start: float
    value: float
    sigma: float | None
    truth: float | None
    note: str

    @property
    def pull(self) -> float | None:
        """Distance from the truth in standard errors; None without one of them."""
        return None if self.truth is None or not self.sigma else (self.value - self.truth) / self.sigma


class Refinement(Record):
    """A refinement of a scenario against one image; covariance and history are in the file ``result.json`` beside it.

    Attributes:
        image: name of the image, empty where it was drawn.
        pixels: pixels that counted.
        photons: photons in them.
        converged: there is a fit.
        interrupted: the keyboard ended it.
        reason: why it ended, in words.
        steps: number of steps.
        chi2: sum of squared Pearson residuals.
        dof: degrees of freedom.
        deviance: deviance of the counts from the model.
        expected_deviance: its expectation, if the model is right.
        excess: difference of the two in standard deviations.
        unexplained: part of the pattern that the model leaves unexplained.
        values: parameters, turns behind the others.
        held: parameters that stayed at their start, and why.
        null_directions: combinations that the counts do not determine, in words.
        weak_directions: combinations that they determine poorly, in words.
        remarks: further remarks in words.
        quiet: the image scatters so much less than counts of photons do that it is none.
    """

    file = "refinement.json"
    borne_out_by = {
        "R1": "refinement.converged == 1 and refinement.held == 0 and refinement.far == 0",
        "R2": "refinement.converged == 1 and refinement.held > 0 and refinement.far == 0",
        "R3": "refinement.converged == 0",
        "R4": "refinement.converged == 1 and refinement.far > 0",
        "R5": "refinement.converged == 0",
        "R6": "refinement.converged == 1 and refinement.quiet == 1",
    }

    image: str
    pixels: int
    photons: float
    converged: bool
    interrupted: bool
    reason: str
    steps: int
    chi2: float
    dof: int
    deviance: float
    expected_deviance: float
    excess: float
    unexplained: float
    values: tuple[RefinedValue, ...]
    held: dict[str, str]
    null_directions: tuple[str, ...]
    weak_directions: tuple[str, ...]
    remarks: tuple[str, ...]
    quiet: bool = False

    def far(self) -> tuple[RefinedValue, ...]:
        """Values that are farther from the truth than chance lets them be."""
        return tuple(each for each in self.values if abs(each.pull or 0.0) > FAR)

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Convergence, parameters held and far off, counts that are none, values to a thousandth of their errors."""
        counts = {"converged": float(self.converged), "held": len(self.held), "far": len(self.far())}
        # Reports from before it was looked for have no such number, and stay what their manifests say.
        counts |= {"quiet": 1.0} if self.quiet else {}
        values = {
            f"value.{each.name}": KeyNumber(
                value=each.value, scale=each.sigma * _REPEATS * 1e9, unit=each.unit, error=each.sigma
            )
            for each in self.values
            if each.sigma
        }
        return {name: exact(count) for name, count in counts.items()} | values

    def headline(self) -> tuple[tuple[str, str], ...]:
        """Goodness of the fit, and the largest pull where there is a truth."""
        pulls = [abs(each.pull) for each in self.values if each.pull is not None]
        return (
            ("deviance / expected", f"{self.deviance / self.expected_deviance:.3f}" if self.expected_deviance else "–"),
            ("steps", str(self.steps)),
            *((("largest pull", f"{max(pulls):.1f}"),) if pulls else ()),
        )
