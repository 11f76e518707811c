"""Centroids of rotated spots against the integral of a Gaussian over the Ewald sphere, found without the engine."""

import numpy as np
import pytest
import torch

from nanobrag_torch import BeamConfig, Crystal, CrystalConfig, Detector, DetectorConfig, Simulator
from nanobrag_torch.config import CrystalShape

CELL_A, N, DISTANCE_MM, SWEEP_DEG = 40.0, 8, 100.0, 12.0
#: Standard deviation in indices of the squared lattice factor exp(-2 (N dh)^2 / 0.63).
SIGMA = np.sqrt(0.63 / 4) / N
BEAM = np.array([1.0, 0.0, 0.0])
SPINDLE = np.array([0.0, 0.0, 1.0])


def turned(vectors, phi):
    """Vectors (..., 3) after rotations by ``phi`` (...) about the spindle."""
    cos, sin = np.cos(phi)[..., None], np.sin(phi)[..., None]
    along = (vectors @ SPINDLE)[..., None] * SPINDLE
    return along + (vectors - along) * cos + np.cross(SPINDLE, vectors) * sin


def reflecting(vectors, phi):
    """Angles near ``phi`` at which the ends of vectors lie on the Ewald sphere of 1 A, by Newton's method."""
    for _ in range(20):
        now = turned(vectors, phi)
        off = (now * now).sum(-1) + 2 * now @ BEAM
        phi = phi - off / (2 * np.cross(SPINDLE, now) @ BEAM)
    return phi


def on_detector(vectors, phi):
    """Where rays meet the plane across the beam, in mm, and the Lorentz factors with which a rotation weighs them."""
    rays = turned(vectors, phi) + BEAM
    return DISTANCE_MM * rays[..., 1:] / rays[..., :1], 1 / abs(np.cross(rays, BEAM) @ SPINDLE)


def closed_form(star, phi):
    """Bragg position of one reflection and the centroid of its spot, in mm."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    at = np.stack(np.meshgrid(nodes, nodes, nodes, indexing="ij"), -1).reshape(-1, 3) * SIGMA / CELL_A
    weights = np.einsum("i,j,k->ijk", weights, weights, weights).ravel()
    points = turned(star, -phi) + at
    places, lorentz = on_detector(points, reflecting(points, np.full(len(points), phi)))
    weights = weights * lorentz
    return on_detector(turned(star, -phi), np.array(phi))[0], weights @ places / weights.sum()


@pytest.mark.parametrize(("y", "z"), [(0.05, 0.3), (-0.05, 0.3), (0.05, -0.2), (0.3, 0.1)], ids=str)
def test_the_lorentz_factor_draws_the_centroid_of_a_wide_spot_to_the_spindle(y, z, tmp_path):
    """The crystal is set so that 0 0 12 reflects in the middle of its rotation; pixels near it are summed."""
    index = 12
    length = index / CELL_A
    # The end of the vector lies on the sphere: x is what its length leaves, y and z are in proportion.
    x = -(length**2) / 2
    scale = np.sqrt((length**2 - x**2) / (y**2 + z**2))
    star = np.array([x, y * scale, z * scale])
    c = star / length
    a = np.cross(c, [0.3, -0.8, 0.1])
    a /= np.linalg.norm(a)
    stars = [a / CELL_A, np.cross(c, a) / CELL_A, c / CELL_A]
    bragg, centroid = closed_form(star, 0.0)

    # Fast runs along z and slow against y; the beam's centre puts the reflection into the middle.
    side_mm = 0.1 * (pixels := 64)
    detector = Detector(
        DetectorConfig(
            distance_mm=DISTANCE_MM, pixel_size_mm=0.1, spixels=pixels, fpixels=pixels, oversample=1,
            beam_center_s=side_mm / 2 + bragg[0], beam_center_f=side_mm / 2 - bragg[1],
        ),
        dtype=torch.float64,
    )  # fmt: skip
    crystal = Crystal(
        CrystalConfig(
            **{f"mosflm_{name}_star": torch.tensor(v) for name, v in zip("abc", stars, strict=True)},
            N_cells=(N, N, N), shape=CrystalShape.GAUSS, default_F=0.0, spindle_axis=tuple(SPINDLE),
            phi_start_deg=-SWEEP_DEG, osc_range_deg=2 * SWEEP_DEG, phi_steps=801,
        ),
        dtype=torch.float64,
    )  # fmt: skip
    table = tmp_path / "one.hkl"
    table.write_text(f"0 0 {index} 1\n")
    crystal.load_hkl(table, write_cache=False)
    image = Simulator(
        crystal, detector, beam_config=BeamConfig(wavelength_A=1.0, nopolar=True), dtype=torch.float64
    ).run()
    at_mm = 1e3 * detector.get_pixel_coords()[..., 1:]
    seen = ((image[..., None] * at_mm).sum((0, 1)) / image.sum()).numpy()
    np.testing.assert_allclose(seen - bragg, centroid - bragg, rtol=1e-4)
    assert abs(seen[0]) < abs(bragg[0])
