"""Healthy scenarios drawn at random: crystals, detectors and beams of all kinds, whose gradients are right."""

import random

import torch

from nanobrag_torch.config import BeamConfig, CrystalConfig, CrystalShape, DetectorConfig, DetectorConvention
from nanobrag_torch.scenario import Scenario

#: Quantities to draw from; fluence is left out, whose gradient is right but lost in any optimiser's epsilon.
NAMES = (
    "crystal.cell_a", "crystal.cell_b", "crystal.cell_c", "crystal.cell_alpha", "crystal.cell_beta",
    "crystal.cell_gamma",
    "crystal.misset_deg[0]", "crystal.misset_deg[1]", "crystal.misset_deg[2]", "crystal.phi_start_deg",
    "crystal.default_F", "detector.distance_mm", "detector.beam_center_s", "detector.beam_center_f",
    "detector.detector_rotx_deg", "detector.detector_roty_deg", "detector.detector_rotz_deg",
    "detector.detector_twotheta_deg", "detector.pixel_size_mm", "beam.wavelength_A", "beam.polarization_factor",
)  # fmt: skip

CONVENTIONS = (
    DetectorConvention.MOSFLM, DetectorConvention.XDS, DetectorConvention.DIALS, DetectorConvention.ADXV,
)  # fmt: skip


def draw(seed: int) -> Scenario:
    """A scenario without symmetry, with a loss that depends on position, and two of its quantities."""
    r = random.Random(seed)
    pixels = 16
    crystal = CrystalConfig(
        *(r.uniform(50, 120) for _ in range(3)),
        *(r.uniform(75, 105) for _ in range(3)),
        misset_deg=tuple(r.uniform(-60, 60) for _ in range(3)),
        phi_start_deg=r.uniform(1, 90),
        osc_range_deg=r.choice((0.0, 0.5)),
        phi_steps=r.choice((1, 2)),
        mosaic_spread_deg=r.uniform(0.1, 1),
        mosaic_domains=r.choice((1, 3)),
        N_cells=tuple(r.randint(3, 8) for _ in range(3)),
        default_F=r.uniform(10, 500),
        shape=r.choice((CrystalShape.SQUARE, CrystalShape.SQUARE, CrystalShape.ROUND)),
    )
    detector = DetectorConfig(
        distance_mm=r.uniform(80, 300),
        pixel_size_mm=r.uniform(0.3, 0.8),
        spixels=pixels,
        fpixels=pixels,
        beam_center_s=r.uniform(3, 6),
        beam_center_f=r.uniform(3, 6),
        detector_rotx_deg=r.uniform(-5, 5),
        detector_roty_deg=r.uniform(-5, 5),
        detector_rotz_deg=r.uniform(-5, 5),
        detector_twotheta_deg=r.uniform(-10, 10),
        detector_convention=r.choice(CONVENTIONS),
        oversample=r.choice((1, 2)),
    )
    beam = BeamConfig(wavelength_A=r.uniform(0.8, 1.5), polarization_factor=r.uniform(-0.5, 0.95))
    slope = torch.arange(1, pixels + 1, dtype=torch.float64)[:, None] + 0.3 * torch.arange(pixels)
    return Scenario(
        crystal, detector, beam, tuple(r.sample(NAMES, 2)), loss=lambda image: (slope * image).sum(),
        compat=r.choice(("physical", "legacy_torch")),
    )  # fmt: skip
