import pytest
from samples import evidence, outcome_of_test

from nanobrag_torch.workbook.show import tables as display
from nanobrag_torch.workbook.show.tables import TABLE_TYPE, Table


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(None, 10, "–"), (0.0, 10, "0"), (-2946.9938941706, 10, "−2946.993894"), (3.2e-7, 2, "3.2e−07")],
)
def test_a_number_is_shown_for_people(value: float | None, digits: int, shown: str) -> None:
    assert display.number(value, digits) == shown


def test_a_table_is_text_html_and_data_and_its_html_is_escaped() -> None:
    bundle = Table(caption="caption", columns=("column",), rows=(("<script>alert(1)</script>",),))._repr_mimebundle_()
    assert "<script>" not in bundle["text/html"] and "&lt;script&gt;" in bundle["text/html"]
    assert "<script>" in bundle["text/plain"]
    assert bundle[TABLE_TYPE]["rows"] == [["<script>alert(1)</script>"]]


def test_the_derivatives_of_a_case_are_shown_with_unit_error_bar_and_verdict() -> None:
    table = display.derivatives(evidence("control", 100.0, "agrees", "missing", lit=9))
    assert table.rows[0] == ("a", "100 Å", "3.5 /Å", "3.5 ± 1e−06 /Å", "0", "0.05", "agrees")
    assert table.rows[1][2] == "– /Å" and table.rows[1][-1] == "missing"


def test_the_statistics_of_an_image_are_shown_by_case() -> None:
    rows = display.image(evidence("as found", 0.0), evidence("control", 100.0, lit=9)).rows
    assert rows == (("as found", "0", "0", "0", "0 of 256"), ("control", "100", "983.25", "12.5", "9 of 256"))


def test_a_record_is_shown_line_by_line() -> None:
    rows = dict(display.test(outcome_of_test()).rows)
    assert rows["message"] == "AssertionError: zero" and rows["elapsed s"] == "1.5"
