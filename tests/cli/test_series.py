"""Series of the command: every frame is the single run of that frame, and what was interrupted goes on."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from nanobrag_torch.cli import series
from nanobrag_torch.cli.outputs import Images
from nanobrag_torch.io.cbf import read_cbf
from nanobrag_torch.io.nexus import read_nexus
from nanobrag_torch.io.smv import read_smv

RUN = "-cell 60 70 80 -default_F 100 -N 4 -detpixels_f 24 -detpixels_s 16 -pixel 2 -distance 90 -fluence 1e27 -nopgm"
SWEEP = f"{RUN} -osc 0.1 -phisteps 2 -noprogress"
OUT = "-nexusfile s.nxs -cbffile s.cbf -noisefile s.img -intfile i.img -floatfile f.bin"
SINGLE = "-nexusfile 1.nxs -cbffile 1.cbf -noisefile 1.img -intfile 1i.img -floatfile 1.bin"
SHAPE = (16, 24)


def content(folder):
    """Bytes of the images in a folder, by name, but of those that carry the time at which they were written."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".img", ".bin", ".phil")}


def records(journal):
    """The records of a journal's frames."""
    return [json.loads(line) for line in journal.read_text().splitlines()[1:]]


def test_every_frame_is_the_single_run_of_that_frame_to_the_last_bit(command):
    run = command(f"{SWEEP} {OUT} -frames 4 -phi 0 -seed 7")
    assert run.exit_code == 0, run.stderr
    stack = read_nexus(run.folder / "s.nxs")
    assert (len(stack.images), stack.images.dtype, stack.phi_start_deg, stack.phi_width_deg) == (4, np.int32, 0, 0.1)
    with h5py.File(run.folder / "s.nxs") as file:
        assert file["entry/sample/transformations/phi"][()].tolist() == [0, 0.1, 0.2, 0.3]
        assert file["entry/data/data"].chunks == (1, *SHAPE)
    scale = records(run.folder / "f.bin.series")[0]["intfile_scale"]
    for number, phi in ((1, "0"), (4, "0.3")):
        single = command(f"{SWEEP} {SINGLE} -phi {phi} -seed {6 + number} -scale {scale!r}")
        for ours, theirs in (("s_{}.img", "1.img"), ("i_{}.img", "1i.img"), ("f_{}.bin", "1.bin")):
            ours = (run.folder / ours.format(f"{number:04d}")).read_bytes()
            assert ours == (single.folder / theirs).read_bytes()
        frame, one = read_cbf(run.folder / f"s_{number:04d}.cbf"), read_cbf(single.folder / "1.cbf")
        np.testing.assert_array_equal(frame.images, one.images)
        assert (frame.phi_start_deg, frame.phi_width_deg) == (float(phi), 0.1)
        np.testing.assert_array_equal(stack.images[number - 1], one.images[0])
    assert stack.images.max() > 3


def test_without_noise_the_stack_holds_the_photons_of_single_runs(command):
    run = command(f"{SWEEP} -nonoise -frames 2 -phi 10 -nexusfile s.nxs")
    stack = read_nexus(run.folder / "s.nxs")
    single = command(f"{SWEEP} -nonoise -phi 10.1 -nexusfile 1.nxs")
    np.testing.assert_array_equal(stack.images[1], read_nexus(single.folder / "1.nxs").images[0])
    assert stack.images.dtype == np.float32


def test_what_was_named_is_written_and_noise_images_where_nothing_was(command):
    assert command(f"{SWEEP} -frames 2 -cbffile a.cbf.gz").files == {
        "a_0001.cbf.gz", "a_0002.cbf.gz", "a.cbf.gz.phil", "a.cbf.gz.series",
    }  # fmt: skip
    files = command(f"{SWEEP} -frames 2").files
    assert {"noiseimage_0001.img", "noiseimage_0002.img", "noiseimage.img.series"} <= files
    assert "floatimage.bin" not in files


def stop_after(monkeypatch, frames, error):
    """Let the writing of the images that come after some frames end in an error."""
    written, write = [], Images.write

    def limited(self, name, path):
        if len(written) >= frames and name == "cbf_file":
            raise error
        written.append(name) if name == "cbf_file" else None
        write(self, name, path)

    monkeypatch.setattr(Images, "write", limited)


def test_an_interrupted_series_goes_on_where_it_stopped_and_becomes_the_same(command, monkeypatch, tmp_path):
    words = f"{SWEEP} -frames 5 -phi 0 -seed 3 -cbffile s.cbf -nexusfile s.nxs"
    with monkeypatch.context() as patch:
        stop_after(patch, 2, KeyboardInterrupt())
        stopped = command(words)
    assert stopped.exit_code == 130 and "2 of 5 frames are finished; the same command goes on" in stopped.stderr
    assert not (tmp_path / "s.nxs").exists() and not (tmp_path / "s_0003.cbf").exists()
    first = (tmp_path / "s_0001.cbf").stat().st_mtime_ns
    went_on = command(words)
    assert went_on.exit_code == 0 and "2 of 5 frames are finished already" in went_on.stdout
    assert (tmp_path / "s_0001.cbf").stat().st_mtime_ns == first
    images = [read_cbf(tmp_path / f"s_{number:04d}.cbf").images[0] for number in range(1, 6)]
    np.testing.assert_array_equal(read_nexus(tmp_path / "s.nxs").images, images)
    assert not (tmp_path / "s.nxs.frames").exists()
    whole = command(f"{SWEEP} -frames 5 -phi 0 -seed 3 -nexusfile w.nxs")
    np.testing.assert_array_equal(read_nexus(whole.folder / "w.nxs").images, images)
    again = command(words)
    assert again.exit_code == 0 and "5 of 5 frames are finished already" in again.stdout


def test_a_frame_whose_file_was_removed_is_made_again(command, tmp_path):
    words = f"{SWEEP} -frames 3 -seed 3 -noisefile s.img"
    before = content(command(words).folder)
    (tmp_path / "s_0002.img").unlink()
    assert "2 of 3 frames are finished already" in command(words).stdout
    assert content(tmp_path) == before


def test_a_killed_process_leaves_whole_frames_and_the_series_goes_on(command, tmp_path):
    words = f"{SWEEP} -frames 40 -seed 3 -noisefile s.img -nexusfile s.nxs"
    process = subprocess.Popen(
        [sys.executable, "-m", "nanobrag_torch", *words.split()], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    journal, until = tmp_path / "s.img.series", time.monotonic() + 120
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 3) and time.monotonic() < until:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    records = [json.loads(line) for line in journal.read_bytes().rpartition(b"\n")[0].splitlines()[1:]]
    assert 2 <= len(records) < 40
    for record in records:
        assert read_smv(tmp_path / f"s_{record['frame'] + 1:04d}.img")[0].shape == SHAPE
        with h5py.File(tmp_path / "s.nxs.frames" / f"{record['frame'] + 1:06d}.h5") as part:
            assert part["data"].shape == (1, *SHAPE)
    run = command(words)
    assert run.exit_code == 0 and "frames are finished already" in run.stdout
    assert read_nexus(tmp_path / "s.nxs").images.shape == (40, *SHAPE)


def test_other_settings_and_other_inputs_are_refused_by_name(command):
    words = f"{SWEEP} -frames 2 -seed 3 -noisefile s.img -hkl F.hkl"
    files = {"F.hkl": b"1 2 3 10\n2 1 0 20\n"}
    assert command(words, files).exit_code == 0
    changed = command(f"{words} -distance 91 -N 5", files)
    assert changed.exit_code == 9 and "distance_mm was 90.0, now 91.0" in changed.stderr
    assert "Na was 4, now 5" in changed.stderr and "another name" in changed.stderr
    other = command(words, {"F.hkl": b"1 2 3 11\n2 1 0 20\n"})
    assert other.exit_code == 9 and "content of hkl_file was" in other.stderr


def test_a_seed_from_the_clock_is_kept_when_a_series_goes_on(command, monkeypatch, tmp_path):
    words = f"{SWEEP} -frames 3 -cbffile s.cbf"
    with monkeypatch.context() as patch:
        stop_after(patch, 1, KeyboardInterrupt())
        command(words)
    monkeypatch.setattr(series.time, "time", lambda: 5.0)
    assert command(words).exit_code == 0
    seeds = [json.loads(line)["seed"] for line in (tmp_path / "s.cbf.series").read_text().splitlines()[1:]]
    assert seeds == [seeds[0], seeds[0] + 1, seeds[0] + 2] and seeds[0] > 1e9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("-frames 3", "-frames without a width: give -osc"),
        ("-frames 0 -osc 1", "-frames 0: must be at least 1"),
        ("-frames 3 -osc 1 -shots 3", "say the same in two ways"),
        ("-frames 3 -osc 1 -printout", "-printout and -trace_pixel are for one image"),
        ("-frames 3 -osc 1 -seed -1", "-seed -1: must be at least 0"),
        ("-frames 3 -osc 1 -cbffile nowhere/s.cbf", "nowhere/s.cbf cannot be written"),
        ("-spectra s.txt", "-spectra without -shots"),
        ("-frames 3 -osc 1 -spectra s.txt -jitter_cell 5", "-spectra, -jitter_cell with -frames: is for stills"),
        ("-frames 3 -osc 1 -random_orientations", "-random_orientations with -frames: is for stills"),
        ("-shots 2 -jitter_lambda 1e5", "-jitter_lambda 100000: must be in 0 ... 100 %"),
        ("-shots 2 -phi 30 -osc 5", "-osc 5 with -shots: stills do not rotate"),
        ("-random_orientations -jitter_cell 1", "-random_orientations, -jitter_cell without -shots"),
        ("-shots 2 -spectra nowhere.txt", "nowhere.txt"),
    ],
)
def test_what_makes_no_series_is_refused_with_the_option_and_nothing_is_written(command, options, message):
    run = command(f"{RUN} {options}")
    assert run.exit_code == 9 and message in run.stderr
    assert run.files == set()


SPECTRA = b"energy_eV first second\n12300 1 3\n12400 1 1\n12500 2 0\n"


def test_stills_have_each_its_orientation_and_spectrum_and_the_truth_stands_beside_them(command):
    words = "-shots 4 -random_orientations -misset_seed 11 -spectra e.txt -jitter_fluence 20 -jitter_cell 1 -seed 5"
    run = command(f"{RUN} -noprogress -nonoise {words} -nexusfile s.nxs", {"e.txt": SPECTRA})
    assert run.exit_code == 0, run.stderr
    with (run.folder / "s.nxs.truth.csv").open() as file:
        truth = list(csv.DictReader(file))
    stack = read_nexus(run.folder / "s.nxs")
    assert len(truth) == len(stack.images) == 4
    with h5py.File(run.folder / "s.nxs") as file:
        assert file["entry/sample/depends_on"][()] == b"."
        wavelengths = file["entry/instrument/beam/incident_wavelength"][()]
    np.testing.assert_array_equal(wavelengths, [float(row["wavelength_A"]) for row in truth])
    assert wavelengths[0] == wavelengths[2] != wavelengths[1] == wavelengths[3]
    one = truth[1]
    (run.folder / "one.txt").write_bytes(b"eV\n12300 3\n12400 1\n12500 0\n")
    cell = " ".join(one[f"{name}_A"] for name in "abc")
    single = command(
        f"{RUN.replace('-cell 60 70 80', '')} -noprogress -nonoise -cell {cell} -misset random -misset_seed 12 "
        f"-spectrumfile one.txt -fluence {one['fluence']} -nexusfile 1.nxs"
    )
    found = read_nexus(single.folder / "1.nxs")
    np.testing.assert_allclose(found.images[0], stack.images[1], rtol=1e-5, atol=1e-9 * stack.images[1].max())
    stars = np.array([[float(one[f"{name}_star_{axis}"]) for axis in "xyz"] for name in "abc"])
    direct = np.linalg.norm(np.linalg.inv(stars), axis=0)
    np.testing.assert_allclose(direct, [float(one[f"{name}_A"]) for name in "abc"], rtol=1e-12)
    assert direct[1] / direct[0] == pytest.approx(70 / 60) and direct[0] != pytest.approx(60, rel=1e-4)


def test_jitter_has_the_spread_that_was_asked_for(command):
    run = command(
        f"{RUN} -roi 0 1 0 1 -noprogress -shots 60 -jitter_fluence 10 -jitter_lambda 1 -seed 5 -noisefile s.img"
    )
    with (run.folder / "s.img.truth.csv").open() as file:
        rows = [(float(row["fluence"]) / 1e27, float(row["wavelength_A"])) for row in csv.DictReader(file)]
    spread = np.log(rows).std(axis=0)
    np.testing.assert_allclose(spread, (0.1, 0.01), rtol=0.3)  # three standard errors of 60 draws


def test_progress_tells_the_frame_and_the_time_left(command):
    out = command(f"{RUN} -osc 0.1 -frames 2 -phi 3").stdout
    assert "frame 1 of 2: phi 3 to 3.1 deg; " in out and "frame 2 of 2: phi 3.1 to 3.2 deg; 0 s left" in out


def test_two_processes_do_not_render_one_series(command, tmp_path):
    words = f"{SWEEP} -frames 2 -seed 1 -noisefile s.img"
    command(words)
    journal = tmp_path / "s.img.series"
    hold = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(journal)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        refused = command(words)
        other.communicate(b"\n")
    assert refused.exit_code == 9 and "another process renders this series" in refused.stderr
    assert command(words).exit_code == 0


def test_a_line_that_was_cut_off_does_not_count(command, tmp_path):
    words = f"{SWEEP} -frames 2 -seed 1 -noisefile s.img"
    command(words)
    journal = tmp_path / "s.img.series"
    os.truncate(journal, journal.stat().st_size - 5)
    assert "1 of 2 frames are finished already" in command(words).stdout
    assert [json.loads(line)["frame"] for line in journal.read_text().splitlines()[1:]] == [0, 1]
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([lines[0], "damaged", lines[2], ""]))
    damaged = command(words)
    assert damaged.exit_code == 9 and "s.img.series, line 2: this is no record of a frame. Remove" in damaged.stderr
    journal.write_text("no journal")
    foreign = command(words)
    assert foreign.exit_code == 9 and "this is no record of a series" in foreign.stderr
