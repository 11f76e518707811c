"""Records of a triage: the suite in chunks, the result of each chunk, and the clusters of failures."""

from typing import ClassVar, Literal

from nanobrag_torch.workbook.records.base import Part, Record

TestOutcome = Literal["passed", "skipped", "xfailed", "xpassed", "failed", "error", "timed out", "crashed", "not run"]
#: End of the process of a chunk; ``stopped`` is an end that pytest itself reports.
ChunkEnd = Literal["completed", "timed out", "crashed", "stopped"]
#: Outcomes that need somebody to look at them; ``error`` is outside the test's own body, as pytest counts.
FAILING: tuple[TestOutcome, ...] = ("failed", "error", "timed out", "crashed")


class Frame(Part):
    """A place in the source: path from the folder of the suite, line, function."""

    path: str
    line: int
    function: str


class Failure(Part):
    """Failure of a test: the exception, its message, and the innermost frame in the suite's own folder."""

    exception: str
    message: str
    frame: Frame | None = None


class GuardFinding(Part):
    """A vacuous gradient check: one that proves nothing, as the gradient guard saw it."""

    check: str
    kind: str
    message: str


class TestResult(Part):
    """Result of one test: pytest id, outcome, and the seconds that it took with its fixtures."""

    __test__: ClassVar[bool] = False

    id: str
    outcome: TestOutcome
    seconds: float
    failure: Failure | None = None
    guard: tuple[GuardFinding, ...] = ()


class Chunk(Part):
    """Some files of a suite with the ids of their tests.

    Attributes:
        number: number of the chunk, from 1.
        files: file -> pytest ids; none for a file that cannot be collected.
        expected_s: seconds that the files took in the earlier run; null unless all of them are known there.
    """

    number: int
    files: dict[str, tuple[str, ...]]
    expected_s: float | None = None


class Suite(Record):
    """A suite as it is to be run.

    Attributes:
        project: folder of the suite, as seen from the root of the project.
        pytest_arguments: words given to pytest.
        time_limit_s: time limit of a chunk, in seconds.
        gradient_guard: true where the gradient guard watches the tests.
        earlier: stamp of the run that this one is compared with.
        resumed: stamp of the interrupted run whose finished chunks were taken over.
    """

    file = "suite.json"

    project: str
    pytest_arguments: tuple[str, ...]
    chunks: tuple[Chunk, ...]
    time_limit_s: int
    gradient_guard: bool
    earlier: str | None = None
    resumed: str | None = None


class ChunkResult(Record):
    """Result of one chunk.

    Attributes:
        end: end of its process; ``meaning`` puts it into words.
        exit_code: exit code of pytest, negative for a signal.
        elapsed_s: duration in seconds.
    """

    file = "chunk.json"

    number: int
    end: ChunkEnd
    exit_code: int
    meaning: str
    elapsed_s: float
    command: tuple[str, ...]
    tests: tuple[TestResult, ...]


class Cluster(Part):
    """Failures with the same exception, normalised message and innermost frame.

    Attributes:
        label: name that it keeps from run to run, such as "C1".
        key: hash of exception, normalised message and frame.
        failure: failure of the first test.
        pattern: the normalised message.
        tests: pytest ids, sorted.
        remedy: usual help against an exception of that name.
    """

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
    """Changes since an earlier run of the same suite; ``gone`` failed then and neither failed nor passed now."""

    earlier: str
    new: tuple[str, ...]
    fixed: tuple[str, ...]
    moved: tuple[Move, ...]
    gone: tuple[str, ...]


class Triage(Record):
    """Conclusion of a triage: counts by outcome, clusters of failures, and the difference to an earlier run."""

    file = "triage.json"

    counts: dict[TestOutcome, int]
    guard_findings: int
    elapsed_s: float
    clusters: tuple[Cluster, ...]
    difference: Difference | None
