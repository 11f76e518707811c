"""Losses by name, held against sums done by hand."""

import pytest
import torch

from nanobrag_torch.workbook.cells import losses


def test_the_weighted_loss_is_that_of_the_reference_experiment() -> None:
    image = torch.ones(4, 8, dtype=torch.float64)
    by_hand = sum(1 + 2 * s / 4 + f / 8 for s in range(4) for f in range(8))
    assert losses.weighted_sum(image).item() == pytest.approx(by_hand)


def test_the_sum_of_squares_is_that() -> None:
    assert losses.LOSSES["sum_of_squares"](torch.tensor([[1.0, 2.0], [3.0, 0.0]])).item() == 14


def test_a_function_that_gives_its_own_loss_is_not_reduced() -> None:
    assert losses.reduction("none") is None
    assert losses.reduction("sum") is torch.sum
