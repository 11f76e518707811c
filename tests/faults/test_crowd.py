"""Many runs at once."""

import pytest
from faults import tally, trials

_PATIENCE_S = 280


@pytest.mark.dose(few=3, full=30)
def test_of_runs_that_ask_for_one_stamp_one_gets_it_and_the_others_are_told(checkout, amount):
    with tally.Trial("runs with one stamp", times=amount) as trial:
        words = ("run", trials.NOTEBOOK, "--stamp", "20260101T000000Z")
        runs = [trials.start(checkout, *words) for _ in range(amount)]
        said = [trials.said(trial, process, _PATIENCE_S) for process in runs]
        assert sorted(process.returncode for process in runs) == [0, *[2] * (amount - 1)], "\n".join(said)
        for process, words_said in zip(runs, said, strict=True):
            told = "stamp: got '20260101T000000Z'; allowed: one that has no report yet" in words_said
            if process.returncode == 2 and not told:
                trial.found("unnoticed", words_said)
        assert trials.check(checkout, trial) == ["passed"]


@pytest.mark.dose(few=2, full=20)
def test_kernels_that_start_at_once_all_come_to_their_end_under_stamps_of_their_own(checkout, amount):
    with tally.Trial("kernels that start at once", times=amount) as trial:
        runs = [trials.start(checkout, "run", trials.NOTEBOOK) for _ in range(amount)]
        said = [trials.said(trial, process, _PATIENCE_S) for process in runs]
        assert [process.returncode for process in runs] == [0] * amount, "\n".join(said)
        assert trials.check(checkout, trial) == ["passed"] * amount
