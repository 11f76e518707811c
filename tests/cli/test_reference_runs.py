"""Whole runs of the command against what the C program wrote and printed for the same command line."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from cli.agreement import assert_float_images_agree, assert_integers_agree, assert_noise_agrees, report

GOLDEN = Path(__file__).parents[1] / "golden"
IMAGES = json.loads((GOLDEN / "cases.json").read_text())
RUNS = json.loads((GOLDEN / "conformance.json").read_text())
CASES = {case["name"]: case for case in RUNS["cases"]}

#: Runs that show an accident of the C program which is mended unless -strict_c asks for it.
ACCIDENTS = (
    "misset_seed_after",
    "twotheta_axis_sets_angle",
    "hkl_5col_misread",
    "hkl_comment_fails",
    "header_overflow",
)
REPORTED = {
    "distance_m": "distance",
    "Xbeam_m": "Xbeam",
    "Ybeam_m": "Ybeam",
    "Fbeam_m": "Fbeam",
    "Sbeam_m": "Sbeam",
    "Fclose_m": "Fclose",
    "Sclose_m": "Sclose",
}


@pytest.fixture(scope="module")
def inputs():
    return {path.name: path.read_bytes() for path in (GOLDEN / "inputs").iterdir()}


def name_after(option, words, default):
    return words[words.index(option) + 1] if option in words else default


@pytest.mark.parametrize("name", IMAGES)
def test_a_large_run_agrees_with_the_c_program(name, command, inputs):
    words = IMAGES[name]["args"]
    with np.load(GOLDEN / f"{name}.npz") as stored:
        reference = dict(stored)
    run = command([*words, "-noprogress"], inputs)
    assert run.exit_code == reference["returncode"]
    floats = run.float_image(reference["float"].shape, name_after("-floatfile", words, "floatimage.bin"))
    assert_float_images_agree(floats, reference["float"])
    integers = name_after("-intfile", words, "intimage.img")
    assert run.header(integers).rstrip("\f\n") == str(reference["int_header"]).rstrip("\f\n")
    if "int" in reference:
        assert_integers_agree(run.smv(integers), reference["int"])
    if "pgm" in reference:
        assert_integers_agree(run.pgm(name_after("-pgmfile", words, "image.pgm"))[1], reference["pgm"])
    if "noise" in reference:
        assert_noise_agrees(run.smv(name_after("-noisefile", words, "noiseimage.img")), reference["noise"])
    if "fdump" in reference:
        assert (run.folder / "Fdump.bin").read_bytes() == reference["fdump"].tobytes()
    seeded = "-seed" in words
    assert report(run.stdout, seeded) == report(str(reference["stdout"]), seeded)


def files_of(case):
    texts = {
        name: RUNS["shared_files"][text] if text.startswith("@") else text
        for name, text in case.get("files", {}).items()
    }
    binary = {name: base64.b64decode(text) for name, text in case.get("files_base64", {}).items()}
    return {name: text.encode() for name, text in texts.items()} | binary


def line_with(text, start):
    return next(line for line in text.splitlines() if line.startswith(start))


def reported_value(stdout, name):
    return next(word for word in stdout.split() if word.startswith(f"{name}=")).split("=")[1]


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name]["exit_code"] == 0])
def test_a_small_run_agrees_with_the_c_program(name, command):
    case = CASES[name]
    run = command(case["argv"] + ["-strict_c"] * (name in ACCIDENTS), files_of(case))
    assert run.exit_code == 0, run.stderr
    shape = tuple(case["shape_slow_fast"])
    assert_float_images_agree(run.float_image(shape), np.array(case["float_pixels"], np.float32).reshape(shape))
    if "intimage_header" in case:
        assert run.header() == case["intimage_header"]
        content = (run.folder / "intimage.img").read_bytes()
        assert len(content) == case["intimage_size_bytes"]
        expected = np.array(case["intimage_pixels"])
        assert_integers_agree(np.frombuffer(content[-2 * expected.size :], np.uint16).astype(int), expected)
    if "pgm_bytes" in case:
        header, grey = run.pgm()
        assert header == case["pgm_header"]
        assert_integers_agree(grey, np.array(case["pgm_bytes"]))
    if "noiseimage_pixels" in case:
        assert_noise_agrees(run.smv("noiseimage.img"), np.array(case["noiseimage_pixels"]))
        assert case["noise_line"] in run.stdout
    if "fdump_hex" in case:
        assert (run.folder / "Fdump.bin").read_bytes().hex() == case["fdump_hex"]
    assert set(case.get("stats_lines", [])) <= set(run.stdout.splitlines())
    if "stdout" in case:
        seeded = "-seed" in case["argv"]
        assert report(run.stdout, seeded) == report(case["stdout"], seeded)


@pytest.mark.parametrize("name", [name for name in CASES if "reported" in CASES[name]])
def test_the_reported_geometry_is_that_of_the_c_program(name, command):
    case, reported = CASES[name], CASES[name]["reported"]
    run = command(case["argv"] + ["-strict_c"] * (name in ACCIDENTS), files_of(case))
    for key, shown in REPORTED.items():
        assert reported_value(run.stdout, shown) == f"{reported[key]:g}"
    cell = line_with(run.stdout, "Unit Cell:").split(":")[1].split()
    assert [float(value) for value in cell] == [float(f"{value:g}") for value in reported["unit_cell"]]
    n = reported["oversample"]
    assert line_with(run.stdout, f"  {n}x{n} pixel oversample steps")
    assert line_with(run.stdout, f"  {reported['sources']} sources")
    assert line_with(run.stdout, f"  {reported['mosaic_domains']} mosaic domains over")
    assert line_with(run.stdout, f"  {reported['phisteps']} phi steps from")
    assert line_with(run.stdout, f"{reported['convention']} convention selected.")
    assert reported["pivot"] in line_with(run.stdout, "pivoting detector around").replace("direct ", "")
    assert "{}x{}x{} cells".format(*reported["N"]) in run.stdout


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name]["exit_code"] != 0])
def test_a_run_that_fails_in_c_fails_with_the_same_status(name, command):
    case = CASES[name]
    run = command(case["argv"] + ["-strict_c"] * (name in ACCIDENTS), files_of(case))
    assert run.exit_code == case["exit_code"]
    assert run.files <= set(files_of(case))


def test_a_command_line_without_inputs_shows_banner_error_and_usage(command):
    expected = CASES["usage"]["stdout"].split("usage:")[0]
    run = command(CASES["usage"]["argv"])
    assert run.stdout.startswith(expected + "usage: nanoBragg")
