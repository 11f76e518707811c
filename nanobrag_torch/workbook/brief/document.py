"""Brief: a short text of what to capture now, parsed, checked for contradictions, and frozen."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.brief import pytest_command
from nanobrag_torch.workbook.brief.script import Script, is_script, read_script
from nanobrag_torch.workbook.brief.text import MAX_CHARACTERS, Item, split_fields
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.machine import environment

#: Files that a run can leave, under the names that briefs use.
ARTEFACTS = ("pytest.log", "pytest.xml", "exit_code.txt", "gradients.json", "summary.md")

_NAME = r"[A-Za-z0-9][\w.-]*"
_FOLDER = re.compile(rf"reports/({_NAME})/({_NAME})/\$STAMP/(.*)")
_FOCUS = re.compile(r"\[([A-Z][A-Z0-9-]*-\d+)\]\s*(.*)")
_DO_NOW = re.compile(r"\[([A-Z][A-Z0-9-]*-\d+)\]\s+Phase\s+([A-Z])(\d*)\s+[—–-]\s+(.*)")
_QUOTED = re.compile(r"`([^`]+)`")
_BARE_NAME = re.compile(r"[\w./$-]+")

#: Commands that briefs ask a person to type -> words for how the run does the same.
_PROVIDED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"export STAMP=\$\(date -u \+%Y%m%dT%H%M%SZ\)"), "done: one stamp for the whole run"),
    (re.compile(r"mkdir -p reports/[\w./$-]+"), "done: the run makes its own folder"),
    (re.compile(r"\| tee reports/[\w./$-]+"), "done: output is copied to pytest.log while the test runs"),
    (re.compile(r"echo \$\? > [\w./$-]*exit_code\.txt"), "done: the exit code is written to exit_code.txt"),
)
_SCRIPT_READ = "read, not run: the notebook makes this snapshot from the values in the script"
_REFUSED = "refused: not executed, and nothing stands in for it"


class Instruction(BaseModel):
    """One command in the text of a brief, and its outcome in words."""

    model_config = ConfigDict(frozen=True)

    text: str
    outcome: str


class Brief(BaseModel):
    """Content of a brief, field by field; texts are unfolded, commands recognised, nothing executed.

    Attributes:
        focus: title of the item under work; ``focus_id`` is its identifier, such as "GRADIENT-FLOW-001".
        tests: pytest ids of the mapped tests.
        initiative: folder of the reports below ``reports/``; ``phase`` is the folder below that.
        artefacts: names of the files that the run must leave.
        phase_letter: "A" for phase A1.
        command: the pytest run as a person would type it.
        guards: environment variables that it sets.
        pytest_options: options of that run, each from the fixed list.
        instructions: every command in the text with its outcome.
        parameters: notebook parameters as the embedded script sets them; empty without a script.
    """

    model_config = ConfigDict(frozen=True)

    summary: str
    mode: str
    focus: str
    focus_id: str
    branch: str
    tests: tuple[str, ...]
    initiative: str
    phase: str
    artefacts: tuple[str, ...]
    phase_letter: str
    command: str
    guards: dict[str, str]
    pytest_options: tuple[str, ...]
    if_blocked: str
    rationale: tuple[str, ...]
    how_to: tuple[str, ...]
    pitfalls: tuple[str, ...]
    pointers: tuple[str, ...]
    next_up: tuple[str, ...]
    instructions: tuple[Instruction, ...]
    parameters: dict[str, Any]

    @property
    def notebook_pattern(self) -> str:
        """Glob pattern of the notebook of this brief below ``notebooks/``."""
        initiative = self.focus_id.rsplit("-", 1)[0].lower().replace("-", "_")
        return f"{initiative}/phase_{self.phase_letter.lower()}_*.ipynb"


def read(path: Path) -> tuple[Brief, str]:
    """Read the brief in a file: the brief, and its text as it stands there.

    Raises:
        InputError: the file cannot be read, or is no brief.
    """
    try:
        text = files.read_text(path, 4 * MAX_CHARACTERS)
    except files.Unreadable as error:
        raise InputError.of(
            "brief", "file", str(path), "a file of UTF-8 text", f"It cannot be read: {error}."
        ) from None
    return parse(text), text


def parse(text: str) -> Brief:
    """Parse the text of a brief.

    Raises:
        InputError: a field is missing, wrong, or contradicts another; the message names it.
    """
    fields = split_fields(text)
    focus_id, focus = _match("Focus", _FOCUS, _text(fields, "Focus"), "[INITIATIVE-001] Title")
    do_now = _match("Do Now", _DO_NOW, _text(fields, "Do Now"), "[INITIATIVE-001] Phase A1 — env NAME=VALUE pytest ...")
    do_now_id, letter, _, command_text = do_now
    command = pytest_command.recognise(command_text)
    tests = tuple(
        pytest_command.check_test(node) for node in re.split(r"[,\s]+", _text(fields, "Mapped tests")) if node
    )
    initiative, phase, artefacts = _artefacts(_text(fields, "Artifacts"))
    scripts, instructions = _how_to(fields.get("How-To Map", []))

    folder = f"reports/{initiative}/{phase}/$STAMP"
    _agree("Do Now", do_now_id, "Focus", focus_id)
    _agree("Do Now, tests", " ".join(command.tests), "Mapped tests", " ".join(tests))
    _agree("Artifacts, phase", phase, "Do Now, phase", f"phase_{letter.lower()}")
    _written("Do Now, --junitxml", command.junit, folder, artefacts)
    for script in scripts:
        _written("How-To Map, script", script.target, folder, artefacts)
        _agree_on_guards(script, command.guards)
    return Brief(
        summary=_text(fields, "Summary"),
        mode=_text(fields, "Mode"),
        focus=focus,
        focus_id=focus_id,
        branch=_text(fields, "Branch"),
        tests=tests,
        initiative=initiative,
        phase=phase,
        artefacts=artefacts,
        phase_letter=letter,
        command=command.shown(),
        guards=command.guards,
        pytest_options=command.options,
        if_blocked=_text(fields, "If Blocked"),
        rationale=_texts(fields, "Priorities & Rationale"),
        how_to=_texts(fields, "How-To Map"),
        pitfalls=_texts(fields, "Pitfalls To Avoid"),
        pointers=_texts(fields, "Pointers"),
        next_up=_texts(fields, "Next Up"),
        instructions=(Instruction(text=command_text, outcome=f"run as: {command.shown()}"), *instructions),
        parameters=scripts[0].parameters if scripts else {},
    )


def _texts(fields: dict[str, list[Item]], name: str) -> tuple[str, ...]:
    return tuple(item.text for item in fields.get(name, []) if item.text)


def _text(fields: dict[str, list[Item]], name: str) -> str:
    return " ".join(_texts(fields, name))


def _match(field: str, pattern: re.Pattern[str], text: str, form: str) -> tuple[str, ...]:
    """Match the whole text of a field.

    Args:
        field: name of the field, for the message.
        pattern: pattern of the whole text.
        text: text of the field.
        form: the pattern in words, for the message.

    Returns:
        The groups of the match.

    Raises:
        InputError: the text does not match.
    """
    match = pattern.fullmatch(text)
    if not match:
        raise InputError.of("brief", field, text, form, "Write it in that form.")
    return match.groups()


def _artefacts(text: str) -> tuple[str, str, tuple[str, ...]]:
    form = "reports/INITIATIVE/PHASE/$STAMP/{NAME,NAME,...}"
    initiative, phase, rest = _match("Artifacts", _FOLDER, text, form)
    names = tuple(name.strip() for name in rest.removeprefix("{").removesuffix("}").split(",") if name.strip())
    unknown = [name for name in names if name not in ARTEFACTS]
    if unknown or not names or rest.startswith("{") != rest.endswith("}"):
        given = ", ".join(unknown) or rest or "no file"
        raise InputError.of("brief", "Artifacts", given, ", ".join(ARTEFACTS), "Name files that a run leaves.")
    return initiative, phase, names


def _how_to(items: Iterable[Item]) -> tuple[list[Script], list[Instruction]]:
    scripts: list[Script] = []
    instructions: list[Instruction] = []
    for item in items:
        instructions.extend(_quoted_commands(item.text))
        for block in item.scripts:
            readable = is_script(block)
            if readable:
                scripts.append(read_script(block))
            instructions.append(Instruction(text=block, outcome=_SCRIPT_READ if readable else _REFUSED))
    if len(scripts) > 1:
        raise InputError.of("brief", "How-To Map", f"{len(scripts)} scripts", "one snapshot script", "Keep one.")
    return scripts, instructions


def _quoted_commands(text: str) -> Iterator[Instruction]:
    for quoted in _QUOTED.findall(text):
        if _BARE_NAME.fullmatch(quoted):
            continue
        outcome = next((outcome for pattern, outcome in _PROVIDED if pattern.fullmatch(quoted)), _REFUSED)
        yield Instruction(text=quoted, outcome=outcome)


def _agree(one: str, first: str, other: str, second: str) -> None:
    """Refuse two fields that contradict each other.

    Args:
        one: name of the field that is blamed.
        first: its text.
        other: name of the field that it is held against.
        second: text of that field.

    Raises:
        InputError: the two texts differ.
    """
    if first != second:
        raise InputError.of("brief", one, first, f"what {other} says, {second!r}", "Make the two agree.")


def _written(field: str, path: str | None, folder: str, artefacts: tuple[str, ...]) -> None:
    """Refuse a path that the artefacts of the brief do not list.

    Args:
        field: name of the field that gives the path.
        path: the path; None where the field gives none.
        folder: folder of the report, with ``$STAMP``.
        artefacts: names of files in that folder.

    Raises:
        InputError: the path is none of these files.
    """
    allowed = [f"{folder}/{name}" for name in artefacts]
    if path is not None and path not in allowed:
        raise InputError.of("brief", field, path, f"one of Artifacts: {', '.join(allowed)}", "Make the two agree.")


def _agree_on_guards(script: Script, guards: dict[str, str]) -> None:
    for name, value in script.guards.items():
        environment.check_guard("brief, How-To Map, script", name, value)
        _agree(f"How-To Map, {name}", value, "Do Now", guards.get(name, value))
    if script.parameters.get("device") != "cpu" and guards.get("CUDA_VISIBLE_DEVICES") == "-1":
        raise InputError.of(
            "brief", "How-To Map, device", script.parameters["device"], "'cpu', as Do Now hides every GPU",
            "Make the two agree.",
        )  # fmt: skip
