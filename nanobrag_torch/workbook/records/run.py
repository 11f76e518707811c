"""Records that every run leaves: its process, environment, parameters, verdict, captions and manifest."""

from typing import Any, Literal

from nanobrag_torch.workbook.records.base import SCHEMA_VERSION, KeyNumber, Part, Record

Source = Literal["notebook", "brief", "plan", "command line"]
Status = Literal["running", "passed", "failed", "blocked", "interrupted"]
#: Status that a run ends with -> exit code; 2 is wrong input, which leaves no report.
EXIT_CODES: dict[Status, int] = {"passed": 0, "failed": 1, "blocked": 3, "interrupted": 130}

#: Folder of the drawings in a report.
FIGURES = "figures"


class EnvironmentRecord(Record):
    """Guards, device, versions and threads of the process that computed, as it saw itself."""

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
    """Conclusion from the evidence: a code for programs, a title and a sentence for people, and a remedy."""

    file = "verdict.json"

    code: str
    status: Literal["passed", "failed", "blocked", "interrupted"]
    title: str
    sentence: str
    remedy: str = ""


class Caption(Record):
    """Words of a figure: title, caption below it, and the text that stands in for it where it cannot be seen."""

    file = "caption.json"

    name: str
    title: str
    caption: str
    alt: str


class Repository(Part):
    """State of the source at the time of the run; null where it is not under git."""

    commit: str | None
    branch: str | None
    dirty: bool | None
    changed: tuple[str, ...] = ()


class ParameterValue(Part):
    """One notebook parameter as it was used, with its unit and the source that set it."""

    value: Any
    unit: str
    source: Source


class Process(Record):
    """Identity of a process, by which a later one sees if it still lives; ``started`` in seconds since 1970."""

    file = "process.json"

    pid: int
    started: float
    host: str


class Owner(Record):
    """The run that is writing a report folder: its process, and the request that it carries out."""

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
    """Contents of a report: its request, verdict and key numbers, and the SHA-256 of every other file in it.

    Attributes:
        started: time of the start, ISO 8601 in UTC; ``finished`` is that of the end.
        notebook_sha256: digest of what a person wrote into the notebook; outputs do not count.
        guards: environment variables that were asked for.
        numbers: key numbers of its records, named "record.number".
        environment: the environment as the kernel saw it; null where no kernel recorded one.
        files: name of each other file -> SHA-256.
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
