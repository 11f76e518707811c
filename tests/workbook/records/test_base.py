"""Records: frozen, read back as written, found under the names of their files."""

import json
import math
from pathlib import Path

import pytest
from IPython.lib.pretty import pretty
from pydantic import ValidationError
from samples import evidence, owner

from nanobrag_torch.workbook.records import base
from nanobrag_torch.workbook.records.base import KeyNumber, Record, RegistrationError, exact
from nanobrag_torch.workbook.records.catalogue import kind_of, kinds
from nanobrag_torch.workbook.records.evidence import Evidence, GradientsJson

SNAPSHOT = GradientsJson(loss=983759.1042070629, gradients={"cell_a": -0.0, "cell_b": None, "cell_c": 1e-300})


def test_the_snapshot_is_byte_for_byte_what_the_script_of_a_brief_writes() -> None:
    assert SNAPSHOT.to_json() == json.dumps({"loss": SNAPSHOT.loss, "gradients": SNAPSHOT.gradients}, indent=2)


@pytest.mark.parametrize("record", [SNAPSHOT, owner(), evidence("control", 100.0, "agrees", "missing", lit=9)])
def test_a_record_is_read_back_as_it_was_written(record: object) -> None:
    assert type(record).model_validate_json(record.to_json()) == record  # type: ignore[attr-defined]


def test_numbers_that_are_not_finite_are_written_as_strings_and_read_back() -> None:
    text = GradientsJson(loss=math.inf, gradients={"cell_a": math.nan}).to_json()
    assert json.loads(text, parse_constant=pytest.fail) == {"loss": "Infinity", "gradients": {"cell_a": "NaN"}}
    assert math.isnan(GradientsJson.model_validate_json(text).gradients["cell_a"] or 0.0)


def test_a_record_cannot_be_changed_or_hold_what_it_does_not_declare() -> None:
    with pytest.raises(ValidationError):
        SNAPSHOT.loss = 0.0  # type: ignore[misc]
    with pytest.raises(ValidationError):
        GradientsJson.model_validate({"loss": 0.0, "gradients": {}, "note": "dark"})


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


def test_numbers_of_different_units_differ_and_one_without_a_unit_is_compared_by_its_value() -> None:
    length = exact(-2.0, "Å")
    assert length == KeyNumber(value=-2.0, scale=2.0, unit="Å")
    assert length.differs(exact(-2.0, "nm")) and not length.differs(exact(-2.0)) and length.differs(exact(2.0))


def test_a_record_is_found_under_the_name_of_its_file() -> None:
    class Fit(Record):
        file = "fit_of_a_test.json"
        borne_out_by = {"fitted": "fit_of_a_test.residual < 1"}

        residual: float

    assert base.registered()["fit_of_a_test.json"] == (Fit,)
    assert base.claims("fitted") == ("fit_of_a_test.residual < 1",)
    Fit.register_as("fit_again.json")
    assert base.registered()["fit_again.json"] == (Fit,)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "names no file"),
        ({"file": "verdict.json"}, r"'verdict\.json' belongs to nanobrag_torch\.workbook\.records\.run\.Verdict"),
        ({"file": "fit.txt"}, r"'fit\.txt' is not a word that ends in \.json"),
        ({"file": "figures/fit.json"}, "is not a word"),
        ({"file": "fit.one.json"}, "is not a word"),
        ({"file": "own.json", "borne_out_by": {"found": 3}}, "is no expression"),
        ({"file": "own.json", "record": "x", "__annotations__": {"record": str}}, "can be no field"),
    ],
)
def test_a_record_that_cannot_be_registered_is_refused(fields: dict[str, str], complaint: str) -> None:
    with pytest.raises(RegistrationError, match=complaint):
        type("Other", (Record,), fields | {"__module__": __name__})


def test_a_record_under_another_name_says_what_it_is_and_is_read_back(tmp_path: Path) -> None:
    control = evidence("wet", 100.0, "agrees", lit=9)
    control.save(tmp_path, "wet.json")
    assert json.loads((tmp_path / "wet.json").read_text())["record"] == "evidence"
    kind = kind_of(tmp_path / "wet.json")
    assert kind is Evidence and kind.model_validate_json((tmp_path / "wet.json").read_bytes()) == control
    control.save(tmp_path)
    assert "record" not in json.loads((tmp_path / "evidence.json").read_text())


@pytest.mark.parametrize("text", ["[]", "{", '{"record": 3}', '{"record": "nobody"}', "[" * 100_000])
def test_other_json_is_no_record(text: str, tmp_path: Path) -> None:
    (tmp_path / "wet.json").write_text(text)
    assert kind_of(tmp_path / "wet.json") is None


def test_a_cell_that_ends_in_a_record_shows_its_key_numbers_and_no_list_of_fields() -> None:
    lit = evidence("control", 100.0, *["agrees"] * 6, lit=9)
    assert pretty(lit).startswith("evidence.json: loss 983.25, lit_pixels 9, gradient.") and "\n" not in pretty(lit)
    assert pretty(SNAPSHOT) == "gradients.json: no key numbers"


def test_every_file_of_a_report_has_a_schema_that_names_its_fields() -> None:
    # Other tests of the same process declare records without a field.
    for file, kind in ((file, kind) for file, kind in kinds().items() if kind.model_fields):
        schema = kind.schema_of_file()
        schema = schema["$defs"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        assert schema["required"], file
        assert set(kind.model_fields) <= set(schema["properties"]), file
