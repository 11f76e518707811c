"""Counts of a run: photons as its detector reads them, of one panel and of many."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from nanobrag_torch.cli.precedence import Configuration
from nanobrag_torch.config import NoiseConfig
from nanobrag_torch.models.orientation import random_draws
from nanobrag_torch.physics.random import CRandom
from nanobrag_torch.readout import drawn_pixels
from nanobrag_torch.slabs import Slab, held, within

#: Settings of the response of a detector, which makes the image with noise.
RESPONSE = ("gain", "readout_noise", "overload", "psf", "psf_fwhm_um", "dead_value")
#: Settings that ask for a single image of several panels as the detector reads it.
READOUT = (*RESPONSE, "adc_offset")
#: Outputs whose pixels begin at the offset of the SMV images.
_WITH_OFFSET = ("noise_file", "int_file")


def nexus_holds_counts(conf: Configuration) -> bool:
    """True where the NXmx file holds counts: of a series, and of one image of panels whose readout is asked for."""
    s = conf.settings
    is_series = s.frames is not None or s.shots is not None
    asked = is_series or (conf.panels is not None and any(name in s.given for name in READOUT))
    return asked and conf.noise.generate_noise_image


def noise_pixels(conf: Configuration, means: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Photons in double precision, 16-bit pixels and number of overloads of the pixels in the ROI, drawn row by row."""
    stream = noise_stream(conf)
    photons = stream.poissons(means)
    pixels, overloads = _read(conf, stream, photons, conf.noise, conf.noise.overload_value, np.uint16)
    return photons.astype(np.float64), pixels, overloads


def counts_of(conf: Configuration, photons: np.ndarray) -> np.ndarray:
    """Photons in the ROI as a detector without readout noise reads them, above no offset, int32."""
    largest = conf.noise.overload_value if overloads_are_counted(conf) else np.iinfo(np.int32).max
    return _read(conf, noise_stream(conf), photons, replace(conf.noise, adc_offset=0.0), largest, np.int32)[0]


def _read(
    conf: Configuration, stream: CRandom, photons: np.ndarray, noise: NoiseConfig, largest: float, dtype: type[Any]
) -> tuple[np.ndarray, int]:
    """Pixels of photons in the ROI, and the number of overloads; 0 where no panel is, which has no readout noise."""
    slabs, dead = panel_slabs(conf), None if noise.dead_value is None else dead_pixels(conf)
    pixels, overloads = drawn_pixels(stream, photons, noise, dead, largest, dtype, slabs)
    if slabs is not None and noise.dead_value is None:
        pixels[~held(slabs, photons.shape)] = 0
    return pixels, overloads


def pedestal(conf: Configuration, name: str) -> float:
    """Pixel value of no photon in the output that a setting names."""
    noisy = conf.noise.generate_noise_image and conf.noise.readout_noise > 0
    return conf.noise.adc_offset if name in _WITH_OFFSET or noisy else 0.0


def saturation(conf: Configuration) -> float | None:
    """Largest count that is not saturated, where counts end below what their format holds.

    A pixel at the overload value may have been anything above it.
    """
    return conf.noise.overload_value - 1 if conf.noise.generate_noise_image and overloads_are_counted(conf) else None


def overloads_are_counted(conf: Configuration) -> bool:
    """True where counts are those of a detector that overloads: one is asked for, or they are the noise image's."""
    return "overload" in conf.settings.given or conf.noise.readout_noise > 0


def panel_slabs(conf: Configuration) -> list[Slab] | None:
    """Parts of several panels in the region of interest, counted from its first pixel; None for one panel."""
    return None if conf.panels is None else within(conf.panels.slabs(), *conf.panels.roi())


def dead_pixels(conf: Configuration) -> np.ndarray | None:
    """True where a pixel of the region of interest is masked or no panel holds it; None where there is no such one."""
    (ymin, ymax), (xmin, xmax) = conf.rendered.roi()
    if conf.panels is None:
        mask = conf.detector.mask_array
    else:
        mask = torch.zeros(conf.panels.spixels, conf.panels.fpixels)
        for panel, slab in zip(conf.panels.panels, conf.panels.slabs(), strict=True):
            slab.of(mask).copy_(torch.tensor(1.0) if panel.mask_array is None else panel.mask_array)
    return None if mask is None else mask[ymin : ymax + 1, xmin : xmax + 1].numpy() == 0


def noise_stream(conf: Configuration) -> CRandom:
    """The stream of the noise; one that goes on does so where misset and mosaic domains left the generator."""
    assert conf.noise.seed is not None
    goes_on = conf.compat.negative_seeds == "continue" and conf.noise.seed < 0
    state = random_draws(conf.crystal, conf.compat, torch.device("cpu")).state if goes_on else None
    return CRandom.of_option(conf.noise.seed, state, goes_on)
