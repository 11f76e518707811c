"""A matrix told as cell and misset: the same vectors, and derivatives where the matrix had none."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobrag_torch import Crystal, CrystalConfig, Detector, DetectorConfig, Simulator
from nanobrag_torch.compat import Compat
from nanobrag_torch.experiments import by_cell
from nanobrag_torch.io.frames import about, as_vector
from nanobrag_torch.models.unit_cell import unit_cell_of

DIRECT = np.array([[50.0, 0.0, 0.0], [7.0, 60.0, 0.0], [-5.0, 9.0, 70.0]])


def of_matrix(direct, **fields):
    """A crystal with the reciprocal vectors of direct ones, one a row."""
    stars = np.linalg.inv(direct).T
    matrix = {f"mosflm_{name}_star": tuple(row) for name, row in zip("abc", stars.tolist(), strict=True)}
    return CrystalConfig(**matrix, **fields), stars


@given(st.lists(st.floats(-1, 1), min_size=3, max_size=3), st.sampled_from([0.0, 90.0, -90.0, 180.0, 33.0]))
@settings(max_examples=50, deadline=None)
def test_cell_and_misset_make_the_vectors_of_the_matrix(axis, angle):
    axis = np.array(axis) if np.linalg.norm(axis) > 0.1 else np.array([0.0, 1.0, 0.0])
    turned = DIRECT @ about(as_vector(axis / np.linalg.norm(axis)), angle).T
    crystal, stars = of_matrix(turned, N_cells=(3, 4, 5), default_F=7.0)
    found = by_cell(crystal)
    assert not found.has_matrix and (found.N_cells, found.default_F) == ((3, 4, 5), 7.0)
    np.testing.assert_allclose(unit_cell_of(found, Compat.of("physical")).stars.numpy(), stars, atol=1e-14)
    lengths = [found.cell_a, found.cell_b, found.cell_c]  # in double precision, also where the matrix is plain numbers
    np.testing.assert_allclose(lengths, np.linalg.norm(DIRECT, axis=1), rtol=1e-12)


def test_a_misset_on_top_of_the_matrix_is_in_that_of_the_cell():
    crystal, _ = of_matrix(DIRECT, misset_deg=(10.0, 20.0, 30.0))
    before, after = (unit_cell_of(each, Compat.of("physical")).stars for each in (crystal, by_cell(crystal)))
    torch.testing.assert_close(before, after, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("direct", "compat"), [(DIRECT * (1, 1, -1), "physical"), (DIRECT, "c")])
def test_vectors_that_no_cell_makes_keep_their_matrix(direct, compat):
    """C bends the angles of a triclinic cell, and no cell is left-handed."""
    crystal, _ = of_matrix(direct)
    assert by_cell(crystal, compat) is crystal


def test_the_image_has_derivatives_in_the_cell():
    crystal = by_cell(of_matrix(DIRECT, N_cells=(3, 3, 3), default_F=10.0)[0])
    crystal.cell_b = torch.tensor(crystal.cell_b, dtype=torch.float64, requires_grad=True)
    detector = Detector(DetectorConfig(spixels=4, fpixels=4, pixel_size_mm=2.0, oversample=1))
    Simulator(Crystal(crystal), detector, dtype=torch.float64, engine="formula").run().sum().backward()
    assert crystal.cell_b.grad.abs() > 0
