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
from nanobrag_torch.cli import messages
from nanobrag_torch.cli.differences import differences
from nanobrag_torch.cli.errors import CommandError, describe
from nanobrag_torch.cli.flags import format_help
from nanobrag_torch.cli.outputs import check_outputs, write_images
from nanobrag_torch.cli.parse import Parsed, parse
from nanobrag_torch.cli.precedence import Configuration, configure, settings_of
from nanobrag_torch.cli.progress import progress_reporter
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.io.fdump import read_fdump, write_fdump
from nanobrag_torch.io.files import read_bytes
from nanobrag_torch.io.hkl import read_hkl_file
from nanobrag_torch.models.crystal import Crystal
from nanobrag_torch.models.detector import Detector
from nanobrag_torch.simulator import Simulator
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
    except (CommandError, ValueError, OSError, MemoryError, torch.OutOfMemoryError) as error:
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
    return "" if s.matrix_file is None and not (s.cell or (0.0,))[0] > 0 else None


def simulate(conf: Configuration) -> None:
    """Simulate, report and write. Raises as the readers, models and writers do, before anything is half-written."""
    s, compat = conf.settings, conf.compat
    check_outputs(conf)
    model = Crystal(conf.crystal, conf.beam, dtype=conf.dtype, device=s.device, compat=compat)
    detector = Detector(conf.detector, dtype=conf.dtype, device=s.device, compat=compat)
    simulator = Simulator(model, detector, beam_config=conf.beam, device=s.device, dtype=conf.dtype, compat=compat)
    with torch.no_grad():
        geometry = detector.geometry(compat)
        cell = model.unit_cell(compat)
        _say(messages.opening(conf, geometry))
        _say(messages.crystal(conf, cell, simulator, geometry))
        if s.misset_random and s.misset_seed is None:
            seed = conf.crystal.misset_seed
            _warn(
                f"the seed {seed} of the random misset is from the clock. -misset_seed {seed} repeats this orientation."
            )
        hkls = load_structure_factors(conf, model)
        scene = simulator.scene()
        divergence = simulator.beam.divergence()
        directions = -1 if conf.sources is not None else len(simulator.beam.divergence_angles()[0])
        _say(messages.sampling(conf, simulator, scene, geometry))
        _say(messages.parameters(conf, scene, geometry, divergence, hkls, directions))
        if s.show_config:
            _say(messages.configuration(conf))
        for difference in differences(conf, scene, cell, geometry):
            _warn(difference)
        slow, fast = simulator.rendered_pixels()
        report = progress_reporter(conf.roi) if s.progress and not s.printout else None
        image = simulator.run(pixel_batch_size=s.pixel_batch_size, progress=report)
        assert isinstance(image, Tensor)
        _print_pixels(conf, simulator, image, slow, fast)
        image = image.to(device="cpu", dtype=torch.float32)
        print()
        print(messages.solid_angle(subtended_solid_angle(scene, slow, fast)))
        found = compute_statistics(image, conf.detector, scene.panel.oversample)
    write_images(conf, image.numpy(), found, geometry)


def load_structure_factors(conf: Configuration, model: Crystal) -> int:
    """Fill the crystal's table from the text file or the dump, if there is one; the number of reflections."""
    s = conf.settings
    grid, metadata = None, None
    if s.hkl_file is not None:
        print(f"counting entries in {s.hkl_file}")
        strict = conf.compat.strict_c_files
        grid, metadata = read_hkl_file(s.hkl_file, s.default_F, s.device, torch.float64, strict=strict)
        if s.default_F != 0:
            print(f"initializing to default_F = {s.default_F:g}:\ndone initializing:")
        print(f"re-reading {s.hkl_file}")
        if s.use_dump:
            print(f"writing dump file for next time: {s.dump_file}")
            write_fdump(grid, metadata, s.dump_file)
    elif s.use_dump and Path(s.dump_file).is_file():
        print(f"reading Fs from {s.dump_file}")
        _warn(f"structure factors come from {s.dump_file}, left by an earlier run. -nodump ignores it.")
        grid, metadata = read_fdump(s.dump_file, s.device, torch.float64)
    if s.stol_file is not None:
        print(f"reading {s.stol_file}")
        if not read_bytes(s.stol_file, "table over sin(theta)/lambda").strip():
            raise CommandError(f"{s.stol_file} is empty. Leave the option out: the table is not used.")
    model.hkl_data, model.hkl_metadata = grid, metadata
    return 0 if metadata is None else metadata["hkls"]


def _print_pixels(conf: Configuration, simulator: Simulator, image: Tensor, slow: Tensor, fast: Tensor) -> None:
    s = conf.settings
    if s.printout:
        for y, x in zip(slow.tolist(), fast.tolist(), strict=True):
            if s.printout_pixel in (None, (x, y)):
                _say(messages.pixel(trace_pixel(simulator, y, x), float(image[y, x]), conf))
    if s.trace_pixel is not None:
        _say(messages.trace(trace_pixel(simulator, *s.trace_pixel)))


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
