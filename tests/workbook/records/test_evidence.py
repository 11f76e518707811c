"""Evidence: distances and headlines."""

import pytest
from samples import evidence, outcome_of_test


def test_distance_is_measured_in_contributions_and_absent_where_there_are_none() -> None:
    lit = evidence("control", 100.0, "agrees", "missing", lit=9)
    assert [row.distance for row in lit.derivatives] == [0.0, None]
    assert evidence("as found", 0.0, "zero").derivatives[0].distance is None
    assert lit.derivatives[0].model_copy(update={"gradient": 10.5}).distance == pytest.approx(0.1)


def test_a_dark_case_shows_its_zeros_and_a_lit_one_how_well_its_gradients_agree() -> None:
    dark = dict(evidence("as found", 0.0, "zero").headline())
    assert dark == {"loss, as found": "0", "largest |gradient|, as found": "0", "lit pixels, as found": "0 of 256"}
    lit = dict(evidence("control", 100.0, "agrees", lit=9).headline())
    assert lit == {
        "loss, control (F = 100 electrons)": "983.25",
        "lit pixels, control": "9 of 256",
        "∂L/∂a, control": "3.5 ± 1e−06 per Å",
        "control: worst |autograd − difference| / A": "0",
    }


def test_a_test_shows_how_it_ended() -> None:
    assert outcome_of_test("passed").headline() == (("mapped test", "passed in 1.5 s"),)
