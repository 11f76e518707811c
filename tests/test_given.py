"""Assignments by users: names that an object has, and whole numbers, arrays and strings of any library."""

import copy
import dataclasses
import importlib
import pickle

import numpy as np
import pytest
import torch

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig, DetectorPivot, NoiseConfig
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator


def simulator(crystal: CrystalConfig | None = None, **camera) -> Simulator:
    crystal = crystal or CrystalConfig(70.0, 80.0, 90.0, N_cells=(3, 3, 3), default_F=100.0)
    camera = {"spixels": 6, "fpixels": 5, "pixel_size_mm": 1.0, "oversample": 1} | camera
    return Simulator(Crystal(crystal), Detector(DetectorConfig(**camera)), dtype=torch.float64)


@pytest.mark.parametrize(
    ("make", "name", "near"),
    [
        (CrystalConfig, "cel_a", "cell_a"),
        (CrystalConfig, "misset", "misset_deg"),
        (DetectorConfig, "beam_centre_s", "beam_center_s"),
        (BeamConfig, "wavelength", "wavelength_A"),
        (NoiseConfig, "sed", "seed"),
        (Crystal, "cel_a", "cell_a"),
        (Detector, "distance_mm", "distance"),
        (simulator, "wavelenght", "wavelength"),
    ],
)
def test_a_name_that_an_object_does_not_have_cannot_be_assigned_and_the_nearest_is_named(make, name, near):
    with pytest.raises(AttributeError, match=f"has no '{name}'. Did you mean '{near}'"):
        setattr(make(), name, 1.0)


def test_a_name_that_is_like_no_other_is_answered_with_all_there_are():
    with pytest.raises(AttributeError, match=r"Simulator has no 'xyzzy'. It has .*fluence, .*wavelength"):
        simulator().xyzzy = 1.0


def test_what_is_computed_cannot_be_assigned_and_says_so():
    with pytest.raises(AttributeError, match=r"Crystal.a_star cannot be assigned: it is computed from the configs"):
        Crystal().a_star = torch.zeros(3)


def test_methods_may_be_replaced_private_names_are_free_and_so_are_subclasses_of_users():
    class Tagged(Crystal):
        pass

    Tagged().sample_name = "lysozyme"
    own = simulator()
    own._note, own.run = "kept", lambda: "mine"
    assert own.run() == "mine"


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.uint16, lambda n: torch.tensor(int(n))])
def test_whole_numbers_of_numpy_and_torch_are_counts(kind):
    config = CrystalConfig(
        70.0, 80.0, 90.0, N_cells=(3, 3, 3), default_F=100.0, osc_range_deg=1.0, mosaic_spread_deg=0.1,
        phi_steps=kind(2), mosaic_domains=kind(3), mosaic_seed=kind(4),
    )  # fmt: skip
    assert config == dataclasses.replace(config, phi_steps=2, mosaic_domains=3, mosaic_seed=4)
    sim = simulator(config, spixels=kind(6), fpixels=kind(5), roi_xmin=kind(1), oversample=kind(2))
    image = sim.run()
    assert image.shape == (6, 5) and type(sim.detector.config.spixels) is int
    assert torch.allclose(sim.run(pixel_batch_size=kind(2)), image)
    assert torch.equal(sim.run(oversample=kind(2)), image)
    assert len(sim.run(stochastic_pixel_count=kind(3))[0]) == 3


def test_a_number_that_is_not_whole_is_still_no_count():
    for count in (np.float64(2.0), torch.tensor(2.0), True):
        with pytest.raises(ValueError, match="phi_steps"):
            CrystalConfig(phi_steps=count)


@pytest.mark.parametrize("dtype", ["?", ">u2", "<u2", ">f4", "f8"])
def test_an_array_of_any_type_and_strides_is_a_mask(dtype):
    mask = np.ones((5, 6), dtype)
    mask[0, :] = 0
    sim = simulator(mask_array=mask.T)
    whole = simulator().run()
    image = sim.run()
    assert bool((image[:, 0] == 0).all()) and torch.equal(image[:, 1:], whole[:, 1:])
    assert sim.compute_statistics(image)["N"] == 24


def test_an_array_is_a_table_of_structure_factors():
    crystal = Crystal(CrystalConfig(N_cells=(3, 3, 3)))
    crystal.hkl_data, crystal.hkl_metadata = np.full((3, 3, 3), 7.0), {"h_min": -1, "k_min": -1, "l_min": -1}
    assert float(crystal.get_structure_factor(*torch.zeros(3))) == 7.0


def test_a_list_of_three_numbers_takes_the_place_of_a_star_and_another_length_is_refused():
    sim = simulator()
    a_star = [0.0142, 0.0, 0.0]
    assert torch.equal(
        sim.run(override_a_star=a_star), sim.run(override_a_star=torch.tensor(a_star, dtype=torch.float64))
    )
    with pytest.raises(ValueError, match=r"override_a_star.*3 numbers"):
        sim.run(override_a_star=torch.zeros(2))


def test_replacing_fields_fills_in_anew_what_nobody_gave():
    half = dataclasses.replace(DetectorConfig(), spixels=512, fpixels=256)
    assert half == DetectorConfig(spixels=512, fpixels=256) and half.roi_ymax == 511
    assert dataclasses.replace(half, spixels=2048, fpixels=2048).roi_xmax == 2047
    xds = dataclasses.replace(DetectorConfig(), detector_convention="xds", detector_pivot="sample")
    assert xds == DetectorConfig(detector_convention="xds", detector_pivot="sample")
    assert dataclasses.replace(CrystalConfig(), cell_a=50.0, N_cells=(7, 7, 7)).sample_x == pytest.approx(350e-10)
    lit = BeamConfig(exposure=1.0, beamsize_mm=0.1)
    assert dataclasses.replace(lit, fluence=1e20) == BeamConfig(exposure=1.0, beamsize_mm=0.1, fluence=1e20)
    bright = BeamConfig(flux=1e12, exposure=1.0, beamsize_mm=0.1)
    assert dataclasses.replace(bright, beamsize_mm=0.0).fluence == BeamConfig().fluence


def test_replacing_fields_keeps_what_somebody_gave_though_it_equals_a_default():
    small = DetectorConfig(spixels=64, fpixels=64)
    wide = dataclasses.replace(small, spixels=128, fpixels=128, roi_xmax=63, beam_center_s=3.25)
    assert (wide.roi_xmax, wide.roi_ymax, wide.beam_center_s) == (63, 127, 3.25) and wide.beam_center_f == 6.45
    given = DetectorConfig(roi_xmin=3, roi_xmax=9, beam_center_f=7.0, twotheta_axis=(0.0, 1.0, 0.0))
    again = dataclasses.replace(given, fpixels=100)
    assert (again.roi_xmin, again.roi_xmax, again.beam_center_f) == (3, 9, 7.0)
    assert again.twotheta_axis == (0.0, 1.0, 0.0)
    other = DetectorConfig(spixels=128, beam_center_s=small.beam_center_s)
    assert dataclasses.replace(other, spixels=256).beam_center_s == small.beam_center_s
    assert dataclasses.replace(small, distance_mm=50.0).detector_pivot is DetectorPivot.BEAM


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))])
def test_a_copy_is_equal_and_knows_as_well_what_nobody_gave(copied):
    config = DetectorConfig(spixels=64, roi_ymin=5)
    again = copied(config)
    assert again == config
    again.spixels = again.fpixels = 32
    assert Detector(again).beam_center_s == 17.0 and (again.roi_ymin, again.roi_ymax, again.roi_xmax) == (5, 31, 31)
    assert again != config and (config.spixels, config.roi_ymax) == (64, 63)


def test_configs_with_tensors_and_arrays_can_be_compared():
    stars = {f"mosflm_{axis}_star": row for axis, row in zip("abc", np.eye(3) / 70, strict=True)}
    assert CrystalConfig(**stars) == CrystalConfig(**copy.deepcopy(stars))
    assert CrystalConfig(**stars) != CrystalConfig()
    beam = BeamConfig(source_directions=torch.eye(3))
    assert beam == BeamConfig(source_directions=torch.eye(3)) and beam != BeamConfig(source_directions=-torch.eye(3))
    assert beam != BeamConfig() and beam != CrystalConfig()
    assert CrystalConfig(torch.tensor(70.0)) == CrystalConfig(70.0)


def test_fields_of_a_config_are_those_of_the_interface():
    for kind in (CrystalConfig, DetectorConfig, BeamConfig, NoiseConfig):
        names = [field.name for field in dataclasses.fields(kind)]
        assert list(dataclasses.asdict(kind())) == names
        assert not [name for name in names if name.startswith("_")]
    assert DetectorConfig(**dataclasses.asdict(DetectorConfig())) == DetectorConfig()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CrystalConfig(N_cells=5), r"N_cells = 5: must be 3 numbers"),
        (lambda: CrystalConfig(misset_deg=10.0), r"misset_deg = 10.0: must be 3 numbers"),
        (lambda: CrystalConfig(misset_deg="abc"), r"misset_deg = 'abc': must be 3 numbers"),
        (lambda: CrystalConfig(spindle_axis=5), r"spindle_axis = 5: must be 3 numbers"),
        (lambda: CrystalConfig(mosaic_seed=1.5), r"mosaic_seed = 1.5: must be an integer or None"),
        (lambda: CrystalConfig(misset_seed=True), r"misset_seed = True: must be an integer or None"),
        (lambda: NoiseConfig(seed=1.5), r"NoiseConfig.seed = 1.5: must be an integer or None"),
        (lambda: DetectorConfig(close_distance_mm="5"), r"close_distance_mm = '5': must be a finite number of mm"),
        (lambda: DetectorConfig("far", close_distance_mm=5.0), r"distance_mm = 'far': must be a finite number of mm"),
        (lambda: DetectorConfig(detector_abs_um="none"), r"detector_abs_um = 'none': must be a finite number of um"),
        (lambda: BeamConfig(fluence="all", exposure=1.0, beamsize_mm=1.0), r"fluence = 'all': must be a finite number"),
        (lambda: CrystalConfig(interpolate="yes"), r"interpolate = 'yes': must be one of None, True, False"),
        (lambda: DetectorConfig(twotheta_axis=5), r"twotheta_axis = 5: must be 3 numbers"),
        (lambda: DetectorConfig(pix0_override_m=5), r"pix0_override_m = 5: must be 3 numbers"),
        (lambda: DetectorConfig(mask_array="x"), r"mask_array = 'x': must be of shape"),
        (lambda: DetectorConfig(roi_xmin=1.5), r"roi_xmin, roi_xmax = \(1.5, 1023\): must be inclusive indices"),
        (lambda: DetectorConfig(roi_ymax="a"), r"roi_ymin, roi_ymax = \(0, 'a'\): must be inclusive indices"),
        (lambda: BeamConfig(polarization_axis=3), r"polarization_axis = 3: must be 3 numbers"),
        (lambda: BeamConfig(source_directions="a"), r"source_directions = 'a': must be a tensor, an array or a list"),
        (lambda: Crystal(DetectorConfig()), "config is a DetectorConfig, must be a CrystalConfig"),
        (lambda: Crystal({"cell_a": 70.0}), "config is a dict, must be a CrystalConfig"),
        (lambda: Crystal(None, DetectorConfig()), "beam_config is a DetectorConfig, must be a BeamConfig"),
        (lambda: Detector(CrystalConfig()), "config is a CrystalConfig, must be a DetectorConfig"),
        (lambda: Simulator(Detector(), Crystal()), "crystal is a Detector, must be a Crystal"),
        (lambda: Simulator(Crystal(), DetectorConfig()), "detector is a DetectorConfig, must be a Detector"),
        (lambda: Crystal(dtype="float64"), "dtype = 'float64': must be torch.float32 or torch.float64"),
        (lambda: Detector(dtype=torch.int32), r"dtype = torch.int32: must be torch.float32 or torch.float64"),
        (lambda: Crystal().to(dtype=torch.int32), r"dtype = torch.int32: must be torch.float32 or torch.float64"),
    ],
)
def test_a_value_of_another_kind_is_refused_with_its_name_and_what_is_allowed(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_lists_are_masks_tables_and_sources_with_the_gradient_of_what_is_in_them():
    wavelength = torch.tensor(1e-10, dtype=torch.float64, requires_grad=True)
    beam = BeamConfig(source_directions=[[-1, 0, 0], [-1, 0.001, 0]], source_wavelengths=[wavelength, 1.1e-10])
    sim = simulator(spixels=2, fpixels=2, mask_array=[[1, 0], [0, 1]])
    sim.beam_config = beam
    sim.crystal.hkl_data, sim.crystal.hkl_metadata = [[[50.0]]], {"h_min": 0, "k_min": 0, "l_min": 0}
    image = sim.run()
    image.sum().backward()
    assert image[0, 1] == image[1, 0] == 0 < image[0, 0] and wavelength.grad != 0
    assert sim.crystal.get_structure_factor(0, 0, 0) == 50.0


def test_a_table_without_its_place_names_what_is_missing():
    sim = simulator()
    sim.crystal.hkl_data, sim.crystal.hkl_metadata = torch.ones(3, 3, 3), {"h_min": -1}
    with pytest.raises(ValueError, match="hkl_metadata has no k_min, l_min"):
        sim.run()


@pytest.mark.parametrize("compiler", [False, True], ids=["plain", "with torch's compiler at hand"])
def test_a_warning_names_the_line_of_the_user_whatever_lies_between(compiler):
    if compiler:
        importlib.import_module("torch._dynamo")
    large = CrystalConfig(N_cells=(5, 5, 20_000))
    beam = BeamConfig(beamsize_mm=0.1)
    with pytest.warns(UserWarning) as warned:
        BeamConfig(source_weights=torch.ones(3))
        Crystal(large, beam)
    assert len(warned) == 2 and {warning.filename for warning in warned} == {__file__}
