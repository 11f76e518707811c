"""The model under investigation: a Gaussian spot on a row of pixels. Replace it by your own."""

import math

import torch
from torch import Tensor

from nanobrag_torch import GradientReport
from nanobrag_torch.workbook import Verdict, diagnosis

from .records import Spot

PIXELS = torch.linspace(-2, 2, 512, dtype=torch.float64)
PITCH = float(PIXELS[1] - PIXELS[0])


def spot(p: dict[str, Tensor]) -> Tensor:
    """Image of 512 pixels from the 0-d tensors "position", "width" and "height"."""
    return p["height"] * torch.exp(-(((PIXELS - p["position"]) / p["width"]) ** 2))


def measure(p: dict[str, Tensor]) -> Spot:
    """Light of the spot beside its closed form, height · width · √π."""
    light = float(spot(p).sum().detach()) * PITCH
    return Spot(light=light, closed_form=float(p["height"] * p["width"]) * math.sqrt(math.pi))


def conclude(found: GradientReport, light: Spot) -> Verdict:
    """The doctor's verdict, unless the light is not that of the closed form."""
    if light.relative_error > 1e-6:
        return Verdict(
            code="light_wrong",
            status="failed",
            title="The light is not that of the closed form",
            sentence=f"The sum over pixels is {light.light:.8g}, the closed form {light.closed_form:.8g}.",
            remedy="Check that the spot lies within the pixels, and that they are fine enough.",
        )
    return diagnosis.conclude(found)
