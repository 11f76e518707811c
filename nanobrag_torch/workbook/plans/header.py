"""Plan of an investigation: prose for people, and a header in TOML that a run validates and executes.

``plans/<name>.md`` starts with a title; its first fenced block of TOML is the header, everything else is prose.
"""

import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.brief import pytest_command
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.machine import environment
from nanobrag_torch.workbook.plans.expressions import Expression
from nanobrag_torch.workbook.records.sweep import Measure

#: Longest plan: it is a few pages of text.
MAX_CHARACTERS = 200_000

_HEADER = re.compile(r"^```toml\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAME = r"[A-Za-z0-9][\w.-]*"


def _below(folder: str, suffix: str) -> AfterValidator:
    """Validator of a path below a folder of the project."""

    def check(path: str) -> str:
        """Return ``path`` if it is below the folder and has the suffix."""
        if not re.fullmatch(rf"{folder}(/[\w-][\w.-]*)+\.{suffix}", path):
            raise ValueError(f"a path below {folder}/ that ends in .{suffix}, without '..'")
        return path

    return AfterValidator(check)


def _criterion(text: str) -> str:
    Expression.parse(text, "plan")
    return text


def _guards(guards: dict[str, str]) -> dict[str, str]:
    for name, value in guards.items():
        environment.check_guard("plan", name, value)
    return guards


class _HeaderPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class SweepPart(_HeaderPart):
    """Points of a phase that is a sweep; its target is the notebook, brief or scenario of the phase.

    Attributes:
        over: what varies, as the command takes it: "crystal.cell_a=60:80:5", "@plans/NAME/table.csv".
        measure: groups of numbers that a scenario gives.
        zip: pair the values, instead of all their combinations.
        sample: points that are drawn within ranges, by ``design`` and ``seed``; None to take the values as they are.
        many: allow more than a million points.
    """

    over: Annotated[list[str], Field(min_length=1)]
    measure: list[Measure] = []
    zip: bool = False
    sample: Annotated[int, Field(ge=1)] | None = None
    design: Literal["sobol", "lhs", "random"] = "sobol"
    seed: Annotated[int, Field(ge=0)] = 1
    many: bool = False


class Phase(_HeaderPart):
    """One phase: a notebook, a brief that names one, or a scenario; its parameters, and the criteria that end it.

    Attributes:
        id: letter and number, such as "b1".
        notebook: path of the notebook; ``brief`` is that of a brief, ``scenario`` of a scenario that is swept, and one
            of the three is given.
        sweep: its points, where it is a sweep; None for a single run.
        parameters: notebook parameters of this phase, or values of the scenario for all points.
        exit: expressions over the records of its report that must hold.
        state: state as people declare it; the evidence decides if it is done.
        blocked_by: obstacle of a blocked phase.
        timeout_s: time limit of a cell, in seconds.
    """

    id: Annotated[str, Field(pattern=r"^[a-z]\d{0,2}$")]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    notebook: Annotated[str, _below("notebooks", "ipynb")] | None = None
    brief: Annotated[str, _below(project.PLANS, "txt")] | None = None
    scenario: Annotated[str, _below(f"(?:{project.NOTEBOOKS}|{project.PLANS})", "json")] | None = None
    sweep: SweepPart | None = None
    parameters: dict[str, Any] = {}
    exit: Annotated[list[Annotated[str, AfterValidator(_criterion)]], Field(min_length=1)]
    state: Literal["open", "blocked", "done"] = "open"
    blocked_by: str = ""
    timeout_s: Annotated[int, Field(ge=1, le=86_400)] = 1800

    @model_validator(mode="after")
    def _whole(self) -> "Phase":
        if sum(each is not None for each in (self.notebook, self.brief, self.scenario)) != 1:
            raise ValueError(f"phase {self.id}: a notebook, a brief or a scenario, one of the three")
        if self.scenario is not None and self.sweep is None:
            raise ValueError(f"phase {self.id}: a scenario together with sweep = {{ over = [...] }}")
        if (self.state == "blocked") != bool(self.blocked_by):
            raise ValueError(f"phase {self.id}: state = 'blocked' together with blocked_by, the reason, or neither")
        return self

    @property
    def folder(self) -> str:
        """The folder of its reports within those of the initiative."""
        return f"phase_{self.id}"


class Header(_HeaderPart):
    """Header of a plan.

    Attributes:
        focus: identifier, such as "GRADIENT-FLOW-001".
        question: question that the plan answers.
        initiative: folder of its reports below ``reports/``.
        mapped_tests: pytest ids that its phases may name.
        guards: environment variables of every run; None for the usual ones.
        phases: phases in the order of their ids.
    """

    focus: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9-]*-\d+$")]
    question: Annotated[str, Field(min_length=1)]
    branch: Annotated[str, Field(min_length=1)]
    initiative: Annotated[str, Field(pattern=rf"^{_NAME}$", max_length=100)]
    mapped_tests: list[Annotated[str, AfterValidator(pytest_command.check_test)]] = []
    guards: Annotated[dict[str, str], AfterValidator(_guards)] | None = None
    state: Literal["open", "closed"] = "open"
    phases: Annotated[list[Phase], Field(min_length=1)]

    @model_validator(mode="after")
    def _agrees(self) -> "Header":
        if self.initiative == project.LAB:
            raise ValueError(f"another name than {project.LAB!r}, where notebooks that people run leave results")
        ids = [phase.id for phase in self.phases]
        if ids != sorted(set(ids)):
            raise ValueError(f"phases in the order of their ids, each once; got {', '.join(ids)}")
        for phase in self.phases:
            test = phase.parameters.get("mapped_test")
            if test is not None and test not in self.mapped_tests:
                raise ValueError(f"phase {phase.id}: mapped_test = {test!r}, which is none of mapped_tests")
        return self


@dataclass(frozen=True)
class Plan:
    """A plan as it was read: its name, title, header and prose; ``path`` as seen from the root of the project."""

    name: str
    path: str
    title: str
    header: Header
    prose: str

    def phases(self, prefix: str = "") -> tuple[Phase, ...]:
        """Phases whose id starts with ``prefix``.

        Raises:
            InputError: there is none.
        """
        chosen = tuple(phase for phase in self.header.phases if phase.id.startswith(prefix))
        if not chosen:
            known = ", ".join(phase.id for phase in self.header.phases)
            raise InputError.of(self.path, "phase", prefix, known, "Name one of these, or its first letter.")
        return chosen


def parse(text: str, path: str) -> Plan:
    """Parse the text of a plan.

    Raises:
        InputError: a field is missing or wrong; the message names it and ``path``.
    """
    title, _, rest = text.partition("\n")
    found = _HEADER.search(rest)
    if len(text) > MAX_CHARACTERS or not title.startswith("# ") or not found:
        raise InputError.of(
            path, "form", title[:80], "a line '# Title', and a header between ```toml and ```", "See plan new."
        )
    try:
        header = Header.model_validate(_toml(found[1]))
    except files.Unreadable as error:
        raise InputError.of(path, "header", str(error), "TOML", "Correct that line of the header.") from None
    except ValidationError as error:
        raise _first(error, path) from None
    return Plan(Path(path).stem, path, title.removeprefix("# ").strip(), header, rest.replace(found[0], "").strip())


def _toml(text: str) -> dict[str, Any]:
    """Data of TOML. Raises ``Unreadable``."""
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise files.Unreadable(str(error)) from None
    except RecursionError:
        raise files.Unreadable("it is nested too deeply") from None


def read(name: str, root: Path) -> Plan:
    """Read plan ``plans/<name>.md`` of the project at ``root``, or one that comes with the package.

    Raises:
        InputError: there is none, or its header is wrong.
    """
    known = project.plans(root)
    if name not in known:
        remedy = "Name one of them, or begin one: nanobrag-workbook plan new."
        remedy = remedy if (root / project.PLANS).is_dir() else f"There are no plans here. {project.OFFER}"
        raise InputError.of("plan", "name", name, ", ".join(known), remedy)
    try:
        text = files.read_text(known[name], 4 * MAX_CHARACTERS)
    except files.Unreadable as error:
        raise InputError.of(
            "plan", "file", f"{name}.md", "a file of UTF-8 text", f"It cannot be read: {error}."
        ) from None
    return parse(text, f"{project.PLANS}/{name}.md")


def read_all(root: Path, reports: Path | None = None) -> tuple[tuple[Plan, ...], tuple[str, ...]]:
    """Read the plans of the project, and those of the package that have run here.

    Args:
        root: root of the project.
        reports: folder of the reports; a plan of the package counts where its initiative has a folder there.

    Returns:
        The plans, and the faults of those that cannot be read.
    """
    plans, problems = [], []
    for name, path in project.plans(root).items():
        try:
            plan = read(name, root)
        except InputError as error:
            problems.append(str(error))
            continue
        own = path.is_relative_to(root / project.PLANS)
        if own or (reports is not None and (reports / plan.header.initiative).is_dir()):
            plans.append(plan)
    return tuple(plans), tuple(problems)


def _first(error: ValidationError, path: str) -> InputError:
    """Put the first complaint of pydantic into the words of this package."""
    complaints = error.errors()
    # A key that is misspelt is missing as well; what is there says more than what is not.
    complaint = next((each for each in complaints if each["type"] == "extra_forbidden"), complaints[0])
    field = ".".join(str(part) for part in complaint["loc"]) or "header"
    cause = complaint.get("ctx", {}).get("error")
    if isinstance(cause, InputError):
        return InputError(f"{path}, {field}: {cause}")
    if complaint["type"] == "extra_forbidden":
        parts: dict[Any, type[_HeaderPart]] = {"phases": Phase, "sweep": SweepPart}
        owner = next((parts[part] for part in reversed(complaint["loc"][:-1]) if part in parts), Header)
        known = owner.model_fields
        name = str(complaint["loc"][-1])
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        return InputError.of(path, field, name, ", ".join(known), f"The nearest key is {near[0]!r}.")
    given = complaint["input"] if complaint["loc"] and complaint["type"] != "missing" else "as it stands"
    allowed = complaint["msg"].removeprefix("Value error, ")
    return InputError.of(path, field, given, allowed, "Correct the header.")
