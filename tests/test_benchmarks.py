"""``python -m benchmarks``, with a stand-in for the C program that notes how it was called."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.refine import part_of_limit

ROOT = Path(__file__).parents[1]

STAND_IN = """#!{python}
import pathlib, sys
assert pathlib.Path("list.hkl").read_text().startswith("-45 -45 -45 ")
with open("{log}", "a") as log:
    print(pathlib.Path.cwd(), *sys.argv[1:], file=log)
"""


def benchmarks(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip


def test_a_measurement_is_printed_kept_and_takes_the_c_program_in_turn(tmp_path):
    binary, log = tmp_path / "nanoBragg", tmp_path / "log"
    binary.write_text(STAND_IN.format(python=sys.executable, log=log))
    binary.chmod(0o755)
    wanted = ("--only", "float64", "--only", "C, ")
    finished = benchmarks("W6", "--rounds", "1", *wanted, "--output", str(tmp_path / "out"), NB_C_BIN=str(binary))
    assert finished.returncode == 0, finished.stderr
    assert "C, pixel loop" in finished.stdout and "formula / image" in finished.stdout
    kept = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert {row["workload"] for row in kept["rows"]} == {"W6"}
    assert all(len(row["seconds"]) == 1 and row["median"] > 0 for row in kept["rows"] if "C," not in row["contestant"])
    medians: dict[str, float] = {}
    for row in kept["rows"]:  # all threads come first, one thread after them
        medians.setdefault(row["contestant"].rsplit(" ", 2)[0], row["median"])
    ratio = medians["auto float64 + gradient of cell"] / medians["auto float64"]
    assert kept["ratios"]["image + cell gradient / image"]["W6"] == ratio
    assert (tmp_path / "out" / "benchmark.png").stat().st_size > 1000
    calls = log.read_text().splitlines()
    assert len(calls) == 3 * (1 + 1)
    folders = [call.split()[0] for call in calls]
    assert all("-interpolate" in call and "-hkl list.hkl" in call for call in calls)
    assert sum("-roi 0 0 0 0" in call for call in calls) == 2
    assert len(set(folders)) == 2 * 2 and not any(Path(folder).exists() for folder in folders)


def test_an_unknown_workload_or_contestant_is_named_with_those_that_exist():
    unknown = benchmarks("W9")
    assert unknown.returncode != 0 and "W9" in unknown.stderr and "W1" in unknown.stderr
    nobody = benchmarks("W6", "--only", "fortran")
    assert nobody.returncode != 0 and "fortran" in nobody.stderr and "formula" in nobody.stderr


@pytest.mark.full
def test_the_command_is_measured_with_all_its_files_and_in_turns_with_the_c_program(tmp_path):
    binary, log = tmp_path / "nanoBragg", tmp_path / "log"
    binary.write_text(STAND_IN.format(python=sys.executable, log=log))
    binary.chmod(0o755)
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.command", "W6", "--rounds", "1"],
        cwd=ROOT, env=os.environ | {"NB_C_BIN": str(binary)}, capture_output=True, text=True,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    rows = [line.split() for line in finished.stdout.splitlines()]
    assert [" ".join(row[1:-2]) for row in rows] == ["import torch", "nanoBragg", "C"]
    assert float(rows[1][-2]) > float(rows[0][-2]) > 0
    calls = log.read_text().splitlines()
    assert len(calls) == 2 and all("-hkl list.hkl" in call for call in calls)
    assert not any(word in call for call in calls for word in ("-nonoise", "-nopgm", "-floatfile"))


@pytest.mark.full
def test_the_parts_of_a_gradient_are_those_of_the_image_and_the_way_back():
    command = [sys.executable, "-m", "benchmarks.shares", "W6"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    rows = {line.split()[1]: line for line in finished.stdout.splitlines()}
    assert list(rows) == ["image", "cell", "everything"]
    assert "backwards" not in rows["image"] and all("graph, backwards" in rows[g] for g in ("cell", "everything"))
    for line in rows.values():
        words = line.partition("  (ms")[0].split("  ")[1:]
        taken = {part: float(number) for part, number in (word.rsplit(" ", 1) for word in words if word)}
        whole = taken.pop("whole")
        assert abs(sum(taken.values()) - whole) < 0.03 and whole > taken["tables and loops, forwards"] > 0


def test_limits_of_a_still_grow_as_counting_errors_do():
    errors = (0.0025, 0.005, 0.3, 0.5)  # parts of the limits of 1e5 photons: 0.5, 0.2, 1.5 and 0.5
    assert part_of_limit(errors, 1e5) == pytest.approx(1.5)
    assert part_of_limit(errors, 2.5e4) == pytest.approx(0.75)
    assert part_of_limit(errors, 4e5) == pytest.approx(1.5)
