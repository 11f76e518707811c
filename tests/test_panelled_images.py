"""Images of detectors of many panels against those of detectors of one panel, and gradients against differences."""

import copy

import pytest
import torch

from nanobrag_torch import BeamConfig, Crystal, CrystalConfig, Detector, DetectorConfig, Scenario, Simulator, diagnose
from nanobrag_torch.models.panels import PanelledDetector
from nanobrag_torch.panels import PanelConfig, PanelGroup, PanelledDetectorConfig

CRYSTAL = CrystalConfig(70.0, 80.0, 90.0, 75.0, 85.0, 95.0, N_cells=(3, 4, 3), default_F=100.0)
BEAM = BeamConfig(wavelength_A=1.0, polarization_factor=0.5)


def simulator(detector, crystal=CRYSTAL, dtype=torch.float64, **options):
    made = PanelledDetector(detector) if isinstance(detector, PanelledDetectorConfig) else Detector(detector)
    return Simulator(Crystal(copy.copy(crystal)), made, beam_config=BEAM, dtype=dtype, **options)


def four(**fields):
    """Two groups of two panels each, of which one has a sensor and a mask, and pixels twice as long as wide."""
    mask = torch.ones(8, 6)
    mask[2:4, 1] = 0
    own = [
        {},
        {"pixel_size_mm": (1.4, 0.7)},
        {"thick_um": 300.0, "abs_um": 250.0, "thicksteps": 2, "mask_array": mask},
        {},
    ]
    panels = [
        PanelConfig(
            f"p{n}", 8, 6, **{"pixel_size_mm": 0.8, **extra}, group=f"q{n // 2}",
            origin_mm=(100.0 + n, 9.0 - 10 * (n // 2), -8.0 + 9 * (n % 2)), **fields,
        )
        for n, extra in enumerate(own)
    ]  # fmt: skip
    groups = [
        PanelGroup("q0", "all", pivot_mm=(100.0, 5.0, 0.0)),
        PanelGroup("q1", "all", rotation_deg=(1.0, 0.2, 0.3), pivot_mm=(100.0, -5.0, 0.0)),
        PanelGroup("all"),
    ]
    return PanelledDetectorConfig(panels, groups, oversample=2)


def alone(simulated, name):
    """The detector of one panel that stands where a panel of a simulator does."""
    config, place = (
        simulated.detector.config.panel(name),
        next(p for p in simulated.geometry().panels if p.name == name),
    )
    return DetectorConfig(
        detector_convention="custom", custom_beam_vector=(1, 0, 0), custom_fdet_vector=place.fast,
        custom_sdet_vector=place.slow, custom_odet_vector=place.normal, pix0_override_m=place.origin,
        spixels=config.spixels, fpixels=config.fpixels, pixel_size_mm=config.pixel_size_mm,
        detector_thick_um=config.thick_um, detector_abs_um=config.abs_um, detector_thicksteps=config.thicksteps,
        mask_array=config.mask_array, oversample=simulated.detector.config.oversample,
    )  # fmt: skip


def ring(oversample=1):
    """256 panels of 6 x 5 pixels, each turned about two axes by its own angles."""
    panels, groups = [], []
    for row in range(16):
        groups.append(PanelGroup(f"row {row}", rotation_deg=(0.0, 0.0, 5.0 * (row - 7.5))))
        for column in range(16):
            place = (120.0, 3.0, -40.0 + 5.0 * column)
            panels.append(PanelConfig(f"{row}, {column}", 6, 5, 0.9, place, group=groups[-1].name))
    return PanelledDetectorConfig(panels, groups, oversample=oversample)


def test_256_panels_are_256_images_of_one_panel_to_the_last_bit():
    many = simulator(ring())
    parts = many.detector.split(many.run())
    assert len(parts) == 256 and sum(bool((part > 0).all()) for part in parts.values()) == 256
    for name, part in parts.items():
        # Turned directions are of unit length but for rounding, which a detector of one panel takes away once more.
        single = simulator(alone(many, name))
        place = single.geometry()
        mine = next(p for p in many.geometry().panels if p.name == name)
        if torch.equal(place.fast, mine.fast) and torch.equal(place.slow, mine.slow):
            assert torch.equal(part, single.run())
        else:
            torch.testing.assert_close(part, single.run(), rtol=1e-9, atol=0)


@pytest.mark.parametrize("engine", ["numba", "torch", "formula"])
def test_every_engine_renders_panels_as_it_renders_each_alone(engine):
    many = simulator(four(), engine=engine)
    parts = many.detector.split(many.run())
    for name in ("p0", "p2", "p3"):  # p1 has pixels of unequal edges
        single = simulator(alone(many, name), engine=engine).run()
        assert float(single.sum()) > 0
        torch.testing.assert_close(parts[name], single, rtol=1e-12, atol=0)
    assert int((parts["p2"] == 0).sum()) == 2


def test_long_pixels_are_the_sum_of_the_square_ones_that_fill_them():
    def panel(pixels, size):
        origin = (100.0, 4.0, 3.0)
        return PanelledDetectorConfig([PanelConfig("a", 6, pixels, size, origin)], oversample=120 // pixels)

    crystal = copy.copy(CRYSTAL)
    crystal.N_cells = (1, 2, 1)
    long, square = (simulator(panel(*each), crystal).run() for each in ((5, (1.2, 0.6)), (10, 0.6)))
    # The samples differ along slow, where there are twice as many in a long pixel.
    torch.testing.assert_close(long, square[:, ::2] + square[:, 1::2], rtol=2e-3, atol=1e-3 * float(long.max()))


def test_spots_of_narrow_lattices_lose_nothing_on_pixels_of_unequal_edges():
    panel = PanelConfig("a", 24, 8, (6.0, 0.4), (60.0, 5.0, -20.0))
    config = PanelledDetectorConfig([panel], oversample=6)
    crystal = copy.copy(CRYSTAL)
    crystal.shape, crystal.N_cells, crystal.mosaic_domains, crystal.mosaic_spread_deg = "gauss", (14, 14, 14), 20, 1.0
    lit, dense = simulator(config, crystal), copy.copy(crystal)
    dense.cutoff = 0.0
    found, wanted = lit.run(), simulator(config, dense).run()
    assert float(wanted.max()) > 0
    samples = lit.scene().samples_per_pixel
    assert float((found - wanted).abs().max()) <= samples * 1e-16 * float(wanted.max())


NAMES = (
    "detector.groups.q0.shift_mm[0]", "detector.groups.q0.rotation_deg[1]", "detector.groups.all.rotation_deg[0]",
    "detector.groups.q1.rotation_deg[2]", "detector.panels.p3.origin_mm[2]", "detector.panels.p1.fast[0]",
    "detector.panels.p1.pixel_size_mm[1]", "detector.panels.p2.abs_um", "crystal.cell_a",
)  # fmt: skip


def test_gradients_of_groups_and_panels_are_those_of_differences_also_at_rest():
    report = diagnose(Scenario(CRYSTAL, four(), BEAM, names=NAMES))
    assert {parameter.name: parameter.verdict.code for parameter in report.parameters} == dict.fromkeys(
        NAMES, "healthy"
    )
    for parameter in report.parameters:
        assert abs(parameter.gradient) > 1e-2
        difference = parameter.finite_difference
        assert parameter.gradient == pytest.approx(difference.derivative, abs=10 * difference.error, rel=1e-7)


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_sensitivities_of_a_group_add_up_to_the_gradient_and_stay_within_it(engine):
    shift = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    config = four()
    config.group("q1").shift_mm = shift
    simulated = simulator(config, engine=engine)
    moved = simulated.sensitivities({"shift": shift})["shift"]
    assert moved.shape == (3, 32, 6)
    (gradient,) = torch.autograd.grad(simulated.run().sum(), shift)
    assert bool((gradient.abs() > 1).all())
    torch.testing.assert_close(moved.sum((1, 2)), gradient, rtol=1e-9, atol=0)
    parts = simulated.detector.split(moved)
    assert not parts["p0"].any() and not parts["p1"].any() and parts["p2"].any()


def test_a_region_of_the_raw_image_renders_its_part_of_each_panel():
    config, region = four(), four()
    region.roi_ymin, region.roi_ymax, region.roi_xmin, region.roi_xmax = 5, 18, 1, 4
    whole, part = simulator(config).run(), simulator(region)
    image, inside = part.run(), torch.zeros(32, 6, dtype=torch.bool)
    inside[5:19, 1:5] = True
    assert torch.equal(image, torch.where(inside, whole, 0.0))
    slow, fast = part.rendered_pixels()
    assert int(inside.sum()) == len(slow) + 1 and bool(inside[slow, fast].all())


def test_drawn_pixels_of_all_panels_have_the_photons_and_places_of_the_raw_image():
    simulated = simulator(four())
    torch.manual_seed(3)
    photons, slow, fast = simulated.run(stochastic_pixel_count=40)
    assert len(set(zip(slow.tolist(), fast.tolist(), strict=True))) == 40
    assert torch.equal(photons, simulated.run()[slow, fast])
    assert len({int(row) // 8 for row in slow}) == 4


def test_statistics_and_progress_are_those_of_the_raw_image():
    simulated, told = simulator(four()), []
    image = simulated.run(progress=lambda done, total: told.append((done, total)))
    found = simulated.compute_statistics(image)
    assert found["N"] == 4 * 48 - 2 and found["max_I"] == float(image.max())
    assert image[found["max_I_slow"], found["max_I_fast"]] == image.max()
    assert told[-1] == (190, 190) and [done for done, _ in told] == sorted(done for done, _ in told)


def test_what_asks_for_one_scene_is_told_how_many_there_are():
    with pytest.raises(ValueError, match=r"the detector has 4 panels. Simulator.scenes\(\) has a list"):
        simulator(four()).scene()


def test_an_unknown_group_or_quantity_of_a_group_is_refused_by_name():
    with pytest.raises(ValueError, match="groups = 'q9': must be one of 'q0', 'q1', 'all'"):
        Scenario(CRYSTAL, four(), BEAM, names=("detector.groups.q9.shift_mm[0]",))
    with pytest.raises(ValueError, match=r"detector.groups.NAME.*shift_mm"):
        Scenario(CRYSTAL, four(), BEAM, names=("detector.groups.q0.pivot_mm[0]",))
