"""Options of the tests of the doctor."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cases", choices=("few", "full"), default="few", help="public cases: without the slow ones, or all"
    )
