"""``python -m benchmarks.doctor``: three judges on three cases, each counted where it belongs."""

import json

import pytest

from benchmarks.doctor.__main__ import judged, main, table
from benchmarks.doctor.cases import read_case

ROOT = '''"""The root of a zero.
Source: https://example.org/1
Maintainers: the slope of a root is infinite at zero
Expected: x=N2
"""
import torch
def fn(p):
    return p["x"].sqrt() * 0
params = {"x": torch.zeros((), dtype=torch.float64)}
'''
WRONG = '''"""A part that was detached.
Expected: x=W4,W6
"""
def fn(p):
    return p["x"] * p["x"].detach()
params = {"x": 3.0}
kwargs = {"loss": lambda y: y ** 2}
'''
HEALTHY = '''"""A square.
Expected: healthy for every parameter
"""
def fn(p):
    return p["x"] ** 2
params = {"x": 3.0}
'''
LACKING = '''"""Somebody's package.
Expected: x=N2
"""
import a_package_that_nobody_has
'''


@pytest.fixture
def folder(tmp_path):
    for name, text in (("a", ROOT), ("b", WRONG), ("c", HEALTHY), ("d", LACKING)):
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


def test_each_judge_is_counted_for_what_it_says_and_for_the_cause(folder):
    opinions, lacking = judged(folder)
    assert lacking == {"d": "No module named 'a_package_that_nobody_has'"}
    counted = {
        case.name: {judge: (opinion.speaks, opinion.names_cause) for judge, opinion in found.items()}
        for case, found in opinions
    }
    assert counted["a"]["doctor"] == counted["b"]["doctor"] == (True, True)
    assert counted["a"]["set_detect_anomaly"] == (True, True)  # "Function 'SqrtBackward0' returned nan values"
    assert counted["b"]["set_detect_anomaly"] == (False, False)
    assert counted["b"]["gradcheck"] == (True, False)  # "Jacobian mismatch"
    assert not any(speaks for speaks, _ in counted["c"].values())
    columns = [list(column.cells) for column in table(opinions).columns]
    assert columns[0] == ["not finite", "wrong", "any of these", "healthy"]
    assert columns[2] == ["1 / 1", "1 / 1", "2 / 2", "0 false"]


def test_the_maintainers_words_and_every_opinion_are_kept(folder, tmp_path):
    main(folder, tmp_path / "kept.json")
    first = json.loads((tmp_path / "kept.json").read_text())[0]
    assert first["maintainers"] == "the slope of a root is infinite at zero"
    assert first["source"] == "https://example.org/1"
    assert set(first["opinions"]) == {"doctor", "gradcheck", "set_detect_anomaly"}


def test_right_codes_are_read_by_parameter(folder):
    assert read_case(folder / "b.py").expected == {"x": {"W4", "W6"}}
    assert read_case(folder / "c.py").expected is None
