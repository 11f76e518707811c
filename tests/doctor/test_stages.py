"""The steps of the physics: which file computes which, and how much of the signal arrives at each."""

from pathlib import Path

import pytest

import nanobrag_torch
from nanobrag_torch.doctor.stages import STAGE_OF_FILE, stage_of
from nanobrag_torch.doctor.watch import line_at

PACKAGE = Path(nanobrag_torch.__file__).parent


@pytest.mark.parametrize("file", STAGE_OF_FILE)
def test_a_file_with_a_stage_is_a_file_of_the_simulator(file):
    assert (PACKAGE / file).is_file()


#: Files that hold no step of the physics: plumbing between steps, compiled loops, random numbers.
_NO_STEP = {
    "kernel/cotangents.py", "kernel/differentiable.py", "kernel/engine.py", "kernel/forked.py", "kernel/jvp.py",
    "kernel/memory.py", "kernel/operation.py", "kernel/panels.py", "kernel/pixel_plan.py", "kernel/pixels.py",
    "kernel/sensitivities.py", "kernel/tables.py", "kernel/torch_engine/chunks.py", "kernel/torch_engine/engine.py",
    "kernel/triton_engine/engine.py", "models/as_tensor.py", "models/experiment.py", "models/memo.py",
    "models/sight.py", "physics/deviates.py", "physics/point_spread.py", "physics/random.py",
}  # fmt: skip


def test_every_file_of_the_simulator_has_a_stage_or_is_known_to_have_none():
    files = {path.relative_to(PACKAGE).as_posix() for name in ("physics", "models", "kernel")
             for path in (PACKAGE / name).rglob("*.py")}  # fmt: skip
    compiled = {file for file in files if file.startswith("kernel/numba_engine/") or file.endswith("__init__.py")}
    assert files - compiled - _NO_STEP == set(STAGE_OF_FILE) - {"simulator.py"}


@pytest.mark.parametrize(
    ("source", "stage"),
    [
        ("nanobrag_torch/physics/unit_cell.py:12: volume = ...", "cell"),
        ("nanobrag_torch/simulator.py:3", "image"),
        ("nanobrag_torch/scene.py:3", None),
        ("mine.py:7: x", "loss"),
        ("detector.py:7: x", "loss"),
        ("simulator.py:7: x", "loss"),
        (None, "loss"),
    ],
)
def test_a_line_outside_the_simulator_belongs_to_the_loss(source, stage):
    assert stage_of(source) == stage


def test_a_line_names_its_file_and_of_this_package_its_place(tmp_path):
    own = tmp_path / "detector.py"
    own.write_text("x = 1\n")
    assert line_at(str(own), 1) == "detector.py:1: x = 1"
    assert line_at(str(PACKAGE / "models" / "detector.py"), 10**6) == "nanobrag_torch/models/detector.py:1000000"
