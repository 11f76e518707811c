"""Scenarios from files, functions by name, and scans."""

import json

import numpy as np
import pytest
import torch

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig, CrystalConfig, CrystalShape, DetectorConfig
from nanobrag_torch.experiments import describe
from nanobrag_torch.io.dials_writer import write_experiments
from nanobrag_torch.models.unit_cell import unit_cell_of
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


PANEL = (
    "{0}/fs = +x\n{0}/ss = +y\n{0}/min_fs = 0\n{0}/max_fs = 4\n{0}/min_ss = {1}\n{0}/max_ss = {2}\n"
    "{0}/corner_x = -2\n{0}/corner_y = {3}\n"
)
GEOMETRY = (
    "photon_energy = 9000 eV\nclen = 0.1 m\nres = 500\n" + PANEL.format("a", 0, 2, -9) + PANEL.format("b", 3, 5, 2)
)


@pytest.fixture
def experiment(tmp_path):
    """An experiment list of a triclinic crystal that stands askew, and the configs that made it."""
    crystal = CrystalConfig(50, 60, 70, 80, 85, 95, misset_deg=(10, 20, 30))
    detector = DetectorConfig(spixels=6, fpixels=5, pixel_size_mm=2.0, distance_mm=80)
    beam = BeamConfig(wavelength_A=1.3)
    write_experiments(tmp_path / "e.expt", [describe(crystal, detector, beam, frame="imgCIF")])
    return crystal, detector, beam


@pytest.mark.parametrize("as_entry", [True, False])
def test_an_experiment_gives_beam_detector_and_crystal_and_the_scenario_what_it_does_not_say(
    tmp_path, experiment, as_entry
):
    beside = {
        "crystal": {"N_cells": [2, 3, 4], "default_F": 50},
        "detector": {"oversample": 1},
        "beam": {"fluence": 1e20},
    }
    data = {**SCENARIO, **beside, "compat": "physical", "names": ["crystal.cell_b", "crystal.misset_deg[1]"]}
    if as_entry:
        found = read_scenario(written(tmp_path, {**data, "experiment": "e.expt"}))
    else:
        data["crystal"] = {**SCENARIO["crystal"], **data["crystal"]}
        found = read_scenario(written(tmp_path, data), experiment=tmp_path / "e.expt")
    crystal, detector, beam = experiment
    assert (found.crystal.N_cells, found.crystal.default_F, found.detector.oversample) == ((2, 3, 4), 50, 1)
    assert (found.beam.fluence, found.beam.wavelength_A) == (1e20, beam.wavelength_A)
    assert found.value("crystal.cell_b") == pytest.approx(60)
    assert found.crystal.shape is (CrystalShape.SQUARE if as_entry else CrystalShape.ROUND)
    mode = Compat.of("physical")
    np.testing.assert_allclose(
        unit_cell_of(found.crystal, mode).stars, unit_cell_of(crystal, mode).stars, rtol=0, atol=1e-12
    )
    image = found.image()
    assert image.shape == (detector.spixels, detector.fpixels) and image.min() > 0


def test_a_geometry_of_panels_keeps_the_crystal_of_the_scenario(tmp_path):
    (tmp_path / "g.geom").write_text(GEOMETRY)
    data = {**SCENARIO, "compat": "physical", "names": ["detector.panels.b.origin_mm[0]", "crystal.cell_a"]}
    found = read_scenario(written(tmp_path, data), experiment=tmp_path / "g.geom")
    assert (found.value("crystal.cell_a"), found.crystal.misset_deg) == (70, (1, 2, 3))
    assert found.image().shape == (6, 5)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"experiment": "none.expt"}, r"experiment: got 'none\.expt'; allowed: \.expt, \.geom"),
        ({"experiment": "scenario.txt"}, r"allowed: \.expt, \.geom, \.stream or NXmx file"),
        (
            {"experiment": "e.expt", "crystal": {"cell_a": 3}},
            r"crystal: got 'cell_a'; allowed: N_cells, .*e\.expt decides",
        ),
        ({"experiment": "e.expt", "detector": {"oversample": -2}}, r"oversample = -2"),
        ({"experiment": "e.expt", "beam": 3}, r"beam: got 3; allowed: an object of fields"),
    ],
)
def test_an_experiment_that_cannot_be_is_refused(tmp_path, experiment, entries, message):
    (tmp_path / "scenario.txt").write_text("")
    with pytest.raises(InputError, match=message):
        read_scenario(written(tmp_path, entries))
