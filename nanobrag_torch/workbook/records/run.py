"""The records of a run: frozen, validated, written as JSON, read back the same, each with a JSON schema."""

import json
import math
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from nanobrag_torch.workbook import files

#: Bumped when a field changes its meaning or goes away.
SCHEMA_VERSION = 1

TestStatus = Literal["passed", "failed", "blocked"]
Source = Literal["notebook", "brief", "plan", "command line"]
Status = Literal["running", "passed", "failed", "blocked", "interrupted"]
#: The exit code of a run by the status that it ends with; 2 is wrong input, which leaves no report.
EXIT_CODES: dict[Status, int] = {"passed": 0, "failed": 1, "blocked": 3, "interrupted": 130}


class Record(BaseModel):
    """A frozen record with a file of its own in a report; numbers that are not finite are written as strings."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    file: ClassVar[str]

    def to_json(self) -> str:
        """The record as JSON, two blanks of indentation, without a final newline."""
        return json.dumps(json.loads(self.model_dump_json()), indent=2, allow_nan=False, ensure_ascii=False)

    def save(self, folder: Path, name: str = "") -> None:
        """Write the record into ``folder``, under its own file name unless another is given."""
        files.write(folder / (name or self.file), self.to_json())

    def key_numbers(self) -> dict[str, "KeyNumber"]:
        """The numbers by which two runs are compared: a repetition gives the same. Times are none of them."""
        return {}


#: Marks the name of a key number that is a gradient, before the name of its parameter.
GRADIENT = ".gradient."


class KeyNumber(Record):
    """A number by which runs are compared; ``scale`` is what an error of it counts against."""

    file: ClassVar[str] = "number.json"

    value: float
    scale: float

    def differs(self, other: "KeyNumber") -> bool:
        """Whether the two are further apart than rounding explains: 1e-9 of the scale (differentiability.md, 12)."""
        if math.isnan(self.value) or math.isnan(other.value):
            return math.isnan(self.value) != math.isnan(other.value)
        return self.value != other.value and not (
            abs(self.value - other.value) <= 1e-9 * max(abs(self.scale), abs(other.scale))
        )


def exact(value: float) -> KeyNumber:
    """A key number whose error counts against itself."""
    return KeyNumber(value=value, scale=abs(value))


class EnvironmentRecord(Record):
    """The process that computed, as it saw itself."""

    file: ClassVar[str] = "environment.json"

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


class TestRecord(Record):
    """One run of pytest: what was asked, how it ended, what it said."""

    __test__: ClassVar[bool] = False
    file: ClassVar[str] = "test.json"

    test: str
    command: str
    status: TestStatus
    exit_code: int | None
    meaning: str
    message: str
    elapsed_s: float


class GradientsJson(Record):
    """The snapshot in the shape that briefs ask for: null where autograd gave no gradient."""

    file: ClassVar[str] = "gradients.json"

    loss: float
    gradients: dict[str, float | None]


class Derivative(Record):
    """One parameter: the gradient by autograd beside the finite difference with its error bar.

    ``magnitude`` is the sum over pixels of the absolute contributions to the derivative, ``cancellation`` the part of
    it that is left in the net gradient; both are null where there is nothing to divide by.
    """

    file: ClassVar[str] = "derivative.json"

    parameter: str
    symbol: str
    value: float
    unit: str
    gradient: float | None
    finite_difference: float
    error_bar: float
    magnitude: float
    cancellation: float | None
    agreement: Literal["agrees", "disagrees", "inconclusive", "zero", "missing", "not finite"]

    @property
    def distance(self) -> float | None:
        """How far the gradient lies from the finite difference, as a part of ``magnitude``; None without either."""
        if self.gradient is None or not self.magnitude:
            return None
        return abs(self.gradient - self.finite_difference) / self.magnitude


class Evidence(Record):
    """One physical case: loss, image statistics, and every derivative with its check."""

    file: ClassVar[str] = "evidence.json"

    case: str
    default_F: float
    loss: float
    image_sum: float
    image_max: float
    lit_pixels: int
    pixels: int
    derivatives: tuple[Derivative, ...]

    @property
    def dark(self) -> bool:
        """Whether every pixel is exactly zero."""
        return self.lit_pixels == 0

    def key_numbers(self) -> dict[str, KeyNumber]:
        """Loss, lit pixels, and every gradient that autograd gave."""
        gradients = {
            f"gradient.{row.parameter}": KeyNumber(value=row.gradient, scale=row.magnitude)
            for row in self.derivatives
            if row.gradient is not None
        }
        return {"loss": exact(self.loss), "lit_pixels": exact(self.lit_pixels)} | gradients


class Verdict(Record):
    """What the evidence says, in one word for programs and one sentence for people."""

    file: ClassVar[str] = "verdict.json"

    code: str
    status: Literal["passed", "failed", "blocked", "interrupted"]
    title: str
    sentence: str
    remedy: str = ""


class Caption(Record):
    """The words of a figure: title, caption below it, and the text that stands in for it where it cannot be seen."""

    file: ClassVar[str] = "caption.json"

    name: str
    title: str
    caption: str
    alt: str


class Repository(Record):
    """The state of the source at the time of the run; null where it is not under git."""

    file: ClassVar[str] = "repository.json"

    commit: str | None
    branch: str | None
    dirty: bool | None
    changed: tuple[str, ...] = ()


class ParameterValue(Record):
    """One notebook parameter as it was used, and who set it."""

    file: ClassVar[str] = "parameter.json"

    value: Any
    unit: str
    source: Source


class Process(Record):
    """A process, so that a later one can tell whether it still lives; ``started`` in seconds since 1970."""

    file: ClassVar[str] = "process.json"

    pid: int
    started: float
    host: str


class Owner(Record):
    """The run that is writing a report folder: who it is, and what it was asked to do."""

    file: ClassVar[str] = ".run.json"

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

    file: ClassVar[str] = "manifest.json"

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


#: Every record that has a file of its own in a report, by the name of that file.
BY_FILE: dict[str, type[Record]] = {
    record.file: record for record in (EnvironmentRecord, TestRecord, GradientsJson, Verdict, Manifest)
} | {"snapshot.json": Evidence, "control.json": Evidence}
