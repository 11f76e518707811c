"""Public names that are loaded when they are first asked for."""

import subprocess
import sys

import pytest

import nanobrag_torch
import nanobrag_torch.doctor
import nanobrag_torch.models.experiment
import nanobrag_torch.workbook

MODULES = (nanobrag_torch, nanobrag_torch.doctor, nanobrag_torch.workbook, nanobrag_torch.models.experiment)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_name_can_be_had_and_is_listed(module):
    assert module.__all__
    for name in module.__all__:
        assert getattr(module, name) is not None
        assert name in dir(module)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_another_name_is_refused_with_those_that_are_public(module):
    with pytest.raises(AttributeError, match="has no attribute 'nothing'; public names: "):
        _ = module.nothing


def test_a_name_is_loaded_once_and_is_then_an_attribute_like_any_other():
    code = (
        "import sys, nanobrag_torch.workbook as w; before = 'Record' in vars(w); w.Record;"
        "print(before, 'Record' in vars(w), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "False"]
