"""The answer of a sweep: gradients counted against their finite differences, with the points that disagree."""

import pandas
import pytest

from nanobrag_torch.workbook.sweeps.conclusion import answer


def table(**columns: list[str]) -> pandas.DataFrame:
    given = {"point": [0, 1, 2], "crystal.N_cells": [3.0, 5.0, 12.0], "status": ["done", "done", "failed"]}
    return pandas.DataFrame(given | {f"agreement.{name}": words for name, words in columns.items()})


@pytest.mark.parametrize(
    ("b", "words"),
    [
        ("agrees", "All 4 gradients in 2 points, crystal.N_cells from 3 to 5, agree with their finite differences."),
        (
            "disagrees",
            "3 of 4 gradients in 2 points, crystal.N_cells from 3 to 5, agree with their finite differences; "
            "1 disagrees (points 1).",
        ),
    ],
)
def test_gradients_of_done_points_are_counted_and_those_that_disagree_are_named(b: str, words: str):
    found = table(a=["agrees", "agrees", "disagrees"], b=["agrees", b, "disagrees"])
    assert answer(found, ["crystal.N_cells"]) == words


def test_a_sweep_that_compares_no_gradients_has_no_answer():
    assert answer(table(), ["crystal.N_cells"]) == ""
