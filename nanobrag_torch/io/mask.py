"""Pixel masks, and the camera parameters that an SMV header hands to a command line."""

import os
import re
import warnings
from collections.abc import Callable
from typing import Any

import torch

from nanobrag_torch.conventions import CONVENTIONS, DetectorConvention
from nanobrag_torch.io.dtrek import camera_of_header, is_dtrek
from nanobrag_torch.io.smv import parse_smv_header, read_smv
from nanobrag_torch.memory import check_memory
from nanobrag_torch.validation import check_count

__all__ = [
    "apply_smv_header_to_config",
    "create_circular_mask",
    "create_rectangle_mask",
    "parse_smv_header",
    "read_smv_mask",
]

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")

#: Header keyword, the config entry that it sets, and its type; TWOTHETA is not taken over, as in the C program.
HEADER_ENTRIES: tuple[tuple[str, str, Callable[[float], Any]], ...] = (
    ("SIZE1", "fpixels", int),
    ("SIZE2", "spixels", int),
    ("PIXEL_SIZE", "pixel_size_mm", float),
    ("DISTANCE", "distance_mm", float),
    ("CLOSE_DISTANCE", "close_distance_mm", float),
    ("WAVELENGTH", "wavelength_A", float),
    ("BEAM_CENTER_X", "beam_center_x_mm", float),
    ("BEAM_CENTER_Y", "beam_center_y_mm", float),
    ("ORGX", "orgx", float),
    ("ORGY", "orgy", float),
    ("PHI", "phi_deg", float),
    ("OSC_RANGE", "osc_deg", float),
)


def apply_smv_header_to_config(header: dict[str, str], config: dict[str, Any], is_mask: bool = False) -> None:
    """Enter the camera parameters of a header into ``config``, in place: lengths in mm, angles in degrees.

    A keyword finds the last entry whose name contains it, as in the C program: DISTANCE takes the later CLOSE_DISTANCE
    [B29] and ORGX takes XDS_ORGX. A mask's BEAM_CENTER_Y counts from the far edge of the detector. A d*TREK header is
    read by its own rules, with a warning that names what is not taken over; the beam centre is given in the coordinates
    of ``config["convention"]``.
    Raises ``ValueError`` where such an entry holds no number, or says what no camera here can.
    """
    if is_dtrek(header):
        _apply_dtrek(header, config)
        return
    for keyword, name, kind in HEADER_ENTRIES:
        value = _value(header, keyword)
        if value is not None:
            config[name] = kind(value)
    if not config.get("fpixels") and (square := _value(header, "DETECTOR_DIMENSIONS")):
        config["fpixels"] = config["spixels"] = int(square)
    if is_mask and _value(header, "BEAM_CENTER_Y") is not None:
        height = config["pixel_size_mm"] * config["spixels"]
        config["beam_center_y_mm"] = height - config["beam_center_y_mm"]


def _apply_dtrek(header: dict[str, str], config: dict[str, Any]) -> None:
    camera = camera_of_header(header)
    row = CONVENTIONS[config.get("convention", DetectorConvention.MOSFLM)]
    pixel, (fast, slow) = camera.pixel_size_mm, camera.beam_px
    sizes = {name: int(_value(header, key) or 0) for key, name in (("SIZE1", "fpixels"), ("SIZE2", "spixels"))}
    fast_mm, slow_mm = ((place - row.half_pixel) * pixel for place in (fast, slow))
    x, y = row.published(fast_mm, slow_mm, sizes["spixels"] * pixel)
    config.update(
        sizes, pixel_size_mm=pixel, distance_mm=camera.distance_mm, wavelength_A=camera.wavelength_A,
        phi_deg=camera.phi_deg, osc_deg=camera.osc_deg, beam_center_x_mm=x, beam_center_y_mm=y,
        orgx=fast + 0.5, orgy=slow + 0.5,
    )  # fmt: skip
    if camera.left_out:
        warnings.warn(
            f"d*TREK header: taken over are size, pixel, distance, beam centre, wavelength and rotation; "
            f"not {', '.join(camera.left_out)}. Give options where they matter.",
            stacklevel=3,
        )


def _value(header: dict[str, str], keyword: str) -> float | None:
    """The number of the last entry whose name contains ``keyword``."""
    found = [(name, text) for name, text in header.items() if keyword in name]
    if not found:
        return None
    name, text = found[-1]
    number = _NUMBER.match(text.strip())
    if number is None:
        raise ValueError(f"SMV header entry {name}={text}: must be a number. Correct the header, or give the option.")
    return float(number.group())


def read_smv_mask(filename: str | os.PathLike[str], *, native: bool = False) -> tuple[torch.Tensor, dict[str, str]]:
    """A mask (spixels, fpixels) of float32, 0 where the image is 0 and 1 elsewhere, and the image's header.

    ``native`` ignores the header's byte order, as the C program does. Raises ``OSError`` or ``ValueError`` as
    ``read_smv`` does.
    """
    pixels, header = read_smv(filename, native=native)
    return torch.from_numpy((pixels != 0).astype("float32")), header


def create_circular_mask(spixels: int, fpixels: int, center_s: float, center_f: float, radius: float) -> torch.Tensor:
    """Mask of a disc.

    Args:
        spixels: Pixels along slow.
        fpixels: Pixels along fast.
        center_s: Centre along slow, pixels.
        center_f: Centre along fast, pixels.
        radius: Radius in pixels, edge included.

    Returns:
        Float32 (spixels, fpixels): 1 within the disc and 0 outside.

    Raises:
        ValueError: There are no pixels, or more than memory holds.
    """
    _check_size(spixels, fpixels)
    slow, fast = torch.meshgrid(torch.arange(spixels), torch.arange(fpixels), indexing="ij")
    return ((slow - center_s) ** 2 + (fast - center_f) ** 2 <= radius**2).to(torch.float32)


def create_rectangle_mask(
    spixels: int, fpixels: int, roi_xmin: int, roi_xmax: int, roi_ymin: int, roi_ymax: int
) -> torch.Tensor:
    """Mask of a rectangle, x along fast and y along slow.

    Args:
        spixels: Pixels along slow.
        fpixels: Pixels along fast.
        roi_xmin: First pixel along fast.
        roi_xmax: Last pixel along fast, included.
        roi_ymin: First pixel along slow.
        roi_ymax: Last pixel along slow, included.

    Returns:
        Float32 (spixels, fpixels): 1 within the bounds and 0 outside.

    Raises:
        ValueError: There are no pixels, or more than memory holds.
    """
    _check_size(spixels, fpixels)
    mask = torch.zeros((spixels, fpixels))
    mask[max(roi_ymin, 0) : roi_ymax + 1, max(roi_xmin, 0) : roi_xmax + 1] = 1.0
    return mask


def _check_size(spixels: int, fpixels: int) -> None:
    """Raise ``ValueError`` for a mask of no pixels, or of more than memory holds."""
    check_count("mask", "spixels", spixels)
    check_count("mask", "fpixels", fpixels)
    shape = (spixels, fpixels)
    check_memory("pixel with its files", spixels * fpixels, "mask", "spixels, fpixels", shape, "Mask fewer pixels.")
