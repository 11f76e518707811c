import pytest
import torch
from scenarios import r2

from nanobrag_torch.config import CrystalConfig, DetectorConfig
from nanobrag_torch.kernel.formula_tiles import render
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator

F64 = torch.float64


@pytest.mark.parametrize("tile", [1, 7, 100, 10_000])
def test_a_tiled_image_equals_the_whole_image(tile):
    simulator = r2("physical").simulator
    slow, fast = simulator.rendered_pixels()
    with torch.no_grad():
        whole = render(simulator.scene(), slow, fast, len(slow))
        assert whole.min().item() > 0
        assert torch.equal(render(simulator.scene(), slow[:300], fast[:300], tile), whole[:300])


def test_a_tiled_gradient_equals_the_whole_gradient():
    experiment = r2("physical")
    slow, fast = experiment.simulator.rendered_pixels()
    whole, tiled = (
        experiment.gradients(render(experiment.simulator.scene(), slow, fast, tile).sum()) for tile in (1024, 100)
    )
    for name, want in whole.items():
        assert want.item() != 0
        assert tiled[name].item() == pytest.approx(want.item(), rel=1e-11), name


def test_progress_reaches_the_end_in_steps():
    simulator = r2("physical").simulator
    slow, fast = simulator.rendered_pixels()
    seen = []
    render(simulator.scene(), slow, fast, 300, lambda done, total: seen.append((done, total)))
    assert seen == [(300, 1024), (600, 1024), (900, 1024), (1024, 1024)]


def sweep(**changes) -> Simulator:
    config = CrystalConfig(70.0, 80.0, 90.0, N_cells=(4, 4, 4), default_F=10.0, **changes)
    detector = DetectorConfig(spixels=4, fpixels=5, pixel_size_mm=1.0, oversample=1)
    return Simulator(Crystal(config, dtype=F64), Detector(detector), dtype=F64, compat="c")


def test_a_stale_orientation_spares_the_very_first_evaluation_alone():
    """A sweep from zero: everywhere but in the first pixel, the first step repeats the last."""
    image = sweep(osc_range_deg=3.0, phi_steps=3).run()
    single = {phi: sweep(phi_start_deg=phi).run() for phi in (0.0, 1.0, 2.0)}
    stale = (single[2.0] + single[1.0] + single[2.0]) / 3
    fresh = (single[0.0] + single[1.0] + single[2.0]) / 3
    assert not torch.allclose(stale, fresh, rtol=1e-3)
    assert torch.allclose(image.flatten()[1:], stale.flatten()[1:], rtol=1e-12)
    assert image[0, 0].item() == pytest.approx(fresh[0, 0].item(), rel=1e-12)


def test_physics_never_repeats_an_orientation():
    simulator = sweep(osc_range_deg=3.0, phi_steps=3)
    physical = Simulator(simulator.crystal, simulator.detector, dtype=F64)
    one_by_one = []
    for phi in (0.0, 1.0, 2.0):
        part = sweep(phi_start_deg=phi)
        one_by_one.append(Simulator(part.crystal, part.detector, dtype=F64).run())
    assert torch.allclose(physical.run(), sum(one_by_one) / 3, rtol=1e-12)


@pytest.mark.parametrize("tile", [1, 3, 20])
def test_the_first_sample_outside_the_table_ends_interpolation_for_the_rest_of_the_run_in_c(tile):
    simulator = sweep()
    simulator.crystal.hkl_data = 10 + torch.rand((9, 9, 9), generator=torch.Generator().manual_seed(3), dtype=F64)
    simulator.crystal.hkl_metadata = {"h_min": -4, "k_min": -4, "l_min": -4}
    slow, fast = simulator.rendered_pixels()
    images = {}
    for interpolate in (True, False):
        simulator.crystal.interpolate = interpolate
        images[interpolate] = render(simulator.scene(), slow, fast, tile)
        simulator.compat = simulator.compat.with_changes(interpolation_fallback="per_sample")
        images[interpolate, "per_sample"] = render(simulator.scene(), slow, fast, tile)
        simulator.compat = simulator.compat.with_changes(interpolation_fallback="global")
    smooth, rough = images[True, "per_sample"], images[False]
    interpolated = torch.isclose(images[True], smooth, rtol=1e-12) & ~torch.isclose(smooth, rough, rtol=1e-9)
    switched = torch.isclose(images[True], rough, rtol=1e-12)
    assert (interpolated | switched).all() and switched.any()
    assert not interpolated[switched.nonzero()[0].item() :].any()
