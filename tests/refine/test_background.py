"""Backgrounds that are refined along stay backgrounds: no step takes their photons below nothing."""

import pytest
import torch

from nanobrag_torch.refine.background import LEFT, given, planes, radial

F64 = torch.float64


def grid(rows: int, columns: int) -> tuple[torch.Tensor, torch.Tensor]:
    slow, fast = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    return slow.reshape(-1), fast.reshape(-1)


def test_a_step_of_a_plane_goes_as_far_as_photons_are_left_and_no_other_block_feels_it():
    slow, fast = grid(4, 8)
    background = planes([(0, 3, 0, 3), (0, 3, 4, 7)], (4, 8), slow, fast)
    now = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]], dtype=F64)
    change = torch.tensor([[-3.0, 0.5, 0.0], [-0.5, 0.2, 0.1]], dtype=F64)
    moved = background.moved(now, change)
    assert float(background.at(moved).min()) == pytest.approx(LEFT)
    assert torch.equal(moved[1], now[1] + change[1])
    part = (moved - now)[0, :2] / change[0, :2]
    assert torch.allclose(part, part[:1]) and 0.2 < float(part[0]) < 0.3


def test_each_ring_of_a_curve_keeps_a_part_and_the_others_make_their_step():
    background = radial(torch.linspace(0.0, 1.0, 100, dtype=F64), rings=4)
    now = torch.full((1, 5), 2.0, dtype=F64)
    change = torch.tensor([[-5.0, 1.0, -1.0, 0.0, -1.9]], dtype=F64)
    expected = torch.tensor([[2 * LEFT, 3.0, 1.0, 2.0, 2 * LEFT]], dtype=F64)
    assert torch.allclose(background.moved(now, change), expected)
    assert float(background.at(background.moved(now, change)).min()) > 0.0


def test_a_given_background_has_nothing_to_move():
    slow, fast = grid(2, 2)
    background = given(1.5, (2, 2), slow, fast)
    none = torch.zeros((1, 0), dtype=F64)
    assert background.moved(none, none) is none


def test_a_plane_of_which_a_mask_leaves_one_corner_may_fall_away_from_it():
    slow, fast = torch.tensor([2, 3, 3]), torch.tensor([3, 2, 3])  # nowhere is a function of these negative
    background = planes([(0, 3, 0, 3)], (4, 4), slow, fast)
    assert bool((background.functions >= 0).all())
    now, change = torch.tensor([[1.0, -0.1, 0.0]], dtype=F64), torch.tensor([[0.0, -0.1, 0.0]], dtype=F64)
    assert torch.allclose(background.moved(now, change), now + change)


def test_a_curve_of_three_knots_starts_flat():
    background = radial(torch.tensor([0.1, 0.2, 0.3] * 5, dtype=F64), rings=2)
    level = background.start(torch.full((15,), 4.0, dtype=F64), torch.ones(15, dtype=F64))
    assert torch.allclose(background.at(level), torch.full((15,), 3.0, dtype=F64))
