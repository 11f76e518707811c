"""Quantities by name, and scenarios that build fresh objects around them."""

from dataclasses import replace

import pytest
import torch
from scenarios import R2_VALUES, r2

from nanobrag_torch.config import BeamConfig, CrystalConfig, CrystalShape, DetectorConfig
from nanobrag_torch.quantities import QUANTITIES
from nanobrag_torch.scenario import Scenario

#: R2's own names of the quantities, by the names of the table.
R2_NAMES = {
    **{f"crystal.{name}": name for name in ("cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta", "cell_gamma")},
    "crystal.misset_deg[0]": "misset_x", "crystal.misset_deg[1]": "misset_y", "crystal.misset_deg[2]": "misset_z",
    "crystal.phi_start_deg": "phi", "crystal.mosaic_spread_deg": "mosaic_spread", "beam.wavelength_A": "wavelength",
    "detector.distance_mm": "distance", "detector.beam_center_s": "Xbeam", "detector.beam_center_f": "Ybeam",
    "detector.detector_rotx_deg": "rotx", "detector.detector_roty_deg": "roty", "detector.detector_rotz_deg": "rotz",
    "detector.detector_twotheta_deg": "twotheta", "beam.polarization_factor": "kahn", "beam.fluence": "fluence",
    "crystal.default_F": "F",
}  # fmt: skip


def r2_scenario(**changes):
    simulator = r2().simulator
    scenario = Scenario(
        simulator.crystal.config, simulator.detector.config, simulator.beam_config, tuple(R2_NAMES), compat="c"
    )
    return scenario.changed(**changes)


def small(**changes):
    crystal = CrystalConfig(default_F=100.0, N_cells=(5, 5, 5))
    return Scenario(crystal, DetectorConfig(spixels=16, fpixels=16, pixel_size_mm=1.0, oversample=1)).changed(**changes)


def test_a_scenario_has_the_image_and_the_gradients_of_objects_built_by_hand():
    reference = r2()
    image = reference.image()
    expected = reference.gradients(image.sum())
    scenario = r2_scenario()
    leaves = scenario.leaves()
    assert torch.equal(scenario.image(leaves), image)
    found = torch.autograd.grad(scenario(leaves), list(leaves.values()))
    for name, gradient in zip(leaves, found, strict=True):
        assert gradient != 0
        torch.testing.assert_close(gradient, expected[R2_NAMES[name]], rtol=1e-12, atol=0)
        assert scenario.value(name) == R2_VALUES[R2_NAMES[name]]


@pytest.mark.parametrize("name", QUANTITIES)
def test_every_quantity_reaches_the_image(name):
    scenario = r2_scenario(
        crystal={"osc_range_deg": 1.0, "phi_steps": 2, "mosaic_domains": 2, "shape": CrystalShape.GAUSS},
        detector={"detector_thick_um": 100.0, "detector_abs_um": 200.0, "roi_xmax": 7, "roi_ymax": 7, "oversample": 1},
        beam={
            "polarization_axis": (0.1, 0.2, 1.0),
            "water_size_um": 10.0,
            "hdiv_range_mrad": 2.0,
            "vdiv_range_mrad": 2.0,
            "dispersion_pct": 1.0,
            "dispersion_steps": 2,
        },
    )
    if name == "detector.close_distance_mm":
        scenario = scenario.changed(detector={"close_distance_mm": 99.0})
    if "N_offdiagonal" in name:  # C's spots know the number of all cells alone
        scenario = replace(scenario, compat="physical")
    if "mosaic_eta" in name:
        gaussian = {"mosaic_model": "gaussian", "mosaic_spread_deg": 0.0, "mosaic_eta_deg": 0.3}
        scenario = scenario.changed(crystal=gaussian)
    leaves = scenario.leaves([name])
    (gradient,) = torch.autograd.grad(scenario(leaves), list(leaves.values()))
    assert torch.isfinite(gradient)
    assert gradient != 0


def test_a_pixel_size_moves_the_default_beam_centre():
    scenario = small(names=("detector.pixel_size_mm",))
    step = 1e-5
    leaf = scenario.leaves()
    (gradient,) = torch.autograd.grad(scenario(leaf), list(leaf.values()))
    with torch.no_grad():
        values = [
            scenario({"detector.pixel_size_mm": torch.tensor(1.0 + s, dtype=torch.float64)}) for s in (step, -step)
        ]
    torch.testing.assert_close(gradient, (values[0] - values[1]) / (2 * step), rtol=1e-5, atol=0)


def test_a_scenario_leaves_the_given_configs_alone():
    crystal = CrystalConfig(default_F=100.0)
    scenario = Scenario(crystal, DetectorConfig(spixels=8, fpixels=8), names=("crystal.default_F",))
    scenario(scenario.leaves())
    assert crystal.default_F == 100.0
    assert scenario.changed(crystal={"default_F": 0.0}).value("crystal.default_F") == 0
    assert crystal.default_F == 100.0


def test_sub_pixels_are_counted_once():
    scenario = small(detector={"oversample": -1, "pixel_size_mm": 0.1}, names=("crystal.cell_a",))
    counted = scenario.oversample()
    far = {"crystal.cell_a": torch.tensor(1000.0, dtype=torch.float64)}
    assert scenario.simulator(far).oversample() > counted
    automatic = scenario.simulator(far).run(oversample=counted)
    assert torch.equal(scenario.image(far), automatic)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("crystal.cell_d",), r"parameters\.name = 'crystal.cell_d': must be one of crystal\.cell_a"),
        (("beam.hdiv_range_mrad",), r"Scenario\.beam\.hdiv_range_mrad = None.*Give it a value"),
        (("crystal.cell_a", "crystal.cell_a"), r"each once"),
        ((), r"one name or more"),
    ],
)
def test_wrong_names_are_refused(names, message):
    with pytest.raises(ValueError, match=message):
        small(names=names)


def test_a_changed_field_must_exist():
    with pytest.raises(ValueError, match=r"Scenario\.beam = 'wavelength': must be a field of BeamConfig"):
        small(beam={"wavelength": 1.0})


def test_a_scenario_of_a_beam_default_is_not_shared():
    assert small().beam is not small().beam
    assert small().beam == BeamConfig()


def test_a_scenario_at_other_values_is_the_image_at_those_and_leaves_the_first_alone():
    scenario = small()
    values = {"crystal.cell_a": 99.0, "crystal.N_cells[1]": 6.0, "detector.distance_mm": 90.0}
    moved = scenario.at(values)
    expected = scenario.image({name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()})
    assert torch.equal(moved.image(), expected) and not torch.equal(moved.image(), scenario.image())
    assert scenario.value("crystal.N_cells[1]") == 5
    with pytest.raises(ValueError, match=r"must be one of crystal.cell_a"):
        scenario.at({"crystal.cell_d": 1.0})
