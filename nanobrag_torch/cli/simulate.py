"""One simulation of the command: resolved, simulated, reported and written, in the order of the C program."""

import sys
from collections.abc import Iterable

import torch
from torch import Tensor

from nanobrag_torch.cli import messages, printout
from nanobrag_torch.cli.errors import CommandError, option_of
from nanobrag_torch.cli.experiment_out import check_experiment_out, write_experiment
from nanobrag_torch.cli.messages import report
from nanobrag_torch.cli.outputs import check_outputs, write_dump, write_images
from nanobrag_torch.cli.precedence import configure
from nanobrag_torch.cli.prepare import Prepared, prepare
from nanobrag_torch.cli.progress import progress_reporter
from nanobrag_torch.cli.remarks import remarks
from nanobrag_torch.cli.render import memory_errors, photons
from nanobrag_torch.cli.series import STILLS, simulate_series
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.statistics import compute_statistics, subtended_solid_angle
from nanobrag_torch.trace import trace_pixel


def simulate(settings: Settings) -> None:
    """Simulate, report and write, one image or a series; nothing is left half-written.

    Raises as the readers, models and writers do, and ``MemoryError`` where the device runs out of memory.
    """
    if settings.frames is not None or settings.shots is not None:
        simulate_series(settings)
        return
    _check_single(settings)
    conf = configure(settings)
    check_outputs(conf)
    check_experiment_out(conf)
    with memory_errors(), torch.no_grad():
        run = prepare(conf)
        write_dump(conf)
        for remark in remarks(run):
            print(f"WARNING: {remark}", file=sys.stderr)
        _say(report(run))
        if settings.show_config:
            _say(printout.configuration(conf))
        image = _render(run)
        found = compute_statistics(image, conf.rendered, run.scene.panel.oversample)
    write_images(run, image.numpy(), found)
    write_experiment(conf)


def _check_single(s: Settings) -> None:
    """Raise ``CommandError`` for an option of stills without ``-shots``."""
    given = [option_of(name) for name in STILLS if getattr(s, name)]
    if given:
        raise CommandError(f"{', '.join(map(str, given))} without -shots: give the number of stills.")


def _render(run: Prepared) -> Tensor:
    """The image in single precision, on the CPU, with progress or pixels printed on the way."""
    s = run.settings
    progress = progress_reporter(run.conf.roi) if s.progress and not s.printout else None
    image = photons(run, progress)
    if s.printout:
        slow, fast = run.simulator.rendered_pixels()
        for y, x in zip(slow.tolist(), fast.tolist(), strict=True):
            if s.printout_pixel in (None, (x, y)):
                _say(printout.pixel(trace_pixel(run.simulator, y, x), float(image[y, x]), run.conf))
    if s.trace_pixel is not None:
        _say(printout.trace(trace_pixel(run.simulator, *s.trace_pixel)))
    parts = zip(run.scenes, run.simulator.panel_pixels(), strict=True)
    angles = [subtended_solid_angle(scene, *part.lists(run.simulator.device)) for scene, part in parts]
    _say(["", messages.solid_angle(sum(angles))])
    return image.to(device="cpu", dtype=torch.float32)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()
