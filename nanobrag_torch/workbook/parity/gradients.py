"""Gradients beside finite differences of the C program: between two stored images, or of the program itself."""

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from nanobrag_torch.cli.compare import BINARY_VARIABLE, run_theirs
from nanobrag_torch.cli.parse import parse
from nanobrag_torch.cli.precedence import settings_of
from nanobrag_torch.doctor.finite_difference import agreement, differentiate
from nanobrag_torch.quantities import CELL, quantity
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook.cells.losses import LOSSES
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.parity.cases import StoredCase
from nanobrag_torch.workbook.records.evidence import Derivative, Evidence
from nanobrag_torch.workbook.records.parity import Interval, IntervalLoss
from nanobrag_torch.workbook.show import progress

WAVELENGTH = "beam.wavelength_A"
EDGES = ("crystal.cell_a", "crystal.cell_b", "crystal.cell_c")
#: Names of the losses that are held against the C program.
COMPARED = ("sum", "weighted_sum")
#: Standard deviations within which a sum of rounded pixels lies: roundings are independent and even.
DEVIATIONS = 3.0
#: Part of its rounding by which a pixel may leave that interval, for the C program's arithmetic before it rounds.
SLACK = 1e-3


@dataclass(frozen=True)
class Integrated:
    """An interval between two stored images, each image (slow, fast), in photons.

    Attributes:
        record: the record.
        difference: difference of the C program's images.
        integral: integral of our derivative.
        rounding: rounding of the two stored values, half a unit of the last place of each.
    """

    record: Interval
    difference: np.ndarray
    integral: np.ndarray
    rounding: np.ndarray


def integrate(low: StoredCase, high: StoredCase, nodes: int = 8, engine: str = "auto") -> Integrated | None:
    """Integrate our derivative with respect to the wavelength from one stored image to the other.

    Gauss-Legendre quadrature is exact to rounding where Miller indices move by a fraction of a fringe in between. An
    image of crystals of one F in a monochromatic beam depends on cell and wavelength by their ratio alone, so that
    λ dI/dλ + a dI/da + b dI/db + c dI/dc = 0; ``by_cell`` takes the gradient that way.

    Args:
        low: case at one end.
        high: case at the other end.
        nodes: points of the quadrature.
        engine: engine of the simulator.

    Returns:
        The integral beside the difference; None where it was interrupted.

    Raises:
        InputError: the cases differ in anything but the wavelength, or are not of one F in a monochromatic beam.
    """
    start, end = _ends(low, high)
    scenario = low.scenario((WAVELENGTH, *EDGES), engine)
    first, last = _stored(low), _stored(high)
    rounding = _rounding(first) + _rounding(last)
    path = None
    with progress.shown("The gradient between two images") as work:
        path = _path(scenario, start, end, nodes, work)
    if path is None:
        return None
    image = np.asarray(path.integral([slope.pixels for slope in path.slopes]))
    difference = last - first
    ratio = np.abs(image - difference) / rounding
    losses = tuple(_loss(name, path, difference, rounding) for name in COMPARED)
    record = Interval(
        low_case=low.name, high_case=high.name, low=start, high=end, nodes=nodes, losses=losses,
        pixels=difference.size, within=int((ratio <= 1 + SLACK).sum()), largest=float(ratio.max()),
    )  # fmt: skip
    return Integrated(record, difference, image, rounding)


@dataclass(frozen=True)
class _Slope:
    """Derivative at one wavelength: of every pixel (slow, fast), and of every loss along wavelength and cell."""

    pixels: np.ndarray
    by_wavelength: dict[str, float]
    by_cell: dict[str, float]


@dataclass(frozen=True)
class _Path:
    """Slopes at the points of a quadrature, and the weight of each."""

    slopes: tuple[_Slope, ...]
    weights: tuple[float, ...]

    def integral(self, values: Sequence[Any]) -> Any:
        """Integral of a quantity with these ``values`` at the points: numbers or images."""
        return sum(weight * value for weight, value in zip(self.weights, values, strict=True))


def _path(scenario: Scenario, start: float, end: float, nodes: int, work: progress.Work) -> _Path:
    """Slopes at the points of a Gauss-Legendre quadrature.

    Args:
        scenario: the case as a function of wavelength and cell.
        start: wavelength at one end, in Angstrom.
        end: wavelength at the other end, in Angstrom.
        nodes: number of points.
        work: shows how far it is.
    """
    points, weights = np.polynomial.legendre.leggauss(nodes)
    half = (end - start) / 2
    wavelengths = [(start + end) / 2 + half * point for point in points.tolist()]
    slopes = tuple(_slope(scenario, each) for each in work.each(wavelengths, lambda each: f"λ = {each:.6g} Å"))
    return _Path(slopes, tuple((half * weights).tolist()))


def _slope(scenario: Scenario, wavelength: float) -> _Slope:
    point = torch.tensor(wavelength, dtype=torch.float64)
    with forward_ad.dual_level():
        image = scenario.image({WAVELENGTH: forward_ad.make_dual(point, torch.ones_like(point))})
        pixels = forward_ad.unpack_dual(image).tangent.numpy()
    leaves = scenario.leaves(EDGES) | {WAVELENGTH: point.clone().requires_grad_()}
    image = scenario.image(leaves)
    by_wavelength, by_cell = {}, {}
    for name in COMPARED:
        loss = LOSSES[name]
        *edges, by_wavelength[name] = map(
            float, torch.autograd.grad(loss(image), list(leaves.values()), retain_graph=True)
        )
        by_cell[name] = (
            -sum(scenario.value(edge) * slope for edge, slope in zip(EDGES, edges, strict=True)) / wavelength
        )
    return _Slope(pixels, by_wavelength, by_cell)


def _loss(name: str, path: _Path, difference: np.ndarray, rounding: np.ndarray) -> IntervalLoss:
    """Compare one loss over the interval.

    Args:
        name: name of the loss.
        path: slopes along the interval.
        difference: difference of the stored images, (slow, fast).
        rounding: rounding of that difference, (slow, fast).
    """
    weight = _weight(LOSSES[name], difference.shape)
    return IntervalLoss(
        loss=name,
        difference=float((weight * difference).sum()),
        error_bar=_uncertainty(weight * rounding),
        integral=path.integral([slope.by_wavelength[name] for slope in path.slopes]),
        by_cell=path.integral([slope.by_cell[name] for slope in path.slopes]),
        magnitude=float(np.abs(weight * difference).sum()),
    )


def _ends(low: StoredCase, high: StoredCase) -> tuple[float, float]:
    """Wavelengths of the two cases, in Angstrom.

    Raises:
        InputError: something else differs, or the cases are not of one F in a monochromatic beam.
    """
    first, last = (settings_of(parse(case.command)) for case in (low, high))
    differing = [row.name for row in fields(first) if getattr(first, row.name) != getattr(last, row.name)]
    if differing != ["wavelength_A"]:
        raise InputError.of(
            "parity", "interval", f"{low.name} and {high.name}, which differ in {', '.join(differing) or 'nothing'}",
            "two cases that differ in the wavelength alone", "Choose others.",
        )  # fmt: skip
    if first.hkl_file is not None or first.dispersion_pct != 0 or first.source_file is not None:
        raise InputError.of("parity", "interval", low.name, "cases of one F in a monochromatic beam", "Choose others.")
    return first.wavelength_A, last.wavelength_A


def _stored(case: StoredCase) -> np.ndarray:
    with np.load(case.arrays) as arrays:
        return np.asarray(arrays["float"], dtype=np.float64)


def _rounding(image: np.ndarray) -> np.ndarray:
    """Rounding of every value in single precision: half the distance between neighbouring numbers."""
    return np.asarray(np.spacing(np.abs(image).astype(np.float32)), dtype=np.float64) / 2


def _uncertainty(rounding: np.ndarray) -> float:
    """Uncertainty of a sum of rounded pixels: each rounding is even between plus and minus its half step."""
    return DEVIATIONS * float(np.sqrt((rounding**2 / 3).sum()))


def _weight(loss: Callable[[Tensor], Tensor], shape: tuple[int, ...]) -> np.ndarray:
    """Weight of each pixel in a loss that is linear, (slow, fast)."""
    image = torch.zeros(shape, dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(loss(image), image)[0].numpy()


def differentiate_program(case: StoredCase, step: float, engine: str = "auto") -> Evidence | None:
    """Differentiate the C program itself by every cell parameter, beside our gradient of the sum of the image.

    Args:
        case: command line around whose cell the program is run.
        step: first step of the finite differences, in Angstrom for lengths and degrees for angles.
        engine: engine of the simulator.

    Returns:
        The evidence; None where the environment variable NB_C_BIN names no program. An interruption keeps the
        derivatives that were taken; the evidence names the others.

    Raises:
        InputError: the cell of the case comes from a file.
    """
    binary = os.environ.get(BINARY_VARIABLE)
    if not binary:
        return None
    settings = settings_of(parse(case.command))
    if settings.cell is None or settings.matrix_file is not None:
        raise InputError.of("parity", "case", case.name, "a case with -cell and without -mat", "Choose another.")
    scenario = case.scenario(CELL, engine)
    leaves = scenario.leaves()
    image = scenario.image(leaves)
    gradients = torch.autograd.grad(image.sum(), list(leaves.values()))
    program = _Program(binary, case, {name: scenario.value(name) for name in CELL})
    still = image.detach()
    rows: list[Derivative] = []
    with progress.shown("The C program around the cell") as work:
        for name in work.each(CELL, lambda name: quantity(name).label):
            rows.append(_program_derivative(program, name, float(gradients[len(rows)]), step))
    return Evidence(
        case=f"{case.name}, by the C program", default_F=float(scenario.crystal.default_F), loss=float(still.sum()),
        image_sum=float(still.sum()), image_max=float(still.max()), lit_pixels=int((still != 0).sum()),
        pixels=still.numel(), derivatives=tuple(rows),
        unchecked=tuple(quantity(name).field for name in CELL[len(rows) :]),
    )  # fmt: skip


@dataclass(frozen=True)
class _Program:
    """The C program on one command line, as a function of the cell."""

    binary: str
    case: StoredCase
    cell: dict[str, float]

    def image(self, name: str, value: float) -> np.ndarray:
        """Run the program with one cell parameter changed: the image (slow, fast) in photons."""
        cell = [repr(float(number)) for number in (self.cell | {name: value}).values()]
        with tempfile.TemporaryDirectory(prefix="parity-") as folder:
            command = _absolute([*self.case.command, "-cell", *cell], self.case.inputs)
            return run_theirs(self.binary, command, Path(folder, "theirs")).astype(np.float64)


def _absolute(command: list[str], inputs: Path) -> list[str]:
    """Command line with the full paths of its input files."""
    return [str(inputs / word) if (inputs / word).is_file() else word for word in command]


def _program_derivative(program: _Program, name: str, gradient: float, step: float) -> Derivative:
    """Finite difference of the C program beside our gradient.

    Args:
        program: the program.
        name: name of a cell parameter.
        gradient: our gradient of the sum of the image.
        step: first step, in the unit of the parameter.
    """
    row, value = quantity(name), program.cell[name]
    higher, lower = program.image(name, value + step), program.image(name, value - step)
    magnitude = float(np.abs(higher - lower).sum()) / (2 * step)
    difference = differentiate(
        lambda at: float(program.image(name, at).sum()), value, step, low=row.low, high=row.high,
        magnitude=magnitude, noise=_uncertainty(_rounding(higher)),
    )  # fmt: skip
    return Derivative(
        parameter=row.field, symbol=row.label, value=value, unit=row.unit, gradient=gradient,
        finite_difference=difference.derivative, error_bar=difference.error, magnitude=magnitude,
        cancellation=abs(difference.derivative) / magnitude if magnitude else None,
        agreement=agreement(gradient, difference, magnitude),
    )  # fmt: skip
