import json
from pathlib import Path

import pytest

from nanobrag_torch.doctor import diagnose
from nanobrag_torch.workbook.cells.diagnosis import Saved
from nanobrag_torch.workbook.records.phases import Diagnosis
from nanobrag_torch.workbook.records.run import KeyNumber
from nanobrag_torch.workbook.report.folder import key_numbers


@pytest.mark.parametrize(
    ("first", "second", "differs"),
    [
        ((100.0, 100.0), (100.0, 100.0), False),
        ((100.0, 100.0), (100.0 + 9e-8, 100.0), False),
        ((100.0, 100.0), (100.0 + 2e-7, 100.0), True),
        ((1.3, 4e6), (1.3 + 3e-3, 4e6), False),
        ((1.3, 4e6), (1.3 + 5e-3, 4e6), True),
        ((0.0, 0.0), (0.0, 0.0), False),
        ((0.0, 0.0), (1e-300, 1e-300), True),
        ((float("nan"), 1.0), (float("nan"), 1.0), False),
        ((float("nan"), 1.0), (1.0, 1.0), True),
        ((float("inf"), 1.0), (1.0, 1.0), True),
    ],
)
def test_numbers_differ_where_rounding_does_not_explain_it(first, second, differs):
    one, other = (KeyNumber(value=value, scale=scale) for value, scale in (first, second))
    assert one.differs(other) is differs and other.differs(one) is differs


def test_a_report_of_the_doctor_has_key_numbers(tmp_path: Path):
    import torch

    found = diagnose(lambda p: (p["x"] ** 2).sum(), {"x": torch.tensor(3.0, dtype=torch.float64)})
    Saved(found).save(tmp_path, "diagnosis.json")
    numbers = key_numbers(tmp_path)
    assert numbers["diagnosis.loss"].value == 9.0 and numbers["diagnosis.gradient.x"].value == 6.0


def test_what_a_diagnosis_leaves_out_is_left_out():
    text = {"loss": "NaN", "image": {"lit": 3, "pixels": 4}, "more": 1}
    text["parameters"] = [{"name": "crystal.cell_a", "gradient": None, "magnitude": None, "verdict": {}}]
    numbers = Diagnosis.model_validate_json(json.dumps(text)).key_numbers()
    assert set(numbers) == {"loss", "lit_pixels"} and numbers["lit_pixels"].value == 3
