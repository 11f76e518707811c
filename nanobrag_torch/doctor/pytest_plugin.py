"""Pytest plugin that watches the gradient checks of any test suite for vacuous ones, which prove nothing.

    pytest --gradient-guard=warn
    pytest -p nanobrag_torch.doctor.pytest_plugin

The first works wherever this package is installed, the second wherever it can be imported.

A check that compares zero with zero passes whatever the code does. The guard watches ``gradcheck``, ``gradgradcheck``,
``backward()``, ``autograd.grad``, ``autograd.functional`` and ``torch.func``, and reports checks of zero with zero, of
elements that move nothing, and with a tolerance that hides a wrong gradient, gradients that are all zero or not finite,
and checks in single precision: in the warnings summary, in the junit file, and as JSON, which is written as they are
found. It changes no outcome, unless ``--gradient-guard=error`` asks for it.
"""

import pytest

from . import pytest_options


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options of the guard, unless they came by their entry point."""
    if not pluginmanager.has_plugin(pytest_options.NAME):
        pluginmanager.register(pytest_options, pytest_options.NAME)


def pytest_configure(config: pytest.Config) -> None:
    """Start the guard: whoever names this plugin asks for it."""
    pytest_options.start(config, default="warn")
