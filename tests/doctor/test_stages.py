"""The steps of the physics: which file computes which, and how much of the signal arrives at each."""

from pathlib import Path

import pytest

import nanobrag_torch
from nanobrag_torch.doctor.stages import STAGE_OF_FILE, stage_of

PACKAGE = Path(nanobrag_torch.__file__).parent


@pytest.mark.parametrize("file", STAGE_OF_FILE)
def test_a_file_with_a_stage_is_a_file_of_the_simulator(file):
    assert list(PACKAGE.rglob(file))


@pytest.mark.parametrize(
    ("source", "stage"),
    [("unit_cell.py:12: volume = ...", "cell"), ("simulator.py:3", "image"), ("mine.py:7: x", "loss"), (None, "loss")],
)
def test_a_line_outside_the_simulator_belongs_to_the_loss(source, stage):
    assert stage_of(source) == stage
