"""Failures grouped by what they have in common: exception, normalised message, innermost frame."""

import hashlib
import re
from collections.abc import Iterable, Mapping

from nanobrag_torch.workbook.records.triage import Cluster, Failure, TestResult

#: Exceptions whose quoted words are no values, but name what is missing.
_NAMES_A_CAUSE = re.compile(r"(?:^|\.)(?:ModuleNotFoundError|ImportError|FixtureLookupError)$")
_VALUE = "'VALUE'"
#: Pattern of a text that changes from run to run, or from one parameter of a test to the next, and its stand-in;
#: applied in this order.
_NORMAL: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    # As Python writes a text. An apostrophe within a word begins none.
    (re.compile(r"""(?<!\w)[bBrRuU]{0,2}(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?!\w)"""), _VALUE),
    (re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b"), "ID"),
    (re.compile(r"\b0x[0-9a-fA-F]+\b"), "ADDRESS"),
    (re.compile(r"(?<![\w.])(?:[A-Za-z]:)?(?:[\\/][\w.+@ -]*[\w.+@-])+[\\/](?=[\w.-])"), ""),
    (re.compile(r"(?<![A-Za-z_])[-+]?(?:\d+(?:_\d+)*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?:\s*s\b)?"), "N"),
    (re.compile(r"\bN(?:, N)+\b"), "N, ..."),
    (re.compile(rf"{_VALUE}(?:, {_VALUE})+"), f"{_VALUE}, ..."),
    (re.compile(r"\s+"), " "),
)
_LONGEST_PATTERN = 160

#: End of an exception's name, and the usual help against it; the first that fits is taken.
REMEDIES: tuple[tuple[str, str], ...] = (
    ("TimeLimit", "Run this test alone with a longer limit; if it still does not end, look for a loop or a lock."),
    ("Crash", "Run this test alone with -X faulthandler; the last lines of the chunk's log say where it was."),
    ("Stopped", "Something in the suite ended pytest itself: look at the end of the chunk's log."),
    ("ModuleNotFoundError|ImportError", "Install the package that is named, or correct the import."),
    ("SyntaxError|IndentationError", "Correct the file: no test of it was run."),
    ("FixtureLookupError", "Define the fixture in the file or in a conftest.py above it, or correct its name."),
    (
        "FileNotFoundError|IsADirectoryError|PermissionError",
        "Check that the data the test needs is there and readable.",
    ),
    ("MemoryError|OutOfMemoryError", "Make the case smaller, or run the chunk on a machine with more memory."),
    ("Timeout|TimeoutError", "Find out what it waits for, before the limit is raised."),
    ("GradcheckError", "Let nanobrag-workbook's doctor say why the gradient differs from its finite difference."),
    ("AssertionError|Failed", "Decide whether the code or the expectation is wrong; then correct that one."),
    ("", "Look at the frame that is named: it is the innermost of the suite's own."),
)


def normalise(message: str, exception: str = "") -> str:
    """First line of a message, without quoted values, numbers, addresses and folders.

    These change from run to run, and from one parameter of a test to the next.

    Args:
        message: the message.
        exception: name of the exception; the quotes of some name what is missing, and stay.
    """
    text = first_line(message)
    for pattern, stand_in in _NORMAL:
        if stand_in != _VALUE or not _NAMES_A_CAUSE.search(exception):
            text = pattern.sub(stand_in, text)
    return text.strip()[:_LONGEST_PATTERN]


def first_line(message: str) -> str:
    """First line of a message that is not blank; empty where there is none."""
    return next((line for line in message.splitlines() if line.strip()), "")


def key(failure: Failure) -> str:
    """Hash of exception, normalised message and frame (path and function: a line number moves with every edit)."""
    place = f"{failure.frame.path}:{failure.frame.function}" if failure.frame else ""
    identity = "\0".join((failure.exception, normalise(failure.message, failure.exception), place))
    return hashlib.sha256(identity.encode()).hexdigest()[:12]


def clusters(tests: Iterable[TestResult], earlier: Mapping[str, str] | None = None) -> tuple[Cluster, ...]:
    """Group the failures of ``tests`` and name the groups C1, C2, ...

    A cluster that an earlier run knows (``earlier``: key to label) keeps its name. Others take the names that follow,
    the largest first, equal ones by their key.
    """
    earlier = earlier or {}
    members: dict[str, list[TestResult]] = {}
    for test in sorted(tests, key=lambda test: test.id):
        if test.failure is not None:
            members.setdefault(key(test.failure), []).append(test)
    order = sorted(members, key=lambda name: (-len(members[name]), name))
    following = 1 + max((_number(label) for label in earlier.values()), default=0)
    fresh = (name for name in order if name not in earlier)
    labels = {**earlier, **{name: f"C{number}" for number, name in enumerate(fresh, start=following)}}
    return tuple(_cluster(labels[name], name, members[name]) for name in order)


def remedy(exception: str) -> str:
    """Usual help against an exception of that name."""
    return next(text for names, text in REMEDIES if not names or re.search(rf"(?:^|\.)(?:{names})$", exception))


def _cluster(label: str, name: str, tests: list[TestResult]) -> Cluster:
    first = tests[0].failure
    assert first is not None
    return Cluster(
        label=label,
        key=name,
        failure=first,
        pattern=normalise(first.message, first.exception),
        tests=tuple(test.id for test in tests),
        remedy=remedy(first.exception),
    )


def _number(label: str) -> int:
    return int(label.removeprefix("C"))
