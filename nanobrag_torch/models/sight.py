"""Panels as the sample sees them: a panel that hides the beam, and panels that hide each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

#: Places of a row of numbers: outer corner of the first pixel, steps of a pixel along fast and slow, normal.
ORIGIN, FAST, SLOW, NORMAL = slice(0, 3), slice(3, 6), slice(6, 9), slice(9, 12)


@dataclass(frozen=True)
class View:
    """Place of a panel as plain numbers: name, pixels (slow, fast), and the row of its vectors in metres."""

    name: str
    shape: tuple[int, int]
    row: tuple[float, ...]

    @cached_property
    def corners(self) -> np.ndarray:
        """Positions (4, 3) of the corners, in the order of a walk around the panel."""
        numbers = np.array(self.row)
        across, along = self.shape[1] * numbers[FAST], self.shape[0] * numbers[SLOW]
        found: np.ndarray = numbers[ORIGIN] + np.stack([0 * across, across, across + along, along])
        return found

    @property
    def pixel(self) -> float:
        """Longer edge of a pixel, metres."""
        numbers = np.array(self.row)
        return float(max(np.linalg.norm(numbers[FAST]), np.linalg.norm(numbers[SLOW])))

    @cached_property
    def nearest(self) -> float:
        """Least distance of a corner or of the middle from the sample, metres."""
        points = np.concatenate([self.corners, self.corners.mean(0, keepdims=True)])
        return float(np.linalg.norm(points, axis=1).min())

    def hit(self, direction: np.ndarray) -> tuple[int, int] | None:
        """Pixel (slow, fast) that a ray from the sample meets, or None."""
        numbers = np.array(self.row)
        cosine = float(numbers[NORMAL] @ direction)
        if cosine <= 0:
            return None
        spot = direction * float(numbers[ORIGIN] @ numbers[NORMAL]) / cosine - numbers[ORIGIN]
        basis = np.stack([numbers[FAST], numbers[SLOW], numbers[NORMAL]], axis=1)
        fast, slow, _ = np.floor(np.linalg.solve(basis, spot)).tolist()
        return (int(slow), int(fast)) if 0 <= fast < self.shape[1] and 0 <= slow < self.shape[0] else None


def check_sight(views: Sequence[View], masks: Sequence[np.ndarray | None], beam: np.ndarray, overlaps: bool) -> None:
    """Raise ``ValueError`` for a panel that hides the beam, and for panels that hide each other.

    Args:
        views: The panels.
        masks: Masks (slow, fast) of the panels, or None.
        beam: Direction (3,) in which the beam propagates.
        overlaps: Allow panels that hide each other.
    """
    for view, mask in zip(views, masks, strict=True):
        pixel = view.hit(-beam)
        if pixel is not None and (mask is None or mask[pixel] != 0):
            raise ValueError(
                f"panel {view.name!r} stands between source and sample: the beam would pass through its pixel "
                f"(slow, fast) = {pixel}. Check its place and the direction of the beam, or mask the hole that lets "
                "the beam through."
            )
    if overlaps:
        return
    found = first_hidden(views)
    if found is not None:
        one, other = (views[number] for number in found)
        raise ValueError(
            f"panels {one.name!r} and {other.name!r} overlap by more than a pixel as the sample sees them: the nearer "
            f"one, {min(one, other, key=lambda view: view.nearest).name!r}, hides the other. Check their places and "
            "groups, or allow it with may_overlap=True; each then receives the whole ray."
        )


def first_hidden(views: Sequence[View]) -> tuple[int, int] | None:
    """Numbers of two panels of which one hides more than a pixel of the other, or None.

    Panels are convex cones of rays: two are apart if the plane of a side of one of them, which holds the sample, has
    the other beyond it.
    """
    corners = np.stack([view.corners for view in views])
    rays = corners / np.linalg.norm(corners, axis=-1, keepdims=True)
    margins = np.array([view.pixel / view.nearest for view in views])
    middles = rays.sum(1)
    middles /= np.linalg.norm(middles, axis=-1, keepdims=True)
    widest = np.arccos(np.clip((rays * middles[:, None]).sum(-1).min(1), -1, 1))
    sides = np.cross(rays, np.roll(rays, -1, axis=1))
    inward = np.sign((sides * middles[:, None]).sum(-1, keepdims=True))
    sides *= inward / np.linalg.norm(sides, axis=-1, keepdims=True)
    for one in range(len(views) - 1):
        angles = np.arccos(np.clip(middles[one + 1 :] @ middles[one], -1, 1))
        others = one + 1 + np.flatnonzero(angles < widest[one] + widest[one + 1 :])
        if not len(others):
            continue
        margin = np.maximum(margins[others], margins[one])
        apart = _separated(sides[[one]].repeat(len(others), 0), rays[others], margin)
        apart |= _separated(sides[others], rays[[one]].repeat(len(others), 0), margin)
        if not apart.all():
            return one, int(others[np.flatnonzero(~apart)[0]])
    return None


def _separated(sides: np.ndarray, rays: np.ndarray, margin: np.ndarray) -> np.ndarray:
    """True (n,) where a side (n, 4, 3) of one panel has all rays (n, 4, 3) of the other beyond it, up to a margin."""
    heights = np.einsum("nsx,nrx->nsr", sides, rays)
    return np.asarray((heights <= margin[:, None, None]).all(2).any(1))
