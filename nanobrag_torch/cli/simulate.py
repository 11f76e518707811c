"""One simulation of the command: resolved, simulated, reported and written, in the order of the C program."""

import sys
from collections.abc import Iterable

import torch
from torch import Tensor

from nanobrag_torch.amorphous import background_image
from nanobrag_torch.cli import messages, printout
from nanobrag_torch.cli.messages import report
from nanobrag_torch.cli.outputs import check_outputs, write_dump, write_images
from nanobrag_torch.cli.precedence import configure
from nanobrag_torch.cli.prepare import Prepared, prepare
from nanobrag_torch.cli.progress import progress_reporter
from nanobrag_torch.cli.remarks import remarks
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.statistics import compute_statistics, subtended_solid_angle
from nanobrag_torch.trace import trace_pixel

#: In the message of what torch raises where the CPU's memory cannot be allocated, a bare RuntimeError.
_NO_MEMORY = "DefaultCPUAllocator"


def simulate(settings: Settings) -> None:
    """Simulate, report and write; nothing is left half-written.

    Raises as the readers, models and writers do, and ``MemoryError`` where the device runs out of memory.
    """
    conf = configure(settings)
    check_outputs(conf)
    try:
        with torch.no_grad():
            run = prepare(conf)
            write_dump(conf)
            for remark in remarks(run):
                print(f"WARNING: {remark}", file=sys.stderr)
            _say(report(run))
            if settings.show_config:
                _say(printout.configuration(conf))
            image = _render(run)
            found = compute_statistics(image, conf.detector, run.scene.panel.oversample)
    except torch.OutOfMemoryError as error:
        raise MemoryError(str(error)) from error
    except RuntimeError as error:
        if _NO_MEMORY in str(error):
            raise MemoryError(f"out of memory: {str(error).splitlines()[0]}. Free some, or simulate less.") from error
        raise
    write_images(run, image.numpy(), found)


def _render(run: Prepared) -> Tensor:
    """The image in single precision, on the CPU, with progress or pixels printed on the way."""
    s = run.settings
    progress = progress_reporter(run.conf.roi) if s.progress and not s.printout else None
    image = run.simulator.render(run.scene, s.pixel_batch_size, progress)
    if run.conf.materials:
        image = image + background_image(run.simulator, run.conf.materials)
    slow, fast = run.simulator.rendered_pixels()
    if s.printout:
        for y, x in zip(slow.tolist(), fast.tolist(), strict=True):
            if s.printout_pixel in (None, (x, y)):
                _say(printout.pixel(trace_pixel(run.simulator, y, x), float(image[y, x]), run.conf))
    if s.trace_pixel is not None:
        _say(printout.trace(trace_pixel(run.simulator, *s.trace_pixel)))
    _say(["", messages.solid_angle(subtended_solid_angle(run.scene, slow, fast))])
    return image.to(device="cpu", dtype=torch.float32)


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()
