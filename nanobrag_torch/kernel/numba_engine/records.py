"""Records that the compiled loops hand on together: the tables that they read, and the arrays that they work in."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nanobrag_torch.kernel.pixel_plan import PixelPlan


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
        survey: Arrays for the choice of orientations.
    """

    rows: NDArray[np.float64]
    work: NDArray[Any]
    entries: NDArray[np.int32]
    indices: NDArray[np.float64]
    survey: Any
