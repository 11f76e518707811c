"""Distributions of torch as parameters: taken apart by their constructor's names, and made again of other values."""

import pytest
import torch
from torch import distributions as d

from nanobrag_torch.doctor import DoctorError, diagnose
from nanobrag_torch.doctor.distributions import made_again, parts

F64 = torch.float64
ONES = torch.ones(3, dtype=F64)


def number(value):
    return torch.tensor(value, dtype=F64)


#: Distributions of every make, and what they are functions of.
MADE = {
    "loc scale": lambda: d.Normal(number(0.5), number(2.0)),
    "concentration1 concentration0": lambda: d.Beta(number(2.0), number(3.0)),
    "logits": lambda: d.Categorical(logits=0.3 * ONES),
    "probs": lambda: d.Bernoulli(number(0.3)),
    "total_count probs": lambda: d.NegativeBinomial(3, number(0.2)),
    "loc covariance_matrix": lambda: d.MultivariateNormal(ONES, torch.eye(3, dtype=F64)),
    "loc scale_tril": lambda: d.MultivariateNormal(ONES, scale_tril=2 * torch.eye(3, dtype=F64)),
    "temperature probs": lambda: d.RelaxedBernoulli(number(1.0), number(0.4)),
    "base_distribution": lambda: d.Independent(d.Normal(ONES, ONES), 1),
    "mixture_distribution component_distribution": lambda: d.MixtureSameFamily(
        d.Categorical(ONES), d.Normal(ONES, 1.0)
    ),
    "base_distribution transforms": lambda: d.TransformedDistribution(
        d.Gamma(number(2.0), number(1.5)), [d.ComposeTransform([d.AffineTransform(number(1.0), number(2.0))])]
    ),
}


@pytest.mark.parametrize("names", MADE)
def test_a_distribution_made_again_of_its_parts_is_the_same(names):
    one = MADE[names]()
    again = made_again(one, parts(one))
    assert " ".join(parts(one)) == names
    torch.manual_seed(0)
    drawn = one.sample((4,))
    torch.manual_seed(0)
    assert torch.equal(again.sample((4,)), drawn)
    assert torch.equal(again.log_prob(drawn), one.log_prob(drawn))


def test_what_a_constructor_was_not_given_is_no_part_although_it_was_computed():
    q = d.Categorical(logits=ONES)
    assert float(q.probs.sum()) == pytest.approx(1)
    assert list(parts(q)) == ["logits"]


def test_gradients_of_a_distribution_are_those_of_its_density():
    report = diagnose(lambda p: -p["q"].log_prob(number(3.0)), {"q": d.Normal(number(1.0), number(2.0))})
    # d/dμ = -(x - μ)/σ², d/dσ = 1/σ - (x - μ)²/σ³.
    assert {p.name: p.gradient for p in report.parameters} == pytest.approx({"q.loc": -0.5, "q.scale": 0.0})
    assert {p.verdict.severity for p in report.parameters} <= {"healthy", "explained"}


def test_a_distribution_alone_may_be_the_parameters_and_its_transforms_are_parts():
    q = d.TransformedDistribution(
        d.Normal(number(0.0), number(1.0)), [d.AffineTransform(number(2.0), number(3.0)), d.ExpTransform()]
    )
    report = diagnose(lambda q: q.log_prob(number(5.0)), q)
    z = (torch.log(number(5.0)) - 2) / 3
    assert report["transforms.0.loc"].gradient == pytest.approx(float(z / 3))
    assert {p.name for p in report.parameters} == {
        "base_distribution.loc", "base_distribution.scale", "transforms.0.loc", "transforms.0.scale"
    }  # fmt: skip
    assert all(p.verdict.code == "healthy" for p in report.parameters)


def drawn(method, seed=True):
    def function(p):
        if seed:
            torch.manual_seed(3)
        return (getattr(p["q"], method)((20,)) ** 2).mean()

    return function


@pytest.mark.parametrize(
    ("function", "code"),
    [(drawn("rsample"), "healthy"), (drawn("sample"), "S2"), (drawn("rsample", seed=False), "D3")],
    ids=["rsample", "sample", "no seed"],
)
def test_a_draw_with_a_seed_has_a_gradient_if_it_is_reparametrised(function, code):
    report = diagnose(function, {"q": d.Normal(number(1.0), number(2.0))})
    assert {p.verdict.code for p in report.parameters} == {code}
    if code == "S2":
        assert "rsample()" in report["q.scale"].verdict.remedy


class Fixed(d.Distribution):
    """A distribution of nothing."""

    arg_constraints = {}

    def __init__(self, validate_args=None):
        super().__init__(validate_args=validate_args)


def test_a_distribution_without_parameters_is_refused_with_what_to_pass():
    with pytest.raises(DoctorError, match=r"a Fixed without parameters of its own.*Pass these, and make"):
        diagnose(lambda p: p["x"], {"x": 1.0, "q": Fixed()})
