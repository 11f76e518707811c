"""The raw float image."""

import numpy as np
import pytest
import torch

from nanobrag_torch.io import read_float_image, write_float_image


def test_an_image_is_written_row_by_row_in_single_precision(tmp_path):
    image = torch.arange(6, dtype=torch.float64).reshape(2, 3) / 3
    write_float_image(tmp_path / "f.bin", image)
    assert (tmp_path / "f.bin").read_bytes() == image.numpy().astype("=f4").tobytes()
    np.testing.assert_array_equal(read_float_image(tmp_path / "f.bin", (2, 3)), image.numpy().astype(np.float32))


def test_an_image_with_a_gradient_can_be_written(tmp_path):
    write_float_image(tmp_path / "f.bin", torch.ones(2, 2, requires_grad=True))
    assert (tmp_path / "f.bin").stat().st_size == 16


def test_a_file_of_another_size_is_refused_with_both_sizes(tmp_path):
    write_float_image(tmp_path / "f.bin", np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"24 bytes, but 3 x 3 .* 36"):
        read_float_image(tmp_path / "f.bin", (3, 3))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"f\.bin"):
        read_float_image(tmp_path / "f.bin", (1, 1))
