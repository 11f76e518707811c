"""A module in train and eval: a gradient that is there in one mode alone is told once, for the whole module."""

import pytest
import torch
from torch import nn

from nanobrag_torch.doctor import GradientReport, diagnose

X = torch.tensor([[0.1, -0.7, 0.4], [0.9, 0.3, -0.2], [-0.5, 0.8, 0.6], [0.2, -0.1, 1.1]], dtype=torch.float64)


def squares(output):
    return (output**2).sum()


class OneMode(nn.Module):
    """A network whose first layer has a gradient in one mode alone."""

    def __init__(self, cut):
        super().__init__()
        self.first, self.second, self.cut = nn.Linear(3, 2), nn.Linear(2, 1), cut
        self.double()

    def forward(self, x):
        hidden = torch.tanh(self.first(x))
        return self.second(hidden if self.training else self.cut(hidden))


def healthy(norm=nn.BatchNorm1d):
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(3, 4, bias=False), norm(4), nn.Tanh(), nn.Dropout(0.5), nn.Linear(4, 1)).double()


@pytest.mark.parametrize(
    ("cut", "kind"),
    [
        (lambda hidden: hidden.detach(), "missing"),
        (lambda hidden: hidden.clamp(5, 6), "zero"),
        (lambda hidden: hidden + torch.sqrt((hidden - hidden.detach()) ** 2), "not finite"),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_gradients_that_are_there_in_one_mode_alone_are_one_finding(cut, kind, training):
    module = OneMode(cut).train(training)
    report = diagnose(module, X, loss=squares)
    finding = report.modes
    assert (finding.code, finding.severity) == ("modes", "warning")
    assert finding.evidence["parameters that differ"] == "2 of 4"
    said = f"present in train, {kind} in eval" if training else f"{kind} in eval, present in train"
    assert finding.evidence["which"] == f"first.weight: {said}; first.bias: {said}"
    assert module.training == training == module.second.training
    assert GradientReport.from_json(report.to_json()).modes == report.modes
    assert "train and eval differ" in report._repr_html_()


def test_the_finding_is_the_verdict_where_nothing_graver_is():
    report = diagnose(OneMode(torch.detach), X, loss=squares)
    assert set(report.codes.values()) == {"healthy"} and report.verdict == report.modes


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("norm", [nn.BatchNorm1d, nn.LayerNorm])
def test_a_healthy_network_with_dropout_is_no_finding_in_either_mode(training, norm):
    module = healthy(norm).train(training)
    state = torch.get_rng_state()
    report = diagnose(module, X, loss=squares)
    assert report.repeatable and report.modes is None
    assert {p.verdict.severity for p in report.parameters} <= {"healthy", "explained"}
    assert set(report.codes.values()) <= {"healthy", "Z10"}
    assert torch.equal(state, torch.get_rng_state())


def test_what_one_draw_leaves_out_is_not_said_to_have_no_influence():
    module = nn.Sequential(nn.Linear(3, 1, bias=False), nn.Dropout(0.9), nn.Linear(1, 1)).double()
    torch.manual_seed(0)
    assert not nn.functional.dropout(torch.ones(4, 1, dtype=torch.float64), 0.9).any()  # the draw that is examined
    report = diagnose(module, X, loss=squares)
    assert {report[f"0.weight[{i}]"].verdict.code for i in range(3)} == {"Z10"}
    assert report.modes is None


def test_a_mode_in_which_the_module_cannot_be_evaluated_is_not_compared():
    module = healthy().eval()
    with pytest.raises(ValueError, match="more than 1 value"):
        healthy().train()(X[:1])
    report = diagnose(module, X[:1], loss=squares)
    assert report.modes is None and set(report.codes.values()) == {"healthy"}
    assert not any(part.training for part in module.modules())


def test_parts_that_are_in_a_mode_of_their_own_stay_in_it():
    module = healthy()
    module[1].eval()
    diagnose(module, X, loss=squares)
    assert [part.training for part in module] == [True, False, True, True, True]


def test_the_comparison_ends_with_the_budget():
    spent = diagnose(OneMode(torch.detach), X, loss=squares).cost.evaluations
    report = diagnose(OneMode(torch.detach), X, loss=squares, evaluations=spent - 10)
    assert report.modes is None and not report.cost.complete
