"""DIALS as a judge: its own Python, which is not ours, reads files and says what it found."""

import json
import shutil
import subprocess

import numpy as np
import pytest

#: The Python of the system, which Debian's packages of DIALS are made for.
PYTHON = "/usr/bin/python3"

_MODELS = """
import json, sys
from dxtbx.model.experiment_list import ExperimentListFactory
found = []
for name in json.load(sys.stdin):
    made = name.endswith(".expt")
    experiments = ExperimentListFactory.from_json_file(name) if made else ExperimentListFactory.from_filenames([name])
    for e in experiments[:1]:
        panel, scan = e.detector[0], e.scan
        fast, slow = panel.get_image_size()
        raw = e.imageset.get_raw_data(0)[0]
        good = e.imageset.get_mask(0)[0]
        found.append({
            "format": e.imageset.get_format_class().__name__,
            "corners": [panel.get_pixel_lab_coord((f * fast / 4, s * slow / 4)) for s in range(5) for f in range(5)],
            "size": [fast, slow],
            "s0": e.beam.get_s0(),
            "wavelength": e.beam.get_wavelength(),
            "polarization": [e.beam.get_polarization_fraction(), e.beam.get_polarization_normal()],
            "spindle": e.goniometer.get_rotation_axis() if e.goniometer else None,
            "oscillation": scan.get_oscillation() if scan else None,
            "wavelengths": [other.beam.get_wavelength() for other in experiments],
            "images": sum(len(other.imageset) for other in experiments),
            "pixels": list(raw),
            "good": list(good),
            "thickness": panel.get_thickness(),
        })
json.dump(found, sys.stdout)
"""


def needs_dials():
    """The mark of a test that needs DIALS, which skips it by the name of what is missing."""
    return pytest.mark.skipif(shutil.which("dials.import") is None, reason="dials.import is not installed here")


def models(*names):
    """What DIALS's reader makes of each file: its first experiment, the images of all, the wavelength of each."""
    run = subprocess.run(
        [PYTHON, "-c", _MODELS], input=json.dumps([str(name) for name in names]), capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def dials(command, *words, folder):
    """Run a program of DIALS in a folder; its report."""
    run = subprocess.run([f"dials.{command}", *map(str, words)], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return run.stdout


def _triad(beam, spindle):
    """Right-handed unit vectors as columns, the first along the beam, the second square to it and the spindle."""
    first = np.array(beam) / np.linalg.norm(beam)
    second = np.cross(first, spindle) / np.linalg.norm(np.cross(first, spindle))
    return np.array([first, second, np.cross(first, second)]).T


def check_geometry(found, exposure):
    """Every pixel lies where it should, 1e-6 mm at most away, seen from beam and spindle as DIALS has them."""
    turn = _triad(found["s0"], found["spindle"]) @ _triad(exposure.beam, exposure.spindle).T
    np.testing.assert_allclose(turn @ exposure.spindle, found["spindle"], atol=1e-12)
    slow, fast = exposure.images.shape[1:]
    assert found["size"] == [fast, slow]
    ours = [
        np.array(exposure.origin_m)
        + exposure.pixel_size_m * (f * fast / 4 * np.array(exposure.fast) + s * slow / 4 * np.array(exposure.slow))
        for s in range(5)
        for f in range(5)
    ]
    np.testing.assert_allclose(found["corners"], 1e3 * np.array(ours) @ turn.T, rtol=0, atol=1e-6)
    assert found["wavelength"] == pytest.approx(exposure.wavelength_A, rel=1e-12)
