import json
from pathlib import Path

import pytest
from finished import alter, finished
from PIL import Image
from samples import VERDICT, working_report

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.run import ParameterValue, Repository
from nanobrag_torch.workbook.report.compare import compare, html


def pair(tmp_path: Path, **changes) -> tuple[Path, Path]:
    lit = changes.pop("lit", 256)
    return finished(tmp_path), finished(tmp_path, lit=lit, stamp="20260115T090000Z", **changes)


def test_a_repetition_agrees_in_every_number(tmp_path: Path):
    found = compare(*pair(tmp_path))
    assert len(found.numbers) == 16 and found.different_numbers == ()
    assert all(line.same for line in (*found.parameters, *found.environment))
    assert "All 16 numbers agree" in html(found)


def test_differences_are_told_with_their_size(tmp_path: Path):
    values = {"cell_a": ParameterValue(value=101.0, unit="Å", source="plan")}
    state = Repository(commit="beef", branch="main", dirty=False)
    found = compare(*pair(tmp_path, lit=128, parameters=values, repository=state))
    (line,) = found.different_numbers
    assert (line.name, line.first, line.second, line.relative) == ("control.lit_pixels", 256, 128, 0.5)
    assert [(each.name, each.first, each.second) for each in found.parameters] == [("cell_a", 100.0, 101.0)]
    assert [each.name for each in found.environment if not each.same] == ["commit"]
    page = html(found)
    assert "1 of 16 numbers differ" in page and "101.0" in page


def test_a_number_that_one_run_lacks_differs(tmp_path: Path):
    first, second = pair(tmp_path)
    (second / "manifest.json").write_text(
        (second / "manifest.json").read_text().replace('"control.loss"', '"control.gain"')
    )
    assert {line.name for line in compare(first, second).different_numbers} == {"control.loss", "control.gain"}


def test_numbers_have_their_units_and_error_bars_and_another_unit_is_a_difference(tmp_path: Path):
    first, second = pair(tmp_path)
    text = (second / "manifest.json").read_text()
    (second / "manifest.json").write_text(text.replace('"1/Å"', '"1/nm"'))
    found = compare(first, second)
    lines = [line for line in found.numbers if line.name.startswith("control.gradient.cell_")]
    assert all(each > 0 for line in lines for each in line.errors)
    assert {line.unit for line in found.different_numbers} == {"1/Å or 1/nm"}
    assert all(f"± {number(line.errors[0], 1)}" in html(found) for line in lines)


def test_equal_infinities_and_absent_numbers_do_not_differ(tmp_path: Path):
    first, second = pair(tmp_path)
    for folder in (first, second):
        manifest = json.loads((folder / "manifest.json").read_text())
        numbers = {
            "inf": {"value": "Infinity", "scale": "Infinity"},
            "nan": {"value": "NaN", "scale": 1.0, "error": "NaN"},
        }
        alter(folder / "manifest.json", numbers=manifest["numbers"] | numbers)
    found = compare(first, second)
    assert found.different_numbers == ()
    assert [line.relative for line in found.numbers if line.name == "inf"] == [0.0]


def test_figures_have_a_difference_image(tmp_path: Path):
    first, second = pair(tmp_path)
    for folder, colour in ((first, (255, 0, 0)), (second, (0, 0, 255))):
        image = Image.new("RGB", (4, 2), "white")
        image.putpixel((1, 1), colour)
        image.save(folder / "figures" / "image.png")
    (figure,) = compare(first, second).figures
    assert figure.name == "image" and figure.changed == pytest.approx(1 / 8) and figure.difference
    Image.new("RGB", (3, 2)).save(second / "figures" / "image.png")
    (figure,) = compare(first, second).figures
    assert (figure.difference, figure.changed) == (None, None)


def test_hostile_text_is_escaped(tmp_path: Path):
    attack = "<script>alert(1)</script>"
    values = {attack: ParameterValue(value=attack, unit="", source="plan")}
    verdict = VERDICT.model_copy(update={"title": attack})
    first = finished(tmp_path, verdict, parameters=values)
    page = html(compare(first, finished(tmp_path, stamp="20260115T090000Z")))
    assert "<script" not in page and "&lt;script&gt;" in page
    assert "default-src 'none'" in page and "http" not in page.replace("http-equiv", "")


def test_what_is_no_finished_report_is_refused(tmp_path: Path):
    first = finished(tmp_path)
    running = working_report(tmp_path, stamp="20260115T090000Z")
    with pytest.raises(InputError, match="got 'running'; allowed: the folder of a finished report"):
        compare(first, running.folder)
    with pytest.raises(InputError, match="a finished report"):
        compare(first, tmp_path / "nowhere")
