"""Pytest commands of a brief: recognised word by word and rebuilt from fixed lists; nothing is handed to a shell."""

import re
import shlex
from dataclasses import dataclass

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.machine import environment

#: Pytest option that may be asked for -> pattern of its value; None for an option without one.
PYTEST_OPTIONS: dict[str, str | None] = {
    "-q": None,
    "-v": None,
    "-vv": None,
    "-x": None,
    "--maxfail": r"\d{1,4}",
    "--durations": r"\d{1,4}",
    "--tb": "auto|long|short|line|native|no",
    "--timeout": r"\d{1,5}",
}
#: Option with the path of the XML report; the run writes that into its own folder whatever the path.
JUNIT_OPTION = "--junitxml"

#: Characters that a shell would interpret. ``$STAMP`` alone is known.
_SHELL = re.compile(r"[;|&<>`$\n]")
_NODE = re.compile(r"(?!-)[\w.-]+(?:/[\w.-]+)*\.py(?:::[\w.\[\]+:,=-]+)*")
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)")
_RUNNERS = (["pytest"], ["python", "-m", "pytest"], ["python3", "-m", "pytest"])
_OWNER = "brief"


@dataclass(frozen=True)
class TestCommand:
    """A pytest run as it was recognised.

    Attributes:
        guards: environment variables in front of it.
        options: options from the fixed list, each as one word.
        tests: pytest ids.
        junit: path of the XML report as it was given; None without one.
    """

    __test__ = False

    guards: dict[str, str]
    options: tuple[str, ...]
    tests: tuple[str, ...]
    junit: str | None

    def shown(self) -> str:
        """Command line as a person would type it, for a report."""
        guards = [f"{name}={value}" for name, value in self.guards.items()]
        prefix = ["env", *guards] if guards else []
        return shlex.join([*prefix, "pytest", *self.options, *self.tests])


def recognise(command: str, field: str = "Do Now") -> TestCommand:
    """Recognise a pytest run: ``env NAME=VALUE ... pytest OPTIONS TEST ...``.

    Raises:
        InputError: a word is not in the fixed lists; the message names ``field`` and the word.
    """
    words = _split(command, field)
    guards: dict[str, str] = {}
    if words[:1] == ["env"]:
        words = words[1:]
    while words and (assignment := _ASSIGNMENT.fullmatch(words[0])):
        name, value = assignment.groups()
        environment.check_guard(f"{_OWNER}, {field}", name, value)
        if guards.setdefault(name, value) != value:
            raise InputError.of(_OWNER, field, f"{name} given twice", "one value", "Keep one of them.")
        words = words[1:]
    runner = next((runner for runner in _RUNNERS if words[: len(runner)] == runner), None)
    if runner is None:
        raise InputError.of(
            _OWNER, field, " ".join(words[:4]), "a pytest run, with environment guards in front of it",
            "It was not executed: nothing but pytest is run from a brief.",
        )  # fmt: skip
    options, tests, junit = _pytest_words(words[len(runner) :], field)
    return TestCommand(guards, options, tests, junit)


def check_options(text: str) -> tuple[str, ...]:
    """Split pytest options, each checked against the fixed list.

    Raises:
        InputError: a word is no such option, or the value of one is wrong.
    """
    options, tests, junit = _pytest_words(_split(text, "pytest options"), "pytest options")
    if tests or junit:
        given = junit or tests[0]
        raise InputError.of("notebook", "pytest options", given, ", ".join(PYTEST_OPTIONS), "Name the test elsewhere.")
    return options


def check_test(node: str, field: str = "Mapped tests") -> str:
    """Return ``node`` if it is a pytest id below the folder of the project.

    Raises:
        InputError: it has another form, or leaves the folder.
    """
    if not _NODE.fullmatch(node) or ".." in node.split("::", maxsplit=1)[0].split("/"):
        raise InputError.of(
            _OWNER, field, node, "a test id such as tests/test_gradients.py::TestClass::test_name",
            "Give the path from the root of the repository, without '..'.",
        )  # fmt: skip
    return node


def _split(command: str, field: str) -> list[str]:
    suspicious = _SHELL.search(command.replace("$STAMP", "STAMP"))
    if suspicious:
        raise InputError.of(
            _OWNER, field, suspicious[0], "one pytest run without shell syntax ($STAMP in a path is known)",
            "It was not executed: nothing is handed to a shell.",
        )  # fmt: skip
    try:
        return shlex.split(command)
    except ValueError as error:
        raise InputError.of(_OWNER, field, command, "words with closed quotes", f"{error}.") from None


def _pytest_words(words: list[str], field: str) -> tuple[tuple[str, ...], tuple[str, ...], str | None]:
    options: list[str] = []
    tests: list[str] = []
    junit = None
    remaining = iter(words)
    for word in remaining:
        if not word.startswith("-"):
            tests.append(check_test(word, field))
            continue
        name, _, value = word.partition("=")
        if name == JUNIT_OPTION:
            junit = value or next(remaining, "")
            continue
        if name not in PYTEST_OPTIONS:
            allowed = ", ".join([*PYTEST_OPTIONS, JUNIT_OPTION])
            raise InputError.of(_OWNER, field, word, allowed, "It was not executed: remove the option.")
        pattern = PYTEST_OPTIONS[name]
        if pattern is None:
            allowed_value = value == "" and "=" not in word
        else:
            value = value or next(remaining, "")
            allowed_value = re.fullmatch(pattern, value) is not None
        if not allowed_value:
            raise InputError.of(_OWNER, f"{field}, {name}", value, pattern or "no value", "Correct the option.")
        options.append(name if pattern is None else f"{name}={value}")
    return tuple(options), tuple(tests), junit
