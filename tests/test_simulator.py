import warnings

import pytest
import torch
from scenarios import r1, r2

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator

F64 = torch.float64


def simulator(detector=None, **kwargs) -> Simulator:
    crystal = Crystal(CrystalConfig(70.0, 80.0, 90.0, N_cells=(5, 4, 3), default_F=100.0), dtype=F64)
    config = DetectorConfig(**({"spixels": 8, "fpixels": 11, "pixel_size_mm": 1.0, "oversample": 1} | (detector or {})))
    return Simulator(crystal, Detector(config), dtype=F64, **kwargs)


@pytest.fixture(scope="module")
def whole() -> torch.Tensor:
    image = simulator().run()
    assert image.shape == (8, 11) and image.min().item() > 0
    return image


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_rows_in_batches_give_the_same_image(whole, rows):
    assert torch.equal(simulator().run(pixel_batch_size=rows), whole)


def test_a_region_of_interest_is_a_crop(whole):
    image = simulator({"roi_xmin": 2, "roi_xmax": 5, "roi_ymin": 1, "roi_ymax": 6}).run()
    assert torch.equal(image[1:7, 2:6], whole[1:7, 2:6])
    outside = image.clone()
    outside[1:7, 2:6] = 0
    assert outside.abs().sum().item() == 0


def test_a_masked_pixel_is_zero_and_the_others_are_untouched(whole):
    mask = torch.ones(8, 11)
    mask[3, 4] = mask[0, 0] = 0
    image = simulator({"mask_array": mask}).run()
    assert image[3, 4].item() == image[0, 0].item() == 0
    assert torch.equal(image[mask != 0], whole[mask != 0])


def test_a_mask_that_hides_everything_leaves_a_dark_image():
    image = simulator({"mask_array": torch.zeros(8, 11)}).run()
    assert image.shape == (8, 11) and image.abs().sum().item() == 0


def test_random_pixels_are_distinct_pixels_of_the_image(whole):
    values, slow, fast = simulator().run(stochastic_pixel_count=20)
    assert torch.equal(values, whole[slow, fast])
    assert len(set(zip(slow.tolist(), fast.tolist(), strict=True))) == 20
    assert not slow.is_floating_point() and not slow.requires_grad


def test_batches_and_random_pixels_exclude_each_other_and_neither_may_be_absurd():
    with pytest.raises(ValueError, match=r"only one of them"):
        simulator().run(pixel_batch_size=2, stochastic_pixel_count=2)
    with pytest.raises(ValueError, match=r"pixel_batch_size = 0"):
        simulator().run(pixel_batch_size=0)
    with pytest.raises(ValueError, match=r"at most the 88 rendered pixels"):
        simulator().run(stochastic_pixel_count=89)
    with pytest.raises(ValueError, match=r"oversample = 0"):
        simulator().run(oversample=0)


def test_oversampling_can_be_overridden_and_is_automatic_on_request(whole):
    finer = simulator().run(oversample=3)
    assert not torch.allclose(finer, whole, rtol=1e-3)
    assert torch.equal(finer, simulator({"oversample": 3}).run())
    fine = simulator({"oversample": -1, "pixel_size_mm": 3.0})
    assert (
        fine.scene().panel.oversample == 32 == simulator({"pixel_size_mm": 3.0}).scene(oversample=-1).panel.oversample
    )


def test_rotation_fields_are_lent_to_the_crystal_and_nothing_else():
    lent = CrystalConfig(cell_a=1.0, phi_start_deg=7.0, mosaic_domains=3, mosaic_spread_deg=0.2, phi_step_deg=0.1)
    s = simulator(crystal_config=lent)
    config = s.crystal.config
    assert (config.phi_start_deg, config.mosaic_domains, config.mosaic_spread_deg) == (7.0, 3, 0.2)
    assert config.phi_step_deg == 0.1 and config.cell_a == 70.0


def test_the_beam_falls_back_to_the_crystals_and_then_to_the_default():
    own = BeamConfig(wavelength_A=2.0)
    crystal = Crystal(CrystalConfig(), beam_config=own)
    assert Simulator(crystal, Detector()).wavelength.item() == 2.0
    assert Simulator(Crystal(), Detector()).wavelength.item() == 1.0
    assert Simulator(crystal, Detector(), beam_config=BeamConfig(wavelength_A=3.0)).wavelength.item() == 3.0


def test_public_attributes_have_the_units_of_the_interface():
    s = simulator(beam_config=BeamConfig(polarization_factor=0.4))
    assert s.r_e_sqr * s.fluence.item() == 1.0
    assert s.kahn_factor.item() == 0.4
    assert s.polarization_axis.tolist() == [0, 0, 1] and s.incident_beam_direction.tolist() == [1, 0, 0]


#: Assignments of a fit: what is assigned to, its attribute, a value, the config's field, and that field for the value.
ASSIGNMENTS = [
    *(
        ("crystal", f"cell_{name}", v, f"cell_{name}", lambda v: v)
        for name, v in zip("abc", (71.0, 81.0, 92.0), strict=True)
    ),
    *(("crystal", f"cell_{name}", 88.0, f"cell_{name}", lambda v: v) for name in ("alpha", "beta", "gamma")),
    ("crystal", "N_cells_a", 5.5, "N_cells", lambda v: (v, 4, 3)),
    ("crystal", "N_cells_b", 5.5, "N_cells", lambda v: (5, v, 3)),
    ("crystal", "N_cells_c", 5.5, "N_cells", lambda v: (5, 4, v)),
    ("crystal", "misset_deg", [3.0, 4.0, 5.0], "misset_deg", lambda v: v),
    ("detector", "distance", 0.093, "distance_mm", lambda v: 1000 * v),
    ("detector", "close_distance", 0.094, "close_distance_mm", lambda v: 1000 * v),
    ("detector", "pixel_size", 1.1e-3, "pixel_size_mm", lambda v: 1000 * v),
    ("detector", "beam_center_s", 5.25, "beam_center_s", lambda v: v - 0.5),
    ("detector", "beam_center_f", 7.25, "beam_center_f", lambda v: v - 0.5),
    ("beam", "wavelength", 1.3, "wavelength_A", lambda v: v),
    ("beam", "fluence", 1e28, "fluence", lambda v: v),
    ("beam", "kahn_factor", 0.7, "polarization_factor", lambda v: v),
    ("beam", "polarization_axis", [0.3, 0.1, 0.9], "polarization_axis", lambda v: v),
]


@pytest.mark.parametrize(
    ("owner", "name", "value", "field", "in_config"), ASSIGNMENTS, ids=[row[1] for row in ASSIGNMENTS]
)
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_what_is_assigned_in_a_fit_reaches_the_config_and_stays_connected(owner, name, value, field, in_config, dtype):
    def image_of(leaf):
        fresh = simulator(beam_config=BeamConfig(polarization_factor=0.5))
        config = {"crystal": fresh.crystal.config, "detector": fresh.detector.config, "beam": fresh.beam_config}[owner]
        setattr(config, field, in_config(leaf))
        return fresh.run()

    s = simulator(beam_config=BeamConfig(polarization_factor=0.5))
    owned = {"crystal": s.crystal, "detector": s.detector, "beam": s}[owner]
    before = s.run()
    leaf = torch.tensor(value, dtype=dtype, requires_grad=True)
    setattr(owned, name, leaf)
    assert getattr(owned, name).detach().tolist() == pytest.approx(
        (leaf / leaf.norm() if name == "polarization_axis" else leaf).tolist(), rel=1e-6
    )
    for factor in (1.0, 1.01):  # a fit: the same tensor, changed in place
        with torch.no_grad():
            leaf.reshape(-1)[-1].mul_(factor)
        given = torch.tensor(leaf.tolist(), dtype=F64, requires_grad=True)
        expected = image_of(given)
        image = s.run()
        assert torch.allclose(image, expected, rtol=1e-9, atol=0)
        assert not torch.allclose(image, before, rtol=1e-7, atol=0)
        weights = torch.linspace(0.5, 1.5, image.numel(), dtype=F64).reshape(image.shape)
        (slope,) = torch.autograd.grad((weights * image).sum(), leaf)
        (wanted,) = torch.autograd.grad((weights * expected).sum(), given)
        assert slope.abs().sum().item() > 0 and torch.allclose(slope.to(F64), wanted, rtol=1e-5)
        before = image


@pytest.mark.parametrize(
    ("owner", "name", "value", "field", "in_config"), ASSIGNMENTS, ids=[row[1] for row in ASSIGNMENTS]
)
def test_an_image_is_remembered_for_no_number_but_that_assigned_last(owner, name, value, field, in_config):
    s = simulator(beam_config=BeamConfig(polarization_factor=0.5))
    owned = {"crystal": s.crystal, "detector": s.detector, "beam": s}[owner]
    images = [s.run()]
    held = torch.tensor(value, dtype=F64)
    for given in (value, held):
        setattr(owned, name, given)
        images.append(s.run())
    held.reshape(-1)[-1].mul_(1.01)
    images.append(s.run())
    assert torch.allclose(images[1], images[2], rtol=1e-12, atol=0)
    for one, other in ((0, 1), (2, 3)):
        assert not torch.allclose(images[one], images[other], rtol=1e-7, atol=0)


def test_an_assigned_beam_config_is_the_beam_of_the_next_image(whole):
    s = simulator()
    assert torch.equal(s.run(), whole)
    s.beam_config = BeamConfig(wavelength_A=1.3)
    assert s.wavelength.item() == 1.3
    assert torch.equal(s.run(), simulator(beam_config=BeamConfig(wavelength_A=1.3)).run())


def test_an_assigned_size_is_the_shape_of_the_next_image(whole):
    s = simulator()
    assert torch.equal(s.run(), whole)
    s.detector.spixels, s.detector.fpixels = 5, 14
    image = s.run()
    assert torch.equal(image, simulator({"spixels": 5, "fpixels": 14}).run()) and image.min().item() > 0


def test_the_beam_may_be_the_third_argument_and_each_kind_of_config_be_given_once():
    beam, lent = BeamConfig(wavelength_A=1.7), CrystalConfig(phi_start_deg=5.0)
    crystal, detector = Crystal(), Detector()
    assert Simulator(crystal, detector, beam).beam_config is beam
    swapped = Simulator(crystal, detector, beam, lent)
    assert swapped.beam_config is beam and swapped.crystal.config.phi_start_deg == 5.0
    with pytest.raises(ValueError, match="BeamConfig was given twice"):
        Simulator(crystal, detector, beam, beam)
    with pytest.raises(ValueError, match="DetectorConfig is no config for it"):
        Simulator(crystal, detector, DetectorConfig())


def test_a_crystal_larger_than_the_beam_is_announced_once_whoever_brings_the_beam():
    beam, large = BeamConfig(beamsize_mm=0.1), {"N_cells": (5, 5, 20000)}
    with pytest.warns(UserWarning, match="sample_z .*clipped") as found:
        Simulator(Crystal(CrystalConfig(**large), beam), Detector(), beam_config=beam)
    assert len(found) == 1
    with pytest.warns(UserWarning, match="sample_z .*clipped"):
        Simulator(Crystal(CrystalConfig(**large)), Detector(), beam_config=beam)


def test_an_image_knows_no_resolution_limit_where_dmin_is_none(whole):
    assert torch.equal(simulator(beam_config=BeamConfig(dmin=None)).run(), whole)


def test_a_replaced_reciprocal_vector_moves_the_pattern(whole):
    s = simulator()
    same = s.run(override_a_star=s.crystal.a_star)
    assert torch.allclose(same, whole, rtol=1e-9)
    assert not torch.allclose(s.run(override_a_star=1.01 * s.crystal.a_star), whole, rtol=1e-3)


def test_images_come_in_the_simulators_dtype_and_single_precision_stays_close():
    double = r2("physical").image().detach()
    single = r2("physical", torch.float32).image().detach()
    assert single.dtype == torch.float32
    assert (single - double).abs().max().item() < 2e-6 * double.max().item()


@pytest.mark.parametrize("dtype", [torch.float16, torch.int32, torch.bfloat16])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match=r"float32 or torch.float64"):
        Simulator(Crystal(), Detector(), dtype=dtype)


@pytest.mark.parametrize(
    ("device", "message"), [("cuda:7", "usable CUDA devices"), ("warp drive", "must be a torch device")]
)
def test_a_device_that_is_absent_is_named(device, message):
    if device.startswith("cuda") and torch.cuda.device_count() > 7:
        device = "cuda:99"
    with pytest.raises(ValueError, match=message):
        Simulator(Crystal(), Detector(), device=device)


def test_a_value_that_turns_bad_between_runs_is_refused_before_any_work():
    s = simulator()
    s.crystal.config.cell_a = torch.tensor(float("nan"))
    with pytest.raises(ValueError, match=r"cell_a = nan"):
        s.run()
    s.crystal.config.cell_a = 70.0
    s.detector.config.distance_mm = -1.0
    with pytest.raises(ValueError, match=r"distance_mm = -1.0"):
        s.run()
    s.detector.config.distance_mm = 100.0
    s.beam_config.wavelength_A = 0.0
    with pytest.raises(ValueError, match=r"wavelength_A = 0.0"):
        s.run()


def test_statistics_describe_the_image(whole):
    found = simulator().compute_statistics(whole)
    assert found["max_I"] == whole.max().item() == whole[found["max_I_slow"], found["max_I_fast"]].item()
    assert found["max_I_subpixel_fast"] == pytest.approx(1e-3 * (found["max_I_fast"] + 0.5))
    assert found["N"] == 88 and found["mean"] == pytest.approx(whole.mean().item())
    assert found["RMSD"] == pytest.approx(whole.std().item())
    assert found["RMS"] == pytest.approx((whole.square().sum().item() / 87) ** 0.5)


def test_memory_estimates_shrink_with_the_target():
    s = r1().simulator
    small, large = s.estimate_memory(0.1), s.estimate_memory(1000.0)
    assert not small["full_vectorization_ok"] and large["full_vectorization_ok"]
    assert small["recommended_chunk_size"] < large["recommended_chunk_size"] == 1024 * 1024
    assert small["tricubic_peak_gb"] <= 0.1


def test_a_debug_config_that_asks_for_anything_is_told_where_to_find_it():
    crystal, detector = Crystal(), Detector()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Simulator(crystal, detector, debug_config={"printout": False, "trace_pixel": None})
    with pytest.warns(UserWarning, match=r"prints nothing.*trace_pixel\(simulator, slow, fast\)"):
        Simulator(crystal, detector, debug_config={"trace_pixel": [6, 5]})
    with pytest.raises(ValueError, match="debug_config is a list, must be a dict"):
        Simulator(crystal, detector, debug_config=[6, 5])


ANGLES = [(90.0, 90.0, 90.0), (75.0, 85.0, 95.0), (60.0, 60.0, 60.0), (90.0, 110.0, 90.0)]


@pytest.mark.parametrize("angles", ANGLES)
@pytest.mark.parametrize("whole", [1, 2, 5])
def test_a_fringe_of_exactly_three_samples_has_one_count_on_either_side_of_rounding(angles, whole):
    """Edges come back from the reciprocal lattice with their last digits changed, and so does a fitted one."""

    def sub_pixels(edge: float) -> int:
        crystal = CrystalConfig(edge, edge * 0.9, edge * 0.8, *angles, N_cells=(5, 5, 5), default_F=100.0)
        panel = DetectorConfig(distance_mm=100.0, pixel_size_mm=0.1 * whole, spixels=8, fpixels=8, oversample=-1)
        beam = BeamConfig(wavelength_A=1.5)
        return Simulator(Crystal(crystal, dtype=F64), Detector(panel), beam_config=beam, dtype=F64).oversample()

    assert [sub_pixels(edge) for edge in (99.99, 100.0, 100.0 + 1e-9)] == [whole] * 3
    assert sub_pixels(100.01) == whole + 1


def test_a_number_of_sub_pixels_that_is_counted_once_keeps_a_loss_from_jumping():
    """Across the length at which the count changes the image of a fixed count moves little, the automatic one jumps."""

    def image(edge: float, oversample: int | None = None) -> torch.Tensor:
        crystal = CrystalConfig(edge, edge, edge, N_cells=(5, 5, 5), default_F=100.0)
        panel = DetectorConfig(distance_mm=100.0, pixel_size_mm=0.1, spixels=64, fpixels=64, oversample=-1)
        made = Simulator(
            Crystal(crystal, dtype=F64), Detector(panel), beam_config=BeamConfig(wavelength_A=1.5), dtype=F64
        )
        return made.run(oversample=oversample)

    below, above = 100.0, 100.001
    fixed, automatic = ((image(above, count) - image(below, count)).abs().max() for count in (1, None))
    assert fixed > 0
    assert automatic > 100 * fixed
