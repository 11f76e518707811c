"""SMV images: a text header padded with blanks, then the pixels."""

import os
import re
import sys
from dataclasses import dataclass

import numpy as np
import torch

from nanobrag_torch.conventions import CONVENTIONS, DetectorConvention
from nanobrag_torch.given import array, number
from nanobrag_torch.io.compressed import read_plain, write_compressed
from nanobrag_torch.io.dtrek import data_type_of, is_dtrek
from nanobrag_torch.validation import check_choice

#: Pixel types: numpy type without byte order, and the precision in which C rounds to it.
PIXEL_TYPES: dict[str, tuple[str, type]] = {
    "unsigned_short": ("u2", np.float32),
    "signed_short": ("i2", np.float32),
    "unsigned_int": ("u4", np.float64),
    "signed_int": ("i4", np.float64),
    "float": ("f4", np.float32),
}
BYTE_ORDERS = {"little_endian": "<", "big_endian": ">"}

_BLOCK = 512
_START = re.compile(rb"\{\s*HEADER_BYTES\s*=\s*(\d{1,9})")
_ENTRY = re.compile(r"^\s*(\w+)\s*=\s*(.*?)\s*;?\s*$", re.MULTILINE)


@dataclass(frozen=True)
class SmvGeometry:
    """Entries of an SMV header: lengths in mm, angles in degrees, wavelength in Angstrom.

    Attributes:
        fpixels: Pixels along fast.
        spixels: Pixels along slow.
        pixel_size: Edge of a pixel.
        slow_size: Extent of the detector along slow.
        distance: Distance along the beam.
        close_distance: Distance along the normal.
        wavelength: Wavelength.
        beam_center: (Xbeam, Ybeam) as the convention publishes it.
        direct_beam: (fast, slow) where the beam really falls.
        dials_origin: First pixel in the frame of DIALS.
        xds_origin: (ORGX, ORGY) in pixels.
        phi: Angle of the image.
        osc_start: Start of the oscillation.
        osc_range: Range of the oscillation.
        twotheta: Rotation about the two-theta axis.
        detector_sn: Serial number of the detector.
        beamline: Name of the beamline.
    """

    fpixels: int
    spixels: int
    pixel_size: float
    slow_size: float
    distance: float
    close_distance: float
    wavelength: float
    beam_center: tuple[float, float]
    direct_beam: tuple[float, float]
    dials_origin: tuple[float, float, float]
    xds_origin: tuple[float, float]
    phi: float = 0.0
    osc_start: float = 0.0
    osc_range: float = 0.0
    twotheta: float = 0.0
    detector_sn: str = "000"
    beamline: str = "fake"


def smv_header(
    geometry: SmvGeometry, *, byte_order: str | None = None, data_type: str = "unsigned_short", strict: bool = False
) -> bytes:
    """The header of an image, padded with blanks to the next multiple of 512 bytes.

    Args:
        geometry: Entries of the header.
        byte_order: "little_endian" or "big_endian"; None is that of this machine.
        data_type: Pixel type, a key of ``PIXEL_TYPES``.
        strict: Write what the C program writes where the text is longer than 512 bytes: no padding, and still
            ``HEADER_BYTES=512``, so that readers see shifted pixels [B28].

    Returns:
        The header as ASCII text.
    """
    order = byte_order or f"{sys.byteorder}_endian"
    text = _header_text(geometry, order, data_type, _BLOCK)
    if strict or len(text) <= _BLOCK:
        return text.ljust(_BLOCK)
    size = -(-len(text) // _BLOCK) * _BLOCK
    return _header_text(geometry, order, data_type, size).ljust(size)


def _header_text(geometry: SmvGeometry, byte_order: str, data_type: str, size: int) -> bytes:
    g = geometry
    fast, slow = g.direct_beam
    half = g.pixel_size / 2
    origin = ",".join(f"{value:g}" for value in g.dials_origin)
    lines = [
        "{",
        f"HEADER_BYTES={size};",
        "DIM=2;",
        f"BYTE_ORDER={byte_order};",
        f"TYPE={data_type};",
        f"SIZE1={g.fpixels};",
        f"SIZE2={g.spixels};",
        f"PIXEL_SIZE={g.pixel_size:g};",
        f"DISTANCE={g.distance:g};",
        f"WAVELENGTH={g.wavelength:g};",
        f"BEAM_CENTER_X={g.beam_center[0]:g};",
        f"BEAM_CENTER_Y={g.beam_center[1]:g};",
        f"ADXV_CENTER_X={fast:g};",
        f"ADXV_CENTER_Y={g.slow_size - slow:g};",
        f"MOSFLM_CENTER_X={slow - half:g};",
        f"MOSFLM_CENTER_Y={fast - half:g};",
        f"DENZO_X_BEAM={slow:g};",
        f"DENZO_Y_BEAM={fast:g};",
        f"DIALS_ORIGIN={origin}",
        f"XDS_ORGX={g.xds_origin[0]:g};",
        f"XDS_ORGY={g.xds_origin[1]:g};",
        f"CLOSE_DISTANCE={g.close_distance:g};",
        f"PHI={g.phi:g};",
        f"OSC_START={g.osc_start:g};",
        f"OSC_RANGE={g.osc_range:g};",
        f"TWOTHETA={g.twotheta:g};",
        f"DETECTOR_SN={g.detector_sn};",
        f"BEAMLINE={g.beamline};",
        "}\f",
    ]
    return "\n".join(lines).encode("ascii")


def to_pixels(
    image: np.ndarray, scale: float = 1.0, adc_offset: float = 40.0, data_type: str = "unsigned_short"
) -> np.ndarray:
    """Scale, offset, clip and round an image to a pixel type, halves up.

    Args:
        image: Image (slow, fast).
        scale: Factor.
        adc_offset: Added to the scaled image.
        data_type: Pixel type, a key of ``PIXEL_TYPES``.

    Raises:
        ValueError: Unknown type, or a pixel that is not a number where the type is an integer.
    """
    check_choice("write_smv", "data_type", data_type, PIXEL_TYPES)
    name, precision = PIXEL_TYPES[data_type]
    with np.errstate(over="ignore"):  # what overflows is clipped
        values = image.astype(np.float64) * scale + adc_offset
    if name == "f4":
        return values.astype(np.float32)
    if np.isnan(values).any():
        slow, fast = (int(index) for index in np.argwhere(np.isnan(values))[0])
        raise ValueError(f"pixel (slow {slow}, fast {fast}) is not a number, so it has no {data_type} value.")
    limits = np.iinfo(name)
    return np.floor((np.clip(values, limits.min, limits.max) + 0.5).astype(precision)).astype(name)


def write_smv_pixels(filepath: str | os.PathLike[str], header: bytes, pixels: np.ndarray) -> None:
    """Write a header and the pixels (slow, fast) behind it, in the byte order and type that ``pixels`` has.

    A name that ends in ``.gz`` or ``.bz2`` is compressed. Raises ``OSError`` where the file cannot be written; an
    existing file is replaced only when all is written.
    """
    write_compressed(filepath, header + np.ascontiguousarray(pixels).tobytes())


def write_smv(
    filepath: str | os.PathLike[str],
    image_data: torch.Tensor | np.ndarray,
    pixel_size_mm: float,
    distance_mm: float,
    wavelength_angstrom: float,
    beam_center_x_mm: float,
    beam_center_y_mm: float,
    close_distance_mm: float | None = None,
    phi_deg: float | None = None,
    osc_start_deg: float | None = None,
    osc_range_deg: float | None = None,
    twotheta_deg: float = 0.0,
    detector_sn: str = "000",
    beamline: str = "nanoBragg",
    convention: str | DetectorConvention = "MOSFLM",
    byte_order: str = "little_endian",
    data_type: str = "unsigned_short",
    scale: float = 1.0,
    adc_offset: float = 40.0,
) -> None:
    """Write an image times ``scale`` plus ``adc_offset`` with the header of an untilted detector.

    Numbers may be 0-d tensors, as in a config.

    Args:
        filepath: File to write; an existing one is replaced when all is written.
        image_data: Pixels (slow, fast).
        pixel_size_mm: Edge of a pixel, mm.
        distance_mm: Distance from the sample, mm.
        wavelength_angstrom: Wavelength, Angstrom.
        beam_center_x_mm: Xbeam of the convention, mm.
        beam_center_y_mm: Ybeam of the convention, mm.
        close_distance_mm: Distance along the normal, mm; None is ``distance_mm``.
        phi_deg: Angle of the image, degrees; None is 0.
        osc_start_deg: Start of the oscillation, degrees; None is ``phi_deg``.
        osc_range_deg: Range of the oscillation, degrees; None is 0.
        twotheta_deg: Two-theta in the header, degrees; the other entries do not turn with it.
        detector_sn: Serial number of the detector.
        beamline: Name of the beamline.
        convention: Detector convention, or its name in either case.
        byte_order: "little_endian" or "big_endian".
        data_type: "unsigned_short", "signed_short", "unsigned_int", "signed_int" or "float".
        scale: Factor of the pixels.
        adc_offset: Added to the scaled pixels.

    Raises:
        ValueError: Unknown convention, byte order or pixel type, or a pixel that is not a number.
        OSError: The file cannot be written.
    """
    lengths = (pixel_size_mm, distance_mm, wavelength_angstrom, beam_center_x_mm, beam_center_y_mm, close_distance_mm)
    pixel_size_mm, distance_mm, wavelength_angstrom, beam_center_x_mm, beam_center_y_mm, close = map(number, lengths)
    phi, start, turned, twotheta_deg = map(number, (phi_deg, osc_start_deg, osc_range_deg, twotheta_deg))
    scale, adc_offset = map(number, (scale, adc_offset))
    convention = convention.value if isinstance(convention, DetectorConvention) else convention.lower()
    check_choice("write_smv", "convention", convention, [item.value for item in DetectorConvention])
    check_choice("write_smv", "byte_order", byte_order, BYTE_ORDERS)
    pixels = to_pixels(array(image_data), scale, adc_offset, data_type)
    spixels, fpixels = pixels.shape
    row = CONVENTIONS[DetectorConvention(convention)]
    slow_size = spixels * pixel_size_mm
    fast, slow = row.fast_slow(beam_center_x_mm, beam_center_y_mm, slow_size)
    fast, slow = fast + row.half_pixel * pixel_size_mm, slow + row.half_pixel * pixel_size_mm
    corner = -fast * np.array(row.fast) - slow * np.array(row.slow) + distance_mm * np.array(row.beam)
    geometry = SmvGeometry(
        fpixels=fpixels,
        spixels=spixels,
        pixel_size=pixel_size_mm,
        slow_size=slow_size,
        distance=distance_mm,
        close_distance=distance_mm if close is None else close,
        wavelength=wavelength_angstrom,
        beam_center=(beam_center_x_mm, beam_center_y_mm),
        direct_beam=(fast, slow),
        dials_origin=(corner[2], corner[1], -corner[0]),
        xds_origin=(fast / pixel_size_mm + 0.5, slow / pixel_size_mm + 0.5),
        phi=phi or 0.0,
        osc_start=(phi if start is None else start) or 0.0,
        osc_range=turned or 0.0,
        twotheta=twotheta_deg,
        detector_sn=detector_sn,
        beamline=beamline,
    )
    header = smv_header(geometry, byte_order=byte_order, data_type=data_type)
    write_smv_pixels(filepath, header, pixels.astype(BYTE_ORDERS[byte_order] + pixels.dtype.str[1:]))


def parse_smv_header(filename: str | os.PathLike[str]) -> dict[str, str]:
    """The entries of a header as text, in the order of the file (also in gzip or bzip2); of a repeated name the last.

    Raises ``OSError`` where there is no such file, ``ValueError`` where it is no SMV image.
    """
    return _split(read_plain(filename, "SMV image"), filename)[0]


def read_smv(filepath: str | os.PathLike[str], *, native: bool = False) -> tuple[np.ndarray, dict[str, str]]:
    """The pixels (slow, fast) in the type that the header names, and the header as text.

    Files in gzip or bzip2 are decompressed; the pixel types of d*TREK headers (``Data_type``) are understood too.
    ``native`` takes the pixels in this machine's byte order whatever the header says, as the C program does [B29].
    Raises ``OSError`` where there is no such file, ``ValueError`` where it is no SMV image or is cut short.
    """
    content = read_plain(filepath, "SMV image")
    header, offset = _split(content, filepath)
    data_type = _data_type(header, filepath)
    order = f"{sys.byteorder}_endian" if native else header.get("BYTE_ORDER", f"{sys.byteorder}_endian").lower()
    for name, value, allowed in (("TYPE", data_type, PIXEL_TYPES), ("BYTE_ORDER", order, BYTE_ORDERS)):
        if value not in allowed:
            raise ValueError(f"{filepath}: {name}={value}: allowed are {', '.join(allowed)}. Convert the image first.")
    fast, slow = (_size(header, name, filepath) for name in ("SIZE1", "SIZE2"))
    dtype = np.dtype(BYTE_ORDERS[order] + PIXEL_TYPES[data_type][0])
    needed = slow * fast * dtype.itemsize
    if len(content) - offset < needed:
        raise ValueError(
            f"{filepath}: {slow} x {fast} pixels of {dtype.itemsize} bytes need {needed} bytes, but only "
            f"{max(0, len(content) - offset)} follow its header. The file is cut short; write or copy it again."
        )
    pixels = np.frombuffer(content, dtype, slow * fast, offset).reshape(slow, fast)
    return pixels.astype(dtype.newbyteorder("=")), header


def _data_type(header: dict[str, str], path: str | os.PathLike[str]) -> str:
    if "TYPE" in header or not is_dtrek(header):
        return header.get("TYPE", "unsigned_short").lower()
    try:
        return data_type_of(header)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _split(content: bytes, path: str | os.PathLike[str]) -> tuple[dict[str, str], int]:
    """Header entries, and where the pixels begin."""
    start = _START.match(content)
    if start is None:
        raise ValueError(f"{path}: no SMV image; it must begin with '{{', a newline and HEADER_BYTES=. Check the name.")
    offset = int(start.group(1))
    text = content[:offset].decode("latin-1").split("\f", 1)[0]
    header: dict[str, str] = {}
    for name, value in _ENTRY.findall(text):
        header.pop(name, None)
        header[name] = value
    return header, offset


def _size(header: dict[str, str], name: str, path: str | os.PathLike[str]) -> int:
    text = header.get(name, "")
    if not re.fullmatch(r"0*[1-9][0-9]{0,8}", text):
        raise ValueError(f"{path}: {name}={text!r} in its header: must be a positive number of pixels. Check the file.")
    return int(text)
