"""Background and response of the detector from the command: what the options say is what the files hold."""

import numpy as np
import pytest
import torch

from nanobrag_torch.amorphous import background_image, material
from nanobrag_torch.cli.parse import parse
from nanobrag_torch.cli.precedence import configure, settings_of
from nanobrag_torch.cli.prepare import prepare
from nanobrag_torch.config import NoiseConfig
from nanobrag_torch.io.cbf import read_cbf
from nanobrag_torch.io.nexus import read_nexus
from nanobrag_torch.io.smv import read_smv, write_smv
from nanobrag_torch.physics.noise import digitise
from nanobrag_torch.physics.point_spread import spread
from nanobrag_torch.physics.random import CRandom

CAMERA = "-cell 40 50 60 90 90 90 -default_F 100 -N 2 -detpixels_f 12 -detpixels_s 10 -pixel 2 -nopgm -noprogress"
CAMERA += " -oversample 1 -seed 1 -fluence 1e25"
SHAPE = (10, 12)


def test_materials_add_their_scattering_to_the_image(command, tmp_path):
    plain = command(f"{CAMERA} -nonoise").float_image(SHAPE)
    (tmp_path / "flat.stol").write_text("0 3\n1 3\n")
    run = command(f"{CAMERA} -nonoise -solvent_thick 0.05 -air_thick 20 -stol flat.stol -stol_thick 0.1 -stol_MW 36")
    assert run.exit_code == 0, run.stderr
    simulator = prepare(configure(settings_of(parse(CAMERA.split())))).simulator
    with torch.no_grad():
        expected = background_image(simulator, [material("water", 0.05), material("air", 20.0)])
        water = material("water", 0.1)
        flat = type(water)([0.0, 1.0], [3.0, 3.0], 0.1, molar_mass=36.0)
        expected = plain + (expected + background_image(simulator, flat)).numpy()
    assert expected.min() > 10 * plain.min()
    np.testing.assert_allclose(run.float_image(SHAPE), expected, rtol=1e-5)


def test_tables_over_other_abscissas_are_the_same_table(command, tmp_path):
    images = []
    for option, factor in (("-stol", 1.0), ("-4stol", 4.0), ("-Q", 4 * np.pi)):
        rows = [f"{x * factor:.12g} {3 - 2 * x:.12g}" for x in (0.0, 0.1, 0.2, 0.4)]
        (tmp_path / "t.txt").write_text("\n".join(rows))
        images.append(command(f"{CAMERA} -nonoise {option} t.txt -stol_thick 1").float_image(SHAPE))
    np.testing.assert_allclose(images[1], images[0], rtol=1e-6)
    np.testing.assert_allclose(images[2], images[0], rtol=1e-6)


def test_a_table_without_thickness_does_not_count_as_in_c_and_a_remark_says_so(command, tmp_path):
    (tmp_path / "t.stol").write_text("0 3\n1 3\n")
    run = command(f"{CAMERA} -nonoise -stol t.stol")
    np.testing.assert_array_equal(run.float_image(SHAPE), command(f"{CAMERA} -nonoise").float_image(SHAPE))
    assert "the table t.stol does not count, as in C: -stol_thick" in run.stderr


def test_the_image_with_noise_is_what_the_detector_makes_of_the_photons(command, tmp_path):
    mask = np.ones(SHAPE, np.uint16)
    mask[4, 5] = mask[0, 0] = 0
    words = f"{CAMERA} -air_thick 2000 -fluence 3e14"
    write_smv(tmp_path / "mask.img", mask, 2.0, 100.0, 1.0, 10.0, 10.0, adc_offset=0.0)
    masked = command(f"{words} -mask mask.img -nonoise").float_image(SHAPE)
    assert masked.mean() > 20 and masked[4, 5] == 0
    run = command(
        f"{words} -mask mask.img -gain 1.7 -readout_noise 2.5 -psf fiber -psf_fwhm 2600 -overload 150 -dead_value 7"
    )
    assert run.exit_code == 0, run.stderr
    stream = CRandom.of_option(1)
    photons = torch.from_numpy(stream.poissons(masked).astype(np.float64))
    lit = 1.7 * spread(photons, "fibre", torch.tensor(1.3, dtype=torch.float64)).numpy()
    noisy = np.maximum(lit, 0) + 2.5 * stream.gausses(lit.size).reshape(SHAPE)
    expected = digitise(noisy, 40.0, 150.0)[0]
    expected[mask == 0] = 7
    assert 3 < (expected == 150).sum() < expected.size / 2
    np.testing.assert_array_equal(read_smv(tmp_path / "noiseimage.img")[0], expected)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("-stol_thick 1", "-stol_thick 1: has no table"),
        ("-stol t.stol -stol_thick 1", "t.stol, line 2"),
        ("-air_thick 1 -beamsize 0", "-beamsize 0: bounds water, air and -stol"),
        ("-overload 70000", "-overload 70000: must be at most 65535"),
        ("-psf moffat", "psf = 'moffat'"),
        ("-gain 0", "-gain = 0"),
        ("-psf fibre -psf_fwhm -3", "-psf_fwhm -3: must be in 0 ... 2e+06 um"),
        ("-overload -5", "-overload = -5"),
        ("-air_thick -3", "-air_thick -3: must be at least 0 mm"),
        ("-solvent_thick -3", "-solvent_thick -3: must be at least 0 mm"),
        ("-stol f.stol -stol_thick 1 -stol_MW 0", "-stol_MW 0: must be above 0 g/mol"),
    ],
)
def test_impossible_options_are_refused_and_nothing_is_written(words, complaint, command, tmp_path):
    (tmp_path / "t.stol").write_text("0 3\nnonsense\n")
    (tmp_path / "f.stol").write_text("0 3\n1 3\n")
    before = {path.name for path in tmp_path.iterdir()}
    run = command(f"{CAMERA} {words}")
    assert run.exit_code == 9 and complaint in run.stderr and "Traceback" not in run.stderr
    assert run.files == before


def test_without_options_the_response_is_that_of_the_c_program():
    noise = configure(settings_of(parse(CAMERA.split()))).noise
    assert noise == NoiseConfig(seed=1, readout_noise=0.0, generate_noise_image=True, intfile_scale=0.0)


def test_counts_are_what_the_detector_makes_of_the_photons_without_the_offset(command, tmp_path):
    words = f"{CAMERA} -air_thick 2000 -fluence 3e14 -frames 1 -osc 1 -cbffile c.cbf -nexusfile c.nxs"
    run = command(f"{words} -floatfile c.bin -gain 1.7 -psf fibre -psf_fwhm 2600 -overload 100")
    assert run.exit_code == 0, run.stderr
    photons = CRandom.of_option(1).poissons(run.float_image(SHAPE, "c_0001.bin")).astype(np.float64)
    lit = 1.7 * spread(torch.from_numpy(photons), "fibre", torch.tensor(1.3, dtype=torch.float64)).numpy()
    expected = np.floor(np.clip(lit, 0, 100))
    frame, stack = read_cbf(tmp_path / "c_0001.cbf"), read_nexus(tmp_path / "c.nxs")
    np.testing.assert_array_equal(frame.images[0], expected)
    np.testing.assert_array_equal(stack.images[0], expected)
    # A pixel at 100 may have been anything above: the largest value that counts is one below.
    assert frame.saturation == stack.saturation == 99 and 3 < (expected == 100).sum() < expected.size


def test_with_readout_noise_counts_are_the_pixels_of_the_noise_image(command, tmp_path):
    run = command(f"{CAMERA} -readout_noise 5 -cbffile c.cbf")
    assert run.exit_code == 0, run.stderr
    pixels = read_smv(tmp_path / "noiseimage.img")[0]
    np.testing.assert_array_equal(read_cbf(tmp_path / "c.cbf").images[0], pixels)
    assert pixels.min() < 40 < pixels.max()


def test_a_response_without_an_image_with_noise_is_said_to_have_no_effect(command):
    run = command(f"{CAMERA} -nonoise -gain 2 -psf_fwhm 50 -cbffile c.cbf")
    assert "-gain, -psf_fwhm without effect: after -nonoise no image with noise is drawn" in run.stderr
    assert "without effect" not in command(f"{CAMERA} -gain 2").stderr
