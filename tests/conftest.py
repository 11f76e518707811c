"""Shared set-up: threads of tests that run side by side, Ctrl-C, and what coverage is not measured in."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import pytest
import torch

_TESTS = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--cases", choices=("few", "full"), default="few", help="without the cases that take long, or all of them"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "full: a case that takes long, or a kernel of its own; --cases full tries it")


#: Files that take longest begin first: a worker that comes to one of them last would work on alone.
_FIRST = (
    "test_tutorials.py", "workbook/cells/test_agreement.py", "workbook/running/test_shipped_in_lab.py",
    "workbook/sweeps/test_cluster.py", "browser/test_explorer.py", "doctor/test_confusion.py", "refine/test_many.py",
    "kernel/numba_engine/test_engine.py", "workbook/triage/test_run.py", "workbook/running/test_run.py",
)  # fmt: skip


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    places = {str(_TESTS / name): number for number, name in enumerate(_FIRST)}
    items.sort(key=lambda item: places.get(str(item.path), len(places)))
    if config.getoption("--cases") == "few":
        for item in items:
            if item.get_closest_marker("full"):
                item.add_marker(pytest.mark.skip(reason="--cases full tries it"))


if "PYTEST_XDIST_WORKER" in os.environ:
    # Two pools of threads on two cores spend their time waiting.
    torch.set_num_threads(1)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A job in the background of a shell ignores Ctrl-C, and so would the processes in which tests try it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if not torch.cuda.is_available():
    # Triton reads it as it is imported, by whichever test of a worker comes first.
    os.environ.setdefault("TRITON_INTERPRET", "1")


def _untraced(compile_: Callable[..., Any]) -> Callable[..., Any]:
    """Leave numba's own code out of what is traced for coverage: a compilation takes two thirds longer with it."""

    def compiled(*given: Any) -> Any:
        traced = sys.gettrace()
        sys.settrace(None)
        try:
            return compile_(*given)
        finally:
            sys.settrace(traced)

    return compiled


_COMPILER = numba.core.dispatcher._FunctionCompiler
_COMPILER.compile = _untraced(_COMPILER.compile)

#: By this a process that a test starts measures its coverage.
_MEASURED = "COVERAGE_PROCESS_CONFIG"
#: Rooms whose coverage has a floor. Tests of other rooms are not measured: each line of Python, also of the libraries,
#: takes longer then.
_ROOMS = ("physics", "doctor", "workbook")
#: Tests that start many processes to see how they end, not what is in them: measured, these take half as long again.
_NOT_MEASURED = (
    "doctor/test_confusion.py", "doctor/test_pytest_plugin.py", "workbook/commands/test_sweep.py",
    "workbook/plans/test_expressions.py", "workbook/plans/test_run.py", "workbook/running/test_run.py",
    "workbook/running/test_shipped_by_command.py", "workbook/running/test_shipped_in_lab.py",
    "workbook/sweeps/test_cluster.py", "workbook/sweeps/test_reported.py", "workbook/test_foreign_investigation.py",
    "workbook/triage/test_chunks.py", "workbook/triage/test_run.py", "workbook/triage/test_suite.py",
)  # fmt: skip
#: Tests whose own process is measured, not those that they start, which run suites of a few lines.
_ALONE = ("workbook/cells/test_mapped_test.py",)


@pytest.fixture(scope="module", autouse=True)
def _measured_where_it_tells_something(request: pytest.FixtureRequest) -> Iterator[None]:
    place = Path(request.path).relative_to(_TESTS)
    measured = place.parts[0] in _ROOMS and str(place) not in _NOT_MEASURED
    if measured and str(place) not in _ALONE:
        yield
        return
    config, traced = os.environ.pop(_MEASURED, None), sys.gettrace()
    if not measured:
        sys.settrace(None)
    yield
    sys.settrace(traced)
    if config is not None:
        os.environ[_MEASURED] = config
