"""Pytest plugin that watches the gradient checks of any test suite for vacuous ones, which prove nothing.

    pytest -p nanobrag_torch.doctor.pytest_plugin

A check that compares zero with zero passes whatever the code does. The guard watches ``gradcheck``, ``gradgradcheck``,
``backward()``, ``autograd.grad``, ``autograd.functional`` and ``torch.func``, and reports checks of zero with zero, of
elements that move nothing, and with a tolerance that hides a wrong gradient, gradients that are all zero or not finite,
and checks in single precision: in the warnings summary, in the junit file, and as JSON, which is written as they are
found. It changes no outcome, unless ``--gradient-guard=error`` asks for it.
"""

import json
import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from nanobrag_torch.doctor.guard import DoubtfulCheck, GradientGuard

PROPERTY = "gradient_guard"
MARK = "zero_gradient"


class GradientGuardWarning(UserWarning):
    """Warning of a gradient check that is vacuous, or that cannot be trusted."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the guard."""
    group = parser.getgroup("gradient guard")
    group.addoption(
        "--gradient-guard",
        choices=("warn", "error", "off"),
        default="warn",
        help="what a gradient check that proves nothing leads to (default: %(default)s)",
    )
    group.addoption("--gradient-guard-json", metavar="PATH", help="write the findings there")


def pytest_configure(config: pytest.Config) -> None:
    """Start watching before any test module is imported, so that names imported from torch are watched too."""
    config.addinivalue_line("markers", f"{MARK}: the gradients in this test are zero on purpose; the guard is silent")
    if config.getoption("--gradient-guard") == "off":
        return
    plugin = GuardPlugin(config)
    config.pluginmanager.register(plugin, "gradient_guard_session")


class GuardPlugin:
    """Guard of one session; ``findings`` are doubtful checks by test."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.fails = config.getoption("--gradient-guard") == "error"
        self.findings: dict[str, list[dict[str, Any]]] = {}
        path = config.getoption("--gradient-guard-json")
        self.path = Path(path) if path and not hasattr(config, "workerinput") else None
        self.running: pytest.Item | None = None
        self.guard = GradientGuard(self._write)
        self._write()
        # Only now: whoever cannot write must leave torch as it was.
        self.guard.watch(torch.autograd, sys.modules["torch.autograd.gradcheck"], torch.autograd.functional, torch.func)

    def pytest_unconfigure(self) -> None:
        """Put torch's own functions back."""
        self.guard.release()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """Collect the doubtful checks of a test; fail it afterwards, if asked to and if it passed."""
        self.guard.begin()
        self.running = item
        try:
            result = yield
        finally:
            found = self._found(item)
            self.running = None
            self.guard.begin()
            for finding in found:
                item.user_properties.append((PROPERTY, json.dumps(asdict(finding))))
        if found and self.fails:
            pytest.fail("gradient guard: " + "; ".join(str(finding) for finding in found), pytrace=False)
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Gather findings from the reports, which arrive from other processes as well."""
        if report.when != "call":
            return
        entries = [json.loads(str(value)) for name, value in report.user_properties if name == PROPERTY]
        if entries:
            self.findings[report.nodeid] = entries
            self._write()
        for entry in entries:
            self._warn(report.nodeid, DoubtfulCheck(**entry))

    def _found(self, item: pytest.Item) -> list[DoubtfulCheck]:
        return [] if item.get_closest_marker(MARK) else list(self.guard.findings)

    def _write(self) -> None:
        """Write the findings so far, by test, that of the running one included: a run may be killed at any time."""
        if self.path is None:
            return
        findings = dict(self.findings)
        if self.running is not None and (found := self._found(self.running)):
            findings[self.running.nodeid] = [asdict(finding) for finding in found]
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            part.write_text(json.dumps(findings, indent=2) + "\n", encoding="utf-8")
            part.replace(self.path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise pytest.UsageError(
                f"--gradient-guard-json={self.path}: {error.strerror}. Give a file in a folder that can be written to."
            ) from None

    def _warn(self, nodeid: str, finding: DoubtfulCheck) -> None:
        """Enter a line into the summary of warnings, past the filters, which could turn it into an error."""
        message = warnings.WarningMessage(GradientGuardWarning(str(finding)), GradientGuardWarning, nodeid, 0)
        self.config.hook.pytest_warning_recorded.call_historic(
            kwargs={"warning_message": message, "when": "runtest", "nodeid": nodeid, "location": None}
        )
