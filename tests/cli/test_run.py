"""Runs of the command: what succeeds, what fails, and what is left behind."""

import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from nanobrag_torch.__main__ import create_parser, parse_and_validate_args
from nanobrag_torch.config import DetectorPivot
from nanobrag_torch.io.smv import SmvGeometry, smv_header, write_smv_pixels
from nanobrag_torch.models import Detector
from nanobrag_torch.simulator import Simulator

SMALL = "-cell 70 80 90 75 85 95 -default_F 100 -N 5 -detpixels_x 6 -detpixels_y 5 -pixel 1 -distance 100 -oversample 2"
QUIET = f"{SMALL} -noprogress -nonoise"
SHAPE = (5, 6)


def test_all_four_images_are_written_by_default(command):
    run = command(SMALL)
    assert run.exit_code == 0
    assert run.files == {"floatimage.bin", "intimage.img", "image.pgm", "noiseimage.img"}


def test_images_go_where_they_are_told(command):
    run = command(f"{SMALL} -floatfile a -intfile b -pgmfile c -noisefile d")
    assert run.files == {"a", "b", "c", "d"}


def test_a_switched_off_image_is_not_written(command):
    assert command(f"{QUIET} -nopgm").files == {"floatimage.bin", "intimage.img"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("-distance 0", "-distance"),
        ("-pixel 0", "-pixel"),
        ("-lambda 0", "-lambda"),
        ("-energy 0", "-energy"),
        ("-polar 3", "-polar"),
        ("-fudge 0", "-fudge"),
        ("-dmin -1", "-dmin"),
        ("-mosaic_eta 0.1 -mosaic_dom 1", "-mosaic_dom = 1: must be at least 2"),
        ("-mosaic_eta 0.1 -mosaic 0.2", "-mosaic_eta and -mosaic"),
        ("-N_offdiagonal 1 0 0", "-N_offdiagonal"),
        ("-gauss_xtal -N_offdiagonal 6 0 0 -compat physical", "positive definite"),
        ("-gauss_xtal -N_offdiagonal 1 0 0 -compat c", "compat='physical'"),
        ("-roi 5 3 0 0", "-roi"),
        ("-cell 10 10 10 10 10 170", "-cell"),
        ("-flux 1e12 -beamsize 0", "-beamsize"),
        ("-detpixels 0 -detsize 0.4", "detector"),
        ("-trace_pixel 50 50", "-trace_pixel"),
        ("-printout_pixel 50 50", "-printout_pixel"),
        ("-noisefile n.img -seed 99999999999999", "seed"),
        ("-mat nope.mat", "nope.mat"),
        ("-hkl nope.hkl", "nope.hkl"),
        ("-img nope.img", "nope.img"),
        ("-mask nope.img", "nope.img"),
        ("-sourcefile nope.txt", "nope.txt"),
        ("-stol nope.stol", "nope.stol"),
        ("-floatfile nowhere/f.bin", "nowhere"),
        ("-dtype int8", "-dtype"),
        ("-device nowhere", "nowhere"),
        ("-compat other", "physical"),
        ("-pixel_batch_size 0", "pixel_batch_size"),
        ("-pix0_vector 0.1 0 0 -pix0_vector_mm 100 0 0", "-pix0_vector_mm and -pix0_vector"),
        ("-pix0_vector_mm 100 0 0 -pix0_vector 0.1 0 0", "-pix0_vector_mm and -pix0_vector"),
        ("-strict_c -pix0_vector 0.1 0 0 -pix0_vector_mm 100 0 0", "-pix0_vector_mm and -pix0_vector"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(change, named, command):
    run = command(f"{QUIET} {change}")
    assert run.exit_code == 9
    assert run.stderr.splitlines()[-1].startswith("ERROR: ")
    assert named in run.stderr.splitlines()[-1]
    assert "Config." not in run.stderr
    assert run.files == set()


@pytest.mark.parametrize("content", [b"", b"# nothing but a comment\n", b"1 2 three\n"])
@pytest.mark.parametrize("option", ["-hkl", "-mat", "-sourcefile", "-img", "-mask"])
def test_a_file_of_the_wrong_kind_is_refused_with_its_name(option, content, command):
    run = command(f"{QUIET} {option} odd.txt", {"odd.txt": content})
    assert run.exit_code == 9
    assert "odd.txt" in run.stderr
    assert run.files == {"odd.txt"}


def test_an_empty_stol_table_is_refused(command):
    assert command(f"{QUIET} -stol t.stol", {"t.stol": b" \n"}).exit_code == 9
    assert command(f"{QUIET} -stol t.stol", {"t.stol": b"0.1 3\n"}).exit_code == 0


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        ("-default_F 100", "no unit cell"),
        ("-cell 60", "no structure factors"),
        ("-cell 0 -default_F 1", "no unit cell"),
        ("-dump t.hkl", "no unit cell"),
    ],
)
def test_too_few_inputs_show_the_usage_and_what_is_missing(words, missing, command):
    run = command(words, {"t.hkl": b"1 2 3 20\n"})
    assert run.exit_code == 9
    assert "usage: nanoBragg" in run.stdout
    assert run.stderr.splitlines()[-1].startswith(f"ERROR: {missing}")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "in.pdb: no reflection"),
        (b"HEADER    HYDROLASE\nEND\n", "in.pdb, line 1: 'HEADER HYDROLASE' is not four numbers"),
        (b"CRYST1   20.000   24.000   28.000  90.00  90.00  90.00 P 21 21 21    4\nEND\n", "in.pdb: holds no atom"),
        (b"1 2 3 20\n", "in.pdb is a text file of structure factors: no unit cell"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_where_no_cell_is_given_either(content, complaint, command):
    run = command(QUIET.replace("-cell 70 80 90 75 85 95 ", "") + " -hkl in.pdb", {"in.pdb": content})
    assert run.exit_code == 9
    assert re.match(f"ERROR: {complaint}", run.stderr.splitlines()[-1])


def test_help_and_version_succeed(command):
    assert "-distance" in command("--help").stdout
    assert command("-version").stdout.startswith("nanobrag_torch ")


def test_structure_factors_are_dumped_and_read_back(command):
    first = command(f"{QUIET} -hkl P1.hkl", {"P1.hkl": b"0 0 0 10\n0 0 -1 30\n1 0 0 20\n"})
    image = first.float_image(SHAPE)
    (first.folder / "P1.hkl").unlink()
    again = command(QUIET)
    assert "reading Fs from Fdump.bin" in again.stdout
    assert "-nodump" in again.stderr
    assert again.float_image(SHAPE).tolist() == image.tolist()
    without = command(f"{QUIET} -nodump")
    assert without.float_image(SHAPE).tolist() != image.tolist()


@pytest.mark.parametrize("cell", ["", "-cell 70 80 90 75 85 95"])
def test_structure_factors_are_read_once_and_detector_and_scene_made_once(command, monkeypatch, cell):
    read, made = [], []
    opened, geometry, scenes = Path.open, Detector.geometry, Simulator.scenes
    monkeypatch.setattr(Path, "open", lambda path, mode="r", *_: read.append((path.name, mode)) or opened(path, mode))
    monkeypatch.setattr(Detector, "geometry", lambda *given: made.append("geometry") or geometry(*given))
    monkeypatch.setattr(Simulator, "scenes", lambda *given: made.append("scenes") or scenes(*given))
    run = command(f"-default_F 100 -detpixels 4 -hkl P1.hkl {cell}", {"P1.hkl": b"0 0 0 10\n"})
    assert run.exit_code == (0 if cell else 9)
    assert read.count(("P1.hkl", "rb")) == 1
    assert made == (["geometry", "scenes"] if cell else [])


def test_nodump_writes_no_dump(command):
    run = command(f"{QUIET} -nodump -hkl P1.hkl", {"P1.hkl": b"0 0 0 10\n"})
    assert run.exit_code == 0
    assert "Fdump.bin" not in run.files


def test_an_existing_image_survives_a_run_that_fails(command, tmp_path):
    (tmp_path / "floatimage.bin").write_bytes(b"precious")
    assert command(f"{QUIET} -distance 0").exit_code == 9
    assert (tmp_path / "floatimage.bin").read_bytes() == b"precious"


def test_a_long_header_says_how_long_it_is(command):
    digits = "-pixel 0.172345 -distance 123.4567 -lambda 0.976254 -phi 1.2345 -osc 0.12345"
    turns = "-detector_rotx 1.2345 -detector_roty 2.3456 -detector_rotz 0.777 -twotheta 12.3456"
    run = command(f"{QUIET} {digits} {turns}")
    assert "HEADER_BYTES=1024;" in run.header()
    assert (run.folder / "intimage.img").stat().st_size == 1024 + 2 * 30
    assert run.smv().shape == SHAPE


def test_the_noise_seed_decides_the_noise(command):
    bright = f"{SMALL} -fluence 1e30"
    same = [command(f"{bright} -seed {seed}").smv("noiseimage.img") for seed in (3, 3, 4)]
    assert (same[0] == same[1]).all()
    assert (same[0] != same[2]).any()


def test_a_random_misset_tells_the_seed_that_repeats_it(command):
    first = command(f"{QUIET} -misset random")
    seed = first.stderr.split("-misset_seed ")[1].split()[0]
    image = first.float_image(SHAPE)
    again = command(f"{QUIET} -misset random -misset_seed {seed}")
    assert "clock" not in again.stderr
    assert again.float_image(SHAPE).tolist() == image.tolist()


def test_single_precision_agrees_to_single_precision(command):
    double = command(QUIET).float_image(SHAPE)
    single = command(f"{QUIET} -dtype float32").float_image(SHAPE)
    np.testing.assert_allclose(single, double, rtol=1e-3, atol=1e-4 * double.max())
    assert (single != double).any()


def test_show_config_prints_what_was_resolved(command):
    run = command(f"{QUIET} -show_config -energy 12398.42")
    assert "  crystal.cell_alpha = 75.0" in run.stdout
    assert "  detector.fpixels = 6" in run.stdout
    assert "  compat.name = c" in run.stdout


def test_physical_rules_honour_an_explicit_origin(command):
    plain = command(f"{QUIET} -compat physical -pix0_vector 0.1 0.0035 -0.004").float_image(SHAPE)
    moved = command(f"{QUIET} -compat physical -pix0_vector_mm 100 3.5 -3").float_image(SHAPE)
    assert (plain != moved).any()
    np.testing.assert_allclose(plain[:, 1:], moved[:, :-1], rtol=1e-6)


def test_printout_shows_every_rendered_pixel_and_no_progress(command):
    run = command(f"{SMALL} -nonoise -detpixels 12 -printout -roi 1 2 3 4")
    assert run.stdout.count(" : stol = ") == 4
    assert "% done" not in run.stdout


def test_the_printed_pixel_is_that_of_the_image(command):
    run = command(f"{QUIET} -printout_pixel 2 3")
    line = next(line for line in run.stdout.splitlines() if line.startswith("pixel  "))
    assert float(line.split()[1]) == pytest.approx(float(run.float_image(SHAPE)[3, 2]), rel=1e-9)


def test_a_trace_multiplies_up_to_the_pixel(command):
    run = command(f"{QUIET} -oversample 1 -trace_pixel 3 2")
    trace = {}
    for line in run.stdout.splitlines():
        if line.startswith("TRACE ") and "pixel" not in line:
            _, name, *values = line.split()
            trace[name] = [float(value) for value in values]
    product = (trace["F_cell[0]"][0] * trace["F_latt[0]"][0]) ** 2
    product *= trace["omega[0]"][0] * trace["polar[0]"][0] * trace["capture[0]"][0] / trace["steps"][0]
    assert trace["photons"][0] == pytest.approx(product, rel=1e-12)
    assert trace["photons"][0] == pytest.approx(float(run.float_image(SHAPE)[3, 2]), rel=1e-6)


def image_with_header(geometry, pixels):
    return smv_header(geometry) + pixels.tobytes()


GEOMETRY = SmvGeometry(
    fpixels=6, spixels=5, pixel_size=1.0, slow_size=5.0, distance=100.0, close_distance=100.0, wavelength=1.1,
    beam_center=(3.0, 2.5), direct_beam=(3.0, 2.5), dials_origin=(-3.0, 2.5, -100.0), xds_origin=(3.5, 3.0),
)  # fmt: skip
BASE = "-cell 70 80 90 75 85 95 -default_F 100 -N 5 -oversample 2 -noprogress -nonoise"


def test_options_override_the_header_of_an_image_wherever_they_stand(command):
    files = {"in.img": image_with_header(GEOMETRY, np.ones(SHAPE, np.uint16))}
    for words in (f"{BASE} -img in.img -lambda 1.4", f"{BASE} -lambda 1.4 -img in.img"):
        run = command(words, files)
        assert "WAVELENGTH=1.4;" in run.header()
        assert "SIZE1=6;" in run.header()


def test_the_header_of_an_image_overrides_that_of_a_mask(command):
    mask = image_with_header(replace(GEOMETRY, wavelength=2.0), np.ones(SHAPE, np.uint16))
    image = image_with_header(GEOMETRY, np.ones(SHAPE, np.uint16))
    run = command(f"{BASE} -img in.img -mask mask.img", {"in.img": image, "mask.img": mask})
    assert "WAVELENGTH=1.1;" in run.header()


def mask_with_holes(spixels, fpixels, *holes):
    pixels = np.ones((spixels, fpixels), np.uint16)
    pixels[tuple(zip(*holes, strict=True))] = 0
    geometry = replace(GEOMETRY, fpixels=fpixels, spixels=spixels, slow_size=float(spixels))
    return image_with_header(geometry, pixels)


@pytest.mark.parametrize("words", ["-img in.img -mask mask.img", "-mask mask.img -detpixels_f 6 -detpixels_s 5"])
@pytest.mark.parametrize(
    ("shape", "holes", "dark"),
    [
        ((4, 8), ((0, 0), (1, 0), (2, 3), (3, 7)), [0, 8, 19]),
        ((10, 12), ((0, 1), (1, 0), (2, 3)), [1, 12, 27]),
        ((3, 4), ((0, 1), (1, 0), (2, 3)), [1, 4, 11, *range(12, 30)]),
    ],
)
def test_a_mask_of_another_size_is_one_row_of_pixels_as_in_c_with_a_warning(command, words, shape, holes, dark):
    """The dark pixels are those of the C program; past the end of a small mask it reads whatever lies there."""
    image = image_with_header(GEOMETRY, np.ones(SHAPE, np.uint16))
    files = {"in.img": image, "mask.img": mask_with_holes(*shape, *holes)}
    run = command(f"{BASE} {words}", files)
    assert run.exit_code == 0
    assert np.flatnonzero(run.float_image(SHAPE) == 0).tolist() == dark
    assert f"WARNING: -mask mask.img has {shape[1]} x {shape[0]} pixels (fast x slow), the detector 6 x 5" in run.stderr
    physical = command(f"{BASE} {words} -compat physical", files)
    assert physical.exit_code == 9 and "-mask = 'tensor of shape" in physical.stderr


def test_the_byte_order_of_a_mask_is_honoured_unless_c_is_followed_strictly(command, tmp_path):
    pixels = np.ones(SHAPE, np.uint16)
    pixels[2, 3] = 0
    write_smv_pixels(tmp_path / "m.img", smv_header(GEOMETRY, byte_order="big_endian"), pixels.astype(">u2"))
    image = command(f"{BASE} -mask m.img").float_image(SHAPE)
    assert image[2, 3] == 0
    assert (image > 0).sum() == 29


def test_the_parser_can_be_called_from_python():
    parsed = create_parser().parse_args(QUIET.split())
    conf = parse_and_validate_args(parsed)
    assert (conf.detector.fpixels, conf.detector.spixels) == (6, 5)
    assert conf.crystal.N_cells == (5, 5, 5)
    assert "-distance" in create_parser().format_help()


def test_what_the_parser_returns_answers_to_the_names_of_the_interface(command):
    parsed = create_parser().parse_args(f"{QUIET} -distance 80 -dmin 3 -lambda 1.5 -pivot sample".split())
    conf = parse_and_validate_args(parsed)
    for config in (conf.crystal, conf.detector, conf.beam, conf.noise):
        for field in fields(config):
            assert field.name in conf and conf[field.name] is getattr(config, field.name)
    assert conf["distance_mm"] == conf.get("distance_mm", 1.0) == 80.0
    assert conf["crystal"] is conf.crystal and conf["pivot"] is DetectorPivot.SAMPLE
    assert "no_such_name" not in conf and conf.get("no_such_name") is None and conf.get("no_such_name", 7) == 7
    with pytest.raises(KeyError, match="no_such_name"):
        conf["no_such_name"]
    assert conf["hkl_data"] is conf["hkl_metadata"] is None
    Path("t.hkl").write_text("0 0 0 10\n0 0 1 20\n")
    conf = parse_and_validate_args(create_parser().parse_args(f"{QUIET} -hkl t.hkl -lambda 1.5".split()))
    assert conf["hkl_data"].tolist() == [[[10.0, 20.0]]] and conf["hkl_metadata"]["l_max"] == 1
    assert dict(conf)["wavelength_A"] == 1.5 and set(conf) >= {"cell_a", "spixels", "dmin", "hkl_file"}


def run_process(words, folder, **more):
    return subprocess.run(
        [sys.executable, "-m", "nanobrag_torch", *words.split()], cwd=folder, capture_output=True, text=True, **more
    )


def test_the_module_runs_as_a_process_and_reports_its_exit_status(tmp_path):
    done = run_process(QUIET, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "floatimage.bin").stat().st_size == 4 * 30
    failed = run_process(f"{QUIET} -distance 0", tmp_path)
    assert failed.returncode == 9
    assert "Traceback" not in failed.stderr


def test_a_reader_who_stops_reading_causes_no_traceback(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "nanobrag_torch", *QUIET.split()],
            cwd=tmp_path, stdout=closed, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 9
    assert "Traceback" not in done.stderr


def test_a_shape_and_a_domain_matrix_beyond_c_reach_the_image(command):
    physical = f"{QUIET} -compat physical"
    plain, star, tilted = (
        command(f"{physical} {words}").float_image(SHAPE)
        for words in ("-gauss_xtal", "-gauss_star", "-gauss_xtal -N_offdiagonal 1 -0.5 0.3")
    )
    assert plain.max() > 0
    assert np.abs(star - plain).max() > 1e-3 * plain.max() and np.abs(tilted - plain).max() > 1e-3 * plain.max()
    run = command(f"{physical} -gauss_xtal -N_offdiagonal 1 -0.5 0.3 -show_config")
    assert "domain matrix with Nd=1 Ne=-0.5 Nf=0.3 cells" in run.stdout


def test_a_gaussian_mosaicity_is_reported_and_blurs_the_spots(command):
    run = command(f"{QUIET} -mosaic_eta_abc 1 2 3 -mosaic_dom 20")
    assert "20 mosaic domains with a standard deviation of 1 2 3 degrees about each axis" in run.stdout
    blurred, sharp = run.float_image(SHAPE), command(QUIET).float_image(SHAPE)
    assert np.abs(blurred - sharp).max() > 0 and blurred.max() < sharp.max()


def test_a_spectrum_file_is_read_in_either_unit_said_and_the_mean_of_its_channels(command):
    files = {"A.txt": b"1.0 1\n1.1 3\n", "eV.txt": b"energy weight\n12398.41984332 1\n11271.290766654 3\n"}
    one, two = (command(f"{QUIET} -phi 1 -lambda {wavelength}").float_image(SHAPE) for wavelength in (1.0, 1.1))
    for name, said in (
        ("A.txt", "2 wavelengths in A, by their size"),
        ("eV.txt", "2 energies in eV, as its header says"),
    ):
        run = command(f"{QUIET} -phi 1 -spectrumfile {name}", files)
        assert f"reading {name}: {said}" in run.stdout
        assert "wave=1.075e-10 meters +/- 9.30233% in 2 steps" in run.stdout
        assert run.float_image(SHAPE) == pytest.approx((one + 3 * two) / 4, rel=1e-5)
    for words, named in (
        ("-lambda 1", "-lambda"), ("-energy 12000", "-energy"), ("-dispersion 1", "-dispersion"),
        ("-sourcefile A.txt", "-sourcefile"),
    ):  # fmt: skip
        refused = command(f"{QUIET} -spectrumfile A.txt {words}", files)
        assert refused.exit_code == 9 and f"-spectrumfile and {named} say the same in two ways" in refused.stderr
    assert "nowhere.txt" in command(f"{QUIET} -spectrumfile nowhere.txt").stderr
