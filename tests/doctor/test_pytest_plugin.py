"""The gradient guard, run on small suites with checks that prove something and checks that do not."""

import json
import os
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from checkouts import LEAN

ROOT = Path(__file__).parents[2]
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
    pytester.runpytest_subprocess(*LEAN, "-p", plugin, "-p", "no:cacheprovider", "--gradient-guard-json=guard.json")
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


@pytest.fixture
def installed(pytester, monkeypatch):
    """Run pytest where it finds the entry point, whether or not this checkout is installed in its present state."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    metadata = pytester.mkdir("site") / "gradient_guard_by_entry_point-0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: gradient-guard-by-entry-point\nVersion: 0\n")
    lines = "\n".join(f"{name} = {home}" for name, home in points.items())
    (metadata / "entry_points.txt").write_text(f"[pytest11]\n{lines}\n")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(metadata.parent), str(ROOT)]))
    return lambda *options: pytester.runpytest_subprocess("-p", "no:cacheprovider", *LEAN, *options, *TORCH_WARNS)


#: The first test of a suite that leaves torch alone.
WITHOUT_TORCH = """
import sys

def test_nothing_is_loaded():
    loaded = {"torch", "nanobrag_torch", "gradient_doctor"} & set(sys.modules)
    assert loaded == {"gradient_doctor"}
"""


def test_installed_and_not_asked_the_guard_loads_neither_torch_nor_the_package(installed, pytester):
    pytester.makepyfile(test_suite=WITHOUT_TORCH)
    installed("--strict-markers").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("options", "setting", "outcomes"),
    [
        (("--gradient-guard=warn",), "", {"passed": 8, "failed": 1, "warnings": len(KINDS)}),
        (("--gradient-guard-json=found.json",), "", {"passed": 8, "failed": 1, "warnings": len(KINDS)}),
        (("-p", "nanobrag_torch.doctor.pytest_plugin"), "", {"passed": 8, "failed": 1, "warnings": len(KINDS)}),
        (("-p", "nanobrag_torch.doctor.pytest_plugin"), "off", {"passed": 8, "failed": 1}),
        ((), "error", {"passed": 2, "failed": 7, "warnings": len(KINDS)}),
        (("--gradient-guard=off",), "error", {"passed": 8, "failed": 1}),
    ],
)
def test_installed_it_is_started_by_an_option_a_setting_or_its_name_and_once(
    installed, pytester, options, setting, outcomes
):
    pytester.makepyfile(test_suite=SUITE)
    pytester.makeini(f"[pytest]\ngradient_guard = {setting}\n")
    installed("--strict-markers", *options).assert_outcomes(**outcomes)


def test_a_conftest_may_name_the_plugin_that_is_installed(installed, pytester):
    pytester.makepyfile(test_suite=SUITE)
    pytester.makeconftest('pytest_plugins = ["nanobrag_torch.doctor.pytest_plugin"]')
    installed().assert_outcomes(passed=8, failed=1, warnings=len(KINDS))


def test_an_unknown_setting_is_refused_with_those_that_are_allowed(installed, pytester):
    pytester.makepyfile(test_suite=WITHOUT_TORCH)
    pytester.makeini("[pytest]\ngradient_guard = loud\n")
    installed().stderr.fnmatch_lines(["*gradient_guard = loud: must be one of warn, error, off.*"])


def test_the_guard_watches_a_suite_whose_package_bears_our_name(installed, pytester):
    package = pytester.mkpydir("nanobrag_torch")
    (package / "simulator.py").write_text("def image(x):\n    return x * 0\n")
    pytester.makepyfile(
        test_foreign="""
        import torch
        from torch.autograd import gradcheck
        from nanobrag_torch.simulator import image

        def test_gradient():
            assert gradcheck(image, torch.ones(2, dtype=torch.float64, requires_grad=True))
        """
    )
    pytester.makeini("[pytest]\npythonpath = .\n")
    result = installed("--gradient-guard=warn")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*gradcheck: compared zero with zero*"])
