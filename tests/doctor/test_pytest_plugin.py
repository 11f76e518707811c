"""The gradient guard, run on small suites with checks that prove something and checks that do not."""

import json
import xml.etree.ElementTree as ET

import pytest

pytest_plugins = ["pytester"]

SUITE = """
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

def x(value=1.5, dtype=torch.float64):
    return torch.tensor([value, 2 * value], dtype=dtype, requires_grad=True)

def test_sound():
    assert gradcheck(lambda a: a.sin() * a, x())
    assert gradgradcheck(lambda a: a.sin() * a, x())
    x().sin().sum().backward()

def test_zero_with_zero():
    assert gradcheck(lambda a: (a * 0).sum(), x())

def test_one_input_of_two():
    assert gradcheck(lambda a, b: a.sin() + 0 * b, (x(), x()))

def test_second_derivative_of_a_line():
    assert gradgradcheck(lambda a: 3 * a, x())

def test_single_precision():
    assert gradcheck(lambda a: a.sin(), x(dtype=torch.float32), eps=1e-2, atol=1e-1)

def test_backward_of_zeros():
    a = x()
    (a * 0).sum().backward()
    assert torch.isfinite(a.grad).all()

def test_backward_not_finite():
    (x(0.0).sqrt()).sum().backward()

@pytest.mark.zero_gradient
def test_zero_on_purpose():
    (x() * 0).sum().backward()

def test_wrong():
    assert gradcheck(lambda a: a.detach() * a, x())
"""

KINDS = {
    "test_zero_with_zero": ["zero with zero"],
    "test_one_input_of_two": ["zero with zero"],
    "test_second_derivative_of_a_line": ["zero with zero"],
    "test_single_precision": ["single precision"],
    "test_backward_of_zeros": ["all zero"],
    "test_backward_not_finite": ["not finite"],
}
#: Torch itself warns of single precision; that is not what is counted here.
TORCH_WARNS = ("-W", "ignore:Input #0 requires gradient")


@pytest.fixture
def suite(pytester):
    pytester.makepyfile(test_suite=SUITE)

    def run(*options):
        plugin = "nanobrag_torch.doctor.pytest_plugin"
        return pytester.runpytest_inprocess("-p", plugin, "-p", "no:cacheprovider", *options, *TORCH_WARNS)

    return run


def test_checks_that_prove_nothing_are_named_and_no_outcome_changes(suite, pytester):
    result = suite("--gradient-guard-json=guard.json", "--junitxml=junit.xml", "-W", "error")
    result.assert_outcomes(passed=8, failed=1, warnings=len(KINDS))
    findings = json.loads((pytester.path / "guard.json").read_text())
    assert {name.split("::")[1]: [f["kind"] for f in found] for name, found in findings.items()} == KINDS
    marked = ET.parse(pytester.path / "junit.xml").iterfind(".//property[@name='gradient_guard']")
    assert sum(1 for _ in marked) == len(KINDS)
    result.stdout.fnmatch_lines(
        ["*gradcheck: compared zero with zero for input 1: no output moved*", "*gradgradcheck: compared zero*"]
    )


def test_on_request_they_fail(suite):
    result = suite("--gradient-guard=error")
    result.assert_outcomes(passed=2, failed=7, warnings=len(KINDS))
    result.stdout.fnmatch_lines(["gradient guard: backward: every gradient is exactly zero*"])


def test_switched_off_it_says_nothing(suite):
    suite("--gradient-guard=off").assert_outcomes(passed=8, failed=1)


def test_torch_is_left_as_it_was(suite):
    import torch

    before = torch.autograd.backward, torch.autograd.gradcheck, torch.autograd.gradgradcheck
    suite()
    assert (torch.autograd.backward, torch.autograd.gradcheck, torch.autograd.gradgradcheck) == before


def test_a_run_that_is_killed_leaves_what_was_found(pytester):
    pytester.makepyfile(
        test_killed="""
        import os
        import torch

        def zeros():
            x = torch.ones(2, requires_grad=True)
            (x * 0).sum().backward()

        def test_first():
            zeros()

        def test_killed():
            zeros()
            os._exit(9)
        """
    )
    plugin = "nanobrag_torch.doctor.pytest_plugin"
    pytester.runpytest_subprocess("-p", plugin, "-p", "no:cacheprovider", "--gradient-guard-json=guard.json")
    findings = json.loads((pytester.path / "guard.json").read_text())
    assert list(findings) == ["test_killed.py::test_first", "test_killed.py::test_killed"]
    assert [f["kind"] for found in findings.values() for f in found] == ["all zero", "all zero"]


def test_findings_that_cannot_be_written_stop_the_run_at_once(suite):
    import torch

    before = torch.autograd.backward, torch.autograd.grad, torch.func.grad
    result = suite("--gradient-guard-json=nowhere/guard.json")
    assert (torch.autograd.backward, torch.autograd.grad, torch.func.grad) == before
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*nowhere/guard.json: No such file or directory. Give a file in a folder*"])
