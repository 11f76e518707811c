"""Many runs at once."""

import checkouts
import pytest
from faults import trials


def test_of_two_runs_that_ask_for_one_stamp_one_gets_it_and_the_other_is_told(checkout):
    runs = [checkouts.start(checkout, "run", trials.NOTEBOOK, "--stamp", "20260101T000000Z") for _ in range(2)]
    said = [process.communicate(timeout=120)[1] for process in runs]
    assert sorted(process.returncode for process in runs) == [0, 2]
    refused = said[[process.returncode for process in runs].index(2)]
    assert "stamp: got '20260101T000000Z'; allowed: one that has no report yet" in refused
    assert trials.check(checkout) == ["passed"]


@pytest.mark.dose(few=4, full=20)
def test_kernels_that_start_at_once_all_come_to_their_end_under_stamps_of_their_own(checkout, amount):
    runs = [checkouts.start(checkout, "run", trials.NOTEBOOK) for _ in range(amount)]
    said = [process.communicate(timeout=280)[1] for process in runs]
    assert [process.returncode for process in runs] == [0] * amount, "\n".join(said)
    assert trials.check(checkout) == ["passed"] * amount
