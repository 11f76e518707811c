"""Gradients from cotangents: those of torch, bit for bit, without what torch imports for them."""

import subprocess
import sys

import pytest
import torch
from torch.autograd import grad

from nanobrag_torch.kernel.cotangents import pulled_back

F64 = torch.float64


def case():
    a, b, unused = (torch.randn(3, dtype=F64, generator=torch.Generator().manual_seed(n)) for n in range(3))
    inputs = [tensor.requires_grad_() for tensor in (a, b, unused)]
    outputs = [(a * b).sin(), (a.sum() / 3).exp()]
    bars = [torch.linspace(-1, 2, 3, dtype=F64).requires_grad_(), torch.tensor(0.7, dtype=F64).requires_grad_()]
    return inputs, outputs, bars


def test_gradients_and_their_gradients_are_those_of_torch():
    inputs, outputs, bars = case()
    found = pulled_back(outputs, bars, inputs, create_graph=True)
    wanted = grad(outputs, inputs, bars, create_graph=True, allow_unused=True, materialize_grads=True)
    for one, two in zip(found, wanted, strict=True):
        assert torch.equal(one, two)
    for one, two in zip(grad(found[0].sum(), bars), grad(wanted[0].sum(), bars), strict=True):
        assert torch.equal(one, two) and one.abs().max() > 0


def test_without_an_output_they_are_zeros_also_where_gradients_are_switched_off():
    inputs, outputs, bars = case()
    with torch.no_grad():
        assert pulled_back(outputs, bars, inputs)[0].abs().max() > 0
        assert [each.tolist() for each in pulled_back([], [], inputs)] == [[0.0] * 3] * 3


def test_a_cotangent_of_another_shape_is_refused():
    inputs, outputs, bars = case()
    with pytest.raises(RuntimeError, match="shape"):
        pulled_back(outputs, [bars[0][:2], bars[1]], inputs)


def test_an_image_and_its_gradient_bring_no_sympy():
    code = (
        "import sys; sys.path.insert(0, 'tests'); from random_scenes import Case, simulator\n"
        "case = Case.of(simulator())\nassert case.gradients"
        "(case.image('numba').sum(), None)['lattice.a'].abs().max() > 0 and 'sympy' not in sys.modules"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
