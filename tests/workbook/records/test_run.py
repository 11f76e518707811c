import json
import math

import pytest
from pydantic import ValidationError
from samples import evidence, owner

from nanobrag_torch.workbook.records.run import BY_FILE, GradientsJson

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


@pytest.mark.parametrize("file", BY_FILE)
def test_every_file_of_a_report_has_a_schema_that_names_its_fields(file: str) -> None:
    schema = BY_FILE[file].model_json_schema()
    assert set(schema["properties"]) == set(BY_FILE[file].model_fields) and schema["required"]


def test_distance_is_measured_in_contributions_and_absent_where_there_are_none() -> None:
    lit = evidence("control", 100.0, "agrees", "missing", lit=9)
    assert [row.distance for row in lit.derivatives] == [0.0, None]
    assert evidence("as found", 0.0, "zero").derivatives[0].distance is None
    assert lit.derivatives[0].model_copy(update={"gradient": 10.5}).distance == pytest.approx(0.1)
