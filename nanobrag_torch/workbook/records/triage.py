"""The records of a triage: what was asked, what each chunk gave, and what it comes to."""

from typing import ClassVar, Literal

from nanobrag_torch.workbook.records.base import Part, Record

TestOutcome = Literal["passed", "skipped", "xfailed", "xpassed", "failed", "error", "timed out", "crashed", "not run"]
#: How the process of a chunk ended; ``stopped`` is pytest's own word that it could not go on.
ChunkEnd = Literal["completed", "timed out", "crashed", "stopped"]
#: The outcomes that need somebody to look at them; ``error`` is outside the test's own body, as pytest counts.
FAILING: tuple[TestOutcome, ...] = ("failed", "error", "timed out", "crashed")


class Frame(Part):
    """A place in the source: path from the folder of the suite, line, function."""

    path: str
    line: int
    function: str


class Failure(Part):
    """Why a test failed: the exception, its message, and the innermost frame in the suite's own folder."""

    exception: str
    message: str
    frame: Frame | None = None


class GuardFinding(Part):
    """A gradient check that proves nothing, as the gradient guard saw it."""

    check: str
    kind: str
    message: str


class TestResult(Part):
    """One test: its pytest id, how it ended, and the seconds that it took with its fixtures."""

    __test__: ClassVar[bool] = False

    id: str
    outcome: TestOutcome
    seconds: float
    failure: Failure | None = None
    guard: tuple[GuardFinding, ...] = ()


class Chunk(Part):
    """Some files of a suite with the ids of their tests; a file that cannot be collected has none."""

    number: int
    files: dict[str, tuple[str, ...]]
    expected_s: float | None = None
    """What its files took in the earlier run, where that is known for all of them."""


class Suite(Record):
    """What is to be run: the folder (from the root of the checkout), the words given to pytest, and the chunks."""

    file = "suite.json"

    project: str
    pytest_arguments: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    time_limit_s: int
    gradient_guard: bool
    earlier: str | None = None
    """The stamp of the run that this one is compared with."""
    resumed: str | None = None
    """The stamp of the interrupted run whose finished chunks were taken over."""


class ChunkResult(Record):
    """How one chunk went; ``exit_code`` is pytest's, negative for a signal."""

    file = "chunk.json"

    number: int
    end: ChunkEnd
    exit_code: int
    meaning: str
    elapsed_s: float
    command: tuple[str, ...]
    tests: tuple[TestResult, ...]


class Cluster(Part):
    """Failures with the same exception, normalised message and innermost frame; ``key`` is a hash of the three."""

    label: str
    key: str
    failure: Failure
    pattern: str
    tests: tuple[str, ...]
    remedy: str


class Move(Part):
    """A test that failed in both runs, in another cluster each time."""

    test: str
    before: str
    after: str


class Difference(Part):
    """What changed since an earlier run of the same suite; ``gone`` failed then and neither failed nor passed now."""

    earlier: str
    new: tuple[str, ...]
    fixed: tuple[str, ...]
    moved: tuple[Move, ...]
    gone: tuple[str, ...]


class Triage(Record):
    """What a triage comes to."""

    file = "triage.json"

    counts: dict[TestOutcome, int]
    guard_findings: int
    elapsed_s: float
    clusters: tuple[Cluster, ...]
    difference: Difference | None
