"""Measured counts, checked and in photons, and the pixels that count."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.given import tensor
from nanobrag_torch.panels import PanelledDetectorConfig
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.slabs import shape_of
from nanobrag_torch.validation import check_range, fail


@dataclass(frozen=True)
class Observed:
    """An image as measured.

    Attributes:
        photons: counts over gain (slow, fast).
        usable: True for pixels that count (slow, fast).
        noise: variance of the readout noise, photons squared.
        remarks: what was left out and why, in words.
    """

    photons: Tensor
    usable: Tensor
    noise: float
    remarks: tuple[str, ...] = ()


def observed(
    scenario: Scenario,
    counts: Any,
    mask: Any = None,
    gain: float = 1.0,
    readout_noise: float = 0.0,
    saturation: float | None = None,
) -> Observed:
    """Check counts and convert them to photons.

    Args:
        scenario: its detector's masks and region of interest count too.
        counts: image (spixels, fpixels) of any dtype, of many panels the raw one.
        mask: pixels where it is 0 are left out (spixels, fpixels); None for none.
        gain: counts per photon.
        readout_noise: standard deviation of the readout noise, in counts.
        saturation: counts from which on a pixel is left out; None is the largest number of an unsigned dtype.

    Raises:
        ValueError: counts that are negative, not finite, of another shape or all masked, or none at all.
    """
    check_range("refine", "gain", gain, 0, low_open=True, unit="counts per photon", remedy="Give 1 for photons.")
    check_range("refine", "readout_noise", readout_noise, 0, unit="counts", remedy="Give 0 for none.")
    image = torch.as_tensor(tensor(counts)).detach().cpu()
    wanted = shape(scenario)
    if tuple(image.shape) != wanted:
        allowed = f"(spixels, fpixels) = {wanted}, as the scenario's detector"
        raise fail("refine", "counts.shape", tuple(image.shape), allowed, "Slow axis first; transpose or crop it.")
    if image.is_complex():
        raise fail("refine", "counts.dtype", str(image.dtype), "a real type", "")
    inside = rendered(scenario, wanted)
    usable = inside & (_given_mask(mask, wanted) if mask is not None else torch.ones_like(inside))
    if not bool(usable.any()):
        allowed = "such that a pixel is left"
        raise fail("refine", "mask", "all pixels masked", allowed, "Masks are 0 where a pixel is left out, else 1.")
    full = saturation if saturation is not None else _largest(image.dtype)
    values = image.to(torch.float64)
    _check_values(values, usable, readout_noise)
    remarks: tuple[str, ...] = ()
    if full is not None:
        saturated = usable & (values >= full)
        if bool(saturated.any()):
            remarks = (f"{int(saturated.sum())} saturated pixels (from {full:g} counts on) are left out",)
            usable = usable & ~saturated
    if not float(values[usable].sum()) > 0:
        raise fail("refine", "counts", "no counts", "an image with counts in it", "Check the file and the mask.")
    return Observed(values / gain, usable, (readout_noise / gain) ** 2, remarks)


def _check_values(values: Tensor, usable: Tensor, readout_noise: float) -> None:
    """Raise ``ValueError`` for counts in usable pixels that no detector gives."""
    for bad, words, remedy in (
        (~torch.isfinite(values), "finite numbers", "Mask what is not: mask = numpy.isfinite(counts)."),
        (values < (-math.inf if readout_noise > 0 else 0), "at least 0", "Mask them (mask = counts >= 0), or give the "
         "readout_noise that makes them negative."),
    ):  # fmt: skip
        found = torch.nonzero(bad & usable)
        if len(found):
            slow, fast = found[0].tolist()
            given = float(values[slow, fast])
            field = f"counts[{slow}, {fast}] (and {len(found) - 1} more)"
            raise fail("refine", field, given, words, remedy)


def _given_mask(mask: Any, wanted: tuple[int, int]) -> Tensor:
    held = torch.as_tensor(tensor(mask)).detach().cpu()
    if tuple(held.shape) != wanted:
        raise fail("refine", "mask.shape", tuple(held.shape), f"{wanted}, as the counts", "Slow axis first.")
    return held != 0


def _largest(dtype: torch.dtype) -> float | None:
    """Largest number of an unsigned type, with which detectors mark what they cannot tell; None for other types."""
    unsigned = (torch.uint8, torch.uint16, torch.uint32)
    return float(torch.iinfo(dtype).max) if dtype in unsigned else None


def shape(scenario: Scenario) -> tuple[int, int]:
    """Shape (slow, fast) of the scenario's images."""
    detector = scenario.detector
    if isinstance(detector, PanelledDetectorConfig):
        return shape_of(detector.slabs())
    return detector.spixels, detector.fpixels


def rendered(scenario: Scenario, wanted: tuple[int, int]) -> Tensor:
    """True for the pixels (slow, fast) that the scenario's own masks and region of interest let through."""
    slow, fast = scenario.simulator().rendered_pixels()
    inside = torch.zeros(wanted, dtype=torch.bool)
    inside[slow.cpu(), fast.cpu()] = True
    return inside


def with_mask(scenario: Scenario, chosen: Tensor) -> Scenario:
    """The scenario whose detector renders the pixels ``chosen`` (slow, fast) alone."""
    detector = scenario.detector
    if not isinstance(detector, PanelledDetectorConfig):
        return scenario.changed(detector={"mask_array": chosen})
    panels = [copy.copy(panel) for panel in detector.panels]
    for panel, slab in zip(panels, detector.slabs(), strict=True):
        panel.mask_array = slab.of(chosen).clone()
    return scenario.changed(detector={"panels": tuple(panels)})


def faint(signal: Tensor, expected: Tensor, part: float) -> Tensor:
    """True for the pixels (n,) that hold together less than a ``part`` of what the image says of its scale.

    Args:
        signal: expected photons of the crystal (n,).
        expected: expected photons in all (n,).
        part: part of the information.
    """
    information = signal**2 / expected
    order = torch.argsort(information)
    sums = torch.cumsum(information[order], 0)
    left_out = torch.zeros(len(signal), dtype=torch.bool)
    left_out[order[: int((sums < part * sums[-1]).sum())]] = True
    return left_out


def around(pixels: Tensor, distance: int) -> Tensor:
    """Pixels (slow, fast) within a ``distance`` along either axis of any that is True."""
    return brightest_near(pixels.float(), distance) > 0


def brightest_near(image: Tensor, distance: int) -> Tensor:
    """The largest value (slow, fast) within a ``distance`` along either axis of each pixel."""
    return torch.nn.functional.max_pool2d(image[None, None], 2 * distance + 1, 1, distance)[0, 0]


def boxes_mask(boxes: Sequence[Sequence[int]], wanted: tuple[int, int]) -> Tensor:
    """True for the pixels (slow, fast) inside boxes (n, 4) of first and last slow and fast index."""
    inside = torch.zeros(wanted, dtype=torch.bool)
    for first_slow, last_slow, first_fast, last_fast in boxes:
        inside[first_slow : last_slow + 1, first_fast : last_fast + 1] = True
    return inside
