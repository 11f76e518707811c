"""Air, water and tables in the beam: against the kernel's own water, and by differences."""

import pytest
import torch

from nanobrag_torch import BeamConfig, Crystal, CrystalConfig, Detector, DetectorConfig, Simulator
from nanobrag_torch.amorphous import MATERIALS, Material, background_image, material
from nanobrag_torch.physics.background import WATER_F
from nanobrag_torch.units import AVOGADRO, DEFAULT_FLUENCE, R_E_SQUARED


def simulator(distance=40.0, wavelength=1.0, water_um=0.0, **beam):
    detector = DetectorConfig(
        spixels=9, fpixels=11, pixel_size_mm=2.0, distance_mm=distance, oversample=2, detector_twotheta_deg=11.0,
        detector_abs_um=300.0, detector_thick_um=200.0, detector_thicksteps=2,
    )  # fmt: skip
    light = BeamConfig(
        wavelength, beamsize_mm=0.1, water_size_um=water_um, polarization_factor=0.7, hdiv_range_mrad=2.0,
        hdiv_steps=2, **beam,
    )  # fmt: skip
    crystal = Crystal(CrystalConfig(default_F=0.0), dtype=torch.float64)
    return Simulator(
        crystal, Detector(detector, dtype=torch.float64), beam_config=light, dtype=torch.float64, engine="formula"
    )


def flat(thickness, **options):
    return Material([0.0, 1.0], [WATER_F, WATER_F], thickness, **options)


def test_a_constant_amplitude_is_the_water_of_the_kernel():
    water = simulator(water_um=100.0).run()
    assert water.min() > 0
    torch.testing.assert_close(background_image(simulator(), flat(0.1)), water, rtol=1e-12, atol=0)


def test_the_part_in_the_middle_of_a_small_flat_detector_follows_from_one_line():
    detector = DetectorConfig(spixels=3, fpixels=3, pixel_size_mm=0.01, distance_mm=100.0)
    plain = Simulator(
        Crystal(CrystalConfig(default_F=0.0)), Detector(detector, dtype=torch.float64),
        beam_config=BeamConfig(1.0, beamsize_mm=0.2), dtype=torch.float64, engine="formula",
    )  # fmt: skip
    image = background_image(plain, material("air", 30.0))
    amount = 0.2**2 * 30 * 1e-3 * 1.2e-3 / 28 * AVOGADRO  # mm^3 to cm^3
    expected = R_E_SQUARED * DEFAULT_FLUENCE * amount * 14.1**2 * (0.01 / 100) ** 2
    torch.testing.assert_close(image, torch.full_like(image, expected), rtol=1e-3, atol=0)


def test_materials_add_and_a_negative_amplitude_takes_away():
    sim = simulator()
    both = background_image(sim, [material("air", 20.0), material("water", 0.05)])
    one, other = background_image(sim, material("air", 20.0)), background_image(sim, material("water", 0.05))
    torch.testing.assert_close(both, one + other)
    minus = Material([0.0, 1.0], [-WATER_F, -WATER_F], 0.1)
    torch.testing.assert_close(background_image(sim, minus), -background_image(sim, flat(0.1)))


def test_water_has_its_ring_where_its_table_has_it():
    stol, amplitude = MATERIALS["water"].stol, MATERIALS["water"].amplitude
    assert stol[amplitude.argmax()] == pytest.approx(1 / (2 * 3.09), rel=0.01)


def smooth_image(distance, wavelength, thickness, scale, pieces=False):
    sim = simulator(distance, wavelength, fluence=1e20)
    sim.memory_budget = 300_000 if pieces else sim.memory_budget
    water = material("water", thickness)
    # Nodes are kinks: a polynomial has none, and takes the table's place.
    smooth = 4 + 3 * water.stol - 8 * water.stol**2
    return background_image(sim, Material(water.stol, smooth * scale, thickness)) * 1e-9


def leaves():
    return [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (40.0, 1.0, 0.05, 1.0)]


def test_gradients_are_those_of_differences():
    assert torch.autograd.gradcheck(smooth_image, leaves(), rtol=1e-4)


def test_an_image_in_pieces_is_the_image_and_has_its_gradient():
    whole, parts = leaves(), leaves()
    image, in_pieces = smooth_image(*whole), smooth_image(*parts, pieces=True)
    torch.testing.assert_close(in_pieces, image)
    image.square().sum().backward()
    in_pieces.square().sum().backward()
    for one, other in zip(whole, parts, strict=True):
        assert one.grad != 0
        torch.testing.assert_close(one.grad, other.grad)


def test_the_pixel_in_the_beam_has_a_finite_gradient():
    distance = torch.tensor(100.0, dtype=torch.float64, requires_grad=True)
    detector = DetectorConfig(
        spixels=3, fpixels=3, pixel_size_mm=0.1, distance_mm=distance, oversample=1, beam_center_s=0.1,
        beam_center_f=0.1,
    )  # fmt: skip
    sim = Simulator(
        Crystal(CrystalConfig(default_F=0.0)), Detector(detector, dtype=torch.float64),
        beam_config=BeamConfig(1.0, beamsize_mm=0.1), dtype=torch.float64, engine="formula",
    )  # fmt: skip
    image = background_image(sim, material("water", 0.1))
    (slope,) = torch.autograd.grad(image[1, 1], distance)
    assert slope.item() == pytest.approx(-2 * image[1, 1].item() / 100, rel=1e-3)


def test_masked_pixels_stay_dark_and_impossible_materials_are_refused():
    sim = simulator()
    sim.detector.config.mask_array = torch.ones(9, 11)
    sim.detector.config.mask_array[2, 3] = 0
    image = background_image(sim, flat(0.1))
    assert image[2, 3] == 0 and (image > 0).sum() == 98
    sim.beam_config.beamsize_mm = 0.0
    with pytest.raises(ValueError, match=r"beamsize_mm = 0\.0: must be greater than 0 mm"):
        background_image(sim, flat(0.1))
    with pytest.raises(ValueError, match="name = 'ice': must be one of water, air"):
        material("ice", 1.0)
    with pytest.raises(ValueError, match="stol growing"):
        Material([0.1, 0.0], [1.0, 1.0], 1.0)
