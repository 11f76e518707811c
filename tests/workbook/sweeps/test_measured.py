"""A point of grain "record": what it gives is what the scenario, the probe and the doctor give."""

import base64
import io
import itertools
import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from nanobrag_torch.doctor import diagnose
from nanobrag_torch.refine import expected_errors
from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.cells.scenarios import read_scenario
from nanobrag_torch.workbook.sweeps import measured, targets
from nanobrag_torch.workbook.sweeps.design import Request, specify

SCENARIO = {
    "crystal": {"cell_a": 70, "cell_b": 80, "cell_c": 90, "N_cells": [5, 5, 5], "default_F": 100},
    "detector": {"spixels": 24, "fpixels": 24, "pixel_size_mm": 0.5, "oversample": 1},
    "names": ["crystal.cell_a", "beam.wavelength_A"],
    "loss": "weighted_sum",
}


@pytest.fixture
def sweep_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("scenario.json").write_text(json.dumps(SCENARIO))
    target = targets.resolve("scenario.json", project.root())
    return lambda *over, **how: specify(Request(target, over, **how), project.root())


def test_a_point_is_the_scenario_with_its_values(sweep_of):
    asked = sweep_of("crystal.cell_a=60,65", "crystal.N_cells=3,4", fixed={"detector.distance_mm": "90"})
    point = measured.measure(asked, 3, project.root())
    scenario = read_scenario("scenario.json").changed(
        crystal={"cell_a": 65.0, "N_cells": (4.0, 4.0, 4.0)}, detector={"distance_mm": 90.0}
    )
    image = scenario.image()
    assert point.columns == {
        "image.sum": float(image.sum()),
        "image.max": float(image.max()),
        "image.mean": float(image.mean()),
        "image.lit": 24 * 24,
        "loss": float(scenario.loss(image)),
    }


def test_gradients_stand_beside_finite_differences_that_bear_them_out(sweep_of):
    columns = measured.measure(sweep_of("crystal.cell_a=60", measure=("gradients",)), 0, project.root()).columns
    scenario = read_scenario("scenario.json").changed(crystal={"cell_a": 60.0})
    leaves = scenario.leaves()
    scenario(leaves).backward()
    for name in SCENARIO["names"]:
        assert columns[f"gradient.{name}"] == float(leaves[name].grad)
        assert columns[f"agreement.{name}"] == "agrees"
        off = abs(columns[f"gradient.{name}"] - columns[f"finite_difference.{name}"])
        assert off < 1e-6 * abs(columns[f"gradient.{name}"]) and columns[f"error_bar.{name}"] > 0


def test_the_verdicts_are_those_of_the_doctor(sweep_of):
    asked = sweep_of("crystal.default_F=0,100", measure=("doctor", "gradients"))
    dark, lit = (measured.measure(asked, number, project.root()).columns for number in (0, 1))
    report = diagnose(read_scenario("scenario.json").changed(crystal={"default_F": 0.0}))
    assert dark["verdict.code"] == report.verdict.code == "Z1"
    assert {name: dark[f"doctor.{name}"] for name in report.codes} == report.codes
    assert lit["doctor.crystal.cell_a"] == "healthy" and dark["gradient.crystal.cell_a"] == 0


def test_errors_that_counting_allows_are_those_of_refinement_and_fall_as_the_root_of_the_photons(sweep_of):
    asked = sweep_of("beam.fluence=1e29,4e29", measure=("errors",))
    weak, strong = (measured.measure(asked, number, project.root()).columns for number in (0, 1))
    expected = expected_errors(read_scenario("scenario.json").changed(beam={"fluence": 4e29}))
    assert strong == {f"sigma.{name}": expected[name] for name in SCENARIO["names"]}
    assert all(weak[name] == pytest.approx(2 * strong[name], rel=1e-4) and strong[name] > 0 for name in strong)


def test_of_what_the_image_does_not_determine_there_is_no_error(sweep_of):
    scenario = SCENARIO | {"names": ["crystal.cell_a", "beam.fluence", "crystal.default_F"]}
    Path("scenario.json").write_text(json.dumps(scenario))
    columns = measured.measure(sweep_of("crystal.cell_b=80", measure=("errors",)), 0, project.root()).columns
    assert columns["sigma.crystal.cell_a"] > 0
    assert None in (columns["sigma.beam.fluence"], columns["sigma.crystal.default_F"])


def test_a_few_points_keep_a_picture_in_which_the_brightest_pixel_is_white(sweep_of):
    few = sweep_of("crystal.cell_a=60:69:1")
    many = sweep_of("crystal.cell_a=60:69.9:0.1")
    image = Image.open(io.BytesIO(base64.b64decode(measured.measure(few, 1, project.root()).thumbnail)))
    assert image.size == (24, 24) and image.getextrema()[1] == 255
    kept = [number for number in range(many.count) if measured._is_shown(number, many.count)]
    assert len(kept) == measured.PICTURES and min(kept) == 0 and max(b - a for a, b in itertools.pairwise(kept)) <= 3
    black = Image.open(io.BytesIO(base64.b64decode(measured.picture(torch.zeros(300, 200)))))
    assert black.getextrema() == (0, 0) and max(black.size) <= measured._EDGE
