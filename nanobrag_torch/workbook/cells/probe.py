"""Probe of a case: its image, its cell gradients, and finite differences that check them.

The gradient is taken by the engine that the environment guards leave. The finite differences are those of
:mod:`nanobrag_torch.doctor.finite_difference`, of the loss in double precision, by the fastest engine there is: where
the guards ask for torch operations, that is another implementation of the same formula, which makes the check the
stricter. The images on their way are kept, so that the same evaluations also give the derivative of every pixel.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.doctor.finite_difference import agreement, differentiate
from nanobrag_torch.models.panels import one_panel
from nanobrag_torch.quantities import quantity
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook.cells.losses import LOSSES
from nanobrag_torch.workbook.records.evidence import Derivative, Evidence, GradientsJson
from nanobrag_torch.workbook.show import progress


@dataclass(frozen=True)
class Case:
    """A scenario that was examined: image and derivative images (slow, fast) per cell parameter, and the numbers."""

    scenario: Scenario
    image: Tensor
    sensitivities: dict[str, Tensor]
    evidence: Evidence
    beam_centre: tuple[float, float]
    """(slow, fast) in pixels from the corner of the detector."""

    @property
    def gradients(self) -> GradientsJson:
        """Loss and gradients alone."""
        return GradientsJson(
            loss=self.evidence.loss,
            gradients={row.parameter: row.gradient for row in self.evidence.derivatives},
        )


def scenario(
    *,
    cell: tuple[float, float, float, float, float, float],
    N_cells: tuple[int, ...],
    default_F: float,
    mosaic_spread_deg: float,
    mosaic_domains: int,
    detector_pixels: int,
    pixel_size_mm: float,
    distance_mm: float,
    wavelength_A: float,
    loss: str,
    compat: str,
    dtype: str,
    device: str,
    engine: str = "auto",
) -> Scenario:
    """A crystal in a monochromatic beam before a square flat detector, and the loss on its image.

    Args:
        cell: a, b, c in Angstrom and α, β, γ in degrees.
        N_cells: unit cells along a, b and c.
        default_F: every structure factor, electrons.
        mosaic_spread_deg: spread of the mosaic domains, degrees.
        mosaic_domains: number of mosaic domains.
        detector_pixels: pixels along each edge of the detector.
        pixel_size_mm: edge of a pixel, mm.
        distance_mm: from the sample to the detector, mm.
        wavelength_A: wavelength of the beam, Angstrom.
        loss: name of a row of :data:`~nanobrag_torch.workbook.cells.losses.LOSSES`.
        compat: preset of deviations of C: "physical", "c" or "legacy_torch".
        dtype: "float64" or "float32".
        device: "cpu" or "cuda".
        engine: "auto", or "torch" for torch operations.

    Raises:
        ValueError: nothing can be simulated from these values.
    """
    return Scenario(
        crystal=CrystalConfig(
            *cell,
            N_cells=(N_cells[0], N_cells[1], N_cells[2]),
            default_F=default_F,
            mosaic_spread_deg=mosaic_spread_deg,
            mosaic_domains=mosaic_domains,
        ),
        detector=DetectorConfig(
            distance_mm=distance_mm, pixel_size_mm=pixel_size_mm, spixels=detector_pixels, fpixels=detector_pixels
        ),
        beam=BeamConfig(wavelength_A=wavelength_A),
        loss=LOSSES[loss],
        compat=compat,
        dtype=getattr(torch, dtype),
        device=device,
        engine=engine,
    )


def examine(case: str, scenario: Scenario) -> Case:
    """The image of ``scenario``, its cell gradients by autograd, and their finite differences; ``case`` names it.

    An interruption during the finite differences keeps those that were taken: the evidence names the others.
    """
    title = f"{case[0].upper()}{case[1:]}"
    leaves = scenario.leaves()
    with progress.shown(f"{title}: image and gradients", needed=True):
        image = scenario.image(leaves)
        loss = scenario.loss(image)
        gradients: list[Tensor | None] = [None] * len(leaves)
        if loss.requires_grad:
            gradients = list(torch.autograd.grad(loss, list(leaves.values()), allow_unused=True))

    still = image.detach()
    weight = _loss_weight(scenario, still)
    sensitivities: dict[str, Tensor] = {}
    rows: list[Derivative] = []
    with progress.shown(f"{title}: finite differences") as work:
        for name in work.each(list(leaves), lambda name: quantity(name).label):
            row, sensitivity = _derivative(scenario, name, gradients[len(rows)], weight)
            sensitivities[row.parameter] = sensitivity.cpu()
            rows.append(row)
    evidence = Evidence(
        case=case,
        default_F=float(scenario.crystal.default_F),
        loss=float(loss.detach()),
        image_sum=float(still.sum()),
        image_max=float(still.max()),
        lit_pixels=int((still != 0).sum()),
        pixels=still.numel(),
        derivatives=tuple(rows),
        unchecked=tuple(quantity(name).field for name in list(leaves)[len(rows) :]),
    )
    detector = one_panel("probe", scenario.simulator().detector, "Probe one panel alone.")
    centre = (float(detector.beam_center_s), float(detector.beam_center_f))
    return Case(scenario, still.cpu(), sensitivities, evidence, centre)


def _loss_weight(scenario: Scenario, image: Tensor) -> Tensor:
    """Derivative of the loss with respect to every pixel, in double precision."""
    pixels = image.double().clone().requires_grad_()
    return torch.autograd.grad(scenario.loss(pixels), pixels)[0]


def _derivative(scenario: Scenario, name: str, gradient: Tensor | None, weight: Tensor) -> tuple[Derivative, Tensor]:
    """One parameter: its record, and the derivative of every pixel."""
    row, value = quantity(name), scenario.value(name)
    images = _Images(scenario.changed(dtype=torch.float64, engine="auto"), name)
    # The step as the finite difference takes it: exact in floating point.
    step = (value + row.step_at(value)) - value
    coarse, fine = (images.central(value, step), images.central(value, step / 2))
    sensitivity = (4 * fine - coarse) / 3
    magnitude = float((weight * sensitivity).abs().sum())
    slope = None if gradient is None else float(gradient)
    difference = differentiate(
        images.loss, value, step, low=row.low, high=row.high, expected=slope, magnitude=magnitude
    )
    record = Derivative(
        parameter=row.field,
        symbol=row.label,
        value=value,
        unit=row.unit,
        gradient=slope,
        finite_difference=difference.derivative,
        error_bar=difference.error,
        magnitude=magnitude,
        cancellation=abs(difference.derivative) / magnitude if magnitude else None,
        agreement=agreement(slope, difference, magnitude),
    )
    return record, sensitivity


class _Images:
    """Images along one parameter, each made once."""

    def __init__(self, scenario: Scenario, name: str) -> None:
        self.scenario, self.name = scenario, name
        self.known: dict[float, Tensor] = {}

    def at(self, value: float) -> Tensor:
        if value not in self.known:
            point = torch.tensor(value, dtype=torch.float64, device=self.scenario.device)
            with torch.no_grad():
                self.known[value] = self.scenario.image({self.name: point})
        return self.known[value]

    def loss(self, value: float) -> float:
        return float(self.scenario.loss(self.at(value)))

    def central(self, value: float, step: float) -> Tensor:
        return (self.at(value + step) - self.at(value - step)) / (2 * step)
