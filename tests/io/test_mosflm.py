"""Orientation matrices."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nanobrag_torch.io.mosflm import read_mosflm_matrix, reciprocal_to_real_cell, write_mosflm_matrix

MATRIX = "0.012 0.002 -0.003\n 0.001 0.013 0.004\n -0.002 0.001 0.011\n 1.0 2.0 3.0 ignored\n"


def test_columns_of_the_matrix_are_the_reciprocal_vectors_times_the_wavelength(tmp_path):
    (tmp_path / "A.mat").write_text(MATRIX)
    a_star, b_star, c_star = read_mosflm_matrix(tmp_path / "A.mat", 2.0)
    np.testing.assert_allclose(a_star, [0.006, 0.0005, -0.001])
    np.testing.assert_allclose(b_star, [0.001, 0.0065, 0.0005])
    np.testing.assert_allclose(c_star, [-0.0015, 0.002, 0.0055])


def test_comments_of_a_matrix_are_no_numbers(tmp_path):
    (tmp_path / "A.mat").write_text(MATRIX)
    commented = "# MOSFLM 7.3 of 2 crystals\n" + MATRIX.replace("-0.003\n", "-0.003  # x of 3 axes\n") + "# 0 0 0\n"
    (tmp_path / "commented.mat").write_text(commented)
    plain, again = (read_mosflm_matrix(tmp_path / name, 2.0) for name in ("A.mat", "commented.mat"))
    np.testing.assert_array_equal(again, plain)


def test_a_written_matrix_is_read_back(tmp_path):
    stars = np.array([[0.01, 0.001, 0.0], [0.0, 0.012, 0.002], [0.001, 0.0, 0.009]])
    write_mosflm_matrix(tmp_path / "A.mat", *stars, wavelength_A=1.3)
    np.testing.assert_allclose(read_mosflm_matrix(tmp_path / "A.mat", 1.3), stars, atol=1e-14)


@pytest.mark.parametrize(
    "text", ["", "1 2 3", "1 2 3 4 5 six 7 8 9", "1 0 0 0 1 0 0 0 nan", "0 0 0 0 0 0 0 0 0", "1 2 3 2 4 6 0 0 1"]
)
def test_what_is_no_matrix_is_refused_by_name(tmp_path, text):
    (tmp_path / "A.mat").write_text(text)
    with pytest.raises(ValueError, match=r"A\.mat"):
        read_mosflm_matrix(tmp_path / "A.mat", 1.0)


def test_a_wavelength_that_is_not_positive_is_refused(tmp_path):
    with pytest.raises(ValueError, match="wavelength_A"):
        read_mosflm_matrix(tmp_path / "A.mat", 0.0)


def test_the_cell_of_three_reciprocal_vectors_is_found():
    stars = np.linalg.inv(np.array([[70.0, 0, 0], [-20.0, 80.0, 0], [5.0, 10.0, 90.0]])).T
    a, b, c, alpha, beta, gamma = reciprocal_to_real_cell(*stars)
    assert (a, b, c) == pytest.approx((70.0, np.hypot(20, 80), np.sqrt(25 + 100 + 8100)))
    assert np.cos(np.radians(alpha)) == pytest.approx((-100 + 800) / (b * c))
    assert np.cos(np.radians(beta)) == pytest.approx(5 / c)
    assert np.cos(np.radians(gamma)) == pytest.approx(-20 / b)


def test_vectors_that_span_no_cell_are_refused():
    with pytest.raises(ValueError, match="span no cell"):
        reciprocal_to_real_cell(np.array([1.0, 0, 0]), np.array([2.0, 0, 0]), np.array([0, 0, 1.0]))


@given(st.text(max_size=120))
def test_any_text_is_a_matrix_or_refused_by_name(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("matrix") / "A.mat"
    path.write_bytes(text.encode())
    try:
        stars = read_mosflm_matrix(path, 1.0)
    except ValueError as error:
        assert "A.mat" in str(error)
    else:
        assert abs(np.linalg.det(np.stack(stars))) > 0


def test_a_wavelength_may_be_that_of_a_config_and_none_is_refused(tmp_path):
    (tmp_path / "A.mat").write_text("0.01 0 0 0 0.0125 0 0 0 0.02")
    one = read_mosflm_matrix(tmp_path / "A.mat", torch.tensor(2.0, requires_grad=True))
    assert np.array_equal(one, read_mosflm_matrix(tmp_path / "A.mat", 2.0))
    with pytest.raises(ValueError, match="wavelength_A = None"):
        read_mosflm_matrix(tmp_path / "A.mat", None)
