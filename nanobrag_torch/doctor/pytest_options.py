"""Options of the gradient guard: all that pytest loads of it where nobody asks for it.

Pytest finds them by an entry point, in any test-suite of an environment in which this package is installed; neither
torch nor the guard is loaded before ``--gradient-guard=warn`` or the setting ``gradient_guard`` asks.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

#: Name of this plugin, that of the entry point, and of the guard of a session.
NAME, SESSION = "gradient_guard", "gradient_guard_session"
MARK = "zero_gradient"
CHOICES = ("warn", "error", "off")


def pytest_addoption(parser: "pytest.Parser") -> None:
    """Add the options of the guard."""
    group = parser.getgroup("gradient guard")
    group.addoption(
        "--gradient-guard",
        choices=CHOICES,
        help="what a gradient check that proves nothing leads to (default: the setting gradient_guard, or off)",
    )
    group.addoption("--gradient-guard-json", metavar="PATH", help="write the findings there")
    parser.addini(
        "gradient_guard", "what a gradient check that proves nothing leads to: warn, error or off", default=""
    )


def pytest_configure(config: "pytest.Config") -> None:
    """Start the guard if it is asked for."""
    config.addinivalue_line("markers", f"{MARK}: the gradients in this test are zero on purpose; the guard is silent")
    start(config, default="warn" if config.getoption("--gradient-guard-json") else "off")


def start(config: "pytest.Config", default: str) -> None:
    """Start watching, before any test module is imported, so that names imported from torch are watched too.

    Args:
        config: of the session; its option stands before its setting.
        default: "warn", "error" or "off" where neither is given.

    Raises:
        pytest.UsageError: the setting is none of these.
    """
    chosen = config.getoption("--gradient-guard") or config.getini(NAME) or default
    if chosen not in CHOICES:
        import pytest

        raise pytest.UsageError(f"{NAME} = {chosen}: must be one of {', '.join(CHOICES)}.")
    if chosen == "off" or config.pluginmanager.has_plugin(SESSION):
        return
    from .guard_plugin import GuardPlugin

    config.pluginmanager.register(GuardPlugin(config, fails=chosen == "error", mark=MARK), SESSION)
