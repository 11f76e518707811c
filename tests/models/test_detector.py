import math

import pytest
import torch

from nanobrag_torch import Scenario, diagnose
from nanobrag_torch.compat import Compat
from nanobrag_torch.config import CrystalConfig, DetectorConfig, DetectorConvention, DetectorPivot
from nanobrag_torch.models import Detector

TILTED = {"detector_rotx_deg": 5.0, "detector_roty_deg": 3.0, "detector_rotz_deg": 2.0, "detector_twotheta_deg": 10.0}


def test_the_default_detector_stands_where_mosflm_puts_it():
    detector = Detector(dtype=torch.float64)
    assert (detector.beam_center_s.item(), detector.beam_center_f.item()) == pytest.approx((513.0, 513.0))
    assert detector.pix0_vector.tolist() == pytest.approx([0.1, 0.0513, -0.0513])
    assert detector.distance.item() == pytest.approx(0.1) and detector.pixel_size.item() == pytest.approx(1e-4)
    assert detector.fdet_vec.tolist() == [0, 0, 1] and detector.sdet_vec.tolist() == [0, -1, 0]
    assert detector.beam_vector.tolist() == [1, 0, 0] and detector.r_factor.item() == 1.0


def test_pixel_coordinates_are_pixel_centres():
    detector = Detector(DetectorConfig(spixels=3, fpixels=4, pixel_size_mm=1.0), dtype=torch.float64)
    coords = detector.get_pixel_coords()
    assert coords.shape == (3, 4, 3)
    want = detector.pix0_vector + 2.5e-3 * detector.fdet_vec + 1.5e-3 * detector.sdet_vec
    assert torch.allclose(coords[1, 2], want, atol=1e-17)


@pytest.mark.parametrize("convention", [c for c in DetectorConvention if c is not DetectorConvention.CUSTOM])
def test_a_detector_that_pivots_about_the_beam_keeps_its_beam_centre(convention):
    config = DetectorConfig(detector_convention=convention, detector_pivot=DetectorPivot.BEAM, **TILTED)
    kept, details = Detector(config, dtype=torch.float64).verify_beam_center_preservation(1e-12)
    assert kept, details
    moved = DetectorConfig(detector_convention=convention, detector_pivot=DetectorPivot.SAMPLE, **TILTED)
    assert not Detector(moved, dtype=torch.float64).verify_beam_center_preservation(1e-4)[0]


def test_the_basis_stays_orthonormal_under_rotation():
    detector = Detector(DetectorConfig(**TILTED), dtype=torch.float64)
    basis = torch.stack([detector.fdet_vec, detector.sdet_vec, detector.odet_vec])
    assert torch.allclose(basis @ basis.T, torch.eye(3, dtype=torch.float64), atol=1e-15)
    assert detector.get_r_factor().item() == pytest.approx(basis[2, 0].item())


def test_c_reports_a_distance_that_leaves_two_theta_out():
    detector = Detector(DetectorConfig(detector_twotheta_deg=20.0), dtype=torch.float64)
    in_c = detector.geometry(Compat.of("c"))
    true = detector.geometry(Compat.of("physical"))
    assert in_c.distance.item() == pytest.approx(0.1 * math.cos(math.radians(20.0)))
    assert true.distance.item() == pytest.approx(0.1)
    assert torch.equal(in_c.origin, true.origin)


def test_a_named_convention_forces_its_pivot_in_c_and_only_there():
    config = DetectorConfig(detector_pivot=DetectorPivot.SAMPLE, **TILTED)
    assert Detector(config).geometry(Compat.of("c")).pivot is DetectorPivot.BEAM
    assert Detector(config).geometry(Compat.of("physical")).pivot is DetectorPivot.SAMPLE


def test_an_explicit_origin_is_honoured_except_in_c():
    origin = (0.06, 0.0095, -0.0091)
    config = DetectorConfig(pix0_override_m=origin)
    assert Detector(config).geometry(Compat.of("physical")).origin.tolist() == pytest.approx(origin)
    assert Detector(config).geometry(Compat.of("c")).origin.tolist() == pytest.approx([0.1, 0.0513, -0.0513])


def test_a_custom_plane_gets_its_own_normal_except_in_c():
    config = DetectorConfig(
        detector_convention=DetectorConvention.CUSTOM,
        custom_fdet_vector=(0.0, 1.0, 0.0),
        custom_sdet_vector=(-1.0, 0.0, 0.0),
        custom_beam_vector=(0.0, 0.0, 1.0),
    )
    assert Detector(config).geometry(Compat.of("physical")).normal.tolist() == [0.0, 0.0, 1.0]
    assert Detector(config).geometry(Compat.of("c")).normal.tolist() == [1.0, 0.0, 0.0]


def test_a_two_theta_axis_of_any_length_is_normalised_except_in_c():
    config = DetectorConfig(twotheta_axis=(0.0, 0.0, -2.0), detector_twotheta_deg=10.0)
    assert Detector(config, dtype=torch.float64).fdet_vec.norm().item() == pytest.approx(1.0)
    stretched = Detector(config, dtype=torch.float64).geometry(Compat.of("c"))
    assert stretched.slow.norm().item() != pytest.approx(1.0)


def test_an_assigned_close_distance_takes_over():
    detector = Detector(DetectorConfig(detector_rotx_deg=0.0, detector_roty_deg=12.0), dtype=torch.float64)
    assert detector.close_distance.item() == pytest.approx(0.1 * math.cos(math.radians(12.0)))
    detector.close_distance = 0.05
    assert detector.close_distance.item() == pytest.approx(0.05)
    assert detector.get_corrected_distance().item() == pytest.approx(0.05 / math.cos(math.radians(12.0)))


def test_an_assigned_size_takes_roi_and_default_centre_with_it():
    detector = Detector()
    detector.spixels, detector.fpixels = 20, 3000
    assert (detector.config.spixels, detector.config.fpixels) == (20, 3000)
    assert detector.get_pixel_coords().shape == (20, 3000, 3)
    assert (detector.beam_center_s.item(), detector.beam_center_f.item()) == pytest.approx((11.0, 1501.0))
    assert detector.config.roi() == ((0, 19), (0, 2999))


def test_assigned_numbers_are_those_of_the_config_in_its_unit_until_the_config_is_assigned_to():
    detector = Detector(DetectorConfig(), dtype=torch.float64)
    detector.beam_center_s, detector.beam_center_f = 400.5, 300.5
    detector.distance, detector.pixel_size = 0.25, 2e-4
    config = detector.config
    assert (config.distance_mm, config.pixel_size_mm) == pytest.approx((250.0, 0.2))
    assert (config.beam_center_s, config.beam_center_f) == pytest.approx((400 * 0.2, 300 * 0.2))
    assert (detector.beam_center_s.item(), detector.beam_center_f.item()) == pytest.approx((400.5, 300.5))
    config.distance_mm = 80.0
    assert detector.distance.item() == detector.config.distance_mm / 1000 == pytest.approx(0.08)


@pytest.mark.parametrize(
    ("name", "given", "field"),
    [
        ("distance", {"close_distance_mm": 90.0}, "close_distance_mm"),
        ("distance", {"pix0_override_m": (0.1, 0.0, 0.0)}, "pix0_override_m"),
        ("beam_center_f", {"pix0_override_m": (0.1, 0.0, 0.0)}, "pix0_override_m"),
    ],
)
def test_what_another_field_takes_the_place_of_cannot_be_assigned(name, given, field):
    with pytest.raises(ValueError, match=rf"Detector\.{name} cannot be assigned: DetectorConfig\.{field}"):
        setattr(Detector(DetectorConfig(**given)), name, 0.1)


def test_a_word_or_nan_cannot_be_assigned():
    for value in ("0.1", float("nan"), torch.ones(2)):
        with pytest.raises(ValueError, match=r"Detector\.distance = "):
            Detector().distance = value


def test_an_attenuation_depth_of_zero_is_no_sensor():
    off = DetectorConfig(detector_thick_um=450.0, detector_thicksteps=4, detector_abs_um=0.0)
    panel = Detector(off).panel(Detector(off).geometry(), 1)
    assert not panel.has_sensor and panel.layers == 1 and panel.attenuation.item() == 0
    on = DetectorConfig(detector_thick_um=450.0, detector_thicksteps=4, detector_abs_um=300.0)
    assert Detector(on).panel(Detector(on).geometry(), 1).layers == 4


def test_solid_angles_shrink_with_obliquity_and_a_point_pixel_ignores_it():
    config = DetectorConfig(spixels=64, fpixels=64, pixel_size_mm=2.0)
    flat = Detector(config, dtype=torch.float64).get_solid_angle()
    coords = Detector(config, dtype=torch.float64).get_pixel_coords()
    distance = coords.norm(dim=-1)
    assert torch.allclose(flat, 4e-6 * 0.1 / distance**3, rtol=1e-12)
    config.point_pixel = True
    assert torch.allclose(Detector(config, dtype=torch.float64).get_solid_angle(coords), 1 / distance**2, rtol=1e-12)


@pytest.mark.parametrize("convention", [DetectorConvention.MOSFLM, DetectorConvention.XDS])
def test_a_curved_detector_is_equally_far_everywhere_and_keeps_its_axes(convention):
    config = DetectorConfig(
        spixels=40, fpixels=60, pixel_size_mm=2.0, curved_detector=True, detector_convention=convention
    )
    detector = Detector(config, dtype=torch.float64)
    coords = detector.get_pixel_coords()
    assert torch.allclose(coords.norm(dim=-1), torch.full((40, 60), 0.1, dtype=torch.float64), rtol=1e-12)
    across = coords @ detector.fdet_vec
    assert (across[:, 1:] > across[:, :-1]).all()
    flat = Detector(DetectorConfig(spixels=40, fpixels=60, pixel_size_mm=2.0, detector_convention=convention))
    near_beam = (flat.get_pixel_coords()[20, 30].double() - coords[20, 30]).norm()
    assert near_beam < 1e-4


def test_a_detector_without_a_sensor_divides_by_no_thickness():
    crystal = CrystalConfig(70.0, 80.0, 90.0, N_cells=(5, 5, 5), default_F=100.0)
    detector = DetectorConfig(spixels=8, fpixels=8, pixel_size_mm=1.6)
    report = diagnose(Scenario(crystal, detector, names=("crystal.cell_a",)))
    assert [(each.verdict.code, each.verdict.evidence) for each in report.parameters] == [("healthy", {})]
