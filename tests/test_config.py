"""Configs: values that are refused before any work, with the field, the value and a remedy; and derived fields."""

import copy
import math

import pytest
import torch

from nanobrag_torch.config import (
    BeamConfig,
    CrystalConfig,
    CrystalShape,
    DetectorConfig,
    DetectorConvention,
    DetectorPivot,
    clip_to_beam,
)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: CrystalConfig(cell_a=0.0), r"CrystalConfig.cell_a = 0.0: .*greater than 0"),
        (lambda: CrystalConfig(cell_b=math.nan), r"cell_b = nan"),
        (lambda: CrystalConfig(cell_c="100"), r"cell_c = '100'"),
        (lambda: CrystalConfig(cell_gamma=180.0), r"cell_gamma = 180.0: .*less than 180"),
        (lambda: CrystalConfig(cell_alpha=150, cell_beta=100, cell_gamma=130), r"angles that span a volume"),
        (lambda: CrystalConfig(cell_alpha=20, cell_beta=30, cell_gamma=60), r"angles that span a volume"),
        (lambda: CrystalConfig(cell_a=torch.tensor(math.inf)), r"cell_a = inf"),
        (lambda: CrystalConfig(N_cells=(5, 0, 5)), r"N_cells\[1\] = 0: .*at least 1"),
        (lambda: CrystalConfig(N_cells=(5, 5)), r"N_cells = \(5, 5\): must be 3 numbers"),
        (
            lambda: CrystalConfig(N_offdiagonal=(0.0, 0.5, 0.0)),
            r"zero where shape is not GAUSS or TOPHAT",
        ),
        (
            lambda: CrystalConfig(N_cells=(5, 4, 3), N_offdiagonal=(4.5, 0.0, 0.0), shape="gauss"),
            r"N_offdiagonal = \(4.5.*positive definite, with N_cells = 5, 4, 3",
        ),
        (
            lambda: CrystalConfig(N_cells=(5, 5, 5), N_offdiagonal=(-4.0, -4.0, -4.0), shape="tophat"),
            r"N_offdiagonal.*positive definite",
        ),
        (lambda: CrystalConfig(N_offdiagonal=(1.0, 0.0), shape="gauss"), r"N_offdiagonal = .*must be 3 numbers"),
        (lambda: CrystalConfig(mosaic_eta_deg=0.1), r"mosaic_eta_deg.*zero where mosaic_model is 'c'"),
        (
            lambda: CrystalConfig(mosaic_model="gaussian", mosaic_spread_deg=0.1),
            r"mosaic_spread_deg = 0.1.*zero where mosaic_model is 'gaussian'",
        ),
        (
            lambda: CrystalConfig(mosaic_model="gaussian", mosaic_eta_deg=0.1, mosaic_domains=1),
            r"mosaic_domains = 1: must be at least 2.*Take 25",
        ),
        (lambda: CrystalConfig(mosaic_model="gaussian", mosaic_eta_deg=(0.1, 0.2)), r"mosaic_eta_deg.*3 numbers"),
        (lambda: CrystalConfig(mosaic_model="normal"), r"mosaic_model = 'normal': must be one of c, gaussian"),
        (lambda: CrystalConfig(misset_deg=(0.0, math.nan, 0.0)), r"misset_deg\[1\] = nan"),
        (lambda: CrystalConfig(mosaic_spread_deg=math.nan), r"mosaic_spread_deg = nan"),
        (lambda: CrystalConfig(phi_steps=0), r"phi_steps = 0"),
        (lambda: CrystalConfig(spindle_axis=(0.0, 0.0, 0.0)), r"spindle_axis.*non-zero length"),
        (lambda: CrystalConfig(mosflm_a_star=[1.0, 0.0, 0.0]), r"mosflm_a_star.*together"),
        (lambda: CrystalConfig(default_F=math.nan), r"default_F = nan"),
        (lambda: CrystalConfig(shape="cube"), r"shape = 'cube': must be one of"),
        (lambda: DetectorConfig(distance_mm=-5.0), r"distance_mm = -5.0"),
        (lambda: DetectorConfig(pixel_size_mm=0.0), r"pixel_size_mm = 0.0"),
        (lambda: DetectorConfig(spixels=0), r"spixels = 0: must be an integer of at least 1"),
        (lambda: DetectorConfig(oversample=0), r"oversample = 0"),
        (lambda: DetectorConfig(fpixels=10, roi_xmin=4, roi_xmax=10), r"roi_xmin, roi_xmax.*<= 9"),
        (lambda: DetectorConfig(roi_ymin=9, roi_ymax=4), r"roi_ymin, roi_ymax = \(9, 4\)"),
        (lambda: DetectorConfig(spixels=4, fpixels=5, mask_array=torch.ones(5, 4)), r"shape \(5, 4\).*\(4, 5\)"),
        (lambda: DetectorConfig(detector_thick_um=-1.0), r"detector_thick_um = -1.0"),
        (lambda: DetectorConfig(detector_convention="mosfilm"), r"detector_convention = 'mosfilm'"),
        (lambda: DetectorConfig(detector_pivot="corner"), r"detector_pivot = 'corner'"),
        (lambda: DetectorConfig(detector_abs_um=-1.0), r"detector_abs_um = -1.0"),
        (lambda: BeamConfig(source_weights=torch.ones(2), hdiv_steps=2), r"source_directions.*source_weights and div"),
        (
            lambda: BeamConfig(flux=1.0, exposure=1.0, beamsize_mm=1e-170),
            r"beamsize_mm = 1e-170: must be at least 1e-100",
        ),
        (lambda: BeamConfig(source_weights=torch.tensor(1.0)), r"source_weights = 'shape \(\)'.*\(n,\)"),
        (lambda: BeamConfig(spectrum=[1.0, 1.1, 1.2]), r"spectrum = .*two tensors"),
        (lambda: BeamConfig(spectrum=([1.0, 1.1], [1.0])), r"spectrum = 'of shapes \(2,\) and \(1,\)'.*equal shapes"),
        (lambda: BeamConfig(spectrum=([1.0, -1.1], [1.0, 1.0])), r"spectrum.*wavelengths greater than 0"),
        (lambda: BeamConfig(spectrum=([1.0, 1.1], [1.0, -1.0])), r"spectrum.*weights that are at least 0"),
        (lambda: BeamConfig(spectrum=([1.0], [0.0])), r"spectrum.*not all 0"),
        (lambda: BeamConfig(spectrum=([1.0], [math.nan])), r"spectrum = .*nan"),
        (lambda: BeamConfig(spectrum=([1.0], [1.0]), dispersion_pct=1.0), r"None where dispersion_pct is given"),
        (
            lambda: BeamConfig(spectrum=([1.0], [1.0]), source_directions=torch.ones(1, 3)),
            r"None where source_directions is given",
        ),
        (lambda: BeamConfig(wavelength_A=0.0), r"wavelength_A = 0.0"),
        (lambda: BeamConfig(fluence=-1.0), r"fluence = -1.0"),
        (lambda: BeamConfig(source_directions=torch.ones(3)), r"source_directions = 'shape \(3,\)'"),
        (lambda: BeamConfig(source_directions=torch.ones(2, 3), source_weights=torch.ones(3)), r"source_weights"),
        (
            lambda: BeamConfig(source_directions=torch.ones(1, 3), source_wavelengths=torch.tensor([0.0])),
            r"source_wavelengths.*positive",
        ),
        (lambda: BeamConfig(source_directions=torch.full((1, 3), math.nan)), r"source_directions.*nan"),
    ],
)
def test_an_impossible_value_is_refused_with_its_name_and_what_is_allowed(build, message):
    with pytest.raises(ValueError, match=message):
        build()


@pytest.mark.parametrize(
    ("convention", "slow", "fast"),
    [
        (DetectorConvention.MOSFLM, 51.25, 25.65),
        (DetectorConvention.DENZO, 51.25, 25.65),
        (DetectorConvention.ADXV, 51.25, 25.65),
        (DetectorConvention.XDS, 51.2, 25.6),
        (DetectorConvention.DIALS, 51.2, 25.6),
        (DetectorConvention.CUSTOM, 51.2, 25.6),
    ],
)
def test_a_default_beam_centre_is_that_of_the_convention(convention, slow, fast):
    config = DetectorConfig(detector_convention=convention, fpixels=512)
    assert (config.beam_center_s, config.beam_center_f) == pytest.approx((slow, fast))


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_a_name_will_do_for_every_choice_in_any_case_given_or_assigned(case):
    for convention in DetectorConvention:
        assert DetectorConfig(detector_convention=case(convention.value)).detector_convention is convention
    detector, crystal = DetectorConfig(), CrystalConfig()
    for pivot in DetectorPivot:
        assert DetectorConfig(detector_pivot=case(pivot.value)).detector_pivot is pivot
        assert DetectorConfig.from_cli_args(pivot=case(pivot.value)).detector_pivot is pivot
        detector.detector_pivot = case(pivot.name)
        assert detector.detector_pivot is pivot
    for shape in CrystalShape:
        assert CrystalConfig(shape=case(shape.value)).shape is shape
        crystal.shape = case(shape.name)
        assert crystal.shape is shape


def test_none_is_off_where_a_quantity_can_be_off():
    beam = BeamConfig(dmin=None, water_size_um=None, flux=None, exposure=None, beamsize_mm=None, dispersion_pct=None)
    assert beam == BeamConfig()
    beam.dmin = None
    assert beam.dmin == 0.0
    assert DetectorConfig(detector_thick_um=None).detector_thick_um == 0.0


def test_the_two_theta_axis_comes_in_the_default_dtype():
    axis = DetectorConfig().twotheta_axis
    assert axis.dtype == torch.float32 and torch.equal(axis, torch.tensor([0.0, 0.0, -1.0]))
    torch.set_default_dtype(torch.float64)
    try:
        assert DetectorConfig().twotheta_axis.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def test_what_nobody_gave_follows_size_pixel_and_convention_and_what_somebody_gave_stays():
    free, kept = DetectorConfig(), DetectorConfig(beam_center_f=9.0, roi_xmin=3, roi_xmax=99, twotheta_axis=(0, 1, 0))
    copied = copy.copy(free)
    for config in (free, kept):
        config.spixels, config.fpixels, config.pixel_size_mm = 512, 100, 0.2
        config.detector_convention = "xds"
        config.validate()
    assert (free.beam_center_s, free.beam_center_f) == pytest.approx((51.2, 10.0))
    assert free.roi() == ((0, 511), (0, 99)) == ((free.roi_ymin, free.roi_ymax), (free.roi_xmin, free.roi_xmax))
    assert free.twotheta_axis.tolist() == [1.0, 0.0, 0.0]
    assert (kept.beam_center_s, kept.beam_center_f) == pytest.approx((51.2, 9.0))
    assert kept.roi() == ((0, 511), (3, 99)) and kept.twotheta_axis == (0, 1, 0)
    axis = free.twotheta_axis
    free.validate()
    assert free.twotheta_axis is axis and free == copy.copy(free)
    copied.validate()
    assert copied.roi() == ((0, 1023), (0, 1023)) and copied.beam_center_f == pytest.approx(51.25)
    free.roi_xmax = 40
    free.fpixels = 300
    assert free.roi() == ((0, 511), (0, 40))


def test_the_pivot_follows_what_was_given():
    assert DetectorConfig().detector_pivot is DetectorPivot.BEAM
    close = DetectorConfig(close_distance_mm=90.0)
    assert close.detector_pivot is DetectorPivot.SAMPLE and close.distance_mm == 90.0
    assert DetectorConfig(custom_beam_vector=(1.0, 0.0, 0.0)).detector_pivot is DetectorPivot.SAMPLE
    assert (
        DetectorConfig(close_distance_mm=90.0, detector_pivot=DetectorPivot.BEAM).detector_pivot is DetectorPivot.BEAM
    )


def test_distances_of_a_command_line_choose_the_pivot():
    assert DetectorConfig.from_cli_args(distance_mm=80.0).detector_pivot is DetectorPivot.BEAM
    assert DetectorConfig.from_cli_args(close_distance_mm=80.0).detector_pivot is DetectorPivot.SAMPLE
    assert DetectorConfig.from_cli_args(distance_mm=80.0, pivot="sample").detector_pivot is DetectorPivot.SAMPLE
    assert DetectorConfig.from_cli_args(pivot=DetectorPivot.SAMPLE).detector_pivot is DetectorPivot.SAMPLE
    with pytest.raises(ValueError, match="pivot = 'corner'"):
        DetectorConfig.from_cli_args(pivot="corner")


def test_another_two_theta_axis_means_a_custom_convention():
    assert not DetectorConfig().should_use_custom_convention()
    assert DetectorConfig(twotheta_axis=(0.0, 1.0, 0.0)).should_use_custom_convention()


def test_flux_exposure_and_beam_size_make_the_fluence():
    beam = BeamConfig(flux=1e12, exposure=0.1, beamsize_mm=0.1)
    assert beam.fluence == pytest.approx(1e12 * 0.1 / 1e-8)
    assert BeamConfig(exposure=1.0, beamsize_mm=0.1).flux == pytest.approx(125932015286227086360700780544.0 * 1e-8)


def test_a_crystal_knows_its_size():
    config = CrystalConfig(70.0, 80.0, 90.0, N_cells=(5, 6, 7))
    assert (config.sample_x, config.sample_y, config.sample_z) == pytest.approx((350e-10, 480e-10, 630e-10))


def test_a_crystal_larger_than_the_beam_says_that_it_was_clipped():
    config = CrystalConfig(N_cells=(20000, 20000, 5000))
    with pytest.warns(UserWarning, match=r"sample_y = 0\.0002 m is larger than the beam .*0\.0001 m.*clipped") as found:
        clip_to_beam(config, BeamConfig(beamsize_mm=0.1))
    assert len(found) == 1
    assert (config.sample_x, config.sample_y, config.sample_z) == pytest.approx((2e-4, 1e-4, 5e-5))


@pytest.mark.filterwarnings("error")
def test_a_crystal_that_is_a_part_of_a_cell_larger_than_the_beam_or_of_no_known_beam_is_whole():
    config = CrystalConfig(cell_a=70.0, cell_b=70.0, cell_c=70.0, N_cells=(14286, 14286, 14286))
    clip_to_beam(config, BeamConfig(beamsize_mm=0.1))
    clip_to_beam(config, BeamConfig())
    assert config.sample_y == config.sample_z == pytest.approx(14286 * 70e-10)


@pytest.mark.parametrize(
    "config",
    [
        CrystalConfig(70.0, 80.0, shape="gauss", N_cells=(3, 4, 5), mosaic_seed=7),
        DetectorConfig(spixels=100, pixel_size_mm=0.2, detector_convention="xds", roi_xmin=3),
        DetectorConfig(beam_center_s=5.0, close_distance_mm=90.0, detector_thick_um=100.0),
        BeamConfig(wavelength_A=2.0, flux=1e12, exposure=0.5),
    ],
)
def test_the_fields_that_were_given_make_an_equal_config(config):
    assert type(config)(**config.given()) == config
    assert type(config)().given() == {}


def test_what_follows_from_another_field_is_given_once_that_field_has_moved():
    config = DetectorConfig(spixels=100, fpixels=100)
    assert set(config.given()) == {"spixels", "fpixels"}
    config.pixel_size_mm = 0.5
    centre = config.beam_center_s
    again = DetectorConfig(**config.given())
    assert again.beam_center_s == centre != DetectorConfig(spixels=100, fpixels=100, pixel_size_mm=0.5).beam_center_s
