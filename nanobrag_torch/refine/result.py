"""Result of a refinement: values with standard errors, what was not determined and why, how good the fit is."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from os import PathLike
from typing import TYPE_CHECKING

from torch import Tensor

from nanobrag_torch.doctor import codec
from nanobrag_torch.io.files import written
from nanobrag_torch.refine.amplitudes import RefinedAmplitudes
from nanobrag_torch.refine.goodness import Goodness
from nanobrag_torch.refine.normal_matrix import OpenDirection
from nanobrag_torch.refine.notation import value_with_error
from nanobrag_torch.refine.outliers import Residual
from nanobrag_torch.refine.scoring import Progress
from nanobrag_torch.scenario import Scenario

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class RefinedParameter:
    """A parameter at the end of a refinement.

    Attributes:
        name: name of the quantity, or "crystal.turn_deg[i]", the rotation from the start about a laboratory axis.
        label: short name for tables.
        unit: unit of the values.
        start: value at the start.
        value: value at the end.
        sigma: standard error; None where there is none, and then ``note`` says why.
        note: what is to be known of it; empty for a parameter that was refined freely.
    """

    name: str
    label: str
    unit: str
    start: float
    value: float
    sigma: float | None
    note: str = ""

    def __str__(self) -> str:
        return value_with_error(self.value, self.sigma)


@dataclass(frozen=True)
class RefinementResult:
    """Outcome of :func:`nanobrag_torch.refine`. In a notebook it shows itself as a table.

    Attributes:
        converged: the criteria of the end hold and the model describes the counts. Where it is False there are no
            standard errors.
        reason: why it ended, in words.
        steps: number of steps.
        goodness: how well the model describes the counts.
        parameters: one entry for each name of the scenario, in its order.
        turns: rotation from the start about the laboratory x, y and z axes, as a rotation vector in degrees, where all
            three angles of the misset are free.
        null_directions: combinations of parameters that the data do not determine.
        weak_directions: combinations that they determine poorly.
        held: parameters that stayed where they were, and why.
        remarks: what else is to be known, such as pixels that were left out.
        worst: pixels that contribute most to the deviance.
        history: one entry a step.
        scenario: the scenario at the end.
        covariance: covariance of the free quantities, in the order of ``covariance_names``.
        covariance_names: names of its rows and columns.
        slow: slow indices (n,) of the pixels that counted.
        fast: fast indices (n,).
        observed: measured photons (n,).
        expected: expected photons (n,).
        interrupted: the keyboard ended it: the values are the best until then.
        amplitudes: structure factors that were free; None where there were none, or no fit.

    Example:
        ```python
        result = refine(scenario, counts)
        result["crystal.cell_a"].value, result["crystal.cell_a"].sigma  # Å
        ```
    """

    converged: bool
    reason: str
    steps: int
    goodness: Goodness
    parameters: tuple[RefinedParameter, ...]
    turns: tuple[RefinedParameter, ...]
    null_directions: tuple[OpenDirection, ...]
    weak_directions: tuple[OpenDirection, ...]
    held: dict[str, str]
    remarks: tuple[str, ...]
    worst: tuple[Residual, ...]
    history: tuple[Progress, ...]
    scenario: Scenario = field(repr=False)
    covariance: Tensor = field(repr=False)
    covariance_names: tuple[str, ...] = field(repr=False)
    slow: Tensor = field(repr=False)
    fast: Tensor = field(repr=False)
    observed: Tensor = field(repr=False)
    expected: Tensor = field(repr=False)
    interrupted: bool
    amplitudes: RefinedAmplitudes | None = field(repr=False)
    _influence: Callable[[], tuple[Tensor, Tensor, tuple[str, ...]]] = field(repr=False)

    def __getitem__(self, name: str) -> RefinedParameter:
        """Parameter of that name.

        Raises:
            KeyError: no such parameter was refined; the message names those that were.
        """
        everything = (*self.parameters, *self.turns)
        for each in everything:
            if each.name == name:
                return each
        raise KeyError(f"{name!r}: must be one of {', '.join(each.name for each in everything)}")

    @property
    def chi2(self) -> float:
        """Sum of squared Pearson residuals."""
        return self.goodness.chi2

    @property
    def dof(self) -> int:
        """Pixels that counted less parameters that were determined."""
        return self.goodness.dof

    @property
    def correlation(self) -> "DataFrame":
        """Correlations of the free quantities that have a standard error.

        Raises:
            ImportError: pandas is missing.
        """
        import pandas

        errors = self.covariance.diagonal().sqrt()
        chosen = [i for i, error in enumerate(errors.tolist()) if error > 0 and math.isfinite(error)]
        names = [self.covariance_names[i] for i in chosen]
        matrix = self.covariance[chosen][:, chosen] / errors[chosen][:, None] / errors[chosen]
        return pandas.DataFrame(matrix.numpy(), index=names, columns=names)

    @property
    def structure_factors(self) -> "DataFrame":
        """Structure factors that were free, by (h, k, l): at the start and the end, and standard errors, in electrons.

        Raises:
            ValueError: none were free, or there is no fit.
            ImportError: pandas is missing.
        """
        import pandas

        if self.amplitudes is None:
            raise ValueError("RefinementResult: no structure factors. Refine with structure_factors=0.3, to a fit.")
        held = self.amplitudes
        index = pandas.MultiIndex.from_tuples([tuple(row) for row in held.indices.tolist()], names=["h", "k", "l"])
        columns = {"start": held.start.numpy(), "F": held.value.numpy(), "sigma": held.sigma.numpy()}
        return pandas.DataFrame(columns, index=index)

    def influence(self) -> "DataFrame":
        """Shift of each parameter, in its standard errors, that the pixels of each reflection (h, k, l) ask for.

        To first order the parameter would move by as much the other way without that reflection. The largest first.

        Raises:
            ImportError: pandas is missing.
        """
        import pandas

        indices, shifts, names = self._influence()
        index = pandas.MultiIndex.from_tuples([tuple(row) for row in indices.tolist()], names=["h", "k", "l"])
        frame = pandas.DataFrame(shifts.numpy(), index=index, columns=list(names))
        return frame.loc[frame.abs().max(axis=1).sort_values(ascending=False, kind="stable").index]

    def to_json(self, path: str | PathLike[str] | None = None) -> str:
        """Write the result as JSON, without scenario and pixels.

        Args:
            path: file to be replaced; None for none.

        Returns:
            The text.

        Raises:
            OSError: the file cannot be written; an old one stays as it is.
        """
        text = codec.to_json(
            {
                "converged": self.converged, "interrupted": self.interrupted, "reason": self.reason,
                "steps": self.steps, "goodness": self.goodness,
                "parameters": self.parameters, "turns": self.turns, "null_directions": self.null_directions,
                "weak_directions": self.weak_directions, "held": self.held, "remarks": self.remarks,
                "worst": self.worst, "history": self.history, "covariance_names": self.covariance_names,
                "covariance": self.covariance.tolist(),
            }
        )  # fmt: skip
        return written(text, path)

    def __str__(self) -> str:
        rows = [("parameter", "start", "value", "unit", "")]
        rows += [(p.label, f"{p.start:.6g}", str(p), p.unit, p.note) for p in (*self.parameters, *self.turns)]
        widths = [max(len(row[i]) for row in rows) for i in range(4)]
        lines = [
            "  ".join(
                [
                    row[0].ljust(widths[0]),
                    row[1].rjust(widths[1]),
                    row[2].rjust(widths[2]),
                    row[3].ljust(widths[3]),
                    row[4],
                ]
            ).rstrip()
            for row in rows
        ]
        return "\n".join([self._headline(), "", *lines, *(["", *self._words()] if self._words() else [])])

    def _headline(self) -> str:
        g = self.goodness
        state = "Converged" if self.converged else "Not converged"
        return (
            f"{state} ({self.reason}) in {self.steps} steps. Deviance {g.deviance:.6g} where {g.expected_deviance:.6g} "
            f"is expected ({g.excess:+.1f} standard deviations); chi2 {g.chi2:.6g} with {g.dof} degrees of freedom."
        )

    def _words(self) -> list[str]:
        words = [f"Not determined: {each.words}." for each in self.null_directions]
        words += [
            f"Poorly determined ({each.eigenvalue:.1g} of the information): {each.words}."
            for each in self.weak_directions
        ]
        words += [f"Held: {name}: {because}." for name, because in self.held.items()]
        return [*words, *(f"{remark[:1].upper()}{remark[1:]}." for remark in self.remarks)]

    def _repr_html_(self) -> str:
        heads = "".join(
            f"<th style='text-align:left'>{head}</th>" for head in ("parameter", "start", "value", "unit", "")
        )
        rows = "".join(
            f"<tr><td style='text-align:left'>{escape(p.label)}</td><td>{p.start:.6g}</td>"
            f"<td><b>{escape(str(p))}</b></td>"
            f"<td style='text-align:left'>{escape(p.unit)}</td><td style='text-align:left'>{escape(p.note)}</td></tr>"
            for p in (*self.parameters, *self.turns)
        )
        colour = "#2e7d32" if self.converged else "#c62828"
        words = "".join(f"<li>{escape(word)}</li>" for word in self._words())
        return (
            f"<div><p style='color:{colour}'>{escape(self._headline())}</p><table><thead><tr>{heads}</tr></thead>"
            f"<tbody>{rows}</tbody></table>{f'<ul>{words}</ul>' if words else ''}</div>"
        )
