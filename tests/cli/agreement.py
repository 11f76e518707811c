"""Agreement with the C program that a run must reach."""

import re

import numpy as np


def assert_float_images_agree(ours: np.ndarray, theirs: np.ndarray) -> None:
    """C stores single precision; deep minima of large crystals are known no better than 1e-9 of the maximum."""
    theirs = theirs.astype(float)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9 * np.abs(theirs).max())


def assert_integers_agree(ours: np.ndarray, theirs: np.ndarray) -> None:
    """A pixel on the edge between two integers may fall either way; hardly any pixel lies there."""
    difference = np.abs(ours.ravel() - theirs.astype(int).ravel())
    assert difference.max() <= 1
    assert (difference != 0).mean() <= 2e-3


def assert_noise_agrees(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Photon noise is drawn from the same stream: all but a pixel in a hundred are the same to the last photon."""
    assert (ours.ravel() != theirs.astype(int).ravel()).mean() <= 1e-2


def report(text: str, seeded: bool) -> list[str]:
    """The lines of a report that do not depend on the clock, on memory addresses or on the sign of a zero."""
    clock = re.compile(r"mmap\(" if seeded else r"mmap\(|  seed: |\d+ photons on noise image")
    return [line.replace("-0.00000000", " 0.00000000") for line in text.splitlines() if not clock.match(line)]
