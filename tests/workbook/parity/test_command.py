"""``nb-compare``: one command line between programs, or with a stored image, printed and drawn."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nanobrag_torch.io.floatfile import write_float_image
from nanobrag_torch.workbook.parity.command import compare

GOLDEN = Path(__file__).parents[2] / "golden"
CUBIC = "-detpixels 96 -pixel 0.2 -distance 60 -lambda 1.3 -cell 60 60 60 90 90 90 -default_F 100 -oversample 1"
REFERENCE = str(GOLDEN / "base_cubic.npz")


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


@pytest.mark.parametrize("name", ["p.png", "p.svg", "p.pdf"])
def test_a_plot_appears_whole_beside_the_text(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert compare(["--reference", REFERENCE, "--plot", name, "--", *CUBIC.split(), "-N", "4"]) == 1
    assert capsys.readouterr().out.endswith("the images differ\n")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    content = Path(name).read_bytes()
    assert content.startswith({"p.png": b"\x89PNG", "p.svg": b"<?xml", "p.pdf": b"%PDF"}[name])
    if name == "p.png":
        with Image.open(name) as image:
            assert (np.asarray(image.convert("L")) < 128).mean() > 0.1


def test_without_a_plot_nothing_that_draws_is_imported(tmp_path):
    words = ["--reference", REFERENCE, "--", *CUBIC.split(), "-N", "5"]
    script = f"""
import sys
from nanobrag_torch.workbook.parity.command import compare
status = compare({words!r})
sys.exit(status or bool({{"matplotlib", "pandas", "papermill"}} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=False).returncode == 0


def test_a_plot_without_its_library_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "nanobrag_torch.workbook.parity.figures", raising=False)
    monkeypatch.delitem(sys.modules, "nanobrag_torch.workbook.cells.figures", raising=False)
    assert compare(["--reference", REFERENCE, "--plot", "p.png", "--", *CUBIC.split(), "-N", "5"]) == 9
    assert "nanobrag-torch[workbook]" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


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
        (["--reference", REFERENCE, "--plot", "p.jpg", "--", *CUBIC.split(), "-N", "5"], "p.jpg: the name must end in"),
        (["--reference", REFERENCE, "--plot", "no/p.png", "--", *CUBIC.split(), "-N", "5"], "no/p.png"),
        (["--binary", "no-such-program", "--", "-cell", "60", "-default_F", "1"], "no-such-program"),
        (["--reference", "no-such-file.npz", "--", "-cell", "60", "-default_F", "1"], "no-such-file.npz"),
        (["--reference", REFERENCE, "--", "-cell", "60", "-distance", "0", "-default_F", "1"], "-distance"),
        (["--reference", REFERENCE, "--", "-cell", "60", "-detpixels", "8", "-default_F", "1"], "8, 8"),
        (["--reference", REFERENCE, "--", "-cell", "60", "-detpixels", "8"], "our run ended with 9"),
    ],
)
def test_what_cannot_be_compared_is_refused(words, complaint, monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("NB_C_BIN", raising=False)
    monkeypatch.chdir(tmp_path)
    assert compare(words) == 9
    assert complaint in capsys.readouterr().err
