"""Bytes that an evaluation takes on a device: few on a CPU, a part of what is free on a GPU."""

import pytest
import torch
from random_scenes import simulator

from nanobrag_torch.kernel.memory import GPU_BUDGET, MEMORY_BUDGET, budget_of


def test_an_evaluation_on_a_cpu_takes_the_usual_bytes():
    assert budget_of(torch.device("cpu")) == MEMORY_BUDGET
    assert simulator("square", "constant").memory_budget == MEMORY_BUDGET


@pytest.mark.parametrize(("free", "taken"), [(80 << 30, GPU_BUDGET), (8 << 30, 1 << 30), (64 << 20, MEMORY_BUDGET)])
def test_on_a_gpu_it_takes_an_eighth_of_what_is_free_within_bounds(monkeypatch, free, taken):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 80 << 30))
    assert budget_of(torch.device("cuda")) == taken
