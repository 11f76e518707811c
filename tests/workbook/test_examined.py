"""Scenarios from files, functions by name, and scans."""

import json

import pytest
import torch
from doctor.cases import scene

from nanobrag_torch.config import CrystalShape
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.examined import function, read_scenario, scan, values

SCENARIO = {
    "crystal": {"cell_a": 70, "misset_deg": [1, 2, 3], "N_cells": [3, 4, 5], "shape": "round", "default_F": 10},
    "detector": {"spixels": 8, "fpixels": 8, "detector_convention": "xds"},
    "names": ["crystal.cell_a", "crystal.misset_deg[1]"],
    "loss": "weighted_sum",
    "compat": "c",
}


def written(tmp_path, content):
    path = tmp_path / "scenario.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_scenario_is_read_as_it_is_written(tmp_path):
    scenario = read_scenario(written(tmp_path, SCENARIO), "float32")
    assert scenario.crystal.shape is CrystalShape.ROUND
    assert scenario.crystal.N_cells == (3, 4, 5)
    assert scenario.value("crystal.misset_deg[1]") == 2
    assert (scenario.compat, scenario.dtype) == ("c", torch.float32)
    assert scenario.loss.__name__ == "weighted_sum"


def test_structure_factors_stand_beside_the_scenario(tmp_path):
    (tmp_path / "some.hkl").write_text("0 0 1 12.5\n1 2 3 7\n")
    scenario = read_scenario(written(tmp_path, {**SCENARIO, "hkl": "some.hkl"}))
    low = [scenario.hkl_metadata[key] for key in ("h_min", "k_min", "l_min")]
    assert scenario.hkl_data[1 - low[0], 2 - low[1], 3 - low[2]] == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scenario.json", "some.hkl"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"scenario file, file: got 'scenario\.json'; allowed: JSON"),
        ("[]", r"entry: got 'list'; allowed: crystal, detector"),
        ({"cristal": {}}, r"entry: got 'cristal'; allowed: crystal, detector"),
        ({"crystal": {"cell": 3}}, r"crystal: got 'cell'; allowed: cell_a"),
        ({"crystal": 3}, r"crystal: got 3; allowed: an object of fields"),
        ({"crystal": {"cell_a": -3}}, r"CrystalConfig\.cell_a = -3: must be a finite number"),
        ({"crystal": {"shape": "cube"}}, r"crystal\.shape: got 'cube'; allowed: square, round"),
        ({"loss": "max"}, r"loss: got 'max'; allowed: sum, weighted_sum"),
        ({"names": ["cell_a"]}, r"parameters\.name = 'cell_a': must be one of crystal\.cell_a"),
        ({"compat": "d"}, r"compat = 'd': allowed are c"),
        ({"hkl": "none.hkl"}, r"hkl: got 'none\.hkl'; allowed: a file of structure factors"),
    ],
)
def test_a_file_that_says_anything_else_is_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_scenario(written(tmp_path, content))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"allowed: a readable file"):
        read_scenario(tmp_path / "nothing.json")


def test_a_function_is_found_by_module_and_by_file(tmp_path):
    (tmp_path / "mine.py").write_text("def loss(p):\n    return 3 * p['x']\n")
    assert function(f"{tmp_path / 'mine.py'}:loss")({"x": 2}) == 6
    assert function("nanobrag_torch.workbook.probe:weighted_sum").__name__ == "weighted_sum"


@pytest.mark.parametrize("name", ["spot", "no.such.module:loss", "math:nothing", "math:pi", "nothing.py:loss"])
def test_a_function_that_is_not_there_is_refused(name):
    with pytest.raises(
        InputError, match=r"doctor, model: got .*allowed: package\.module:function or file\.py:function"
    ):
        function(name)


def test_values_are_read_as_tensors():
    found = values("x=1.5, y = -2e3")
    assert {name: float(value) for name, value in found.items()} == {"x": 1.5, "y": -2000}
    assert found["x"].dtype is torch.float64


@pytest.mark.parametrize("text", ["", "x", "x=", "x=big", "1=2", "x=1,,y=2"])
def test_values_that_are_no_numbers_are_refused(text):
    with pytest.raises(InputError, match=r"doctor, values: got .*allowed: name=number"):
        values(text)


def test_a_scan_passes_through_the_point_with_the_slope_of_the_loss():
    scenario = scene()
    measured = scan(scenario, "crystal.cell_a", 0.01, points=3)
    assert measured.positions == pytest.approx((69.99, 70, 70.01))
    assert measured.losses[1] == pytest.approx(measured.loss, rel=1e-12)
    rise = (measured.losses[2] - measured.losses[0]) / 0.02
    assert measured.slope == pytest.approx(rise, rel=1e-3)


def test_a_scan_stays_within_the_bounds():
    measured = scan(scene(), "beam.polarization_factor", 5.0, points=3)
    assert measured.positions == (-1, 0, 1)
