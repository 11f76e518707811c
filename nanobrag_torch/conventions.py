"""Named choices of crystal and detector, and the laboratory frame of each detector convention.

A convention fixes the laboratory directions (beam, fast, slow, normal, two-theta axis, polarization, spindle), the
default beam centre, and how the published (Xbeam, Ybeam) become distances along the fast and slow axes. The table is
in docs/physics.md. Nothing here imports torch, so that the command can list its options at once.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

#: A length as a number or a tensor.
Length = TypeVar("Length", float, "Tensor")


class Choice(Enum):
    """A choice by name: ``DetectorPivot("BEAM")`` finds its member in any case."""

    @classmethod
    def _missing_(cls, value: object) -> "Choice | None":
        return next((member for member in cls if isinstance(value, str) and member.value == value.lower()), None)


class CrystalShape(Choice):
    """The lattice factor: interference of a parallelepiped or a sphere, or a spot without fringes.

    Such a spot is a Gaussian or a top hat of the domain's size in each direction, or a Gaussian that is round in
    reciprocal space.
    """

    SQUARE = "square"
    ROUND = "round"
    GAUSS = "gauss"
    TOPHAT = "tophat"
    GAUSS_STAR = "gauss_star"


class DetectorConvention(Choice):
    """The program whose laboratory frame and beam-centre coordinates are meant."""

    MOSFLM = "mosflm"
    XDS = "xds"
    DIALS = "dials"
    ADXV = "adxv"
    DENZO = "denzo"
    CUSTOM = "custom"


class DetectorPivot(Choice):
    """The point that stays put when the detector is rotated."""

    BEAM = "beam"
    SAMPLE = "sample"


Vector = tuple[float, float, float]

X: Vector = (1.0, 0.0, 0.0)
Y: Vector = (0.0, 1.0, 0.0)
Z: Vector = (0.0, 0.0, 1.0)
MINUS_X: Vector = (-1.0, 0.0, 0.0)
MINUS_Y: Vector = (0.0, -1.0, 0.0)
MINUS_Z: Vector = (0.0, 0.0, -1.0)


@dataclass(frozen=True)
class Convention:
    """The laboratory frame of one detector convention.

    ``pivot`` is what the C program forces (None: the last pivot-setting option decides); ``x_is_slow`` and
    ``y_is_flipped`` map the published (Xbeam, Ybeam) onto slow and fast; ``half_pixel`` is added to both beam-centre
    coordinates and ``centre_shift`` to the middle of the detector where no centre is given, both in pixels.
    """

    beam: Vector
    fast: Vector
    slow: Vector
    normal: Vector
    twotheta_axis: Vector
    polarization: Vector
    spindle: Vector
    pivot: DetectorPivot | None
    x_is_slow: bool = False
    y_is_flipped: bool = False
    half_pixel: float = 0.0
    centre_shift: float = 0.0

    def default_centre(self, detector_size: Length, pixel_size: Length) -> Length:
        """Distance from the detector's edge to the default beam centre, in the unit of its arguments."""
        return detector_size / 2 + self.centre_shift * pixel_size

    def fast_slow(self, xbeam: Length, ybeam: Length, slow_size: Length) -> tuple[Length, Length]:
        """The published (Xbeam, Ybeam) as distances along fast and slow, before the half pixel; one unit throughout."""
        fast, slow = (ybeam, xbeam) if self.x_is_slow else (xbeam, ybeam)
        return fast, slow_size - slow if self.y_is_flipped else slow

    def published(self, fast: Length, slow: Length, slow_size: Length) -> tuple[Length, Length]:
        """The (Xbeam, Ybeam) of distances along fast and slow: the inverse of ``fast_slow``."""
        y = slow_size - slow if self.y_is_flipped else slow
        return (y, fast) if self.x_is_slow else (fast, y)


_BEAM, _SAMPLE = DetectorPivot.BEAM, DetectorPivot.SAMPLE
_D = DetectorConvention

#                                beam fast slow  normal two-theta polar spindle pivot
CONVENTIONS: dict[DetectorConvention, Convention] = {
    _D.ADXV: Convention(Z, X, MINUS_Y, Z, MINUS_X, X, X, _BEAM, y_is_flipped=True, centre_shift=0.5),
    _D.MOSFLM: Convention(X, Z, MINUS_Y, X, MINUS_Z, Z, Z, _BEAM, x_is_slow=True, half_pixel=0.5, centre_shift=0.5),
    _D.DENZO: Convention(X, Z, MINUS_Y, X, MINUS_Z, Z, Z, _BEAM, x_is_slow=True, centre_shift=0.5),
    _D.XDS: Convention(Z, X, Y, Z, X, X, X, _SAMPLE),
    _D.DIALS: Convention(Z, X, Y, Z, Y, Y, Y, _SAMPLE),
    _D.CUSTOM: Convention(X, Z, MINUS_Y, X, Y, Z, Z, None),
}
