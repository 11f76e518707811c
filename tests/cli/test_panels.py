"""Counts and series of detectors of many panels, against one panel of as many pixels and the laws of the readout."""

import csv

import h5py
import numpy as np
import pytest
import torch

from nanobrag_torch.cli import outputs
from nanobrag_torch.io.dials import read_experiments
from nanobrag_torch.io.floatfile import read_float_image
from nanobrag_torch.io.nexus_geometry import read_nexus_geometry
from nanobrag_torch.physics.noise import digitise
from nanobrag_torch.physics.point_spread import spread
from nanobrag_torch.physics.random import CRandom

HEAD = "photon_energy = 9000 eV\nclen = 0.1 m\nres = 2000\nadu_per_photon = 2\nmax_adu = 1000\n"


def panel(name, first, last, corner_y):
    """A panel of ten columns in rows ``first`` to ``last`` of the raw image."""
    return (
        f"{name}/min_fs = 0\n{name}/max_fs = 9\n{name}/min_ss = {first}\n{name}/max_ss = {last}\n"
        f"{name}/fs = +x\n{name}/ss = +y\n{name}/corner_x = 2\n{name}/corner_y = {corner_y}\n"
    )


BAD = "bad1/panel = a\nbad1/min_fs = 3\nbad1/max_fs = 4\nbad1/min_ss = 2\nbad1/max_ss = 2\n"
FILES = {
    "one.geom": (HEAD + panel("a", 0, 15, -8)).encode(),
    "two.geom": (HEAD + panel("a", 0, 7, -8) + panel("b", 8, 15, 0)).encode(),
    "gap.geom": (HEAD + panel("a", 0, 7, -8) + panel("b", 9, 16, 6) + BAD).encode(),
}
RUN = "-cell 50 60 70 90 90 90 -default_F 100 -N 3 -oversample 1 -nodump -nopgm -noprogress -seed 4 -fluence 3e16"
LIT = f"{RUN} -air_thick 300 -beamsize 0.1"
TURN = "-spindle_axis 1 0 0 -phi 3 -osc 0.5 -phisteps 2"
SHOTS = "-shots 3 -random_orientations -misset_seed 3 -jitter_lambda 1 -jitter_fluence 20"


@pytest.fixture
def run(command, monkeypatch):
    """The command with the geometries above in its folder, without compilation; its files are expected to be made."""
    monkeypatch.setenv("NANOBRAGG_DISABLE_COMPILE", "1")

    def made(words, code=0):
        outcome = command(words, files=FILES)
        assert outcome.exit_code == code, outcome.stderr
        return outcome

    return made


def stack(folder, name):
    """Images and pixel mask of an NXmx file."""
    with h5py.File(folder / name) as file:
        return file["entry/data/data"][()], file["entry/instrument/detector/pixel_mask"][()]


@pytest.mark.parametrize("series", [f"{SHOTS}", f"{TURN} -frames 2"])
def test_a_series_of_panels_is_that_of_one_panel_of_as_many_pixels(run, series):
    """Two panels without a gap are the one: the counts of every frame must be the same ones."""
    words = f"{LIT} {series} -gain 1.5 -overload 400"
    folder = run(f"-geom two.geom {words} -nexusfile two.nxs -floatfile two.bin").folder
    run(f"-geom one.geom {words} -nexusfile one.nxs -floatfile one.bin")
    (two, mask), (one, _) = stack(folder, "two.nxs"), stack(folder, "one.nxs")
    np.testing.assert_array_equal(two, one)
    assert two.dtype == np.int32 and two.std() > 5 and not mask.any()
    for number in range(1, len(two) + 1):
        images = [read_float_image(folder / f"{name}_{number:04d}.bin", (16, 10)) for name in ("one", "two")]
        np.testing.assert_allclose(*images, rtol=1e-6)
    if "shots" in series:
        one, two = ((folder / f"{name}.bin.truth.csv").read_text().splitlines() for name in ("one", "two"))
        assert one == two and len(two) == 4
        with h5py.File(folder / "two.nxs") as file:
            assert file["entry/sample/depends_on"][()] == b"."
            wavelengths = file["entry/instrument/beam/incident_wavelength"][()]
        assert wavelengths.tolist() == [float(row["wavelength_A"]) for row in csv.DictReader(two)]
    else:
        found = read_nexus_geometry(folder / "two.nxs")
        assert (found.scan.images, found.scan.start_deg, found.scan.width_deg) == (2, 3.0, 0.5)


def test_an_image_whose_readout_is_asked_for_holds_what_each_panel_reads(run):
    readout = "-gain 1.7 -readout_noise 2.5 -psf fibre -psf_fwhm 700 -overload 150 -dead_value 7"
    outcome = run(f"-geom gap.geom {LIT} {readout} -nexusfile c.nxs -exptfile c.expt")
    photons = outcome.float_image((17, 10))
    assert photons[:8].mean() > 10 and not photons[8].any()
    stream = CRandom.of_option(4)
    drawn = torch.from_numpy(stream.poissons(photons).astype(np.float64))
    lit = np.zeros((17, 10))
    for rows in (slice(0, 8), slice(9, 17)):
        lit[rows] = 1.7 * spread(drawn[rows], "fibre", torch.tensor(1.4, dtype=torch.float64)).numpy()
    expected = digitise(np.maximum(lit, 0) + 2.5 * stream.gausses(170).reshape(17, 10), 40.0, 150.0)[0].astype(int)
    assert 0 < (expected == 150).sum() < 100
    expected[8] = expected[2, 3:5] = 7
    (image,), mask = stack(outcome.folder, "c.nxs")
    np.testing.assert_array_equal(image, expected)
    assert mask[2, 3:5].all() and mask[8].all() and mask.sum() == 12
    for name, found in (
        ("nexus", read_nexus_geometry(outcome.folder / "c.nxs")),
        ("dials", *read_experiments(outcome.folder / "c.expt")),
    ):
        said = [(panel.gain, panel.pedestal, panel.trusted[1]) for panel in found.panels]
        assert said == 2 * [(1.0, 0.0, 149.0) if name == "nexus" else (1.7, 40.0, 149.0)]


def test_no_panel_has_no_readout_noise_where_dead_pixels_read_as_dark_ones(run):
    folder = run(f"-geom gap.geom {RUN} -fluence 0 -readout_noise 2 -nexusfile d.nxs").folder
    (image,), _ = stack(folder, "d.nxs")
    assert not image[8].any() and image[:8].min() > 25 and image[2, 3:5].min() > 25


def test_a_series_without_noise_and_a_single_image_hold_photons(run):
    folder = run(f"-geom gap.geom {LIT} {TURN} -nonoise -frames 2 -nexusfile s.nxs").folder
    images, _ = stack(folder, "s.nxs")
    single = run(f"-geom gap.geom {LIT} {TURN.replace('-phi 3', '-phi 3.5')} -nexusfile 1.nxs").float_image((17, 10))
    np.testing.assert_array_equal(images[1], single)
    np.testing.assert_array_equal(stack(folder, "1.nxs")[0][0], single)


def test_an_interrupted_series_of_panels_goes_on_and_becomes_the_same(run, monkeypatch):
    words = f"-geom gap.geom {LIT} {SHOTS}"
    folder = run(f"{words} -nexusfile whole.nxs").folder
    kept, keep = [], outputs.Images.pixels.fget

    def limited(self):
        kept.append(1)
        if len(kept) > 1:
            raise KeyboardInterrupt
        return keep(self)

    with monkeypatch.context() as patch:
        patch.setattr(outputs.Images, "pixels", property(limited))
        assert "1 of 3 frames are finished" in run(f"{words} -nexusfile s.nxs", 130).stderr
    assert "1 of 3 frames are finished already" in run(f"{words} -nexusfile s.nxs").stdout
    for ours, whole in zip(stack(folder, "s.nxs"), stack(folder, "whole.nxs"), strict=True):
        np.testing.assert_array_equal(ours, whole)


def test_a_mask_in_a_file_of_its_own_that_changed_is_told_when_a_series_goes_on(run, tmp_path):
    mask = np.ones((16, 10), np.uint16)
    (tmp_path / "m.geom").write_bytes(b"mask_file = m.h5\nmask = /mask\nmask_good = 1\n" + FILES["two.geom"])
    for value in (1, 0):
        mask[3, 4] = value
        with h5py.File(tmp_path / "m.h5", "w") as file:
            file["mask"] = mask
        outcome = run(f"-geom m.geom {LIT} {TURN} -frames 1 -nexusfile m.nxs", 9 * (1 - value))
    assert "experiment as it was read was" in outcome.stderr


def test_the_default_name_of_an_image_that_a_series_does_not_write_may_be_taken(run):
    folder = run(f"-geom two.geom {LIT} {TURN} -frames 1 -nexusfile floatimage.bin").folder
    assert stack(folder, "floatimage.bin")[0].shape == (1, 16, 10)


def test_pixels_outside_the_region_of_interest_are_masked_in_every_panel(run):
    folder = run(f"-geom gap.geom {LIT} -roi 2 8 5 12 -nexusfile r.nxs").folder
    (image,), mask = stack(folder, "r.nxs")
    np.testing.assert_array_equal(mask == 0, image > 0)
    assert (mask == 0).sum() == 7 * 7


def test_readout_that_no_file_holds_is_said_to_have_no_effect(run):
    assert "-gain without effect: it is of -nexusfile, not given" in run(f"-geom two.geom {RUN} -gain 2").stderr
