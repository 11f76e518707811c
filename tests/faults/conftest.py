"""How often a fault is injected: a few times where all tests run, the full dose in ``make faults``."""

from pathlib import Path

import pytest
from faults import tally, trials


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", choices=("few", "full"), default="few", help="how often, and how hard")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "dose(few, full): how often (attempt), or how much (amount)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    marker = metafunc.definition.get_closest_marker("dose")
    if marker is not None:
        # As a part of all tests this file comes too late to add its option.
        dose = marker.kwargs[metafunc.config.getoption("--faults", default="few")]
        if "attempt" in metafunc.fixturenames:
            metafunc.parametrize("attempt", [(number, dose) for number in range(dose)], ids=str)
        else:
            metafunc.parametrize("amount", [dose])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if len(table := tally.table()) > 1:
        terminalreporter.section("faults")
        for line in table:
            terminalreporter.write_line(line)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return trials.checkout(tmp_path / "checkout")
