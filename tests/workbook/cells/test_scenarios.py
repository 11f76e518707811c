"""Scenarios from files, functions by name, and scans."""

import json

import pytest
import torch

from nanobrag_torch.config import CrystalShape
from nanobrag_torch.workbook.cells.scenarios import read_scenario
from nanobrag_torch.workbook.errors import InputError

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
        ("{", r"scenario file, file: got 'scenario\.json'; allowed: a file of JSON"),
        ("[]", r"entry: got 'list'; allowed: crystal, detector"),
        ({"cristal": {}}, r"entry: got 'cristal'; allowed: crystal, detector"),
        ({"crystal": {"cell": 3}}, r"crystal: got 'cell'; allowed: cell_a"),
        ({"crystal": 3}, r"crystal: got 3; allowed: an object of fields"),
        ({"crystal": {"cell_a": -3}}, r"CrystalConfig\.cell_a = -3: must be a finite number"),
        ({"crystal": {"shape": "cube"}}, r"crystal\.shape: got 'cube'; allowed: square, round"),
        ({"loss": "max"}, r"loss: got 'max'; allowed: sum, weighted_sum, sum_of_squares"),
        ({"names": ["cell_a"]}, r"parameters\.name = 'cell_a': must be one of crystal\.cell_a"),
        ({"compat": "d"}, r"compat = 'd': allowed are c"),
        ({"hkl": "none.hkl"}, r"hkl: got 'none\.hkl'; allowed: a file of structure factors"),
    ],
)
def test_a_file_that_says_anything_else_is_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_scenario(written(tmp_path, content))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"allowed: a file of JSON\. It cannot be read: No such file"):
        read_scenario(tmp_path / "nothing.json")
