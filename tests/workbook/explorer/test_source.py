"""What the command ``explore`` is given."""

from pathlib import Path

import pytest
from checkouts import PROJECT

from nanobrag_torch.workbook.cells.losses import LOSSES
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.explorer.source import open_explorer, read_explored


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT)


def test_nothing_is_the_example_of_the_doctor():
    scenario, hkl = read_explored("")
    assert scenario.crystal.cell_a == 70 and scenario.names[0] == "crystal.cell_a" and hkl is None


def test_a_file_brings_its_structure_factors_along(tmp_path: Path):
    (tmp_path / "f.hkl").write_text("0 0 1 100\n1 0 0 50\n")
    (tmp_path / "one.json").write_text('{"hkl": "f.hkl", "detector": {"spixels": 8, "fpixels": 8}}')
    scenario, hkl = read_explored(str(tmp_path / "one.json"))
    assert scenario.hkl_data is not None and hkl == tmp_path / "f.hkl"


def test_a_notebook_that_names_a_scenario_file_opens_that():
    assert read_explored("doctor/scenario")[0].crystal == read_explored("notebooks/doctor/example.json")[0].crystal


def test_a_notebook_whose_parameters_describe_a_case_opens_that():
    scenario, _ = read_explored("gradient_flow/phase_a_baseline")
    assert (scenario.detector.spixels, scenario.crystal.N_cells, scenario.crystal.default_F) == (1024, (5, 5, 5), 0.0)
    assert scenario.loss is LOSSES["sum"] and scenario.compat == "physical"


def test_an_experiment_of_dials_opens(tmp_path: Path):
    file = next((PROJECT / "tests").rglob("*.expt"))
    assert read_explored(str(file))[0].crystal.N_cells is not None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("triage/suite", "explore, suite.ipynb: got 'no N_cells"),
        ("nobodys/notebook", "nobodys/notebook"),
        ("missing.json", "a file of JSON"),
        ("missing.expt", "experiment"),
    ],
)
def test_what_cannot_be_explored_is_said_with_what_can(given: str, words: str):
    with pytest.raises(InputError) as error:
        read_explored(given)
    assert words in str(error.value)


def test_a_damaged_state_of_the_command_begins_anew(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{damaged")
    explorer = open_explorer("", "/", str(state))
    explorer.close()
    assert explorer.session.history.now == explorer.session.history.start
