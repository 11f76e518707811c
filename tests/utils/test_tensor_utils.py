"""Making tensors without leaving the graph."""

import numpy as np
import pytest
import torch

from nanobrag_torch.utils.tensor_utils import as_tensor_preserving_grad


def test_a_tensor_stays_connected_through_a_change_of_precision():
    x = torch.tensor(2.0, requires_grad=True)
    converted = as_tensor_preserving_grad(x, dtype=torch.float64)
    assert converted.dtype == torch.float64
    (3 * converted).backward()
    assert x.grad.item() == 3


def test_a_sequence_of_numbers_and_tensors_is_stacked_and_stays_connected():
    x = torch.tensor(2.0, requires_grad=True)
    stacked = as_tensor_preserving_grad([1.0, x, 3], dtype=torch.float64)
    assert stacked.tolist() == [1, 2, 3]
    (stacked * torch.tensor([1.0, 5.0, 1.0])).sum().backward()
    assert x.grad.item() == 5


@pytest.mark.parametrize("x", [1.5, np.float64(1.5), [1.5, 2.5], np.array([1.5, 2.5])])
def test_numbers_and_arrays_become_tensors_of_the_wanted_type(x):
    tensor = as_tensor_preserving_grad(x, torch.device("cpu"), torch.float64)
    assert tensor.dtype == torch.float64
    assert np.array_equal(tensor.numpy(), np.asarray(x))
