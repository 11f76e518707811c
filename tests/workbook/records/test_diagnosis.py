"""Key numbers of a doctor's report."""

import json
from pathlib import Path

from nanobrag_torch.doctor import diagnose
from nanobrag_torch.workbook.cells.diagnosis import Saved
from nanobrag_torch.workbook.records.diagnosis import Diagnosis
from nanobrag_torch.workbook.report.folder import key_numbers


def test_a_report_of_the_doctor_has_key_numbers(tmp_path: Path):
    import torch

    found = diagnose(lambda p: (p["x"] ** 2).sum(), {"x": torch.tensor(3.0, dtype=torch.float64)})
    Saved(found).save(tmp_path, "diagnosis.json")
    numbers = key_numbers(tmp_path)
    assert numbers["diagnosis.loss"].value == 9.0 and numbers["diagnosis.gradient.x"].value == 6.0
    assert numbers["diagnosis.gradient.x"].error == found.parameters[0].finite_difference.error


def test_what_a_diagnosis_leaves_out_is_left_out():
    text = {"loss": "NaN", "image": {"lit": 3, "pixels": 4}, "more": 1}
    text["parameters"] = [{"name": "crystal.cell_a", "gradient": None, "magnitude": None, "verdict": {}}]
    numbers = Diagnosis.model_validate_json(json.dumps(text)).key_numbers()
    assert set(numbers) == {"loss", "lit_pixels"} and numbers["lit_pixels"].value == 3
