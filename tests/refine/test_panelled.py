"""Refinement on a detector of two panels, with the place of a group among the free quantities."""

import copy

import pytest
import torch
from small_stills import drawn, small_still

from nanobrag_torch import PanelConfig, PanelGroup, PanelledDetectorConfig, Scenario
from nanobrag_torch.refine import refine

SHIFT = "detector.groups.lower.shift_mm[1]"
NAMES = ("crystal.cell_a", "crystal.cell_b", "beam.fluence", SHIFT)


def two_panels(shift=0.0, **crystal):
    """The small still on two halves, the lower of which may be shifted."""
    half = [
        PanelConfig(name, 32, 64, pixel_size_mm=0.5, group=name, origin_mm=(60.0, y, -16.0))
        for name, y in (("upper", 1.0), ("lower", -17.0))
    ]
    groups = [PanelGroup("upper"), PanelGroup("lower", shift_mm=(0.0, shift, 0.0))]
    base = small_still(crystal=crystal, beam={"fluence": 1e28})
    detector = PanelledDetectorConfig(half, groups, oversample=1)
    return Scenario(copy.copy(base.crystal), detector, base.beam, names=NAMES)


def test_the_place_of_a_panel_is_refined_with_the_cell():
    truth = two_panels(0.1)
    image = truth.image()
    assert tuple(image.shape) == (64, 64)
    assert float(image[:32].sum()) > 1000 < float(image[32:].sum())
    mask = torch.ones(64, 64)
    mask[:, 10] = 0
    counts = drawn(image, 3)
    counts[:, 10] = -1
    result = refine(two_panels(0.0, cell_a=40.02), counts, mask=mask)
    assert result.converged, result.reason
    for name, true in zip(NAMES, (40.0, 50.0, 1e28, 0.1), strict=True):
        assert abs(result[name].value - true) < 4 * result[name].sigma
    assert result[SHIFT].sigma < 0.02
    assert float(result.scenario.detector.group("lower").shift_mm[1]) == pytest.approx(result[SHIFT].value)
    assert 10 not in result.fast.tolist()
