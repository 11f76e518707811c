"""Properties of any run, whatever its numbers."""

import contextlib
import io
import re
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobrag_torch.cli.run import main
from nanobrag_torch.io.floatfile import read_float_image
from nanobrag_torch.io.smv import SmvGeometry, smv_header

SHAPE = (7, 9)
#: Directions and angles at which vectors of a geometry are parallel or perpendicular, exactly or but for rounding.
DIRECTIONS = (
    "1 0 0",
    "0 1 0",
    "0 0 1",
    "-1 0 0",
    "0 -1 0",
    "0 0 -1",
    "1 1 0",
    "0 1 1",
    "1 1e-9 0",
    "0 0 1e-5",
    "2 0 0",
)
TURNS = ("90", "-90", "180", "270", "89.9999999999", "0", "45")
GEOMETRY = {
    **dict.fromkeys(("-fdet_vector", "-sdet_vector", "-odet_vector", "-beam_vector", "-pix0_vector"), DIRECTIONS),
    **dict.fromkeys(("-polar_vector", "-spindle_axis", "-twotheta_axis"), DIRECTIONS),
    **dict.fromkeys(("-detector_rotx", "-detector_roty", "-detector_rotz", "-twotheta", "-phi"), TURNS),
    **dict.fromkeys(("-Xbeam", "-Ybeam", "-Xclose", "-Yclose", "-ORGX", "-ORGY"), ("0", "1", "2")),
    **dict.fromkeys(("-curved_det", "-point_pixel", "-nopolar", "-mosflm", "-xds", "-dials", "-denzo", "-adxv"), ("",)),
    "-distance": ("59", "1e-3", "1e-9", "1e9"),
    "-close_distance": ("59", "0", "1e-12", "-20", "1e-3"),
    "-pivot": ("beam", "sample"),
    "-detector_thick": ("300", "1e-9"),
    "-detector_abs": ("100", "0", "inf"),
    "-thicksteps": ("1", "3"),
    "-hdivrange": ("1",),
    "-vdivsteps": ("2",),
    "-dmin": ("2",),
    "-oversample": ("1", "2"),
    "-compat": ("c", "physical", "legacy_torch"),
}
#: Beginnings of what is said of a geometry that cannot be, and what the user may do about it.
SAID = re.compile(
    r"ERROR: (degenerate geometry: .* is divided by \S+\. [A-Z].*\.|the number of sub-pixels would be .* Check .*\."
    r"|-oversample, .* Take fewer .*\.|pixel \(.*\) is .*: nothing is written\. It.*(?:Give|check) .*\.)"
)
FIXED = "-default_F 100 -N 4 -detpixels_f 9 -detpixels_s 7 -pixel 0.8 -noprogress -nonoise -nopgm"

runs = st.fixed_dictionaries(
    {
        "-cell": st.sampled_from(["60", "60 70 80", "70 80 90 75 85 95"]),
        "-lambda": st.sampled_from(["1", "1.3"]),
        "-distance": st.sampled_from(["60", "90"]),
        "-oversample": st.integers(1, 3).map(str),
        "-phi": st.sampled_from(["0", "3"]),
        "-osc": st.sampled_from(["-1", "1"]),
        "-mosaic": st.sampled_from(["0", "0.5"]),
        "-mosaic_dom": st.integers(1, 3).map(str),
        "-detector_thick": st.sampled_from(["0", "300"]),
        "-water": st.sampled_from(["0", "2"]),
        "-polar": st.sampled_from(["0", "0.9"]),
    }
).map(lambda options: [f"{name} {value}" for name, value in options.items()])


def image_of(words, files=None):
    """The float image of a run in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for name, content in (files or {}).items():
            Path(name).write_bytes(content)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as messages:
            assert main(f"{FIXED} {words}".split()) == 0, messages.getvalue()
        return read_float_image(Path(folder, "floatimage.bin"), SHAPE)


@settings(max_examples=15, deadline=None)
@given(runs, st.randoms())
def test_the_order_of_options_does_not_matter(options, random):
    shuffled = random.sample(options, len(options))
    assert image_of(" ".join(options)).tolist() == image_of(" ".join(shuffled)).tolist()


@settings(max_examples=15, deadline=None)
@given(runs, st.tuples(st.integers(0, 8), st.integers(0, 8)), st.tuples(st.integers(0, 6), st.integers(0, 6)))
def test_a_roi_renders_its_part_of_the_whole_image(options, xs, ys):
    (xmin, xmax), (ymin, ymax) = sorted(xs), sorted(ys)
    # An evaluation that C makes once in a run, at the first pixel rendered, is no property of the pixel.
    options = [option for option in options if option != "-phi 0"] + ["-phi 2"]
    whole = image_of(" ".join(options))
    part = image_of(" ".join([*options, f"-roi {xmin} {xmax} {ymin} {ymax}"]))
    window = np.zeros(SHAPE, bool)
    window[ymin : ymax + 1, xmin : xmax + 1] = True
    assert part[window].tolist() == whole[window].tolist()
    assert (part[~window] == 0).all()
    assert whole[window].max() > 0


@settings(max_examples=15, deadline=None)
@given(runs, st.lists(st.booleans(), min_size=63, max_size=63))
def test_a_mask_leaves_out_its_zeros_and_nothing_else(options, kept):
    options = [option for option in options if option != "-phi 0"] + ["-phi 2"]
    mask = np.array(kept).reshape(SHAPE)
    geometry = SmvGeometry(
        fpixels=9, spixels=7, pixel_size=0.8, slow_size=5.6, distance=60.0, close_distance=60.0, wavelength=1.0,
        beam_center=(3.0, 2.5), direct_beam=(3.0, 2.5), dials_origin=(-3.0, 2.5, -60.0), xds_origin=(3.5, 3.0),
    )  # fmt: skip
    files = {
        name: smv_header(geometry) + pixels.astype(np.uint16).tobytes()
        for name, pixels in (("all.img", np.ones(SHAPE)), ("some.img", mask))
    }
    words = " ".join(options)
    whole, part = (image_of(f"{words} -mask {name}", files) for name in ("all.img", "some.img"))
    assert part[mask].tolist() == whole[mask].tolist()
    assert (part[~mask] == 0).all()
    assert whole.max() > 0


@settings(max_examples=15, deadline=None)
@given(runs, st.integers(1, 9))
def test_the_number_of_rows_rendered_at_a_time_does_not_matter(options, rows):
    words = " ".join(options)
    whole = image_of(words)
    assert image_of(f"{words} -pixel_batch_size {rows}").tolist() == whole.tolist()
    assert whole.max() > 0


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in GEOMETRY.items()}))
def test_any_geometry_is_an_image_of_numbers_or_an_error_that_says_what_and_what_to_do(options):
    words = " ".join(f"{name} {value}" for name, value in options.items())
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as messages:
            code = main(f"{FIXED} -cell 70 80 90 75 85 95 -oversample 1 {words}".split())
        if code == 0:
            assert np.isfinite(read_float_image(Path("floatimage.bin"), SHAPE)).all()
        else:
            assert code == 9 and SAID.fullmatch(messages.getvalue().strip().splitlines()[-1]), messages.getvalue()


def test_a_beam_in_the_plane_of_a_detector_of_ones_own_vectors_is_refused():
    words = "-fdet_vector 1 0 0 -sdet_vector 0 1 0 -odet_vector 0 0 1 -distance 59 -cell 100 100 100 90 90 90"
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as messages:
        assert main(f"{FIXED} {words}".split()) == 9
    assert "the beam lies in the plane of the detector" in messages.getvalue()


@settings(max_examples=15, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_as_input_files_are_read_or_refused(content):
    for option in ("-hkl", "-mat", "-sourcefile", "-img", "-mask", "-dump"):
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            Path("odd").write_bytes(content)
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as messages:
                code = main(f"{FIXED} -cell 60 {option} odd".split())
            assert code == 0 or (code == 9 and "odd" in messages.getvalue())
