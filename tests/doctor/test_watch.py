"""Places where a dependence leaves the graph: which of them carries what a gradient lacks."""

import pytest
import torch
from doctor.cases import F64, X

from nanobrag_torch.doctor import diagnose
from nanobrag_torch.doctor.watch import Replay, Watch


def leaf(value=0.7):
    return torch.tensor(value, dtype=F64, requires_grad=True)


def test_a_replay_holds_what_left_the_graph_and_lets_the_rest_move():
    def loss(x):
        return x * x.detach() + x.item()

    kept, start = {}, leaf(0.5)
    with Replay({"x": start}, kept, None):
        loss(start)
    detach, item = kept
    moved = leaf(2.0)
    for held, expected in (({detach}, 2 * 0.5 + 2), ({item}, 2 * 2 + 0.5), ({detach, item}, 2 * 0.5 + 0.5)):
        with Replay({"x": moved}, kept, frozenset(held)):
            assert float(loss(moved).detach()) == pytest.approx(expected)


def test_shapes_comparisons_and_conversions_that_keep_the_graph_lose_nothing():
    x = leaf()
    with Watch({"x": x}) as watch:
        y = torch.as_tensor(x) * torch.ones_like(x) + x.new_zeros(1) + X.type_as(x)[0]
        assert y > 0
        (y * 2).long()
    assert watch.detached_at("x") == ()


@pytest.mark.parametrize(
    ("harmless", "culprit"),
    [
        (lambda x: x.sum().item(), lambda x: x.detach()),
        (lambda x: torch.ones_like(x).tolist(), lambda x: torch.tensor(float(x), dtype=F64)),
        (lambda x: x.argmax(), lambda x: torch.from_numpy(x.detach().numpy())),
    ],
)
def test_the_line_that_carries_what_is_missing_is_named_not_one_that_only_looks(harmless, culprit):
    def model(p):
        harmless(p["x"])
        weight = culprit(p["x"]) ** 2  # the culprit
        return (torch.sin(p["x"] * X) * weight).sum()

    verdict = diagnose(model, {"x": 0.7})["x"].verdict
    assert verdict.code == "W4"
    assert "test_watch.py" in verdict.source
    assert "culprit" in verdict.source or "lambda x" in verdict.source
    assert "harmless" not in verdict.source and "argmax" not in verdict.source.split("lambda")[-1]


def test_a_hook_that_changes_a_gradient_is_named_with_its_line():
    def model(p):
        y = p["x"] * 3
        if y.requires_grad:
            y.register_hook(lambda slope: slope.clamp(max=0.1))
        return y**2

    verdict = diagnose(model, {"x": 0.7})["x"].verdict
    assert verdict.code == "W6"
    assert verdict.evidence["hooks"] == 1
    assert "register_hook" in verdict.source


@pytest.mark.parametrize("side", [False, True], ids=["on the chain", "beside it"])
def test_numbers_read_in_a_loop_cost_as_much_at_each_step(side):
    """Steps of a chain of which a number is read: ten times as many take ten times as long, not a hundred times."""
    leaf = torch.tensor(0.5, dtype=F64, requires_grad=True)
    asked = []

    class Asked(dict):
        def __contains__(self, node):
            asked.append(node)
            return super().__contains__(node)

    def steps(count):
        asked.clear()
        watch = Watch({"x": leaf})
        watch._reached = Asked()
        with watch:
            x = leaf * 1.0
            for _ in range(count):
                x = x + 0.001 * torch.sin(x)
                (x * leaf if side else x).item()
        assert {event.leaves for event in watch.lost_at} == {frozenset({"x"})}
        return len(asked)

    assert steps(1000) < 12 * steps(100)
