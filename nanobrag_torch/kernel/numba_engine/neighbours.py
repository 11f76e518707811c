"""Neighbouring orientations, as of mosaic domains and steps of a rotation, gathered into clusters.

A cluster stands for ``TOGETHER`` orientations by mean vectors and by how far each vector of one of them is from these:
what no orientation within those radii lights, none of the cluster does.
"""

import numpy as np

from nanobrag_torch.kernel.numba_engine.records import TOGETHER

#: Fewest orientations for which looking at clusters first takes less time.
FEWEST = 8 * TOGETHER
#: Part by which radii are widened: more than their rounding.
WIDER = 1e-9
#: Part of the cell's volume that a mean cell must have; that of orientations far apart has none.
WHOLE = 0.5


def clustered(vectors: np.ndarray) -> np.ndarray:
    """Order (O,) in which each ``TOGETHER`` orientations are near each other; ``vectors`` are (O, 9).

    They are halved along the component that spreads most, until a cluster is left.
    """
    order, left = np.empty(len(vectors), np.int64), [(0, np.arange(len(vectors)))]
    while left:
        start, members = left.pop()
        if len(members) <= TOGETHER:
            order[start : start + len(members)] = members
            continue
        own = vectors[members]
        members = members[np.argsort(own[:, np.ptp(own, axis=0).argmax()], kind="stable")]
        half = -(-len(members) // (2 * TOGETHER)) * TOGETHER
        left += [(start, members[:half]), (start + half, members[half:])]
    return order


def means_and_radii(axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (C, 18) of the clusters' mean cells, and radii (C, 6) about these.

    Args:
        axes: a, b, c and a*, b*, c* (O, 18) of all orientations, one cluster after the other.
    """
    starts = np.arange(0, len(axes), TOGETHER)
    sizes = np.diff([*starts, len(axes)])
    cells = axes[:, :9].reshape(-1, 3, 3)
    mean = np.add.reduceat(cells, starts) / sizes[:, None, None]
    shrunk = np.abs(np.linalg.det(mean)) < WHOLE * np.abs(np.linalg.det(cells[starts]))
    mean[shrunk] = cells[starts][shrunk]
    stars = np.linalg.inv(mean).swapaxes(1, 2)
    means = np.concatenate([mean, stars], axis=1).reshape(-1, 18)
    away = np.linalg.norm((axes - np.repeat(means, sizes, axis=0)).reshape(-1, 6, 3), axis=2)
    return means, (1 + WIDER) * np.maximum.reduceat(away, starts)
