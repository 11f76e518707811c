"""Files of a run: dump, float image, integer image, picture, noise image, NXmx and CBF."""

import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from nanobrag_torch.cli import messages
from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.precedence import Configuration
from nanobrag_torch.cli.prepare import Prepared
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.exposure import exposure_of
from nanobrag_torch.io.cbf import write_cbf
from nanobrag_torch.io.fdump import write_fdump
from nanobrag_torch.io.files import check_ordinary, require
from nanobrag_torch.io.floatfile import write_float_image
from nanobrag_torch.io.nexus import write_nexus
from nanobrag_torch.io.pgm import write_pgm
from nanobrag_torch.io.smv import SmvGeometry, smv_header, to_pixels, write_smv_pixels
from nanobrag_torch.kernel.geometry import sample_positions
from nanobrag_torch.models.detector import MOVE, Geometry
from nanobrag_torch.models.orientation import random_draws
from nanobrag_torch.physics.noise import OVERLOAD
from nanobrag_torch.physics.random import CRandom
from nanobrag_torch.readout import drawn_pixels
from nanobrag_torch.statistics import ImageStatistics
from nanobrag_torch.units import m_to_mm

#: Integer images are scaled to this maximum, pictures to this grey at five times the RMSD.
BRIGHTEST_INTEGER, BRIGHT_GREY = 55000.0, 250.0
#: Outputs whose pixels begin at the offset of the SMV images.
_WITH_OFFSET = ("noise_file", "int_file")
#: Metres from the crystal at which a pixel lies in it.
AT_CRYSTAL = 1e-12


def outputs_of(settings: Settings) -> list[str]:
    """Names of the settings that hold the images of a run, in the order in which they are written."""
    switches = {"pgm_file": settings.write_pgm, "noise_file": settings.write_noise}
    names = ("float_file", "int_file", "pgm_file", "noise_file", "nexus_file", "cbf_file")
    return [name for name in names if getattr(settings, name) is not None and switches.get(name, True)]


def check_outputs(conf: Configuration) -> None:
    """Refuse before the simulation what would otherwise fail after it.

    Raises ``CommandError`` or ``ValueError`` for what cannot be written or drawn, ``ImportError`` without its library.
    """
    s = conf.settings
    written = [getattr(s, name) for name in outputs_of(s)]
    written += [s.dump_file] if s.use_dump and s.hkl_file is not None else []
    for name in written:
        folder = Path(name).resolve().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            raise CommandError(f"{name} cannot be written: {folder} is no folder that you may write to.")
    _check_apart(written)
    if s.nexus_file is not None:
        require("h5py", "-nexusfile")
        check_ordinary(s.nexus_file, "NXmx file")
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
        _noise_stream(conf)


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
    place = (torch.tensor([index], device=run.scene.panel.origin.device) for index in (slow, fast))
    nearest = torch.linalg.vector_norm(sample_positions(run.scene.panel, *place), dim=-1).min()
    if float(nearest) < AT_CRYSTAL:
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
    conf, s = run.conf, run.settings
    made = Images(run, image, found)
    print(f"writing {s.float_file} as {image.size} 4-byte floats")
    made.write("float_file", s.float_file)
    print("\n".join(messages.statistics(found)))
    print(f"intfile_scale = {made.scale:g}\nwriting {s.int_file} as 2-byte integers")
    made.write("int_file", s.int_file)
    if s.write_pgm:
        print(f"pgm_scale = {made.grey:g}\nwriting {s.pgm_file} as 1-byte integers")
        made.write("pgm_file", s.pgm_file)
    if conf.noise.generate_noise_image:
        photons, _, overloads = made.noise
        print(f"{photons.sum():.0f} photons on noise image ({overloads} overloads)")
        print(f"writing {s.noise_file} as 2-byte integers")
        made.write("noise_file", s.noise_file)
    if s.nexus_file is not None:
        print(f"writing {s.nexus_file} as NXmx")
        made.write("nexus_file", s.nexus_file)
    if s.cbf_file is not None:
        print(f"writing {s.cbf_file} as CBF")
        made.write("cbf_file", s.cbf_file)


class Images:
    """Forms in which one image (slow, fast) in photons is written, each made when it is asked for."""

    def __init__(self, run: Prepared, image: np.ndarray, found: ImageStatistics) -> None:
        self.run, self.conf, self.image, self.found = run, run.conf, image, found
        (ymin, ymax), (xmin, xmax) = run.conf.detector.roi()
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
            largest = c.overload_value if _limited(self.conf) else np.iinfo(np.int32).max
            stream, dead = _noise_stream(self.conf), _dead_pixels(self.conf)
            pixels, _ = drawn_pixels(stream, self.noise[0], replace(c, adc_offset=0.0), dead, largest, np.int32)
        return self._framed(pixels.astype(np.int32))

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
        write_nexus(path, exposure_of(self.run.simulator, self.image))

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


def noise_pixels(conf: Configuration, means: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Photons in double precision, 16-bit pixels and number of overloads of the pixels in the ROI, drawn row by row."""
    stream = _noise_stream(conf)
    photons = stream.poissons(means)
    pixels, overloads = drawn_pixels(stream, photons, conf.noise, _dead_pixels(conf), conf.noise.overload_value)
    return photons.astype(np.float64), pixels, overloads


def pedestal(conf: Configuration, name: str) -> float:
    """Pixel value of no photon in the output that a setting names."""
    noisy = conf.noise.generate_noise_image and conf.noise.readout_noise > 0
    return conf.noise.adc_offset if name in _WITH_OFFSET or noisy else 0.0


def saturation(conf: Configuration) -> float | None:
    """Largest count that is not saturated, where counts end below what their format holds.

    A pixel at the overload value may have been anything above it.
    """
    return conf.noise.overload_value - 1 if conf.noise.generate_noise_image and _limited(conf) else None


def _limited(conf: Configuration) -> bool:
    """True where counts are those of a detector that overloads: one is asked for, or they are the noise image's."""
    return "overload" in conf.settings.given or conf.noise.readout_noise > 0


def _dead_pixels(conf: Configuration) -> np.ndarray | None:
    """True where a pixel of the ROI is masked; None without a mask."""
    (ymin, ymax), (xmin, xmax) = conf.detector.roi()
    mask = conf.detector.mask_array
    return None if mask is None else mask[ymin : ymax + 1, xmin : xmax + 1].numpy() == 0


def _noise_stream(conf: Configuration) -> CRandom:
    """The stream of the noise; one that goes on does so where misset and mosaic domains left the generator."""
    assert conf.noise.seed is not None
    goes_on = conf.compat.negative_seeds == "continue" and conf.noise.seed < 0
    state = random_draws(conf.crystal, conf.compat, torch.device("cpu")).state if goes_on else None
    return CRandom.of_option(conf.noise.seed, state, goes_on)


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
