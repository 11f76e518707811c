"""A report that was written elsewhere, read without the libraries that made it."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nanobrag_torch.doctor.report import SCHEMA_VERSION, GradientReport, to_html

WRITTEN_BEFORE = sorted((Path(__file__).parents[2] / "docs" / "example-report").rglob("diagnosis*.json"))


@pytest.mark.parametrize("path", WRITTEN_BEFORE, ids=lambda path: path.stem)
def test_a_report_written_before_is_read_and_written_the_same(path):
    text = path.read_text(encoding="utf-8")
    report = GradientReport.from_json(text)
    written, before = json.loads(report.to_json()), json.loads(text)
    # What a report did not yet know, it says it does not know.
    for now, then in [*zip(written["parameters"], before["parameters"], strict=True), (written, before)]:
        assert {now.pop(name) for name in now.keys() - then.keys()} <= {None}
    assert written == before
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


def report(name="diagnosis_as_found"):
    (path,) = [path for path in WRITTEN_BEFORE if path.stem == name]
    return GradientReport.from_json(path.read_text(encoding="utf-8"))


def test_a_parameter_that_was_not_examined_is_refused_with_those_that_were():
    with pytest.raises(KeyError, match=r"'cell_d': must be one of .*crystal\.cell_a"):
        report()["cell_d"]


def test_alarms_are_the_faults_alone():
    found = report()
    assert found.alarms == ()
    first = found.parameters[0]
    wrong = replace(first, verdict=replace(first.verdict, code="S1", severity="fault"))
    altered = replace(found, parameters=(wrong, *found.parameters[1:]))
    assert altered.alarms == (wrong,)
    assert altered.codes[wrong.name] == "S1"


def test_a_name_that_looks_like_markup_is_shown_as_text():
    found = report("diagnosis")
    first = replace(found.parameters[0], label="<script>")
    shown = to_html(replace(found, parameters=(first,), stages=()))
    assert "&lt;script&gt;" in shown and "<script>" not in shown


def test_a_bar_is_as_long_as_its_gradient_and_marks_the_finite_difference():
    found = report("diagnosis")
    first = found.parameters[0]
    one, other, none = (replace(first, gradient=g) for g in (4.0, -1.0, None))
    away = replace(one.finite_difference, derivative=2.0)
    shown = to_html(replace(found, parameters=(one, replace(other, finite_difference=away), none), stages=()))
    bars = re.findall(r"<rect x='([\d.]+)' y='4' width='([\d.]+)'", shown)
    assert bars == [("80.0", "80.0"), ("60.0", "20.0")]
    assert "x1='120.0'" in shown
    assert to_html(replace(found, parameters=(replace(one, finite_difference=None),))).count("stroke='black'") == 0
