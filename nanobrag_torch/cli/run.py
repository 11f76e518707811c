"""One run of the command: what was said is resolved, simulated, reported and written, in the order of the C program."""

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch import __version__
from nanobrag_torch.cli import messages, printout
from nanobrag_torch.cli.errors import CommandError, describe
from nanobrag_torch.cli.flags import format_help
from nanobrag_torch.cli.messages import report
from nanobrag_torch.cli.outputs import check_outputs, write_images
from nanobrag_torch.cli.parse import Parsed, parse
from nanobrag_torch.cli.precedence import Configuration, configure, settings_of
from nanobrag_torch.cli.prepare import Prepared, prepare
from nanobrag_torch.cli.progress import progress_reporter
from nanobrag_torch.cli.remarks import remarks
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.cli.structure import brings_cell
from nanobrag_torch.statistics import compute_statistics, subtended_solid_angle
from nanobrag_torch.trace import trace_pixel

#: Exit status of everything that the user has to put right.
FAILURE = 9
#: Exit status after an interrupt from the keyboard, as shells report it.
INTERRUPTED = 130


def main(words: Sequence[str]) -> int:
    """Run the command on ``words`` (without the program's name); the exit status."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            return _main(words)
    except BrokenPipeError:  # whoever read the report has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except KeyboardInterrupt:
        print("interrupted: no further file is written", file=sys.stderr)
        return INTERRUPTED
    except (CommandError, ValueError, OSError, ImportError, MemoryError, torch.OutOfMemoryError) as error:
        sys.stdout.flush()
        print(f"ERROR: {describe(error)}", file=sys.stderr)
        return FAILURE


def _main(words: Sequence[str]) -> int:
    parsed = parse(words)
    if parsed.given("-h"):
        print(format_help(), end="")
        return 0
    if parsed.given("-version"):
        print(f"nanobrag_torch {__version__}")
        return 0
    for remark in parsed.remarks:
        _warn(remark)
    settings = settings_of(parsed)
    missing = _missing_input(settings)
    if missing is not None:
        print(messages.BANNER)
        print(missing + format_help(), end="")
        return FAILURE
    simulate(configure(settings))
    return 0


def _missing_input(s: Settings) -> str | None:
    """The beginning of the usage text where the inputs do not suffice, else None."""
    has_dump = s.use_dump and Path(s.dump_file).is_file()
    if s.hkl_file is None and not has_dump and s.default_F == 0:
        return "ERROR: no hkl file and no dump file to read."
    if s.matrix_file is not None or (s.cell or (0.0,))[0] > 0 or (s.cell is None and brings_cell(s)):
        return None
    return ""


def simulate(conf: Configuration) -> None:
    """Simulate, report and write. Raises as the readers, models and writers do, before anything is half-written."""
    check_outputs(conf)
    with torch.no_grad():
        run = prepare(conf)
        for remark in remarks(run):
            _warn(remark)
        _say(report(run))
        if conf.settings.show_config:
            _say(printout.configuration(conf))
        image = _render(run)
        found = compute_statistics(image, conf.detector, run.scene.panel.oversample)
    write_images(run, image.numpy(), found)


def _render(run: Prepared) -> Tensor:
    """The image in single precision, on the CPU, with progress or pixels printed on the way."""
    s = run.conf.settings
    progress = progress_reporter(run.conf.roi) if s.progress and not s.printout else None
    image = run.simulator.run(pixel_batch_size=s.pixel_batch_size, progress=progress)
    assert isinstance(image, Tensor)
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


def _warn(text: str) -> None:
    print(f"WARNING: {text}", file=sys.stderr)


def _show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, file: Any = None, line: Any = None
) -> None:
    _warn(str(message))


class CommandLine:
    """The command's parser as an object, for programs that call it: ``parse_args`` and ``format_help``."""

    def parse_args(self, args: Sequence[str] | None = None) -> Parsed:
        """The options in ``args`` (None: those of this process). Raises ``CommandError`` for what cannot be read."""
        return parse(sys.argv[1:] if args is None else list(args))

    format_help: Callable[[], str] = staticmethod(format_help)
