"""Records that every run leaves: its process, environment, parameters, verdict, captions and manifest."""

from typing import Any, Literal

from nanobrag_torch.workbook.records.base import SCHEMA_VERSION, KeyNumber, Part, Record

Source = Literal["notebook", "brief", "plan", "command line"]
Status = Literal["running", "passed", "failed", "blocked", "interrupted"]
#: The exit code of a run by the status that it ends with; 2 is wrong input, which leaves no report.
EXIT_CODES: dict[Status, int] = {"passed": 0, "failed": 1, "blocked": 3, "interrupted": 130}

#: Folder of the drawings in a report.
FIGURES = "figures"


class EnvironmentRecord(Record):
    """The process that computed, as it saw itself."""

    file = "environment.json"

    guards: dict[str, str | None]
    device: str
    dtype: str
    engine: str
    seeds: dict[str, int]
    threads: int
    cores: int
    python: str
    platform: str
    versions: dict[str, str]


class Verdict(Record):
    """What the evidence says, in one word for programs and one sentence for people."""

    file = "verdict.json"

    code: str
    status: Literal["passed", "failed", "blocked", "interrupted"]
    title: str
    sentence: str
    remedy: str = ""


class Caption(Record):
    """The words of a figure: title, caption below it, and the text that stands in for it where it cannot be seen."""

    file = "caption.json"

    name: str
    title: str
    caption: str
    alt: str


class Repository(Part):
    """The state of the source at the time of the run; null where it is not under git."""

    commit: str | None
    branch: str | None
    dirty: bool | None
    changed: tuple[str, ...] = ()


class ParameterValue(Part):
    """One notebook parameter as it was used, and who set it."""

    value: Any
    unit: str
    source: Source


class Process(Record):
    """A process, so that a later one can tell whether it still lives; ``started`` in seconds since 1970."""

    file = "process.json"

    pid: int
    started: float
    host: str


class Owner(Record):
    """The run that is writing a report folder: who it is, and what it was asked to do."""

    file = ".run.json"

    process: Process
    started: str
    initiative: str
    phase: str
    stamp: str
    title: str
    notebook: str
    notebook_sha256: str
    brief: str | None
    plan: str | None = None
    guards: dict[str, str] = {}
    parameters: dict[str, ParameterValue]
    repository: Repository


class Manifest(Record):
    """Everything about a report, and the SHA-256 of every other file in it.

    ``guards`` are the environment that was asked for, ``environment`` is what the kernel saw; ``numbers`` are the key
    numbers of its records, named "record.number".
    """

    file = "manifest.json"

    schema_version: int = SCHEMA_VERSION
    initiative: str
    phase: str
    stamp: str
    status: Status
    verdict: Verdict
    started: str
    finished: str
    notebook: str
    notebook_sha256: str
    brief: str | None
    plan: str | None = None
    guards: dict[str, str] = {}
    parameters: dict[str, ParameterValue]
    numbers: dict[str, KeyNumber] = {}
    repository: Repository
    environment: EnvironmentRecord | None
    files: dict[str, str]
