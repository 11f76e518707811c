"""Headers of d*TREK, which Rigaku writes into SMV images: other keywords and other meanings than in SMV proper."""

from dataclasses import dataclass

#: SMV pixel types of the words of ``Data_type``.
DATA_TYPES = {
    "unsigned short int": "unsigned_short",
    "short int": "signed_short",
    "unsigned long int": "unsigned_int",
    "long int": "signed_int",
    "float ieee": "float",
}

#: Entries that describe what a camera here does not: beside the value that changes nothing.
_PLAIN = {"SPATIAL_DISTORTION_TYPE": ["Simple_spatial"], "SPATIAL_DISTORTION_VECTORS": ["1", "0", "0", "1"]}
#: Entries of which nothing is taken over, as far as a header has them.
LEFT_OUT = (
    "CRYSTAL_GONIO_VALUES", "CRYSTAL_GONIO_VECTORS", "ROTATION_VECTOR", "SOURCE_VECTORS", "SOURCE_POLARZ",
    "DETECTOR_VECTORS",
)  # fmt: skip
_DISTANCE = "TransZ/Dist"


@dataclass(frozen=True)
class DtrekCamera:
    """Camera of a d*TREK header.

    Attributes:
        wavelength_A: Wavelength, Angstrom.
        distance_mm: Distance of the detector, which is square to the beam, mm.
        pixel_size_mm: Edge of a pixel, mm.
        beam_px: (fast, slow) of the beam from the outer corner of the first pixel, pixels.
        phi_deg: Start of the rotation, degrees.
        osc_deg: Range of the rotation, degrees.
        left_out: Names of entries that are not taken over.
    """

    wavelength_A: float
    distance_mm: float
    pixel_size_mm: float
    beam_px: tuple[float, float]
    phi_deg: float
    osc_deg: float
    left_out: tuple[str, ...]


def is_dtrek(header: dict[str, str]) -> bool:
    """True for a header in the manner of d*TREK."""
    return "Data_type" in header or "DETECTOR_NAMES" in header


def data_type_of(header: dict[str, str]) -> str:
    """The SMV pixel type that ``Data_type`` names.

    Raises ``ValueError`` for one that is not known, or for pixels that are packed in d*TREK's own manner.
    """
    given = header.get("Data_type", "")
    for name in ("Compression", "RAXIS_COMPRESSION_RATIO"):
        if header.get(name, "None").lower() not in ("none", "1", ""):
            raise ValueError(f"{name}={header[name]}: packed pixels are not read. Convert the image first.")
    if given.lower() not in DATA_TYPES:
        raise ValueError(f"Data_type={given}: allowed are {', '.join(DATA_TYPES)}. Convert the image first.")
    return DATA_TYPES[given.lower()]


def camera_of_header(header: dict[str, str]) -> DtrekCamera:
    """The camera of a header whose detector stands square to the beam.

    Raises ``ValueError``, naming the entry, for one that is missing or unreadable, and for a detector that is turned,
    shifted or distorted.
    """
    prefix = header.get("DETECTOR_NAMES", "").split()
    if len(prefix) != 1:
        raise ValueError(f"DETECTOR_NAMES={header.get('DETECTOR_NAMES')}: must name one detector.")
    entry = _Entries(header, prefix[0])
    for name, plain in _PLAIN.items():
        found = entry.words(name) or plain
        if not _same(found, plain):
            raise ValueError(f"{prefix[0]}{name}={' '.join(found)}: only {' '.join(plain)} can be taken over.")
    count, *wavelengths = entry.numbers("SOURCE_WAVELENGTH")
    if count != 1 or len(wavelengths) != 1:
        raise ValueError(f"SOURCE_WAVELENGTH={header['SOURCE_WAVELENGTH']}: must be 1 and one wavelength.")
    start, _, width, *_ = entry.numbers("ROTATION", 3)
    fast, slow, *sides = entry.numbers("SPATIAL_DISTORTION_INFO", 4)
    if sides[0] != sides[1]:
        raise ValueError(
            f"{prefix[0]}SPATIAL_DISTORTION_INFO: pixels of {sides[0]:g} x {sides[1]:g} mm are no squares."
        )
    return DtrekCamera(
        wavelength_A=wavelengths[0],
        distance_mm=_distance(entry),
        pixel_size_mm=sides[0],
        beam_px=(fast, slow),
        phi_deg=start,
        osc_deg=width,
        left_out=tuple(name for name in LEFT_OUT if entry.has(name)),
    )


def _distance(entry: "_Entries") -> float:
    """The distance, of a detector that is at no angle and at no other shift."""
    names, values = entry.words("GONIO_NAMES"), entry.numbers("GONIO_VALUES")
    if len(names) != len(values) or _DISTANCE not in names:
        raise ValueError(f"{entry.prefix}GONIO_NAMES: must name {_DISTANCE}, and a value for each name.")
    place = dict(zip(names, values, strict=True))
    distance = place.pop(_DISTANCE)
    moved = {name: value for name, value in place.items() if value != 0}
    if moved:
        listed = ", ".join(f"{name} {value:g}" for name, value in moved.items())
        raise ValueError(
            f"{entry.prefix}GONIO_VALUES has {listed}: a detector that is turned or shifted is not taken over from "
            "such a header. Give its place by options."
        )
    return distance


def _same(found: list[str], plain: list[str]) -> bool:
    """True where the words are equal, as text or as numbers."""
    try:
        return found == plain or list(map(float, found)) == list(map(float, plain))
    except ValueError:
        return False


class _Entries:
    """Entries of a header by name, those of the detector under its prefix."""

    def __init__(self, header: dict[str, str], prefix: str) -> None:
        self.header, self.prefix = header, prefix

    def has(self, name: str) -> bool:
        return name in self.header or self.prefix + name in self.header

    def words(self, name: str) -> list[str]:
        return self.header.get(self.prefix + name, self.header.get(name, "")).split()

    def numbers(self, name: str, least: int = 1) -> list[float]:
        words = self.words(name)
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if len(values) < least:
            raise ValueError(f"{name}={' '.join(words)}: must be {least} numbers or more. Correct the header.")
        return values
