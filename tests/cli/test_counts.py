"""Counts and sizes on a command line that no memory holds: refused by option, before anything is written."""

import re

import pytest

from nanobrag_torch import memory

TINY = "-cell 70 80 90 75 85 95 -default_F 100 -N 5 -detpixels 3 -pixel 1 -oversample 1 -noprogress -nonoise"
NEEDS = r".* are \S+ GiB, and 0\.25 GiB are free\. \w+"
BEYOND = r".* at most 2147483647"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-phisteps 2147483648", f"-phisteps{BEYOND}"),
        ("-phisteps 2147483647", f"-phisteps, -mosaic_dom{NEEDS}"),
        ("-osc 1 -phistep 1e-7", f"-phisteps{NEEDS}"),
        ("-osc 1 -phistep 1e-300", f"phi steps{BEYOND}"),
        ("-mosaic 1 -mosaic_dom 100000000", f"-mosaic_dom{NEEDS}"),
        ("-phisteps 10000 -mosaic 1 -mosaic_dom 10000", f"-mosaic_dom{NEEDS}"),
        ("-vdivsteps 100000000", f"-vdivsteps{NEEDS}"),
        ("-divsteps 10000", f"-hdivsteps, -vdivsteps{NEEDS}"),
        ("-hdivrange 1 -hdivstep 1e-9", f"-hdivsteps{NEEDS}"),
        ("-hdivrange 1 -hdivstep 1e-300", f"steps in a range{BEYOND}"),
        ("-dispersion 1 -dispsteps 100000000", f"-dispsteps{NEEDS}"),
        ("-dispersion 1 -dispsteps 10000 -divsteps 1000", f"-dispsteps{NEEDS}"),
        ("-oversample 99999999999999999999", f"-oversample{BEYOND}"),
        ("-oversample 2147483647", f"-oversample{NEEDS}"),
        (f"-oversample 1{'0' * 5000}", f"-oversample{BEYOND}"),
        ("-N 20000000 -oversample -1", f"-oversample{NEEDS}"),
        ("-N 2000000000 -oversample -1", f"number of sub-pixels{BEYOND}"),
        ("-samplesize 1e300", rf"-beamsize|number of cells{BEYOND}"),
        ("-samplesize 1e300 -beamsize 1e301", "-beamsize"),
        ("-detector_thick 100 -thicksteps 2147483647", f"-detector_thicksteps{NEEDS}"),
        ("-detpixels 1000000", f"-detpixels{NEEDS}"),
        ("-detpixels 1000000 -roi 0 2 0 2", f"-detpixels{NEEDS}"),
        ("-detpixels 0 -detsize 1e9", f"-detpixels{NEEDS}"),
        ("-detpixels 0 -detsize 1e300", f"number of pixels{BEYOND}"),
        ("-sourcefile list", f"lines{NEEDS}"),
        ("-hkl sparse", f"sparse{NEEDS}"),
        ("-hkl /dev/zero", "/dev/zero"),
        ("-sourcefile /dev/zero", "/dev/zero"),
        ("-mat /dev/zero", "/dev/zero"),
        ("-mask /dev/zero", "/dev/zero"),
        ("-img /dev/zero", "/dev/zero"),
        ("-stol /dev/zero", "/dev/zero"),
    ],
)
def test_more_than_fits_is_refused_by_its_option(words, said, command, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda device=None: 256 << 20)
    run = command(f"{TINY} {words}", {"list": b"1 0 0\n" * 400_000, "sparse": b"0 0 0 1\n500 500 500 1\n"})
    assert run.exit_code == 9
    last = run.stderr.splitlines()[-1]
    assert last.startswith("ERROR: ") and re.search(said, last), last
    assert run.files == {"list", "sparse"}


def test_memory_that_is_refused_to_torch_is_an_error_without_a_traceback(command, monkeypatch):
    import torch

    monkeypatch.setattr("nanobrag_torch.cli.simulate.prepare", lambda conf: torch.empty(1 << 60))
    run = command(TINY)
    assert run.exit_code == 9 and "ERROR: out of memory" in run.stderr and run.files == set()


@pytest.mark.parametrize("words", ["-phisteps 50 -osc 1", "-oversample 300", "-divsteps 9", "-mosaic 1 -mosaic_dom 99"])
def test_what_fits_into_little_memory_is_done(words, command, monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda device=None: 256 << 20)
    assert command(f"{TINY} {words}").exit_code == 0
