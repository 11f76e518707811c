"""What a geometry divides by: where it vanishes, one kind of error says what is degenerate; next to it all is well."""

import warnings

import pytest
import torch

from nanobrag_torch import (
    BeamConfig,
    Crystal,
    CrystalConfig,
    Detector,
    DetectorConfig,
    DetectorConvention,
    DetectorPivot,
    Simulator,
)

AT_BEAM, AT_SAMPLE = ({"detector_pivot": pivot} for pivot in (DetectorPivot.BEAM, DetectorPivot.SAMPLE))
CUSTOM = {"detector_convention": DetectorConvention.CUSTOM}
XDS = {"detector_convention": DetectorConvention.XDS}


def image(detector=None, beam=None, crystal=None, compat="physical", **options):
    detector = {"spixels": 3, "fpixels": 3, "pixel_size_mm": 1.0, "oversample": 1} | (detector or {})
    made = Crystal(CrystalConfig(**({"default_F": 100.0, "N_cells": (3, 3, 3)} | (crystal or {}))))
    simulator = Simulator(
        made, Detector(DetectorConfig(**detector)), beam_config=BeamConfig(**(beam or {})), compat=compat,
        dtype=torch.float64,
    )  # fmt: skip
    with warnings.catch_warnings(action="error"):
        return simulator.run(**options)


@pytest.mark.parametrize("compat", ["physical", "c"])
@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"detector": {"custom_beam_vector": (0, 0, 1)} | CUSTOM | AT_BEAM}, "the beam lies in the plane"),
        ({"detector": {"detector_roty_deg": 90.0, "close_distance_mm": 9.0} | AT_BEAM}, "the beam lies in the plane"),
        ({"detector": {"close_distance_mm": 0.0}}, "the crystal lies in the plane of the detector"),
        (
            {"detector": {"close_distance_mm": -0.1, "detector_thick_um": 300.0}},
            "the crystal lies within the sensor of the detector",
        ),
        ({"detector": {"custom_sdet_vector": (0, 0, 1)} | CUSTOM}, "fast and slow are parallel"),
        (
            {"beam": {"polarization_axis": (1, 0, 0), "hdiv_range_mrad": 1.0, "hdiv_steps": 3}},
            "the polarization lies along the beam",
        ),
        ({"override_a_star": torch.zeros(3)}, "the vectors of the unit cell do not span a volume"),
        ({"override_a_star": torch.tensor([0.0, 0.01, 0.0])}, "the vectors of the unit cell do not span"),
        (
            {"crystal": {f"mosflm_{axis}_star": (0.01, 0.02, 0.03) for axis in "abc"}},
            "the vectors of the unit cell do not span a volume",
        ),
    ],
)
def test_a_degenerate_geometry_is_refused_by_what_is_degenerate(given, named, compat):
    with pytest.raises(ValueError, match=rf"degenerate geometry: {named}.* is divided by \S+\. [A-Z]"):
        image(**given, compat=compat)


@pytest.mark.parametrize(
    ("detector", "named"),
    [
        (
            {"custom_odet_vector": (0, -1, 0), "custom_beam_vector": (1, -1, 0)} | CUSTOM,
            "the crystal lies in the plane of fast",
        ),
        (
            {"custom_odet_vector": (0.2, 0, 1), "distance_mm": 1.0, "detector_thick_um": 30.0} | CUSTOM,
            "rays run along the sensor of the detector",
        ),
        (
            {"close_distance_mm": -0.5, "detector_thick_um": 300.0, "detector_abs_um": 0.1},
            "rays run along the sensor of the detector",
        ),
    ],
)
def test_a_normal_that_does_not_point_away_from_the_crystal_is_refused_where_it_leaves_no_number(detector, named):
    with pytest.raises(ValueError, match=rf"degenerate geometry: {named}.* is divided by \S+\. [A-Z]"):
        image(detector)


EDGE_ON = "degenerate geometry: the beam lies in the plane of the detector"


@pytest.mark.parametrize("field", ["detector_roty_deg", "detector_rotz_deg", "detector_twotheta_deg"])
def test_a_detector_seen_edge_on_is_refused_but_in_c_where_it_is_dark(field):
    with pytest.raises(ValueError, match=EDGE_ON):
        image({field: 90.0} | AT_BEAM)
    assert 0 < image({field: 90.0} | AT_BEAM, compat="c").max() < 1e-12 * image(AT_BEAM, compat="c").max()


def test_a_beam_of_ones_own_in_the_plane_of_the_detector_is_refused():
    with pytest.raises(ValueError, match=EDGE_ON):
        image({"custom_beam_vector": (0, 0, 1)} | CUSTOM)


def test_a_curved_detector_along_the_beam_is_degenerate_where_its_true_distance_counts():
    turned = {"detector_twotheta_deg": 90.0, "curved_detector": True} | XDS | AT_SAMPLE
    with pytest.raises(ValueError, match="degenerate geometry: the beam lies in the plane"):
        image(turned)
    assert image(turned | {"curved_detector": False}).max() > 0


@pytest.mark.parametrize(
    "detector",
    [
        {"detector_roty_deg": 89.9999} | AT_BEAM,
        {"detector_roty_deg": 90.0, "close_distance_mm": 50.0} | AT_SAMPLE,
        {"detector_twotheta_deg": 90.0} | XDS | AT_SAMPLE,
        {"close_distance_mm": 1e-6, "pixel_size_mm": 1e-3},
        {"close_distance_mm": -50.0},
        {"custom_beam_vector": (0, 0, 1), "close_distance_mm": 10.0} | CUSTOM,
    ],
)
def test_what_is_next_to_degenerate_gives_an_image(detector):
    found = image(detector)
    assert torch.isfinite(found).all() and found.abs().max() > 0


@pytest.mark.parametrize("size", [1e-200, 1e-308, 5e-324, 1e200])
@pytest.mark.parametrize(
    ("config", "field"),
    [
        (DetectorConfig, "custom_fdet_vector"),
        (DetectorConfig, "custom_sdet_vector"),
        (DetectorConfig, "custom_odet_vector"),
        (DetectorConfig, "custom_beam_vector"),
        (DetectorConfig, "twotheta_axis"),
        (BeamConfig, "polarization_axis"),
        (CrystalConfig, "spindle_axis"),
    ],
)
def test_a_direction_without_a_length_to_divide_by_is_refused(config, field, size):
    with pytest.raises(ValueError, match=rf"{field}.* = .*: must be"):
        config(**{field: (0.0, size, 0.0)})


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("crystal", "cell_a", 1e-308),
        ("crystal", "cell_b", 1e-120),
        ("crystal", "cell_c", 1e120),
        ("crystal", "default_F", 1e160),
        ("crystal", "N_cells", (1e90, 1, 1)),
        ("crystal", "fudge", 1e90),
        ("crystal", "mosaic_spread_deg", 1e90),
        ("detector", "distance_mm", 1e-308),
        ("detector", "pixel_size_mm", 1e308),
        ("detector", "spixels", 10**400),
        ("detector", "detector_thick_um", 1e308),
        ("detector", "detector_abs_um", 1e-308),
        ("beam", "wavelength_A", 1e-308),
        ("beam", "fluence", 1e308),
        ("beam", "fluence", 10**400),
        ("beam", "water_size_um", 1e300),
        ("beam", "dispersion_pct", 200.0),
        ("beam", "dispersion_pct", -1.0),
        ("beam", "hdiv_range_mrad", -1.0),
        ("beam", "vdiv_step_mrad", float("nan")),
        ("beam", "hdiv_steps", -3),
        ("beam", "vdiv_steps", 2.5),
        ("beam", "dispersion_steps", float("nan")),
        ("beam", "source_directions", torch.zeros(2, 3)),
        ("beam", "source_directions", torch.tensor([[1.0, 0.0, float("nan")]])),
        ("detector", "mask_array", torch.full((3, 3), float("nan"))),
        ("detector", "mask_array", torch.full((3, 3), float("inf"))),
    ],
)
def test_a_number_that_would_make_an_image_of_nan_or_be_ignored_is_refused_by_its_field(part, field, value):
    with pytest.raises(ValueError, match=rf"{field}.* = .*: must be"):
        image(**{part: {field: value}})


@pytest.mark.parametrize("size", [1e-90, 1e90])
@pytest.mark.parametrize(
    ("part", "field"),
    [
        ("crystal", "cell_a"), ("crystal", "default_F"), ("detector", "detector_thick_um"), ("beam", "wavelength_A"),
        ("beam", "fluence"), ("beam", "water_size_um"), ("crystal", "phi_start_deg"), ("beam", "hdiv_range_mrad"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("compat", ["physical", "c"])
def test_a_number_of_any_size_that_is_accepted_gives_numbers(part, field, size, compat):
    assert torch.isfinite(image(**{part: {field: size}}, compat=compat)).all()


def test_a_nan_assigned_to_a_mask_later_is_refused_too():
    detector = Detector(DetectorConfig(spixels=3, fpixels=3, mask_array=torch.ones(3, 3)))
    simulator = Simulator(Crystal(CrystalConfig(default_F=1.0)), detector)
    assert simulator.run().max() > 0
    detector.config.mask_array[1, 1] = float("nan")
    with pytest.raises(ValueError, match=r"mask_array = .*nan at index \(1, 1\)"):
        simulator.run()


def test_a_peak_that_single_precision_does_not_hold_is_refused():
    crystal = Crystal(CrystalConfig(default_F=1e25))
    detector = Detector(DetectorConfig(spixels=3, fpixels=3))
    with pytest.raises(ValueError, match=r"float32: .*peak of .* = 1e\+50.*Use torch.float64"):
        Simulator(crystal, detector).run()
    assert torch.isfinite(Simulator(crystal, detector, dtype=torch.float64).run()).all()
