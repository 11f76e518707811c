"""The formula, against sums written out by hand for one pixel, and deviations of C in the modes c and physical."""

import math
from dataclasses import replace

import pytest
import torch
from scenarios import r2

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.kernel.formula import photons, samples
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator

F64 = torch.float64


def small(compat="physical", crystal=None, detector=None, beam=None) -> Simulator:
    crystal = {"cell_a": 70.0, "cell_b": 80.0, "cell_c": 90.0, "N_cells": (5, 4, 3), "default_F": 100.0} | (
        crystal or {}
    )
    detector = {"spixels": 5, "fpixels": 6, "pixel_size_mm": 1.0, "oversample": 2} | (detector or {})
    return Simulator(
        Crystal(CrystalConfig(**crystal), dtype=F64), Detector(DetectorConfig(**detector)),
        beam_config=BeamConfig(**(beam or {})), dtype=F64, compat=compat,
    )  # fmt: skip


def test_one_pixel_is_the_sum_that_a_textbook_writes():
    """An orthorhombic crystal on an untilted detector, one sample: every factor by hand."""
    simulator = small(detector={"oversample": 1})
    image = simulator.run()
    slow, fast = 1, 4
    x, y, z = 0.1, 0.0035 - 0.001 * (slow + 0.5), 0.001 * (fast + 0.5) - 0.004
    distance = math.sqrt(x * x + y * y + z * z)
    q = [(x / distance - 1) / 1e-10, y / distance / 1e-10, z / distance / 1e-10]
    s = 1.0
    for edge, n, component in zip((70e-10, 80e-10, 90e-10), (5, 4, 3), q, strict=True):
        h = edge * component
        s *= math.sin(math.pi * n * h) / math.sin(math.pi * h)
    omega = 1e-6 * 0.1 / distance**3
    polar = (1 + (x / distance) ** 2) / 2
    assert image[slow, fast].item() == pytest.approx(100.0**2 * s**2 * omega * polar, rel=1e-10)
    assert simulator.beam.fluence.item() * simulator.r_e_sqr == 1.0


def test_every_selected_sample_weighs_as_its_mode_says():
    base = small("physical", detector={"oversample": 3})
    pixel = torch.tensor([2]), torch.tensor([3])
    s = samples(base.scene(), *pixel)
    term = (s.F_cell**2 * s.F_latt**2)[0, :, 0, 0]
    omega, polar = s.omega[0], s.polar[0, :, 0]
    want = {
        ("per_sample", "per_sample"): (term * omega * polar).sum(),
        ("first", "first"): term.sum() * omega[0] * polar[0],
        ("last", "per_sample"): (term * polar).sum() * omega[-1],
        ("per_sample", "last"): (term * omega).sum() * polar[-1],
    }
    assert len({round(value.item(), 12) for value in want.values()}) == 4
    for (omega_sampling, polar_sampling), total in want.items():
        compat = Compat().with_changes(omega_sampling=omega_sampling, polar_sampling=polar_sampling)
        got = photons(small(compat, detector={"oversample": 3}).scene(), *pixel)
        assert got.item() == pytest.approx(total.item() / 9, rel=1e-13)


def test_running_products_multiply_everything_added_so_far():
    detector = {"oversample": 2, "oversample_polar": True, "oversample_omega": True}
    scene = small("c", detector=detector).scene()
    pixel = torch.tensor([1]), torch.tensor([2])
    s = samples(scene, *pixel)
    total = 0.0
    for k in range(4):
        total = (total + (s.F_cell * s.F_latt)[0, k, 0, 0].item() ** 2) * s.omega[0, k].item() * s.polar[0, k, 0].item()
    assert photons(scene, *pixel).item() == pytest.approx(total / 4, rel=1e-12)


def test_sensor_layers_capture_what_they_stop_and_only_the_last_one_counts_in_c():
    sensor = {"detector_thick_um": 450.0, "detector_abs_um": 300.0, "detector_thicksteps": 3, "oversample": 1}
    pixel = torch.tensor([0]), torch.tensor([0])
    scene = small("physical", detector=sensor).scene()
    s = samples(scene, *pixel)
    term = ((s.F_cell * s.F_latt) ** 2)[0, :, 0, 0] * s.omega[0] * s.polar[0, :, 0]
    assert photons(scene, *pixel).item() == pytest.approx((term * s.capture[0]).sum().item(), rel=1e-13)
    in_c = small("c", detector=sensor).scene()
    s = samples(in_c, *pixel)
    total = ((s.F_cell * s.F_latt) ** 2)[0, :, 0, 0].sum() * s.capture[0, 2] * s.omega[0, 0] * s.polar[0, 0, 0]
    assert photons(in_c, *pixel).item() == pytest.approx(total.item(), rel=1e-13)


@pytest.mark.parametrize(("compat", "dark"), [("c", True), ("physical", False)])
def test_asking_to_oversample_a_sensor_that_is_not_there_blackens_the_image_in_c_only(compat, dark):
    image = small(compat, detector={"oversample_thick": True}).run()
    assert (image.abs().sum().item() == 0) is dark


@pytest.mark.parametrize(("compat", "polarized"), [("c", True), ("physical", False)])
def test_oversampled_polarization_overrides_nopolar_in_c_only(compat, polarized):
    scene = small(compat, detector={"oversample_polar": True}, beam={"nopolar": True}).scene()
    assert scene.polarization.enabled is polarized


def test_a_resolution_limit_takes_the_background_away_in_c_only():
    beam = {"dmin": 1e5, "water_size_um": 10.0}
    assert small("c", beam=beam).run().abs().sum().item() == 0
    dark_crystal = small("physical", beam=beam).run()
    no_crystal = small("physical", crystal={"default_F": 0.0}, beam={"water_size_um": 10.0}).run()
    assert dark_crystal.min().item() > 0 and torch.allclose(dark_crystal, no_crystal, rtol=1e-12)


def test_water_scatters_as_the_same_number_of_free_molecules():
    scene = small("physical", crystal={"default_F": 0.0}, beam={"water_size_um": 10.0}).scene()
    pixel = torch.tensor([1]), torch.tensor([2])
    s = samples(scene, *pixel)
    molecules = 1e-15 * 1e6 * 6.02214179e23 / 18
    want = 2.57**2 * molecules * (s.omega[0] * s.polar[0, :, 0]).mean()
    assert photons(scene, *pixel).item() == pytest.approx(want.item(), rel=1e-12)


def test_background_in_physical_mode_does_not_depend_on_how_finely_the_crystal_is_sampled():
    beam = {"water_size_um": 10.0, "dispersion_pct": 1e-6, "dispersion_steps": 3}
    crystal = {"default_F": 0.0, "mosaic_domains": 4, "mosaic_spread_deg": 0.1, "phi_steps": 3}
    fine = small("physical", crystal=crystal, beam=beam).run()
    plain = small("physical", crystal={"default_F": 0.0}, beam={"water_size_um": 10.0}).run()
    assert plain.min().item() > 0 and torch.allclose(fine, plain, rtol=1e-10)


def test_a_pixel_on_the_beam_and_on_a_peak_has_the_peaks_value_and_finite_gradients():
    """Beam centre in the middle of a pixel: h = k = l = 0 exactly, q = 0, two-theta = 0."""
    cell = torch.tensor(70.0, dtype=F64, requires_grad=True)
    simulator = small(
        crystal={"cell_a": cell}, beam={"polarization_factor": 0.9},
        detector={"oversample": 1, "beam_center_s": 2.0, "beam_center_f": 2.0},
    )  # fmt: skip
    image = simulator.run()
    (slope,) = torch.autograd.grad(image.sum(), cell)
    assert image[2, 2].item() == pytest.approx(100.0**2 * 60.0**2 * 1e-6 / 0.01, rel=1e-12)
    assert torch.isfinite(slope) and slope.item() != 0


def test_a_wider_table_does_not_change_what_lies_inside():
    scene = r2("physical").simulator.scene()
    pixel = torch.tensor([4, 9]), torch.tensor([7, 20])
    default = photons(scene, *pixel)
    table = torch.full((61, 61, 61), 100.0, dtype=F64)
    tabulated = replace(scene, amplitudes=replace(scene.amplitudes, table=table, minimum=(-30, -30, -30)))
    assert default.min().item() > 0 and torch.allclose(photons(tabulated, *pixel), default, rtol=1e-14)
