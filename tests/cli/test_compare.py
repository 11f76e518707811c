"""Comparing one command line between programs, or with a stored image."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from nanobrag_torch.cli.compare import compare, compare_images
from nanobrag_torch.io.floatfile import write_float_image

GOLDEN = Path(__file__).parents[1] / "golden"
CUBIC = "-detpixels 96 -pixel 0.2 -distance 60 -lambda 1.3 -cell 60 60 60 90 90 90 -default_F 100 -oversample 1"
REFERENCE = str(GOLDEN / "base_cubic.npz")

IMAGE = np.arange(12.0).reshape(3, 4)


def test_equal_images_agree():
    found = compare_images(IMAGE, IMAGE.copy())
    assert (found.agrees, found.correlation, found.worst) == (True, pytest.approx(1.0), ())


def test_differing_pixels_are_counted_and_the_worst_come_first():
    other = IMAGE.copy()
    other[1, 2] += 0.5
    other[2, 3] += 2.0
    found = compare_images(IMAGE, other)
    assert (found.different, found.largest_difference) == (2, 2.0)
    assert [(p.slow, p.fast) for p in found.worst] == [(2, 3), (1, 2)]
    assert not found.agrees


def test_a_pixel_that_is_no_number_differs():
    other = IMAGE.copy()
    other[0, 1] = np.nan
    found = compare_images(IMAGE, other)
    assert (found.different, found.worst[0].fast) == (1, 1)


def test_a_constant_image_has_no_correlation():
    found = compare_images(np.zeros((2, 2)), np.zeros((2, 2)))
    assert found.correlation is None
    assert found.agrees


def test_images_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 4\).*\(4, 3\)"):
        compare_images(IMAGE, IMAGE.T)


def test_a_stored_image_of_the_same_run_agrees(capsys):
    assert compare(["--reference", REFERENCE, "--", *CUBIC.split(), "-N", "5"]) == 0
    assert capsys.readouterr().out.endswith("the images agree\n")


def test_a_stored_image_of_another_run_differs(capsys):
    assert compare(["--reference", REFERENCE, "--json", "--worst", "3", "--", *CUBIC.split(), "-N", "4"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["different"] > 9000
    assert len(found["worst"]) == 3


def test_a_raw_float_image_may_be_the_reference(tmp_path):
    with np.load(REFERENCE) as stored:
        write_float_image(tmp_path / "f.bin", stored["float"])
    assert compare(["--reference", str(tmp_path / "f.bin"), "--", *CUBIC.split(), "-N", "5"]) == 0


@pytest.fixture
def program(tmp_path):
    """A stand-in for the C program: ours, with options added."""

    def write(added=""):
        path = tmp_path / "program"
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -m nanobrag_torch "$@" {added}\n')
        path.chmod(0o755)
        return str(path)

    return write


def test_both_programs_run_the_same_command_line_and_leave_nothing_behind(tmp_path, monkeypatch, program, capsys):
    binary = program()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("P1.hkl").write_text("0 0 0 10\n1 0 0 20\n")
    words = ["-cell", "60", "-hklfile", "P1.hkl", "-N", "3", "-detpixels", "8", "-pixel", "1"]
    assert compare(["--binary", binary, "--", *words]) == 0
    assert [path.name for path in Path.cwd().iterdir()] == ["P1.hkl"]


def test_differing_headers_are_shown(tmp_path, monkeypatch, program, capsys):
    monkeypatch.setenv("NB_C_BIN", program("-lambda 1.1"))
    assert compare(["--", *["-cell", "60", "-default_F", "10", "-N", "3", "-detpixels", "8", "-pixel", "1"]]) == 1
    report = capsys.readouterr().out.splitlines()
    assert "-WAVELENGTH=1.1" in report
    assert "+WAVELENGTH=1" in report


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--", "-cell", "60"], "NB_C_BIN"),
        (["--binary", "no-such-program", "--", "-cell", "60", "-default_F", "1"], "no-such-program"),
        (["--reference", "no-such-file.npz", "--", "-cell", "60", "-default_F", "1"], "no-such-file.npz"),
        (["--reference", REFERENCE, "--", "-cell", "60", "-distance", "0"], "-distance"),
        (["--reference", REFERENCE, "--", "-cell", "60", "-detpixels", "8", "-default_F", "1"], "8, 8"),
        (["--reference", REFERENCE, "--", "-cell", "60", "-detpixels", "8"], "our run ended with 9"),
    ],
)
def test_what_cannot_be_compared_is_refused(words, complaint, monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("NB_C_BIN", raising=False)
    monkeypatch.chdir(tmp_path)
    assert compare(words) == 9
    assert complaint in capsys.readouterr().err
