"""One run of the command: what was said is resolved, simulated, reported and written, in the order of the C program."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch import __version__
from nanobrag_torch.cli import messages
from nanobrag_torch.cli.differences import differences
from nanobrag_torch.cli.flags import format_help
from nanobrag_torch.cli.parse import CommandError, Parsed, parse
from nanobrag_torch.cli.precedence import Configuration, configure, settings_of
from nanobrag_torch.cli.progress import progress_reporter
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.io.fdump import read_fdump, write_fdump
from nanobrag_torch.io.files import read_bytes
from nanobrag_torch.io.floatfile import write_float_image
from nanobrag_torch.io.hkl import read_hkl_file
from nanobrag_torch.io.pgm import write_pgm
from nanobrag_torch.io.smv import SmvGeometry, smv_header, to_pixels, write_smv_pixels
from nanobrag_torch.models.crystal import Crystal
from nanobrag_torch.models.detector import Detector, Geometry
from nanobrag_torch.models.orientation import random_draws
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.statistics import ImageStatistics, compute_statistics, subtended_solid_angle
from nanobrag_torch.trace import trace_pixel

#: Exit status of everything that the user has to put right.
FAILURE = 9


def main(words: Sequence[str]) -> int:
    """Run the command on ``words`` (without the program's name); the exit status."""
    try:
        return _main(words)
    except (CommandError, ValueError, OSError, MemoryError) as error:
        print(f"ERROR: {error or type(error).__name__}", file=sys.stderr)
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
    model = Crystal(conf.crystal, conf.beam, dtype=conf.dtype, device=s.device, compat=compat)
    detector = Detector(conf.detector, dtype=conf.dtype, device=s.device, compat=compat)
    simulator = Simulator(model, detector, beam_config=conf.beam, device=s.device, dtype=conf.dtype, compat=compat)
    with torch.no_grad():
        geometry = detector.geometry(compat)
        cell = model.unit_cell(compat)
        _say(messages.opening(conf, geometry))
        _say(messages.crystal(conf, cell, simulator, geometry))
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
        _print_pixels(conf, simulator, slow, fast)
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


def write_images(conf: Configuration, image: np.ndarray, found: ImageStatistics, geometry: Geometry) -> None:
    """Write float image, integer image, picture and noise image, each with its line on standard output."""
    s = conf.settings
    window = np.zeros(image.shape, bool)
    (ymin, ymax), (xmin, xmax) = conf.detector.roi()
    roi = (slice(ymin, ymax + 1), slice(xmin, xmax + 1))
    window[roi] = True
    if not np.isfinite(image).all():
        slow, fast = np.argwhere(~np.isfinite(image))[0]
        raise CommandError(
            f"pixel (fast {fast}, slow {slow}) is {image[slow, fast]}: nothing is written. Check the input."
        )

    print(f"writing {s.float_file} as {image.size} 4-byte floats")
    write_float_image(s.float_file, image)
    print("\n".join(messages.statistics(found)))

    scale = s.intfile_scale if s.intfile_scale > 0 else (55000.0 / found.max_I if found.max_I > 0 else 1.0)
    print(f"intfile_scale = {scale:g}")
    print(f"writing {s.int_file} as 2-byte integers")
    header = smv_header(smv_geometry(conf, geometry), strict=conf.compat.strict_c_files)
    write_smv_pixels(s.int_file, header, np.where(window, to_pixels(image, scale, s.adc_offset), 0).astype(np.uint16))

    if s.write_pgm:
        grey = s.pgm_scale if s.pgm_scale > 0 else (250.0 / (5.0 * found.RMSD) if found.RMSD > 0 else scale)
        print(f"pgm_scale = {grey:g}")
        print(f"writing {s.pgm_file} as 1-byte integers")
        write_pgm(s.pgm_file, np.where(window, image, 0), grey)

    if s.write_noise:
        photons, pixels, overloads = noise_pixels(conf, image[roi])
        print(f"{photons:.0f} photons on noise image ({overloads} overloads)")
        print(f"writing {s.noise_file} as 2-byte integers")
        noisy = np.zeros(image.shape, np.uint16)
        noisy[roi] = pixels
        write_smv_pixels(s.noise_file, header, noisy)


def noise_pixels(conf: Configuration, means: np.ndarray) -> tuple[float, np.ndarray, int]:
    """Photons in all, 16-bit pixels and number of overloads: the noise stream goes on with the generator's state."""
    from nanobrag_torch.physics.noise import digitise, poisson_image  # brings numba: only where noise is asked for
    from nanobrag_torch.physics.random import CRandom

    assert conf.noise.seed is not None
    state = random_draws(conf.crystal, torch.device("cpu")).state
    photons = poisson_image(means, CRandom.of_option(conf.noise.seed, state))
    pixels, overloads = digitise(photons, conf.noise.adc_offset)
    return float(photons.sum(dtype=np.float64)), pixels, overloads


def smv_geometry(conf: Configuration, geometry: Geometry) -> SmvGeometry:
    """What the headers of this run say."""
    s, pixel = conf.settings, conf.settings.pixel_size_mm
    mm = {name: 1000.0 * float(getattr(geometry, name)) for name in
          ("distance", "close_distance", "beam_f", "beam_s", "close_f", "close_s")}  # fmt: skip
    return SmvGeometry(
        fpixels=conf.detector.fpixels,
        spixels=conf.detector.spixels,
        pixel_size=pixel,
        slow_size=conf.detector_size[1],
        distance=mm["distance"],
        close_distance=mm["close_distance"],
        wavelength=s.wavelength_A,
        beam_center=conf.beam_center,
        direct_beam=(mm["beam_f"], mm["beam_s"]),
        dials_origin=messages.dials_origin(geometry),
        xds_origin=(mm["close_f"] / pixel + 0.5, mm["close_s"] / pixel + 0.5),
        phi=s.phi_deg,
        osc_start=s.phi_deg,
        osc_range=float(conf.crystal.osc_range_deg),
        twotheta=s.twotheta_deg,
    )


def _print_pixels(conf: Configuration, simulator: Simulator, slow: Tensor, fast: Tensor) -> None:
    s = conf.settings
    if s.printout:
        for y, x in zip(slow.tolist(), fast.tolist(), strict=True):
            if s.printout_pixel in (None, (x, y)):
                _say(messages.pixel(trace_pixel(simulator, y, x), conf))
    if s.trace_pixel is not None:
        _say(messages.trace(trace_pixel(simulator, *s.trace_pixel)))


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


def _warn(text: str) -> None:
    print(f"WARNING: {text}", file=sys.stderr)


class CommandLine:
    """The command's parser as an object, for programs that call it: ``parse_args`` and ``format_help``."""

    def parse_args(self, args: Sequence[str] | None = None) -> Parsed:
        """The options in ``args`` (None: those of this process). Raises ``CommandError`` for what cannot be read."""
        return parse(sys.argv[1:] if args is None else list(args))

    format_help: Callable[[], str] = staticmethod(format_help)
