"""A run of the command on a detector of several panels: one raw image, its statistics, and NXmx with all modules."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from nanobrag_torch.amorphous import background_image
from nanobrag_torch.cli import printout
from nanobrag_torch.cli.errors import CommandError, option_of
from nanobrag_torch.cli.experiment_out import check_experiment_out, write_experiment
from nanobrag_torch.cli.outputs import BRIGHT_GREY
from nanobrag_torch.cli.precedence import Configuration
from nanobrag_torch.cli.prepare import NO_COMPILATION
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.experiments import describe
from nanobrag_torch.io.description import Description, PanelDescription
from nanobrag_torch.io.fdump import write_fdump
from nanobrag_torch.io.files import check_ordinary, require
from nanobrag_torch.io.floatfile import write_float_image
from nanobrag_torch.io.nexus_geometry_writer import check_nexus_geometry, write_nexus_geometry
from nanobrag_torch.io.pgm import write_pgm
from nanobrag_torch.kernel.memory import check_positions
from nanobrag_torch.memory import check_memory
from nanobrag_torch.models.crystal import Crystal
from nanobrag_torch.models.panels import PanelledDetector
from nanobrag_torch.panels import PanelledDetectorConfig
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.slabs import shape_of
from nanobrag_torch.statistics import compute_statistics

#: Settings of what one flat panel alone has: images in other formats, their readout, and single pixels.
_FLAT_ALONE = (
    "cbf_file", "int_file", "noise_file", "intfile_scale", "adc_offset", "gain", "readout_noise", "overload", "psf",
    "psf_fwhm_um", "dead_value", "printout_pixel", "trace_pixel",
)  # fmt: skip


def simulate_panels(conf: Configuration) -> None:
    """Simulate, report and write an experiment of several panels.

    Raises as ``simulate`` does, and ``CommandError`` for an option that one flat panel alone has.
    """
    s, config = conf.settings, conf.settings.panels
    assert isinstance(config, PanelledDetectorConfig)
    shape = shape_of(config.slabs())
    check_memory("pixel with its files", shape[0] * shape[1], "-expt", "panels", shape, "Take fewer pixels.")
    _check_options(s)
    described = _described(conf, config)
    check_experiment_out(conf)
    if s.nexus_file is not None:
        check_nexus_geometry(s.nexus_file, described)
    config.oversample = conf.detector.oversample
    for name in ("oversample_omega", "oversample_polar", "oversample_thick", "point_pixel"):
        setattr(config, name, getattr(conf.detector, name))
    if any(bound >= 0 for bound in s.roi):
        bounds = zip(("roi_xmin", "roi_xmax", "roi_ymin", "roi_ymax"), s.roi, strict=True)
        for name, bound in bounds:
            setattr(config, name, bound if bound >= 0 else None)
    crystal = Crystal(conf.crystal, conf.beam, dtype=conf.dtype, device=s.device, compat=conf.compat)
    detector = PanelledDetector(config, dtype=conf.dtype, device=s.device, compat=conf.compat)
    engine = "torch" if os.environ.get(NO_COMPILATION) == "1" else "auto"
    simulator = Simulator(
        crystal, detector, beam_config=conf.beam, device=s.device, dtype=conf.dtype, compat=conf.compat, engine=engine
    )
    if conf.structure is not None:
        factors = conf.structure.factors
        crystal.hkl_data, crystal.hkl_metadata = factors.grid.to(simulator.device), factors.metadata
        if s.use_dump and s.hkl_file is not None:
            write_fdump(factors.grid, factors.metadata, s.dump_file)
    with torch.no_grad():
        scenes = simulator.scenes()
        for scene in scenes:
            check_positions(scene.panel, 1)
        _report(conf, simulator)
        image = simulator.render(scenes, s.pixel_batch_size)
        if conf.materials:
            image = image + background_image(simulator, conf.materials)
        image = image.to("cpu", torch.float32)
        found = compute_statistics(image, config, scenes[0].panel.oversample)
    pixels = image.numpy()
    if not np.isfinite(pixels).all():
        slow, fast = np.argwhere(~np.isfinite(pixels))[0]
        raise CommandError(f"pixel (fast {fast}, slow {slow}) is {pixels[slow, fast]}: nothing is written. Check F.")
    print(f"max_I = {found.max_I:g} at pixel (fast {found.max_I_fast}, slow {found.max_I_slow}) of the raw image")
    print(f"mean= {found.mean:g} rms= {found.RMS:g} rmsd= {found.RMSD:g}")
    _write(conf, described, pixels, found.RMSD)


def _check_options(s: Settings) -> None:
    """Refuse before the simulation what would otherwise fail after it."""
    asked = [str(option_of(name)) for name in _FLAT_ALONE if name in s.given] + ["-printout"] * s.printout
    if asked:
        raise CommandError(
            f"{asked[0]}: {s.experiment_file} has several panels, and this is of images of one panel. Leave it out; "
            "-floatfile and -nexusfile hold the photons of all panels."
        )
    written = [s.float_file, *([s.pgm_file] if s.write_pgm else []), *([s.nexus_file] if s.nexus_file else [])]
    for name in written:
        folder = Path(name).resolve().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise CommandError(f"{name} cannot be written: {folder} is no folder that you may write to.")
    if s.nexus_file is not None:
        require("h5py", "-nexusfile")
        check_ordinary(s.nexus_file, "NXmx file")
    print("WARNING: no SMV images of several panels; -nexusfile writes all of them as NXmx", file=sys.stderr)


def _report(conf: Configuration, simulator: Simulator) -> None:
    s = conf.settings
    config = s.panels
    assert isinstance(config, PanelledDetectorConfig)
    rows, columns = shape_of(config.slabs())
    cell = simulator.unit_cell().direct.norm(dim=-1).tolist()
    a, b, c = cell
    print(f"experiment of {s.experiment_file}: {len(tuple(config.panels))} panels, raw image {columns} x {rows} pixels")
    print(f"wavelength {s.wavelength_A:g} A, crystal {a:g} x {b:g} x {c:g} A, {'x'.join(map(str, _cells(conf)))} cells")
    if s.show_config:
        print("\n".join(printout.configuration(conf)))
    print(f"phi {s.phi_deg:g} deg, range {float(conf.crystal.osc_range_deg):g} deg in {conf.crystal.phi_steps} steps")


def _cells(conf: Configuration) -> list[str]:
    return [f"{float(count):g}" for count in conf.crystal.N_cells]


def _described(conf: Configuration, config: PanelledDetectorConfig) -> Description:
    """The experiment as other programs read it; its pixels are photons, whatever those of the file were."""
    frame = conf.settings.experiment.description.frame
    found = describe(conf.crystal, config, conf.beam, frame=frame, compat=conf.compat)
    return replace(found, panels=tuple(_in_photons(panel) for panel in found.panels))


def _in_photons(panel: PanelDescription) -> PanelDescription:
    trusted = panel.trusted
    if trusted is not None:
        low, high = (bound if abs(bound) >= 1e30 else (bound - panel.pedestal) / panel.gain for bound in trusted)
        trusted = low, high
    return replace(panel, gain=1.0, pedestal=0.0, trusted=trusted)


def _write(conf: Configuration, described: Description, pixels: np.ndarray, rmsd: float) -> None:
    s = conf.settings
    print(f"writing {s.float_file} as {pixels.size} 4-byte floats, {pixels.shape[1]} x {pixels.shape[0]}")
    write_float_image(s.float_file, pixels)
    if s.write_pgm:
        grey = s.pgm_scale if s.pgm_scale > 0 else (BRIGHT_GREY / (5.0 * rmsd) if rmsd > 0 else 1.0)
        print(f"pgm_scale = {grey:g}\nwriting {s.pgm_file} as 1-byte integers")
        write_pgm(s.pgm_file, pixels, grey)
    if s.nexus_file is not None:
        print(f"writing {s.nexus_file} as NXmx")
        write_nexus_geometry(s.nexus_file, described, pixels[None])
    write_experiment(conf, described)
