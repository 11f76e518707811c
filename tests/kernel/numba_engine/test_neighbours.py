"""Clusters of neighbouring orientations, and what bounds them."""

import numpy as np
import pytest

from nanobrag_torch.kernel.numba_engine.neighbours import clustered, means_and_radii
from nanobrag_torch.kernel.numba_engine.records import TOGETHER


def rotated(angles: np.ndarray) -> np.ndarray:
    """Direct and reciprocal vectors (O, 18) of a triclinic cell turned about z and x by angles (O, 2), radians."""
    cell = np.array([[70.0, 0.0, 0.0], [10.0, 80.0, 0.0], [-5.0, 12.0, 90.0]])
    (cz, sz), (cx, sx) = ((np.cos(angles[:, i]), np.sin(angles[:, i])) for i in range(2))
    zero, one = np.zeros(len(angles)), np.ones(len(angles))
    z = np.array([[cz, -sz, zero], [sz, cz, zero], [zero, zero, one]]).transpose(2, 0, 1)
    x = np.array([[one, zero, zero], [zero, cx, -sx], [zero, sx, cx]]).transpose(2, 0, 1)
    direct = np.einsum("ojk,okl,al->oaj", z, x, cell)
    return np.concatenate([direct, np.linalg.inv(direct).swapaxes(1, 2)], axis=1).reshape(len(angles), 18)


@pytest.mark.parametrize("count", [1, TOGETHER, 3 * TOGETHER + 5, 200])
def test_every_orientation_is_in_one_cluster_within_the_radii_of_its_mean(count):
    axes = rotated(np.random.default_rng(1).normal(0, 0.01, (count, 2)))
    order = clustered(axes[:, :9])
    assert sorted(order) == list(range(count))
    means, radii = means_and_radii(axes[order])
    assert len(means) == -(-count // TOGETHER)
    for place, orientation in enumerate(order):
        away = np.linalg.norm((axes[orientation] - means[place // TOGETHER]).reshape(6, 3), axis=1)
        assert (away <= radii[place // TOGETHER]).all()
    direct, stars = means[:, :9].reshape(-1, 3, 3), means[:, 9:].reshape(-1, 3, 3)
    assert np.allclose(direct @ stars.swapaxes(1, 2), np.eye(3), atol=1e-12)


def test_clusters_are_closer_together_than_orientations_as_they_come():
    angles = np.random.default_rng(2).uniform(-0.02, 0.02, (64 * TOGETHER, 2))
    axes = rotated(angles)
    _, near = means_and_radii(axes[clustered(axes[:, :9])])
    _, mixed = means_and_radii(axes)
    assert near[:, :3].mean() < 0.3 * mixed[:, :3].mean()


def test_orientations_that_are_far_apart_have_a_cell_of_their_own_in_place_of_a_mean_that_vanishes():
    axes = rotated(np.array([[0.0, 0.0], [np.pi, 0.0]] * 8))
    means, radii = means_and_radii(axes)
    assert np.isfinite(means).all() and np.isfinite(radii).all()
    assert np.array_equal(means[0, :9], axes[0, :9]) and radii[0, 0] == pytest.approx(140.0)
