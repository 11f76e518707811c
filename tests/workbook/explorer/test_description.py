"""A scenario as JSON and Python: both make the same scenario again."""

from pathlib import Path

import pytest
import torch

from nanobrag_torch import BeamConfig, CrystalConfig, DetectorConfig, Scenario
from nanobrag_torch.config import CrystalShape
from nanobrag_torch.workbook.cells.losses import weighted_sum
from nanobrag_torch.workbook.cells.scenarios import read_scenario
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.explorer.description import description, python_lines, save

SCENARIO = Scenario(
    CrystalConfig(70, 80, 90, 75, 85, 95, misset_deg=(10, 20, 30.5), N_cells=(5, 5, 6), default_F=100, shape="gauss"),
    DetectorConfig(spixels=12, fpixels=10, pixel_size_mm=0.7, detector_rotx_deg=2, detector_convention="xds"),
    BeamConfig(wavelength_A=1.1),
    names=("crystal.cell_a", "crystal.misset_deg[2]"),
    loss=weighted_sum,
    compat="c",
)


def same(one: Scenario, other: Scenario) -> bool:
    """Configs, names, loss and mode are equal."""
    kept = ("crystal", "detector", "beam", "names", "loss", "compat")
    return all(getattr(one, name) == getattr(other, name) for name in kept)


def test_the_file_makes_the_same_scenario_again(tmp_path: Path):
    file = save(SCENARIO.at({"crystal.cell_a": 70.25, "crystal.misset_deg[2]": 31.0}), tmp_path / "one.json")
    found = read_scenario(file)
    assert found.crystal.cell_a == 70.25 and tuple(found.crystal.misset_deg) == (10, 20, 31.0)
    assert found.crystal.shape is CrystalShape.GAUSS
    assert same(found, SCENARIO.at({"crystal.cell_a": 70.25, "crystal.misset_deg[2]": 31.0}))
    assert not same(found, SCENARIO)


def test_the_lines_of_python_make_the_same_scenario_again():
    made: dict[str, Scenario] = {}
    exec(python_lines(SCENARIO), made)
    assert same(made["scenario"], SCENARIO)


def test_what_follows_from_other_fields_is_not_written_down():
    assert set(description(SCENARIO)["detector"]) == {
        "spixels", "fpixels", "pixel_size_mm", "detector_rotx_deg", "detector_convention",
    }  # fmt: skip


def test_structure_factors_are_named_from_the_folder_of_the_file(tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "f.hkl").write_text("0 0 1 100\n1 0 0 50\n0 1 0 20\n")
    table = read_with_table(tmp_path)
    (tmp_path / "states").mkdir()
    file = save(table, tmp_path / "states" / "one.json", tmp_path / "data" / "f.hkl")
    assert torch.equal(read_scenario(file).hkl_data, table.hkl_data)


def read_with_table(folder: Path) -> Scenario:
    """Scenario of a file beside which the structure factors are."""
    (folder / "start.json").write_text('{"hkl": "data/f.hkl", "detector": {"spixels": 8, "fpixels": 8}}')
    return read_scenario(folder / "start.json")


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        (SCENARIO.changed(loss=lambda image: image.max()), "loss: got 'a function'; allowed: sum, weighted_sum"),
        (SCENARIO.changed(hkl_data=torch.ones(2, 2, 2), hkl_metadata={}), "hkl_data: got 'a table in memory'"),
        (SCENARIO.changed(detector={"mask_array": torch.ones(12, 10)}), "detector.mask_array: got 'Tensor'"),
    ],
)
def test_what_has_no_place_in_a_file_is_said_and_no_file_is_written(scenario: Scenario, words: str, tmp_path: Path):
    with pytest.raises(InputError, match="scenario file") as error:
        save(scenario, tmp_path / "one.json")
    assert words in str(error.value)
    assert list(tmp_path.iterdir()) == []
