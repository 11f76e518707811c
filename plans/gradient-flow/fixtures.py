"""List of structure factors for a fixture: every reflection that its detector can see, with uneven amplitudes."""

import math

import torch

from nanobrag_torch.scenario import Scenario

#: Reflections kept beyond the last that is seen: interpolation reads two on either side, steps move the indices.
_MARGIN = 4


def listed(scenario: Scenario, B_factor: float, contrast: float) -> Scenario:
    """Replace one F for all by a list: F = default_F exp(-B s²) (1 + contrast cos φ(hkl)).

    s is sin(θ)/λ in 1/Angstrom. φ runs with h, k and l at rates that no two reflections nearby share, as in a list that
    was measured.

    Args:
        scenario: a crystal with one F for all.
        B_factor: fall-off of the amplitudes, in square Angstrom.
        contrast: modulation of the amplitudes, from 0 to below 1.
    """
    last = highest_index(scenario) + _MARGIN
    index = torch.arange(-last, last + 1, dtype=torch.float64, device=scenario.device)
    h, k, l = torch.meshgrid(index, index, index, indexing="ij")
    edges = [scenario.value(f"crystal.cell_{edge}") for edge in "abc"]
    s_squared = torch.stack([(i / (2 * edge)) ** 2 for i, edge in zip((h, k, l), edges, strict=True)]).sum(0)
    phase = 2 * torch.pi * (0.13 * h + 0.21 * k + 0.34 * l)
    table = scenario.value("crystal.default_F") * torch.exp(-B_factor * s_squared) * (1 + contrast * torch.cos(phase))
    return scenario.changed(hkl_data=table, hkl_metadata={"h_min": -last, "k_min": -last, "l_min": -last})


def highest_index(scenario: Scenario) -> int:
    """Highest index along the longest edge that reaches a corner of the detector."""
    detector = scenario.detector
    corner = math.hypot(detector.spixels, detector.fpixels) * float(detector.pixel_size_mm)
    two_theta = math.atan2(corner, float(detector.distance_mm))
    edge = max(scenario.value(f"crystal.cell_{name}") for name in "abc")
    return math.ceil(edge * 2 * math.sin(two_theta / 2) / float(scenario.beam.wavelength_A))
