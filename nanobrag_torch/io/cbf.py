"""CBF images with the header that DECTRIS began with its PILATUS detectors, compressed and read through fabio.

Its convention is named GENERIC_MINI: readers hold a PILATUS to the sizes of its modules. That mini-header knows a
distance and a beam centre but no tilted detector. Where it does not suffice the geometry follows in the words of the
imgCIF dictionary. Position and axes in the laboratory of the writer stand in lines of their own, with all digits; other
programs pass over them.
"""

import base64
import hashlib
import io
import math
import os
import re
from datetime import UTC, datetime
from typing import Any

import numpy as np

from nanobrag_torch.conventions import Vector
from nanobrag_torch.io.compressed import read_plain, write_compressed
from nanobrag_torch.io.exposure import Exposure
from nanobrag_torch.io.files import reading, require
from nanobrag_torch.io.imgcif import geometry_text, is_plain

_PURPOSE = "CBF files"
_CONTENTS = "_array_data.header_contents"
#: What a binary section begins with.
_STARTER = b"\x0c\x1a\x04\xd5"
#: Value of a pixel that does not count, in the files of this detector family.
_NO_PIXEL = -1
#: Names of sensor materials in the header, by chemical symbol.
_MATERIALS = {"Si": "Silicon"}
#: Largest count that the format holds; as a cutoff it says that there is none.
_LARGEST = np.iinfo(np.int32).max

_SECTION = re.compile(rb"--CIF-BINARY-FORMAT-SECTION--.*?\x0c\x1a\x04\xd5", re.DOTALL)
_SIDE = re.compile(rb"X-Binary-Size-(?:Fastest|Second)-Dimension:\s*(\d{1,9})\s")
_LONGEST_HEADER = 8192

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[-+]?inf)"
_VECTOR = rf"\(\s*{_NUMBER},\s*{_NUMBER},\s*{_NUMBER}\s*\)"
#: Pattern of each value in the header.
_PATTERNS = {
    "pixel_size_m": rf"Pixel_size\s+{_NUMBER}\s*m",
    "sensor_thickness_m": rf"sensor, thickness\s+{_NUMBER}\s*m",
    "exposure_s": rf"Exposure_time\s+{_NUMBER}\s*s",
    "saturation": rf"Count_cutoff\s+{_NUMBER}\s*counts",
    "wavelength_A": rf"Wavelength\s+{_NUMBER}\s*A",
    "phi_start_deg": rf"Start_angle\s+{_NUMBER}\s*deg",
    "phi_width_deg": rf"Angle_increment\s+{_NUMBER}\s*deg",
    "polarization_factor": rf"Kahn_factor\s+{_NUMBER}",
    "two_theta": rf"Detector_2theta\s+{_NUMBER}\s*deg",
    "distance": rf"Detector_distance\s+{_NUMBER}\s*m",
    "beam_xy": rf"Beam_xy\s+\(\s*{_NUMBER},\s*{_NUMBER}\s*\)",
    "origin_m": rf"Laboratory_origin\s+{_VECTOR}\s*m",
    "fast": rf"Laboratory_fast\s+{_VECTOR}",
    "slow": rf"Laboratory_slow\s+{_VECTOR}",
    "beam": rf"Laboratory_beam\s+{_VECTOR}",
    "polarization": rf"Laboratory_polarization\s+{_VECTOR}",
    "spindle": rf"Laboratory_spindle\s+{_VECTOR}",
}
#: The file up to its binary section; the name of the block is fixed, since that of the file may be no word of CIF.
_FILE = """\
###CBF: VERSION 1.5, nanobrag_torch
data_image
{geometry}_array_data.header_convention "GENERIC_MINI"
_array_data.header_contents
;
{header}
;

_array_data.data
;
"""
#: What ties the pixels to a geometry in the words of the dictionary.
_FULL = "_array_data.array_id image\n_array_data.binary_id 1\n"
#: Entries without which a plain header describes no experiment.
_NEEDED = {
    "distance": "Detector_distance",
    "beam_xy": "Beam_xy",
    "pixel_size_m": "Pixel_size",
    "wavelength_A": "Wavelength",
}


def write_cbf(filepath: str | os.PathLike[str], exposure: Exposure) -> None:
    """Write the only image of an exposure, whole counts of at most 32 bits; pixels outside the mask become -1.

    A name that ends in ``.gz`` or ``.bz2`` is compressed. Raises ``ValueError`` for several images or for pixels that
    are not such counts, ``OSError`` where the file cannot be written, ``ImportError`` without fabio.
    """
    compression = require("fabio.compression", _PURPOSE)
    if len(exposure.images) != 1:
        raise ValueError(
            f"{filepath}: a CBF file holds one image, not {len(exposure.images)}. Write exposure.single(i)."
        )
    counts = _counts(filepath, exposure)
    date = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000")
    geometry = "" if is_plain(exposure) else geometry_text(exposure, date, _cutoff(exposure)) + _FULL
    text = _FILE.format(geometry=geometry, header=_header(exposure, date)).replace("\n", "\r\n")
    binary = _section(bytes(compression.compByteOffset(counts)), counts.shape)
    write_compressed(filepath, text.encode("ascii") + binary)


def _section(pixels: bytes, shape: tuple[int, ...]) -> bytes:
    """The binary section around compressed pixels, to the end of the file."""
    digest = base64.b64encode(hashlib.md5(pixels, usedforsecurity=False).digest()).decode()
    head = [
        "--CIF-BINARY-FORMAT-SECTION--",
        "Content-Type: application/octet-stream;",
        '     conversions="x-CBF_BYTE_OFFSET"',
        "Content-Transfer-Encoding: BINARY",
        f"X-Binary-Size: {len(pixels)}",
        "X-Binary-ID: 1",
        'X-Binary-Element-Type: "signed 32-bit integer"',
        "X-Binary-Element-Byte-Order: LITTLE_ENDIAN",
        f"Content-MD5: {digest}",
        f"X-Binary-Number-of-Elements: {math.prod(shape)}",
        f"X-Binary-Size-Fastest-Dimension: {shape[1]}",
        f"X-Binary-Size-Second-Dimension: {shape[0]}",
        "X-Binary-Size-Padding: 0",
        "",
        "",
    ]
    return "\r\n".join(head).encode() + _STARTER + pixels + b"\r\n--CIF-BINARY-FORMAT-SECTION----\r\n;\r\n"


def read_cbf(filepath: str | os.PathLike[str]) -> Exposure:
    """The image of a mini-CBF file (also in gzip or bzip2) as an exposure of one.

    Pixels below zero are masked, and zero.

    Without the lines that :func:`write_cbf` adds, the detector is taken to stand square to the beam, in the frame of
    XDS: beam z, fast x, slow y, spindle x.

    Raises ``ValueError`` for what is no such file, for a header that does not say where the detector is or turns it by
    a two-theta without its axis; ``OSError`` where there is no file, ``ImportError`` without fabio.
    """
    cbfimage = require("fabio.cbfimage", _PURPOSE)
    with reading(filepath, "CBF file", "Give a mini-CBF file with a PILATUS header.") as path:
        content = read_plain(path, "CBF file")
        _check_whole(content)
        image = cbfimage.CbfImage().read(io.BytesIO(content))
        return _exposure(np.array(image.data), str(image.header.get(_CONTENTS, "")))


def _check_whole(content: bytes) -> None:
    """Raise ``ValueError`` where no pixels can follow: fabio would search for their start for ever."""
    section = _SECTION.search(content, 0, _LONGEST_HEADER)
    sides = [int(side) for side in _SIDE.findall(section.group() if section else b"")]
    # Each pixel takes a byte at least.
    if len(sides) != 2 or math.prod(sides) > len(content):
        raise ValueError("its binary section is cut off or does not say its size")


def _counts(path: str | os.PathLike[str], exposure: Exposure) -> np.ndarray:
    image = exposure.images[0]
    if not np.issubdtype(image.dtype, np.integer) or image.min() < 0 or image.max() > _LARGEST:
        raise ValueError(
            f"{path}: pixels of type {image.dtype} from {image.min()} to {image.max()} are no counts from 0 to "
            f"{_LARGEST}. Digitise or round the image first."
        )
    counts = image.astype(np.int32)
    return counts if exposure.mask is None else np.where(exposure.mask, counts, np.int32(_NO_PIXEL))


def _header(exposure: Exposure, date: str) -> str:
    pixel, (fast_px, slow_px) = exposure.pixel_size_m, exposure.beam_centre_px
    lines = [
        "Detector: nanobrag_torch, simulated",
        date,
        f"Pixel_size {pixel!r} m x {pixel!r} m",
        *_sensor(exposure),
        f"Exposure_time {exposure.exposure_s!r} s",
        f"Exposure_period {exposure.exposure_s!r} s",
        f"Count_cutoff {_cutoff(exposure)} counts",
        f"Wavelength {exposure.wavelength_A!r} A",
        f"Detector_distance {exposure.distance_m!r} m",
        f"Beam_xy ({fast_px!r}, {slow_px!r}) pixels",
        f"Start_angle {exposure.phi_start_deg!r} deg.",
        f"Angle_increment {exposure.phi_width_deg!r} deg.",
        f"Detector_2theta {_turned_deg(exposure)!r} deg.",
        f"Kahn_factor {exposure.polarization_factor!r}",
        f"Laboratory_origin {_written(exposure.origin_m)} m",
    ]
    lines += [
        f"Laboratory_{name} {_written(getattr(exposure, name))}"
        for name in ("fast", "slow", "beam", "polarization", "spindle")
    ]
    return "\n".join(f"# {line}" for line in lines)


def _cutoff(exposure: Exposure) -> int:
    return _LARGEST if exposure.saturation is None else int(exposure.saturation)


def _sensor(exposure: Exposure) -> list[str]:
    """Nothing where the detector is a surface: readers take the parallax of a thickness of zero for an error."""
    if exposure.sensor_thickness_m <= 0:
        return []
    material = _MATERIALS.get(exposure.sensor_material, exposure.sensor_material)
    return [f"{material} sensor, thickness {exposure.sensor_thickness_m!r} m"]


def _turned_deg(exposure: Exposure) -> float:
    """Angle between beam and normal of the detector."""
    normal = np.cross(exposure.fast, exposure.slow)
    along = abs(float(np.dot(normal, exposure.beam)))
    return round(math.degrees(math.atan2(float(np.linalg.norm(np.cross(normal, exposure.beam))), along)), 9)


def _written(vector: Vector) -> str:
    return "(" + ", ".join(repr(float(component)) for component in vector) + ")"


def _exposure(image: np.ndarray, header: str) -> Exposure:
    found = {name: re.search(pattern, header) for name, pattern in _PATTERNS.items()}
    values = {name: tuple(map(float, match.groups())) for name, match in found.items() if match}
    if "origin_m" not in values:
        _check_place(values)
        (pixel,), (distance,), centre = values["pixel_size_m"], values["distance"], values["beam_xy"]
        values["origin_m"] = (-centre[0] * pixel, -centre[1] * pixel, distance)
        values.update(fast=(1.0, 0.0, 0.0), slow=(0.0, 1.0, 0.0))
    fields: dict[str, Any] = {name: value if len(value) == 3 else value[0] for name, value in values.items()}
    for name in ("distance", "beam_xy", "two_theta"):
        fields.pop(name, None)
    if fields.get("saturation") == _LARGEST:
        del fields["saturation"]
    mask = image >= 0
    return Exposure(
        images=np.where(mask, image, 0)[None],
        sensor_material=_material(header),
        mask=None if mask.all() else mask,
        **fields,
    )


def _check_place(values: dict[str, tuple[float, ...]]) -> None:
    """Raise ``ValueError`` where a plain header does not say where the detector stands."""
    for name, entry in _NEEDED.items():
        if name not in values:
            raise ValueError(f"its header has no {entry}, without which the place of the detector is not known")
    (angle,) = values.get("two_theta", (0.0,))
    if angle:
        raise ValueError(f"Detector_2theta is {angle:g} deg., and its header does not say about which axis")


def _material(header: str) -> str:
    match = re.search(r"#\s*(\w+) sensor", header)
    name = match.group(1) if match else "Si"
    return {word: symbol for symbol, word in _MATERIALS.items()}.get(name, name)
