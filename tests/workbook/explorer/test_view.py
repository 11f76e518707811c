"""The explorer's widgets, without a kernel and a browser: what they show and what they ask for."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from explored import small

from nanobrag_torch.io import write_smv
from nanobrag_torch.workbook import explore
from nanobrag_torch.workbook.cells.scenarios import read_scenario
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.explorer.view import DIFFERENCE, IMAGE, OWN, RESIDUAL

SCENARIO = small("crystal.cell_a", "beam.fluence")
MOVED = {"crystal.cell_a": 70.5}


@pytest.fixture(scope="module")
def explorer():
    made = explore(SCENARIO)
    made.first(60)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def afresh(explorer):
    yield
    explorer.shows.value = IMAGE
    explorer.search.value = ""
    explorer.buttons["Reset"].click()
    explorer.first(60)


def shown(explorer) -> np.ndarray:
    """The image on the canvas."""
    return np.frombuffer(explorer.canvas.data, np.float32).reshape(explorer.canvas.shape)


def test_the_canvas_shows_the_image_of_the_sliders(explorer):
    assert np.allclose(shown(explorer), SCENARIO.image().numpy(), rtol=1e-6)
    explorer.rows["crystal.cell_a"].slider.value = 70.5
    explorer.first(60)
    assert explorer.rows["crystal.cell_a"].field.value == 70.5
    assert np.allclose(shown(explorer), SCENARIO.at(MOVED).image().numpy(), rtol=1e-6)
    explorer.buttons["Undo"].click()
    explorer.first(60)
    assert explorer.rows["crystal.cell_a"].slider.value == 70
    assert np.allclose(shown(explorer), SCENARIO.image().numpy(), rtol=1e-6)


def test_a_number_beyond_the_sliders_end_widens_it(explorer):
    explorer.rows["crystal.cell_a"].field.value = 95.0
    explorer.first(60)
    row = explorer.rows["crystal.cell_a"]
    assert row.slider.value == 95.0 and row.slider.max >= 95.0


def test_the_search_finds_quantities_that_carry_no_gradient(explorer):
    explorer.search.value = "misset"
    assert [name for name in explorer.rows if "misset" in name] == [f"crystal.misset_deg[{i}]" for i in range(3)]
    explorer.rows["crystal.misset_deg[2]"].tick.value = True
    assert "crystal.misset_deg[2]" in explorer.first(60).codes


def test_the_difference_to_the_pinned_image_is_theirs(explorer):
    explorer.shows.value = DIFFERENCE
    assert "press Pin" in explorer.canvas.word
    explorer.buttons["Pin"].click()
    explorer.rows["crystal.cell_a"].field.value = 70.5
    explorer.first(60)
    expected = (SCENARIO.at(MOVED).image() - SCENARIO.image()).numpy()
    assert np.allclose(shown(explorer), expected, atol=1e-5 * np.abs(expected).max()) and explorer.canvas.diverging
    explorer.buttons["Pin"].click()


def test_a_state_is_saved_as_a_file_that_makes_it(explorer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    explorer.rows["crystal.cell_a"].field.value = 70.5
    explorer.files.scenario_file.value = "state.json"
    explorer.files.keep.click()
    assert read_scenario(tmp_path / "state.json").crystal.cell_a == 70.5
    explorer.files.scenario_file.value = "state.txt"
    explorer.files.keep.click()
    assert "ends in .json" in explorer.status.value and not (tmp_path / "state.txt").exists()
    explorer.files.lines.click()
    assert "CrystalConfig(cell_a=70.5" in explorer.files.link.value


def test_an_own_image_has_its_residual_and_is_refined_against(explorer, tmp_path: Path):
    truth = SCENARIO.at(MOVED | {"beam.fluence": 1.3 * SCENARIO.value("beam.fluence")})
    torch.manual_seed(0)
    counts = torch.poisson(truth.image()).numpy()
    write_smv(tmp_path / "own.img", counts, 1.2, 100, 1, 9.6, 9.6, adc_offset=0.0)
    explorer.files.image_file.value = str(tmp_path / "own.img")
    explorer.files.load.click()
    explorer.shows.value = OWN
    assert np.array_equal(shown(explorer), counts)
    explorer.shows.value = RESIDUAL
    assert np.allclose(shown(explorer), counts - SCENARIO.image().numpy(), atol=1e-3)
    explorer.files.refine.click()
    deadline = time.monotonic() + 200
    while explorer.files.refine.disabled:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    explorer.first(60)
    assert explorer.session.history.now.values["crystal.cell_a"] == pytest.approx(70.5, abs=0.02)


def test_an_image_of_another_size_or_no_file_is_said(explorer, tmp_path: Path):
    write_smv(tmp_path / "small.img", np.ones((8, 8)), 1.2, 100, 1, 9.6, 9.6, adc_offset=0.0)
    explorer.files.image_file.value = str(tmp_path / "small.img")
    explorer.files.load.click()
    explorer.shows.value = RESIDUAL
    assert explorer.canvas.word == "The file's image has 8 x 8 pixels, this one has 16 x 16."
    explorer.files.image_file.value = "nowhere.img"
    explorer.files.load.click()
    assert "nowhere.img" in explorer.status.value


def test_an_impossible_start_is_told_where_the_verdict_is_asked_for():
    flat = SCENARIO.at({"crystal.cell_beta": 175.0})
    made = explore(flat)
    with pytest.raises(InputError, match="span a volume"):
        made.first(60)
    assert "span a volume" in made.canvas.word
    made.close()


def test_what_cannot_be_explored_is_refused():
    with pytest.raises(ValueError, match="must be left out for a scenario"):
        explore(SCENARIO, {"x": 1.0})
    with pytest.raises(ValueError, match="must be given for a function"):
        explore(lambda p: p["x"])


def test_the_text_of_a_cell_is_one_line(explorer):
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"].count("\n") == 0
    assert json.loads(json.dumps(bundle["application/vnd.jupyter.widget-view+json"]))["model_id"]
