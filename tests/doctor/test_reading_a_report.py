"""A report that was written elsewhere, read without the libraries that made it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from nanobrag_torch.doctor.report import SCHEMA_VERSION, GradientReport

WRITTEN_BEFORE = sorted((Path(__file__).parents[2] / "docs" / "example-report").rglob("diagnosis*.json"))


@pytest.mark.parametrize("path", WRITTEN_BEFORE, ids=lambda path: path.stem)
def test_a_report_written_before_is_read_and_written_the_same(path):
    text = path.read_text(encoding="utf-8")
    report = GradientReport.from_json(text)
    assert json.loads(report.to_json()) == json.loads(text)
    assert report.schema_version == SCHEMA_VERSION == json.loads(text)["schema_version"]
    assert [p.name for p in report.parameters] == [p["name"] for p in json.loads(text)["parameters"]]


def test_there_are_reports_to_read():
    assert len(WRITTEN_BEFORE) >= 2


def test_reading_a_report_does_not_need_torch():
    code = (
        "import sys; from nanobrag_torch.doctor.report import GradientReport; "
        "report = GradientReport.from_json(open(sys.argv[1]).read()); "
        "assert report._repr_html_(); print(report.verdict.code, 'torch' in sys.modules)"
    )
    path = WRITTEN_BEFORE[0]
    found = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    expected = json.loads(path.read_text(encoding="utf-8"))["verdict"]["code"]
    assert found.stdout.split() == [expected, "False"], found.stderr


def test_the_doctors_door_names_what_it_does_not_have():
    import nanobrag_torch.doctor as doctor

    assert set(doctor.__all__) <= set(dir(doctor))
    assert all(getattr(doctor, name) is not None for name in doctor.__all__)
    with pytest.raises(AttributeError, match=r"nanobrag_torch\.doctor' has no attribute 'diagnosed'"):
        doctor.diagnosed  # noqa: B018
