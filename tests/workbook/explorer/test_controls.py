"""Controls made of quantities and parameters."""

from nanobrag_torch import CrystalConfig, DetectorConfig, Scenario
from nanobrag_torch.quantities import QUANTITIES
from nanobrag_torch.workbook.explorer.controls import controls_of_function, controls_of_scenario


def controls(**crystal: object) -> dict[str, object]:
    scenario = Scenario(
        CrystalConfig(default_F=100, **crystal), DetectorConfig(spixels=8, fpixels=8), names=("crystal.cell_b",)
    )
    return {control.name: control for control in controls_of_scenario(scenario)}


def test_a_control_has_unit_bounds_and_step_of_its_quantity_around_its_value():
    found = controls()["crystal.cell_b"]
    row = QUANTITIES["crystal.cell_b"]
    assert (found.unit, found.value, found.step, found.least) == ("Å", 100.0, row.step, row.low)
    assert (found.low, found.high) == (100 - row.far, 100 + row.far)


def test_a_slider_ends_where_the_model_does():
    found = controls(N_cells=(1, 5, 5))["crystal.N_cells[0]"]
    assert (found.low, found.high) == (1, 2)


def test_quantities_stand_in_groups_the_free_ones_first_and_what_has_no_value_is_left_out():
    found = controls()
    groups = [control.group for control in found.values()]
    assert groups == sorted(groups, key=["cell", "orientation", "crystal", "detector", "beam"].index)
    assert next(iter(found)) == "crystal.cell_b"
    assert "detector.distance_mm" in found and "detector.close_distance_mm" not in found


def test_a_parameter_of_a_function_goes_to_zero_and_to_twice_its_value():
    one, none = controls_of_function({"one": -3.0, "none": 0.0})
    assert (one.low, one.high, one.step) == (-6.0, 0.0, 0.003)
    assert (none.low, none.high) == (-1.0, 1.0)
