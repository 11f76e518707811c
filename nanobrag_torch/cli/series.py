"""Series of the command: rotation series and stills, rendered one after another and resumed where they stopped."""

import csv
import hashlib
import sys
import time
from contextlib import closing
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanobrag_torch import __version__
from nanobrag_torch.cli.counts import pedestal, saturation
from nanobrag_torch.cli.errors import CommandError, option_of
from nanobrag_torch.cli.experiment_out import check_experiment_out, write_series_experiments
from nanobrag_torch.cli.frames import Frames, frames_of
from nanobrag_torch.cli.messages import report
from nanobrag_torch.cli.outputs import Images, check_finite_image, check_outputs, outputs_of, write_dump
from nanobrag_torch.cli.panels import description_of, for_nexus
from nanobrag_torch.cli.precedence import Configuration, configure
from nanobrag_torch.cli.prepare import Prepared, prepare
from nanobrag_torch.cli.remarks import remarks
from nanobrag_torch.cli.render import photons
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.exposure import exposure_of
from nanobrag_torch.io.compressed import COMPRESSED
from nanobrag_torch.io.dials_import import write_import_parameters
from nanobrag_torch.io.files import replacing
from nanobrag_torch.io.nexus_stack import NexusStack
from nanobrag_torch.series import Journal, digest_of
from nanobrag_torch.statistics import compute_statistics

#: Settings that say how a run is watched, and not what it makes.
_WATCHING = ("progress", "show_config", "given", "printout", "printout_pixel", "trace_pixel", "expt_file")
#: Settings that hold what was read from a file of ``_INPUTS``.
_CONTENTS = ("experiment", "panels", "stars", "mask_pixels", "spectrum")
#: Settings that say how many frames there are: more may be asked for later.
_COUNTS = ("frames", "shots")
#: Settings that name a file which decides about the images.
_INPUTS = (
    "hkl_file", "matrix_file", "image_file", "mask_file", "source_file", "spectrum_file", "spectra_file", "stol_file",
    "anomalous_table", "experiment_file",
)  # fmt: skip
#: Settings of stills alone.
STILLS = ("random_orientations", "spectra_file", "jitter_fluence_pct", "jitter_wavelength_pct", "jitter_cell_pct")
#: Largest standard deviation of a jitter, in per cent: its exponential is still a number.
_MOST_JITTER = 100.0
#: In the record of frame 0: the scales of integer image and picture, which all frames have.
_SCALES = ("intfile_scale", "pgm_scale")
#: Outputs that DIALS reads.
_FOR_DIALS = ("noise_file", "int_file", "cbf_file", "nexus_file")


@dataclass(frozen=True)
class Series:
    """One series: the configuration of its first frame, its frames, and where they go."""

    conf: Configuration
    frames: Frames
    outputs: dict[str, Path]
    stack: NexusStack | None

    @property
    def name(self) -> str:
        """Name of the series: that of its first output."""
        return str(next(iter(self.outputs.values())))

    def files(self, index: int) -> dict[str, str]:
        """The files of frame ``index`` (from 0) by the names of their settings."""
        return {
            name: str(numbered(path, index + 1)) for name, path in self.outputs.items() if name != "nexus_file"
        }  # fmt: skip

    def is_there(self, index: int) -> bool:
        """True where all that frame ``index`` leaves is there."""
        kept = self.stack is None or self.stack.has(index)
        return kept and all(Path(path).is_file() for path in self.files(index).values())


def numbered(path: Path, number: int) -> Path:
    """``name.v2.cbf.gz`` with a number: ``name.v2_0001.cbf.gz``."""
    packed = path.suffix if path.suffix.lower() in COMPRESSED else ""
    inner = Path(path.name.removesuffix(packed))
    return path.with_name(f"{inner.stem}_{number:04d}{inner.suffix}{packed}")


def simulate_series(settings: Settings) -> None:
    """Render the series that ``-frames`` or ``-shots`` asks for; frames that are finished already are kept.

    Raises as ``simulate`` does, and ``ValueError`` where files of another series are in the way.
    """
    _check_series(settings)
    series = _series_of(settings)
    with closing(Journal(f"{series.name}.series", _described(series))) as journal:
        _check_count(series, journal)
        _go_on(series, journal)


def _go_on(series: Series, journal: Journal) -> None:
    """Render what a journal lacks, and finish the series."""
    pending = [k for k in range(series.frames.count) if k not in journal.finished or not series.is_there(k)]
    first = prepare(series.frames.configuration(0))
    write_dump(series.conf)
    for remark in remarks(first):
        print(f"WARNING: {remark}", file=sys.stderr)
    _say(*report(first))
    if len(pending) < series.frames.count:
        _say(f"{series.frames.count - len(pending)} of {series.frames.count} frames are finished already")
    try:
        with torch.no_grad():
            _render(series, journal, pending, first)
            _finish(series, journal, first)
    except KeyboardInterrupt:
        done = sum(k in journal.finished for k in range(series.frames.count))
        print(f"{done} of {series.frames.count} frames are finished; the same command goes on", file=sys.stderr)
        raise


def _check_series(s: Settings) -> None:
    """Raise ``CommandError`` for options that do not go together with a series."""
    kind = "-frames" if s.frames is not None else "-shots"
    count = s.frames if s.frames is not None else s.shots
    if count is None or count < 1:
        raise CommandError(f"{kind} {count}: must be at least 1.")
    if s.printout or s.trace_pixel is not None:
        raise CommandError(f"-printout and -trace_pixel are for one image. Leave {kind} out, or them.")
    stills = [str(option_of(name)) for name in STILLS if getattr(s, name)]
    if s.frames is not None and stills:
        raise CommandError(f"{', '.join(stills)} with -frames: is for stills. Leave it out, or give -shots.")
    for name in (name for name in STILLS if name.startswith("jitter")):
        if not 0 <= getattr(s, name) <= _MOST_JITTER:
            raise CommandError(f"{option_of(name)} {getattr(s, name):g}: must be in 0 ... {_MOST_JITTER:g} %.")
    if s.seed is not None and s.seed < 0:
        raise CommandError(f"-seed {s.seed}: must be at least 0 in a series, whose frames take it and those after it.")


def _check_count(series: Series, journal: Journal) -> None:
    """Raise ``CommandError`` where fewer frames are asked for than are finished."""
    finished, count = len(journal.finished), series.frames.count
    if any(index >= count for index in journal.finished):
        raise CommandError(
            f"{journal.path} has {finished} finished frames, more than {count}. Ask for so many, or give another name."
        )


def _series_of(settings: Settings) -> Series:
    names = _named(settings)
    outputs = {name: Path(getattr(settings, name)) for name in names}
    settings = _with_seeds(settings, Journal.settings_of(f"{next(iter(outputs.values()))}.series"))
    conf = configure(settings)
    check_outputs(conf, names)
    check_experiment_out(conf)
    stack = NexusStack(outputs["nexus_file"]) if "nexus_file" in outputs else None
    return Series(conf, frames_of(conf), outputs, stack)


def _named(s: Settings) -> list[str]:
    """Settings of the outputs: those that were named, else images with noise. Raises ``CommandError`` for none."""
    names = [name for name in outputs_of(s) if name in s.given]
    if names or s.panels is None:
        return names or (["noise_file"] if s.write_noise else ["int_file"])
    flat = [str(option_of(name)) for name in ("noise_file", "int_file", "cbf_file") if name in s.given]
    which = f"{', '.join(flat)} is for images of one panel" if flat else "no file is named"
    raise CommandError(f"{s.experiment_file} has several panels, and {which}. Give -nexusfile, or -floatfile.")


def _with_seeds(s: Settings, before: dict[str, Any] | None) -> Settings:
    """The settings with the seeds that were not given: those of the series before, or the clock's."""
    clock = int(time.time())
    kept = before or {}
    seed = s.seed if s.seed is not None else kept.get("seed", clock)
    misset = s.misset_seed if s.misset_seed is not None else kept.get("misset_seed", clock)
    return replace(s, seed=seed, misset_seed=misset)


def _described(series: Series) -> dict[str, Any]:
    """Inputs that decide about the frames, as a journal keeps them: settings, digests of files, version."""
    s = series.conf.settings
    left_out = (*_WATCHING, *_CONTENTS, *_COUNTS, *outputs_of(s))
    made = {name: value for name, value in vars(s).items() if name not in left_out}
    inputs = (*_INPUTS, "dump_file") if series.conf.reads_dump else _INPUTS
    read = {name: _digest(made[name]) for name in inputs if made[name] is not None}
    outputs = {name: str(path) for name, path in series.outputs.items()}
    given = {name: value.value if isinstance(value, Enum) else value for name, value in made.items()}
    contents = {f"content of {name}": digest for name, digest in read.items()}
    if s.experiment is not None:  # masks and whatever else its file keeps in others
        contents["experiment as it was read"] = digest_of(s.experiment.description)
    kind = "rotation" if series.frames.is_rotation else "stills"
    return {"series of": kind, **given, **contents, **outputs, "version": __version__}


def _digest(path: str) -> str:
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _render(series: Series, journal: Journal, pending: list[int], first: Prepared) -> None:
    """Render the frames that are missing and enter each once all its files are in place."""
    begun = time.monotonic()
    for done, index in enumerate(pending, 1):
        conf = _scaled_alike(series.frames.configuration(index), journal.finished.get(0) if index else None)
        run = prepare(conf, first.simulator.detector)
        image = photons(run).to("cpu", torch.float32)
        check_finite_image(run, image.numpy())
        found = compute_statistics(image, run.conf.rendered, run.scene.panel.oversample)
        made = Images(run, image.numpy(), found)
        for name, path in series.files(index).items():
            made.write(name, path)
        if series.stack is not None:
            series.stack.keep(index, made.pixels)
        scales = dict(zip(_SCALES, (float(made.scale), float(made.grey)), strict=True)) if index == 0 else {}
        journal.finish(index, **series.frames.truth(run), **scales)
        if run.settings.progress:
            left = (time.monotonic() - begun) / done * (len(pending) - done)
            what = series.frames.label(run)
            _say(f"frame {index + 1} of {series.frames.count}: {what}; {_duration(left)} left")


def _scaled_alike(conf: Configuration, first: dict[str, Any] | None) -> Configuration:
    """The configuration with the scales of frame 0, so that pixel values of all frames compare."""
    if first is None:
        return conf
    scale, grey = (first[name] for name in _SCALES)
    noise = replace(conf.noise, intfile_scale=scale)
    return replace(conf, noise=noise, settings=replace(conf.settings, pgm_scale=grey))


def _finish(series: Series, journal: Journal, first: Prepared) -> None:
    """Join the images of an NXmx file, and write what stands beside the images."""
    frames, stack = series.frames, series.stack
    records = [journal.finished[index] for index in range(frames.count)]
    if stack is not None and stack.folder.is_dir():
        _say(f"writing {stack.path} as NXmx")
        _join(stack, first, frames, records)
    expt_file = series.conf.settings.expt_file
    if expt_file is not None:
        _say(f"writing {expt_file} as an experiment list of DIALS")
        confs = map(frames.configuration, range(frames.count))
        joined = {} if stack is None else {"nexus_file": str(stack.path)}
        files = [series.files(index) | joined for index in range(frames.count)]
        write_series_experiments(expt_file, confs, files, frames.is_rotation)
    if not frames.is_rotation:
        _write_truth(Path(f"{series.name}.truth.csv"), records)
    elif series.conf.panels is None:
        _write_parameters(series, first)


def _join(stack: NexusStack, first: Prepared, frames: Frames, records: list[dict[str, Any]]) -> None:
    """Make one NXmx file of the images that are kept."""
    conf, count, wavelengths = first.conf, frames.count, frames.wavelengths(records)
    if conf.panels is None:
        exposure = exposure_of(first.simulator, stack.first(), saturation(conf))
        stack.join(exposure, count, wavelengths_A=wavelengths)
        return
    described = for_nexus(description_of(conf, count if frames.is_rotation else 1))
    if count > 1 and not frames.is_rotation:
        described = replace(described, crystal=None)  # the file has one crystal, and each still its own
    stack.join_panels(described, count, wavelengths)


def _write_parameters(series: Series, first: Prepared) -> None:
    """Write the geometry of a rotation series of one panel beside the images that DIALS reads."""
    shape = (series.conf.detector.spixels, series.conf.detector.fpixels)
    exposure = exposure_of(first.simulator, np.zeros(shape, np.int32))
    for name, path in series.outputs.items():
        if name in _FOR_DIALS:
            noisy = name != "int_file" and series.conf.noise.generate_noise_image
            gain = float(series.conf.noise.gain) if noisy else 1.0
            write_import_parameters(f"{path}.phil", exposure, pedestal(series.conf, name), gain)
            _say(f"writing {path}.phil: geometry, for dials.import beside the images")


def _write_truth(path: Path, records: list[dict[str, Any]]) -> None:
    """The truth of every still as a table, one a row."""
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        names = [name for name in records[0] if name not in _SCALES]
        table = csv.DictWriter(file, names, extrasaction="ignore")
        table.writeheader()
        table.writerows({**record, "frame": record["frame"] + 1} for record in records)
    _say(f"writing {path}: orientation, wavelength and cell of every still")


def _duration(seconds: float) -> str:
    """A time in words: seconds below two minutes, minutes below two hours, else hours."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _say(*lines: str) -> None:
    print("\n".join(lines), flush=True)
