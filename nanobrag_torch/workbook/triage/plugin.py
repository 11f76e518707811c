"""Pytest plugin that writes a line of JSON for each event of a session as it happens.

A JUnit file appears only when pytest ends, and its text depends on options; these lines survive a crash, and name the
test that was running. The plugin needs pytest alone, so that it can be loaded in any project.
"""

import json
import os
import time
from collections.abc import Generator
from pathlib import Path
from traceback import walk_tb
from typing import Any

import pytest

from nanobrag_torch.workbook.triage import journal

#: Name of a test's property that holds a finding of the gradient guard as JSON.
GUARD_PROPERTY = "gradient_guard"
#: Characters of a message that are kept.
LONGEST_MESSAGE = 2000


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin."""
    group = parser.getgroup("triage")
    group.addoption("--triage-events", metavar="PATH", help="append an event a line to this file")
    group.addoption("--triage-chunk", metavar="PATH", help="run only the files and tests that this JSON file lists")


def pytest_configure(config: pytest.Config) -> None:
    """Turn to the files of the chunk, and start recording in the process that gathers the results."""
    chunk_path, events = config.getoption("--triage-chunk"), config.getoption("--triage-events")
    files = json.loads(Path(chunk_path).read_text(encoding="utf-8")) if chunk_path else None
    if files is not None:
        config.args = [str(config.rootpath / journal.raw(file)) for file in files]
    done = journal.done(journal.read(Path(events))) if events and Path(events).exists() else set()
    selection = Selection(config.rootpath, files, done)
    config.args = [words for words in config.args if not selection.is_done(_file_of(words, config))]
    config.pluginmanager.register(selection)
    config.pluginmanager.register(Failures(config.rootpath))
    if events and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Recorder(config, Path(events)))


class Selection:
    """Selection of the tests of a chunk that no earlier session has done.

    Attributes:
        root: root of the suite.
        files: file -> pytest ids of the chunk; None for every test.
        done: tests and files that earlier sessions have done, or were ended by.
    """

    def __init__(self, root: Path, files: dict[str, list[str]] | None, done: set[str]) -> None:
        self.root = root
        self.files = files
        self.done = done
        self.tests = None if files is None else {test for tests in files.values() for test in tests}

    def is_done(self, path: Path) -> bool:
        """Tell whether nothing of a file is left to do."""
        name = journal.visible(path.relative_to(self.root).as_posix()) if path.is_relative_to(self.root) else ""
        tests = (self.files or {}).get(name)
        return name in self.done or (bool(tests) and self.done.issuperset(tests or ()))

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out files that are done."""
        return True if self.is_done(collection_path) else None

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Deselect the other tests of the same files."""
        selected = [item for item in items if self._is_selected(journal.visible(item.nodeid))]
        if len(selected) < len(items):
            chosen = set(selected)
            config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
            items[:] = selected

    def _is_selected(self, test: str) -> bool:
        return test not in self.done and (self.tests is None or test in self.tests)


class Failures:
    """Adds a description of the failure to each report; plain data, which also passes between processes."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """Describe the exception of a test."""
        report: Any = yield
        if report.failed and call.excinfo is not None:
            report.triage = describe(call.excinfo.value, self.root)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, Any, Any]:
        """Describe the error of a file that cannot be collected."""
        report: Any = yield
        if report.failed and report.call.excinfo is not None:
            error = report.call.excinfo.value
            wrapped = isinstance(error, pytest.Collector.CollectError) and error.__cause__ is not None
            report.triage = describe(error.__cause__ if wrapped else error, self.root)
        return report


class Recorder:
    """Writer of the events of one session."""

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self.config = config
        self.stream = path.open("a", encoding="utf-8")

    def _write(self, event: str, **values: Any) -> None:
        self.stream.write(json.dumps({"event": event, **values}) + "\n")
        self.stream.flush()

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        """Write that a file is being collected, which imports it."""
        if isinstance(collector, pytest.File):
            self._write("collecting", id=collector.nodeid, at=time.time())

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Write the tests that were selected."""
        for item in session.items:
            self._write("collected", id=item.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        """Write that a file has been collected, or cannot be."""
        if report.failed:
            self._write("uncollected", id=report.nodeid, failure=getattr(report, "triage", None))
        else:
            self._write("collected from", id=report.nodeid)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Write that a test begins."""
        self._write("started", id=nodeid, at=time.time())

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Write that a stage of a test (setup, call, teardown) is over, with the category that pytest gives it."""
        category = self.config.hook.pytest_report_teststatus(report=report, config=self.config)[0]
        guard = [json.loads(str(value)) for name, value in report.user_properties if name == GUARD_PROPERTY]
        self._write(
            "stage",
            id=report.nodeid,
            category=category,
            seconds=report.duration,
            failure=getattr(report, "triage", None),
            guard=guard if report.when == "call" else [],
        )

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        """Write that a test is over."""
        self._write("finished", id=nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write that the session is over: pytest ended by itself."""
        self._write("ended")

    def pytest_unconfigure(self) -> None:
        """Close the file of the events."""
        self.stream.close()


def _file_of(words: str, config: pytest.Config) -> Path:
    """File that an argument of pytest names."""
    return (config.invocation_params.dir / words.partition("::")[0]).resolve()


def describe(error: BaseException, root: Path) -> dict[str, Any]:
    """Exception, message and innermost frame below ``root``, or the innermost at all where none is there."""
    kind = type(error)
    plain = kind.__module__ == "builtins" or kind.__module__.startswith("_pytest.")
    name = kind.__qualname__ if plain else f"{kind.__module__}.{kind.__qualname__}"
    frames = [(frame.f_code.co_filename, line, frame.f_code.co_name) for frame, line in walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno or 0, "<module>"))
    own = [frame for frame in frames if _is_own(Path(frame[0]), root)]
    path, line, function = (own or frames or [("", 0, "")])[-1]
    return {
        "exception": name,
        "message": _message(error).replace(f"{root}{os.sep}", "")[:LONGEST_MESSAGE],
        "frame": {"path": _from_root(Path(path), root), "line": line, "function": function} if path else None,
    }


def _message(error: BaseException) -> str:
    if isinstance(error, pytest.FixtureLookupError):
        # Its own text names the test that asked, so that no two would be alike.
        return f"fixture {error.argname!r} not found"
    try:
        return str(error)
    except Exception as broken:
        return f"(its message cannot be shown: {type(broken).__name__})"


def _is_own(path: Path, root: Path) -> bool:
    return path.is_relative_to(root) and "site-packages" not in path.parts


def _from_root(path: Path, root: Path) -> str:
    """Path as seen from the root; for an installed package, from its own folder."""
    if _is_own(path, root):
        return path.relative_to(root).as_posix()
    parts = path.parts
    return "/".join(parts[parts.index("site-packages") + 1 :] if "site-packages" in parts else parts[-2:])
