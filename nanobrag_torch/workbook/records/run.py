"""Records that every run leaves: its process, environment, parameters, verdict, captions and manifest."""

import hashlib
from typing import Any, Literal

from pydantic import Field, model_validator

from nanobrag_torch.workbook.project import MANIFEST
from nanobrag_torch.workbook.records.base import KeyNumber, Part, Record

Source = Literal["notebook", "brief", "plan", "command line"]
Status = Literal["running", "passed", "failed", "blocked", "interrupted"]
#: Status that a run ends with -> exit code; 2 is wrong input, which leaves no report.
EXIT_CODES: dict[Status, int] = {"passed": 0, "failed": 1, "blocked": 3, "interrupted": 130}

#: Version of the manifest's fields. In version 1 there is no digest, and ``verdict.json`` may say something else; up to
#: version 2 key numbers have neither unit nor error bar.
VERSION = 3
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
    """Conclusion from the evidence: a code for programs, words for people.

    Attributes:
        code: code of the finding.
        status: end of the run.
        title: conclusion in a few words.
        sentence: evidence for it.
        remedy: next step of whoever reads it; empty where there is none.
        answer: one sentence that answers the question of the notebook, with the numbers that carry it. A page begins
            with it, and with the title where it is empty.
    """

    file = "verdict.json"

    code: str
    status: Literal["passed", "failed", "blocked", "interrupted"]
    title: str
    sentence: str
    remedy: str = ""
    answer: str = ""

    @property
    def opening(self) -> str:
        """First sentence of a page: the answer, or the title where a notebook states none."""
        return self.answer or self.title


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
    """Identity of a process, by which a later one sees if it still lives.

    Attributes:
        pid: its number; 1 is the first process of a container.
        started: time of its start, in seconds since 1970.
        host: name of its machine.
        boot: name of the machine's start, where the system gives one.
        uid: user that it belongs to.
        session: number of its session.
    """

    file = "process.json"

    pid: int = Field(strict=True, gt=0, lt=2**31)
    started: float = Field(allow_inf_nan=False)
    host: str
    boot: str = ""
    uid: int | None = None
    session: int | None = None


class Owner(Record):
    """The run that is writing a report folder: its process, and the request that it carries out.

    Attributes:
        process: process of the runner.
        mark: mark of all processes that it starts; empty where it starts none.
        resume: command that goes on in this folder when the process was killed; empty where that is the end of the run.
    """

    file = ".run.json"

    process: Process
    mark: str = ""
    resume: str = ""
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
        schema_version: version of the fields; older ones can be read.
        started: time of the start, ISO 8601 in UTC; ``finished`` is that of the end.
        notebook_sha256: digest of what a person wrote into the notebook; outputs do not count.
        guards: environment variables that were asked for.
        numbers: key numbers of its records, named "record.number".
        environment: the environment as the kernel saw it; null where no kernel recorded one.
        files: name of each other file -> SHA-256.
        digest: SHA-256 of the text of the manifest with nothing for the digest; empty in version 1. It shows damage
            and carelessness. Whoever changes a manifest on purpose can change the digest with it, and only a signature
            shows that.
    """

    file = MANIFEST

    schema_version: int = VERSION
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
    digest: str = ""

    @model_validator(mode="after")
    def _known_version(self) -> "Manifest":
        if not 1 <= self.schema_version <= VERSION:
            raise ValueError(f"version {self.schema_version} is not one that is known here, 1 to {VERSION}")
        return self

    @property
    def states_its_verdict(self) -> bool:
        """True where ``verdict.json``, if there is one, holds the verdict of the run and not the notebook's own."""
        return self.schema_version > 1

    @property
    def states_units(self) -> bool:
        """True where key numbers have their units and error bars."""
        return self.schema_version > 2

    def to_json(self) -> str:
        """JSON text with the digest of the rest of it."""
        text = super(Manifest, self.model_copy(update={"digest": ""})).to_json()
        return _with_digest(text, "", hashlib.sha256(text.encode()).hexdigest())

    def sealed(self, content: bytes) -> bool:
        """Tell whether ``content``, of which this was read, is what its digest says; true of version 1 without one."""
        if not self.digest:
            return self.schema_version == 1
        text = _with_digest(content.decode(errors="replace"), self.digest, "")
        return hashlib.sha256(text.encode()).hexdigest() == self.digest


def _with_digest(text: str, old: str, new: str) -> str:
    """Text of a manifest with another digest; that is its last field."""
    head, _, tail = text.rpartition(f'"digest": "{old}"')
    return f'{head}"digest": "{new}"{tail}'
