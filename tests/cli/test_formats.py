"""The formats of today: NXmx and CBF files beside C's."""

import fabio
import numpy as np
import pytest

from nanobrag_torch.io.cbf import read_cbf
from nanobrag_torch.io.nexus import read_nexus

RUN = "-cell 60 70 80 -default_F 100 -N 4 -detpixels_f 24 -detpixels_s 16 -pixel 2 -nopgm -noprogress -seed 3"
GEOMETRY = "-distance 90 -lambda 1.2 -detector_roty 3 -phi 10 -osc 2 -phisteps 2 -polar 0.9"


def test_an_nxmx_file_holds_the_image_in_photons_and_its_geometry(command):
    run = command(f"{RUN} {GEOMETRY} -nexusfile image.nxs")
    assert run.exit_code == 0 and "writing image.nxs as NXmx" in run.stdout
    found = read_nexus(run.folder / "image.nxs")
    image = run.float_image((16, 24))
    assert image.max() > 0
    np.testing.assert_array_equal(found.images[0], image)
    assert found.wavelength_A == pytest.approx(1.2) and found.phi_start_deg == 10 and found.phi_width_deg == 2
    assert found.pixel_size_m == pytest.approx(2e-3) and found.polarization_factor == pytest.approx(0.9)
    assert found.distance_m == pytest.approx(0.09, rel=1e-6) and not found.is_perpendicular


def test_pixels_outside_the_roi_are_masked(command):
    run = command(f"{RUN} -roi 3 9 2 8 -nexusfile image.nxs -cbffile image.cbf")
    for found in (read_nexus(run.folder / "image.nxs"), read_cbf(run.folder / "image.cbf")):
        assert found.mask[2:9, 3:10].all() and found.mask.sum() == 49


def test_a_cbf_file_holds_the_photons_of_the_noise_image(command):
    run = command(f"{RUN} -fluence 1e27 -adc 10 -cbffile image.cbf")
    counts = fabio.open(run.folder / "image.cbf").data
    assert counts.max() > 3
    np.testing.assert_array_equal(counts + 10, run.smv("noiseimage.img"))


def test_without_noise_a_cbf_file_holds_rounded_photons(command):
    run = command(f"{RUN} -fluence 1e28 -nonoise -cbffile image.cbf")
    image = run.float_image((16, 24))
    assert image.max() > 3
    np.testing.assert_array_equal(read_cbf(run.folder / "image.cbf").images[0], np.rint(image))


def test_more_photons_than_the_format_holds_are_an_overload(command):
    run = command(f"{RUN} -fluence 1e40 -nonoise -cbffile image.cbf")
    assert read_cbf(run.folder / "image.cbf").images.max() == np.iinfo(np.int32).max


@pytest.mark.parametrize("option", ["-nexusfile", "-cbffile"])
def test_a_file_that_cannot_be_written_is_refused_before_anything_is(command, option):
    run = command(f"{RUN} {option} nowhere/image")
    assert run.exit_code == 9 and "nowhere/image cannot be written" in run.stderr
    assert run.files == set()


@pytest.mark.parametrize(("option", "library"), [("-nexusfile", "h5py"), ("-cbffile", "fabio")])
def test_a_missing_library_is_named_before_anything_is_written(command, option, library, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, library, None)
    run = command(f"{RUN} {option} image")
    assert run.exit_code == 9
    assert f"needs the Python package {library}" in run.stderr and "nanobrag-torch[io]" in run.stderr
    assert run.files == set()
