"""DIALS opens what the command writes beside its images, and what DIALS imports is simulated as it was."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from dials_here import PYTHON, dials, needs_dials

from nanobrag_torch.io import read_cbf

pytestmark = [pytest.mark.dials, needs_dials()]

CAMERA = "-distance 40 -detpixels 12 -pixel 0.5 -lambda 1.1"
CRYSTAL = "-cell 50 60 70 90 90 90 -default_F 100 -N 3 -oversample 1 -nodump -nonoise -seed 1"
JUDGE = Path(__file__).parents[1] / "dxtbx_judge.py"


@pytest.fixture
def run(command, monkeypatch):
    monkeypatch.setenv("NANOBRAGG_DISABLE_COMPILE", "1")
    return command


def test_an_image_that_dials_imports_is_as_bright_as_it_was(run):
    """NXmx must have a thickness, of which DIALS makes a sensor of silicon: it must not absorb next to nothing.

    The default orientation of a cell differs between the frames, hence the tolerance of the sum.
    """
    sweep = "-phi 3 -osc 1 -phisteps 1"
    image = run(f"{CRYSTAL} {CAMERA} {sweep} -nexusfile a.nxs").float_image((12, 12))
    dials("import", "a.nxs", folder=".")
    again = run(f"-expt imported.expt {CRYSTAL} -phisteps 1 -spindle_axis 1 0 0")
    assert again.exit_code == 0, again.stderr
    assert again.float_image((12, 12)).sum() == pytest.approx(image.sum(), rel=0.1)


def test_dials_opens_the_images_of_a_series_through_the_list_beside_them(run):
    rotation = run(f"{CRYSTAL} {CAMERA} -phi 5 -osc 1 -phisteps 1 -frames 2 -cbffile r.cbf -exptfile r.expt")
    stills = run(f"{CRYSTAL} {CAMERA} -shots 2 -random_orientations -misset_seed 2 -nexusfile s.nxs -exptfile s.expt")
    assert (rotation.exit_code, stills.exit_code) == (0, 0), rotation.stderr + stills.stderr
    names = [str(rotation.folder / name) for name in ("made.expt", "r.expt", "s.expt")]
    said = subprocess.run([PYTHON, JUDGE, *names], capture_output=True, text=True, cwd=rotation.folder)
    assert said.returncode == 0, said.stderr
    _, scan, shots = json.loads(said.stdout).values()
    assert scan[0]["scan"][:2] == [[1, 2], [5.0, 1.0]]
    assert scan[0]["first image"] == [float(read_cbf("r_0001.cbf").images.sum())]
    assert len(shots) == 2
    assert shots[0]["first image"] != shots[1]["first image"]
    assert not np.allclose(shots[0]["A"], shots[1]["A"])
