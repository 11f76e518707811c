"""Records that the compiled loops hand on together: the tables that they read, and the arrays that they work in.

They are made where numba need not be imported. One record for each shape, look-up and choice of visits: numba compiles
the loops once for each in use.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nanobrag_torch.kernel.pixel_plan import PixelPlan

#: Pixels in a block: eight vectors of 512 bits in float64; the rows of a block stay in the first-level cache.
LANES = 64
#: Samples in a part of a block, a square of pixels where the block is one; and parts in a block.
PART = 16
PARTS = LANES // PART
#: Orientations that are looked at together; their numbers lie in groups of rows of so many.
TOGETHER = 16


class PanelInputs(NamedTuple):
    """Detector, and the numbers common to all pixels. Vectors are (x, y, z).

    Attributes:
        origin: Corner of the detector, metres.
        fast: Vector along fast, of unit length where pixels are square; ``slow`` likewise.
        normal: Unit vector.
        pixel_size: Edge of a pixel, or of a square of the same area, metres.
        layer_step: Depth of a layer, metres.
        omega_3: Solid angles are omega_3/R^3 + omega_2/R^2 at distance R.
        omega_2: See ``omega_3``.
        depth: Depth of a layer in attenuation lengths: layer t captures exp(-t depth/w) - exp(-(t+1) depth/w) at
            cosine w of the ray to the normal.
        scale: Factor of a pixel.
        background: Summand of every sample.
    """

    origin: tuple[float, float, float]
    fast: tuple[float, float, float]
    slow: tuple[float, float, float]
    normal: tuple[float, float, float]
    pixel_size: float
    layer_step: float
    omega_3: float
    omega_2: float
    depth: float
    scale: float
    background: float


class Square(NamedTuple):
    """Numbers of cells along the axes, and the remainder that stands for a smaller one, so that no quotient is 0/0."""

    na: float
    nb: float
    nc: float
    least: float


class Round(NamedTuple):
    """S^2 = peak * sphere(y)^2 with y = ka dh^2 + kb dk^2 + kc dl^2."""

    peak: float
    ka: float
    kb: float
    kc: float


class Gauss(NamedTuple):
    """S^2 = peak * exp(-r) with r = aa dh^2 + bb dk^2 + cc dl^2 + ab dh dk + ac dh dl + bc dk dl."""

    peak: float
    aa: float
    bb: float
    cc: float
    ab: float
    ac: float
    bc: float


class Tophat(NamedTuple):
    """S^2 = peak where r, formed as in ``Gauss``, is less than 1, and 0 elsewhere."""

    peak: float
    aa: float
    bb: float
    cc: float
    ab: float
    ac: float
    bc: float


class Constant(NamedTuple):
    """Constant F^2, an array of one element."""

    square: np.ndarray


class Nearest(NamedTuple):
    """F^2 at the nearest integers: the flat table with one more entry on every side, the square of ``default_F``."""

    square: np.ndarray
    low: tuple[float, float, float]
    size: tuple[float, float, float]


class Tricubic(NamedTuple):
    """F interpolated within the window of a flat table; the nearest beyond that, and ``default`` outside the table."""

    amplitude: np.ndarray
    default: float
    low: tuple[float, float, float]
    size: tuple[float, float, float]
    first: tuple[float, float, float]
    last: tuple[float, float, float]


class Outside(NamedTuple):
    """1 where the interpolation would leave the table and 0 elsewhere, to find the samples where that happens."""

    first: tuple[float, float, float]
    last: tuple[float, float, float]


class AllSamples(NamedTuple):
    """Every orientation for every block.

    Attributes:
        orientations: Their number.
        limit: S^2 below which a sample counts as zero, in the precision of the evaluation; -inf where all count.
    """

    orientations: int
    limit: float


class LitSamples(NamedTuple):
    """Orientations near a reciprocal lattice point.

    Attributes:
        orientations: Their number.
        limit: S^2 below which a sample counts as zero, in the precision of the evaluation.
        has_background: True where samples of dark sources count as well.
        parts: ``PARTS``, as a number that the compiler does not know: it would unroll loops that are to become vectors.
        in_order: True where sources have one direction and rising or falling wavelengths: the first and the last of
            several bound the others.
        farthest: Square of the largest |q|, in 1/m^2, that a spot with F other than zero reaches.
        order: (O,), the orientations in the order of the groups.
        axes: The rows ``DIRECT`` and ``STAR``, in metres and 1/metre, group by group of orientations.
        clusters: Number of groups that are looked at as clusters first; 0 where orientations are few.
        cluster_axes: The same rows of the clusters' means, group by group of clusters.
        radii: Rows of the radii about them, of a, b, c in metres and of a*, b*, c* in 1/metre, group by group.
        extent: Half widths of a spot along h, k, l.
        body: Six numbers hh, kk, ll, hk, hl, kl of the matrix V; lit remainders d have d V^-1 d <= 1.
    """

    orientations: int
    limit: float
    has_background: bool
    parts: int
    in_order: bool
    farthest: float
    order: np.ndarray
    axes: np.ndarray
    clusters: int
    cluster_axes: np.ndarray
    radii: np.ndarray
    extent: tuple[float, float, float]
    body: tuple[float, float, float, float, float, float]


class Inputs(NamedTuple):
    """Tables of a scene in the forms that the loops read.

    Attributes:
        panel: ``PanelInputs``.
        plan: Sampling of a pixel.
        sources: (S, 11).
        vectors: (O, 9) in metres.
        shape: ``Square``, ``Round``, ``Gauss`` or ``Tophat``.
        lookup: ``Constant``, ``Nearest``, ``Tricubic`` or ``Outside``.
        visits: ``AllSamples`` or ``LitSamples``.
    """

    panel: Any
    plan: PixelPlan
    sources: NDArray[np.float64]
    vectors: NDArray[np.float64]
    shape: Any
    lookup: Any
    visits: Any


class Block(NamedTuple):
    """Arrays of a block of pixels.

    Attributes:
        rows: Rows of LANES float64 numbers.
        work: Rows of LANES numbers in the precision of the evaluation.
        entries: (LANES,), entries of the flat table of structure factors.
        indices: (LOOKUP_ROWS,), rows of a look-up by interpolation.
        survey: Arrays for the choice of visits.
    """

    rows: NDArray[np.float64]
    work: NDArray[Any]
    entries: NDArray[np.uint32]
    indices: NDArray[np.float64]
    survey: Any
