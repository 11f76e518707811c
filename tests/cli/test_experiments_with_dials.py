"""DIALS opens what the command writes beside its images, and what DIALS imports is simulated as it was."""

import json
import subprocess
from pathlib import Path

import h5py
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


#: Corner of the first pixel (pixels), then fast and slow of two panels in CrystFEL's frame; the second is tilted.
TILTED = {
    "a": ((-21.5, -4.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "b": ((3.0, 2.5), (0.6, 0.8, 0.0), (-0.64, 0.48, 0.6)),
}


def test_dials_imports_series_of_panels_with_every_pixel_in_its_place(run):
    """CrystFEL's x and z run against those of DIALS; res is in pixels a metre."""
    lines = ["photon_energy = 9000 eV", "clen = 0.1 m", "res = 2000"]
    for number, (name, (corner, *axes)) in enumerate(TILTED.items()):
        fast, slow = (" ".join(f"{value:+}{axis}" for value, axis in zip(each, "xyz", strict=True)) for each in axes)
        lines += [f"{name}/min_fs = 0", f"{name}/max_fs = 9", f"{name}/min_ss = {8 * number}"]
        lines += [f"{name}/max_ss = {8 * number + 7}", f"{name}/fs = {fast}", f"{name}/ss = {slow}"]
        lines += [f"{name}/corner_x = {corner[0]}", f"{name}/corner_y = {corner[1]}"]
    words = f"-geom p.geom {CRYSTAL.replace('-nonoise', '')} -air_thick 300 -fluence 3e16 -beamsize 0.1"
    stills, turn = "-shots 2 -random_orientations -misset_seed 2", "-spindle_axis 1 0 0 -osc 1 -phisteps 1 -frames 2"
    for series in (stills, turn):
        made = run(f"{words} {series} -nexusfile s.nxs -exptfile o.expt -gain 2", {"p.geom": "\n".join(lines).encode()})
        assert made.exit_code == 0, made.stderr
        dials("import", "s.nxs", "output.experiments=s.expt", folder=".")
        said = subprocess.run([PYTHON, JUDGE, "made.expt", "s.expt", "o.expt"], capture_output=True, text=True)
        assert said.returncode == 0, said.stderr
        found, ours = (json.loads(said.stdout)[name] for name in ("s.expt", "o.expt"))
        assert len(found) == len(ours) == (2 if series is stills else 1)
        for panel, same in zip(found[0]["panels"], ours[0]["panels"], strict=True):
            np.testing.assert_allclose(panel["grid"], same["grid"], rtol=0, atol=1e-6)
            assert (panel["gain"], same["gain"]) == (1.0, 2.0)  # NXmx has no place for it
        assert found[0]["first image"] == ours[0]["first image"]
        for panel, (corner, fast, slow) in zip(found[0]["panels"], TILTED.values(), strict=True):
            pixels = [
                np.array((*corner, 200)) + f * np.array(fast) + s * np.array(slow)
                for s in (0, 4, 8)
                for f in (0, 5, 10)
            ]
            np.testing.assert_allclose(panel["grid"], np.array(pixels) * (-0.5, 0.5, -0.5), rtol=0, atol=1e-6)
        with h5py.File("s.nxs") as file:
            assert found[0]["first image"] == file["entry/data/data"][0].reshape(2, -1).sum(1).tolist()
        for name in ("s.nxs", "s.nxs.series"):
            (made.folder / name).unlink()
    assert found[0]["scan"][:2] == [[1, 2], [0.0, 1.0]]
