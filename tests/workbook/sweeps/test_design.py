"""From a request to the points of a sweep: products, pairs, tables and draws, each point checked before any starts."""

import json
from pathlib import Path

import pytest

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.experiments import describe
from nanobrag_torch.io.dials_writer import write_experiments
from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.sweep import Specification
from nanobrag_torch.workbook.sweeps import api, targets
from nanobrag_torch.workbook.sweeps.design import Request, specify

SCENARIO = {
    "crystal": {"cell_a": 70, "cell_alpha": 75, "N_cells": [5, 5, 5], "default_F": 100},
    "detector": {"spixels": 8, "fpixels": 8},
    "names": ["crystal.cell_a"],
}


@pytest.fixture
def ask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("scenario.json").write_text(json.dumps(SCENARIO))
    target = targets.resolve("scenario.json", project.root())

    def made(*over: str, **how) -> Specification:
        return specify(Request(target, over, **how), project.root())

    return made


def rows(specification: Specification) -> list[tuple]:
    return [tuple(point.values()) for point in specification.points()]


def test_axes_make_all_combinations_of_which_the_last_runs_fastest(ask):
    found = ask("crystal.cell_a=60:61:1", "crystal.N_cells=1,2")
    assert rows(found) == [(60.0, 1.0), (60.0, 2.0), (61.0, 1.0), (61.0, 2.0)]
    assert found.names == ("crystal.cell_a", "crystal.N_cells")
    assert found.units == {"crystal.cell_a": "Å", "crystal.N_cells": "cells"}
    assert (found.name, found.grain, found.measure) == ("scenario", "record", ("image", "loss"))
    assert set(found.inputs) == {"scenario.json"}


def test_paired_axes_have_one_row_for_each_pair(ask):
    assert rows(ask("crystal.cell_a=60:62:1", "crystal.N_cells=1,2,3", zipped=True)) == [(60, 1), (61, 2), (62, 3)]
    with pytest.raises(InputError, match=r"crystal\.cell_a: 3, crystal\.N_cells: 2"):
        ask("crystal.cell_a=60:62:1", "crystal.N_cells=1,2", zipped=True)


def test_a_table_beside_an_axis_is_combined_with_it(ask):
    Path("t.csv").write_text("crystal.cell_a,loss\n60,sum\n61,sum_of_squares\n")
    found = ask("@t.csv", "crystal.phi_steps=1,2")
    assert rows(found) == [(60, "sum", 1), (60, "sum", 2), (61, "sum_of_squares", 1), (61, "sum_of_squares", 2)]
    assert rows(ask("crystal.cell_a=@t.csv")) == [(60,), (61,)]


def test_pairs_may_repeat_a_value_of_either_axis(ask):
    assert rows(ask("crystal.cell_a=60,60", "crystal.cell_b=70,71", zipped=True)) == [(60, 70), (60, 71)]


def test_whole_numbers_beyond_those_of_a_float_are_kept(ask):
    large = 2**53 + 1
    assert rows(ask(f"crystal.mosaic_seed={large},7.0")) == [(large,), (7,)]
    assert rows(ask(f"crystal.mosaic_seed={large}:{large + 2}:2")) == [(large,), (large + 2,)]


def test_a_value_that_stands_among_many_twice_is_found(ask):
    words = [str(60 + number / 1000) for number in range(12_000)]
    with pytest.raises(InputError, match="Leave number 12001 out"):
        ask(f"crystal.cell_a={','.join([*words, words[5]])}")


@pytest.mark.parametrize("design", ["sobol", "lhs", "random"])
def test_a_draw_lies_within_its_ranges_and_is_the_same_for_the_same_seed(ask, design):
    over = ("crystal.cell_a=60:80", "beam.fluence=1e24:1e28:log", "crystal.mosaic_seed=1:3")
    found = ask(*over, sample=20, design=design, seed=4)
    assert found.count == 20 and rows(found) == rows(ask(*over, sample=20, design=design, seed=4))
    assert rows(found) != rows(ask(*over, sample=20, design=design, seed=5))
    for a, fluence, seed in rows(found):
        assert 60 <= a <= 80 and 1e24 <= fluence <= 1e28 and seed in (1, 2, 3) and isinstance(seed, int)
    # A quarter of the logarithms lies in each of the four decades.
    assert sum(fluence < 1e25 for _, fluence, _ in rows(found)) in range(2, 9)


def test_pairs_of_a_draw_are_refused_since_a_draw_has_no_values_to_pair(ask):
    with pytest.raises(InputError, match=r"--zip: got 'with --sample'"):
        ask("crystal.cell_a=60:80", "beam.fluence=1e24:1e28:log", sample=4, zipped=True)


def test_one_message_lists_all_that_is_wrong_with_what_varies(ask):
    with pytest.raises(InputError) as raised:
        ask("crystal.cell_q=1:2:1", "crystal.cell_a=2:1:1", "detector.spixels=1.5", "loss=median", name="a/b")
    said = str(raised.value)
    for part in ("5 things", "'crystal.cell_q'", "crystal.cell_a", "is empty", "detector.spixels", "'median'", "'a/b'"):
        assert part in said
    with pytest.raises(InputError, match=r"2 things") as raised:
        ask("crystal.cell_a=-60,70", "detector.spixels=many")
    assert "crystal.cell_a: got '-60'" in str(raised.value) and "'many'" in str(raised.value)


def test_every_point_is_checked_as_a_single_run_would(ask):
    with pytest.raises(InputError) as raised:
        ask("crystal.cell_alpha=80,179", "crystal.cell_gamma=90,100", "crystal.cell_a=70,80")
    said = str(raised.value)
    assert (
        "angles that span a volume" in said and "point 6 (crystal.cell_alpha = 179.0" in said and "point 0" not in said
    )
    with pytest.raises(InputError, match="N_cells"):
        ask("crystal.N_cells=0,1")


@pytest.mark.parametrize(
    ("over", "how", "said"),
    [
        ((), {}, "--over"),
        (("crystal.cell_a=1,2", "crystal.cell_a=3,4"), {}, "varies twice"),
        (("crystal.cell_a=5,6,5",), {}, "each once"),
        (("crystal.cell_a=5,6",), {"fixed": {"crystal.cell_a": "7"}}, "does not vary"),
        (("crystal.cell_a=5,6",), {"fixed": {"crystal.cell_x": "7"}}, "crystal.cell_x"),
        (("crystal.cell_a=5,6",), {"grain": "report"}, "--as"),
        (("crystal.cell_a=1:1001:1", "crystal.cell_b=1:1001:1"), {}, "--yes"),
        (("crystal.cell_a=1,2",), {"sample": 3}, "low:high"),
        (("cell_a=1,2",), {}, "crystal.cell_a"),
        (("detector.spixels=inf",), {}, "64 bits"),
        (("crystal.cell_a=nan,1",), {}, "finite number"),
        (("crystal.phi_steps=1.2:1.8",), {"sample": 2}, "whole numbers in it"),
        (("crystal.phi_steps=1:3",), {"sample": 9}, "points that differ: 3 did"),
        (("crystal.cell_a=5,6,5", "crystal.cell_b=5,6,5"), {"zipped": True}, "Leave number 3 out"),
        (("crystal.mosaic_seed=9223372036854775808",), {}, "64 bits"),
        (("crystal.mosaic_seed=1.5",), {}, "64 bits"),
    ],
)
def test_a_request_that_cannot_be_is_refused_before_anything_starts(ask, over, how, said):
    with pytest.raises(InputError, match=said):
        ask(*over, **how)
    assert not Path("reports").exists()


def test_a_notebook_is_asked_for_its_parameters_by_type_unit_and_range(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = targets.resolve("phase_a_baseline", project.root())
    found = specify(Request(target, ("detector_pixels=32:64:32", "default_F=1,2")), project.root())
    assert rows(found) == [(32, 1.0), (32, 2.0), (64, 1.0), (64, 2.0)]
    assert (found.grain, found.kind, found.units["default_F"]) == ("report", "notebook", "electrons")
    with pytest.raises(InputError) as raised:
        specify(Request(target, ("detector_pixels=1.5", "defaultF=1", "dtype=float16")), project.root())
    assert all(part in str(raised.value) for part in ("detector_pixels", "'default_F'", "float64"))


def test_the_same_question_has_the_same_digest_whoever_asks(ask):
    one, same = ask("crystal.cell_a=60:62:1"), ask("crystal.cell_a=60,61,62", plan="plans/x.md", phase="e")
    assert one.digest == same.digest != ask("crystal.cell_a=60:63:1").digest
    assert Specification.model_validate_json(one.to_json()) == one


def test_values_of_python_are_a_list_or_an_array_and_one_alone_is_refused_by_name():
    import numpy

    assert api._spec("a", numpy.array([60.5, 70.0])) == "60.5,70.0"
    assert api._spec("N", [numpy.array([5, 6, 7]), (1, 2, 3)]) == "5 6 7,1 2 3"
    with pytest.raises(InputError, match=r"over a: got '3'; allowed: a text or a list"):
        api._spec("a", 3)


def test_a_scenario_of_an_experiment_varies_what_that_does_not_decide_and_its_file_belongs_to_the_sweep(ask):
    experiment = describe(CrystalConfig(), DetectorConfig(spixels=8, fpixels=8), BeamConfig())
    write_experiments("e.expt", [experiment])
    Path("of.json").write_text(json.dumps({"experiment": "e.expt", "names": ["crystal.cell_a"]}))
    target = targets.resolve("of.json", project.root())
    assert target.files == ("of.json", "e.expt")
    found = specify(Request(target, ("beam.fluence=1e20,1e21", "crystal.default_F=1,2")), project.root())
    assert rows(found)[1] == (1e20, 2.0)
    with pytest.raises(InputError, match=r"crystal: got 'cell_a'; allowed: N_cells, .*e\.expt decides the others"):
        specify(Request(target, ("crystal.cell_a=60,70",)), project.root())
