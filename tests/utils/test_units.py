"""Conversions: numbers stay numbers, tensors stay tensors, and a pair undoes itself."""

import math

import pytest
import torch

from nanobrag_torch.utils import units


@pytest.mark.parametrize(
    ("convert", "given", "expected"),
    [
        (units.mm_to_angstroms, 2.0, 2e7),
        (units.angstroms_to_mm, 2e7, 2.0),
        (units.meters_to_angstroms, 3.0, 3e10),
        (units.angstroms_to_meters, 3e10, 3.0),
        (units.mm_to_meters, 250.0, 0.25),
        (units.micrometers_to_meters, 320.0, 3.2e-4),
        (units.mrad_to_radians, 4.0, 0.004),
        (units.degrees_to_radians, 180.0, math.pi),
        (units.radians_to_degrees, math.pi / 2, 90.0),
    ],
)
def test_a_conversion_is_right_for_numbers_and_for_tensors(convert, given, expected):
    assert isinstance(convert(given), float)
    assert convert(given) == pytest.approx(expected, rel=1e-15)
    tensor = torch.tensor(given, dtype=torch.float64, requires_grad=True)
    converted = convert(tensor)
    assert converted.item() == convert(given)
    converted.backward()
    assert tensor.grad.item() == pytest.approx(expected / given, rel=1e-15)
