"""The gradient guard in a session of pytest, once it is asked for: findings as warnings, in the junit file, as JSON."""

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

from .guard import DoubtfulCheck, GradientGuard

PROPERTY = "gradient_guard"


class GradientGuardWarning(UserWarning):
    """Warning of a gradient check that is vacuous, or that cannot be trusted."""


class GuardPlugin:
    """Guard of one session; ``findings`` are doubtful checks by test.

    Args:
        config: of the session.
        fails: a test with findings fails.
        mark: mark of tests whose gradients are zero on purpose.
    """

    def __init__(self, config: pytest.Config, fails: bool, mark: str) -> None:
        self.config = config
        self.fails, self.mark = fails, mark
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
        return [] if item.get_closest_marker(self.mark) else list(self.guard.findings)

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
