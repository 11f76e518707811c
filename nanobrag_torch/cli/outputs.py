"""Files of a run: dump, float image, integer image, picture, noise image, NXmx and CBF."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from nanobrag_torch.cli import messages
from nanobrag_torch.cli.counts import counts_of, nexus_holds_counts, noise_pixels, noise_stream, saturation
from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.panels import check_panels, description_of, for_nexus
from nanobrag_torch.cli.precedence import Configuration
from nanobrag_torch.cli.prepare import Prepared
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.exposure import exposure_of
from nanobrag_torch.io.cbf import write_cbf
from nanobrag_torch.io.fdump import write_fdump
from nanobrag_torch.io.files import check_ordinary, require
from nanobrag_torch.io.floatfile import write_float_image
from nanobrag_torch.io.nexus import write_nexus
from nanobrag_torch.io.nexus_geometry_writer import check_nexus_geometry, write_nexus_geometry
from nanobrag_torch.io.pgm import write_pgm
from nanobrag_torch.io.smv import SmvGeometry, smv_header, to_pixels, write_smv_pixels
from nanobrag_torch.kernel.geometry import sample_positions
from nanobrag_torch.models.detector import MOVE, Geometry
from nanobrag_torch.physics.noise import OVERLOAD
from nanobrag_torch.statistics import ImageStatistics
from nanobrag_torch.units import m_to_mm

#: Integer images are scaled to this maximum, pictures to this grey at five times the RMSD.
BRIGHTEST_INTEGER, BRIGHT_GREY = 55000.0, 250.0
#: Outputs that hold several panels.
_OF_PANELS = ("float_file", "pgm_file", "nexus_file")
#: Metres from the crystal at which a pixel lies in it.
AT_CRYSTAL = 1e-12


def outputs_of(settings: Settings) -> list[str]:
    """Names of the settings that hold the images of a run, in the order in which they are written."""
    switches = {"pgm_file": settings.write_pgm, "noise_file": settings.write_noise}
    names = ("float_file", "int_file", "pgm_file", "noise_file", "nexus_file", "cbf_file")
    held = names if settings.panels is None else _OF_PANELS
    return [name for name in held if getattr(settings, name) is not None and switches.get(name, True)]


def check_outputs(conf: Configuration, names: Sequence[str] | None = None) -> None:
    """Refuse before the simulation what would otherwise fail after it.

    Args:
        conf: Configuration of the run.
        names: Settings of the images that are written; None is all that one image has.

    Raises:
        CommandError: An image cannot be written, or is not of such a detector.
        ValueError: A number or experiment that cannot be drawn or described.
        ImportError: The library of a format is not installed.
    """
    s = conf.settings
    if conf.panels is not None:
        check_panels(conf)
    written = [getattr(s, name) for name in (outputs_of(s) if names is None else names)]
    written += [s.dump_file] if s.use_dump and s.hkl_file is not None else []
    for name in written:
        folder = Path(name).resolve().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise CommandError(f"{name} cannot be written: {folder} is no folder that you may write to.")
    _check_apart(written)
    if s.nexus_file is not None:
        require("h5py", "-nexusfile")
        check_ordinary(s.nexus_file, "NXmx file")
        if conf.panels is not None:
            check_nexus_geometry(s.nexus_file, for_nexus(description_of(conf)))
    if s.cbf_file is not None:
        require("fabio", "-cbffile")
    traced = None if s.trace_pixel is None else (s.trace_pixel[1], s.trace_pixel[0])
    for option, pixel in (("-printout_pixel", s.printout_pixel), ("-trace_pixel", traced)):
        limits = (conf.detector.fpixels, conf.detector.spixels)
        if pixel is not None and not (0 <= pixel[0] < limits[0] and 0 <= pixel[1] < limits[1]):
            raise CommandError(
                f"{option}: pixel (fast {pixel[0]}, slow {pixel[1]}) is not on the detector of "
                f"{limits[0]} x {limits[1]} pixels. Count from 0."
            )
    if conf.noise.overload_value > OVERLOAD:
        raise CommandError(f"-overload {conf.noise.overload_value:g}: must be at most {OVERLOAD}: pixels have 16 bits.")
    if conf.noise.generate_noise_image:
        noise_stream(conf)


def _check_apart(names: list[str]) -> None:
    """Raise ``CommandError`` for two outputs of one name; a device such as /dev/null takes any number."""
    places = [Path(name).resolve() for name in names]
    for name, place in zip(names, places, strict=True):
        if places.count(place) > 1 and (place.is_file() or not place.exists()):
            raise CommandError(f"{name}: two outputs have this name. Give each a name of its own.")


def write_dump(conf: Configuration) -> None:
    """Leave the structure factors of ``-hkl`` for the next run. Raises ``OSError`` where they cannot be written."""
    s = conf.settings
    if s.use_dump and s.hkl_file is not None and conf.structure is not None:
        write_fdump(conf.structure.factors.grid, conf.structure.factors.metadata, s.dump_file)


def _not_a_number(run: Prepared, slow: int, fast: int) -> str:
    """Cause of a pixel that is not finite, and what to do."""
    nearest = [
        torch.linalg.vector_norm(sample_positions(scene.panel, *place), dim=-1).min()
        for scene, slab in zip(run.scenes, run.simulator.detector.slabs, strict=True)
        if 0 <= slow - slab.slow < slab.height and 0 <= fast - slab.fast < slab.width
        for place in [torch.tensor([[slow - slab.slow], [fast - slab.fast]], device=scene.panel.origin.device)]
    ]
    if min(map(float, nearest)) < AT_CRYSTAL:
        return f"It lies at the crystal, whose distance it is divided by. {MOVE}"
    return "Its factors are too large or too small: check distances, normal and sensor of the detector, F and fluence."


def check_finite_image(run: Prepared, image: np.ndarray) -> None:
    """Raise ``CommandError`` for an image that is not finite, with the reason."""
    if not np.isfinite(image).all():
        slow, fast = np.argwhere(~np.isfinite(image))[0]
        why = _not_a_number(run, int(slow), int(fast))
        raise CommandError(f"pixel (fast {fast}, slow {slow}) is {image[slow, fast]}: nothing is written. {why}")


def write_images(run: Prepared, image: np.ndarray, found: ImageStatistics) -> None:
    """Write all images of a run, each announced on standard output; an image that is not finite is refused."""
    check_finite_image(run, image)
    made = Images(run, image, found)
    names = outputs_of(run.settings)
    for name in names:
        path = getattr(run.settings, name)
        print("\n".join(_ANNOUNCED[name](made, path)))
        made.write(name, path)
        if name == names[0]:
            print("\n".join(messages.statistics(found, run.conf.panels is not None)))


class Images:
    """Forms in which one image (slow, fast) in photons is written, each made when it is asked for."""

    def __init__(self, run: Prepared, image: np.ndarray, found: ImageStatistics) -> None:
        self.run, self.conf, self.image, self.found = run, run.conf, image, found
        (ymin, ymax), (xmin, xmax) = run.conf.rendered.roi()
        self.roi = (slice(ymin, ymax + 1), slice(xmin, xmax + 1))

    @cached_property
    def scale(self) -> float:
        """Factor of the integer image."""
        return _given_or(self.conf.noise.intfile_scale, BRIGHTEST_INTEGER, self.found.max_I, 1.0)

    @cached_property
    def grey(self) -> float:
        """Factor of the grey picture."""
        return _given_or(self.run.settings.pgm_scale, BRIGHT_GREY, 5.0 * self.found.RMSD, self.scale)

    @cached_property
    def noise(self) -> tuple[np.ndarray, np.ndarray, int]:
        """Photons and pixels of the noise image in the ROI, and the number of overloads."""
        return noise_pixels(self.conf, self.image[self.roi])

    @cached_property
    def counts(self) -> np.ndarray:
        """Whole counts, int32: photons of the noise image as the detector reads them, or rounded without noise.

        They stand above no offset, unless readout noise goes below zero: then they are the pixels of the noise image.
        """
        c = self.conf.noise
        if not c.generate_noise_image:
            pixels = np.minimum(np.rint(self.image[self.roi].astype(np.float64)), np.iinfo(np.int32).max)
        elif c.readout_noise > 0:
            pixels = self.noise[1]
        else:
            pixels = counts_of(self.conf, self.noise[0])
        return self._framed(pixels.astype(np.int32))

    @property
    def pixels(self) -> np.ndarray:
        """Pixels of an NXmx file: counts where it holds them, else photons."""
        return self.counts if nexus_holds_counts(self.conf) else self.image

    def write(self, name: str, path: str) -> None:
        """Write the form that a setting names to a file. Raises ``OSError`` where it cannot be written."""
        getattr(self, f"_write_{name}")(path)

    def _write_float_file(self, path: str) -> None:
        write_float_image(path, self.image)

    def _write_int_file(self, path: str) -> None:
        pixels = to_pixels(self.image[self.roi], self.scale, self.conf.noise.adc_offset)
        write_smv_pixels(path, self._header, self._framed(pixels))

    def _write_pgm_file(self, path: str) -> None:
        write_pgm(path, self._framed(self.image[self.roi]), self.grey)

    def _write_noise_file(self, path: str) -> None:
        write_smv_pixels(path, self._header, self._framed(self.noise[1]))

    def _write_nexus_file(self, path: str) -> None:
        if self.conf.panels is not None:
            write_nexus_geometry(path, for_nexus(description_of(self.conf)), self.pixels[None])
            return
        write_nexus(path, exposure_of(self.run.simulator, self.pixels))

    def _write_cbf_file(self, path: str) -> None:
        write_cbf(path, exposure_of(self.run.simulator, self.counts, saturation(self.conf)))

    @property
    def _header(self) -> bytes:
        return smv_header(smv_geometry(self.conf, self.run.geometry), strict=self.conf.compat.strict_c_files)

    def _framed(self, pixels: np.ndarray) -> np.ndarray:
        """The pixels of the ROI in an image that is zero elsewhere."""
        image = np.zeros(self.image.shape, pixels.dtype)
        image[self.roi] = pixels
        return image


#: What is printed before an image is written to a path, by its setting.
_ANNOUNCED: dict[str, Callable[[Images, str], list[str]]] = {
    "float_file": lambda made, path: [f"writing {path} as {made.image.size} 4-byte floats"],
    "int_file": lambda made, path: [f"intfile_scale = {made.scale:g}", f"writing {path} as 2-byte integers"],
    "pgm_file": lambda made, path: [f"pgm_scale = {made.grey:g}", f"writing {path} as 1-byte integers"],
    "noise_file": lambda made, path: [
        f"{made.noise[0].sum():.0f} photons on noise image ({made.noise[2]} overloads)",
        f"writing {path} as 2-byte integers",
    ],
    "nexus_file": lambda made, path: [f"writing {path} as NXmx"],
    "cbf_file": lambda made, path: [f"writing {path} as CBF"],
}


def smv_geometry(conf: Configuration, geometry: Geometry) -> SmvGeometry:
    """Entries of the SMV headers of this run."""
    s, pixel = conf.settings, conf.settings.pixel_size_mm
    names = ("distance", "close_distance", "beam_f", "beam_s", "close_f", "close_s")
    mm = {name: m_to_mm(float(getattr(geometry, name))) for name in names}
    return SmvGeometry(
        fpixels=conf.detector.fpixels,
        spixels=conf.detector.spixels,
        pixel_size=pixel,
        slow_size=conf.camera.size[1],
        distance=mm["distance"],
        close_distance=mm["close_distance"],
        wavelength=s.wavelength_A,
        beam_center=conf.camera.beam_center,
        direct_beam=(mm["beam_f"], mm["beam_s"]),
        dials_origin=messages.dials_origin(geometry),
        xds_origin=(mm["close_f"] / pixel + 0.5, mm["close_s"] / pixel + 0.5),
        phi=s.phi_deg,
        osc_start=s.phi_deg,
        osc_range=float(conf.crystal.osc_range_deg),
        twotheta=s.detector_twotheta_deg,
    )


def _given_or(given: float, wanted: float, value: float, otherwise: float) -> float:
    """A scale: the given one, else the one that makes ``wanted`` of ``value``, else ``otherwise``."""
    if given > 0:
        return given
    return wanted / value if value > 0 else otherwise
