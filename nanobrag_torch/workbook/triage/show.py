"""Tables and figures of a triage, for its notebook."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from pydantic import ValidationError

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.errors import Blocked
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.base import Part
from nanobrag_torch.workbook.records.run import Caption, Verdict
from nanobrag_torch.workbook.records.triage import ChunkResult, Suite, TestOutcome, TestResult, Triage
from nanobrag_torch.workbook.show import tables
from nanobrag_torch.workbook.show.drawing import STYLE, Drawing
from nanobrag_torch.workbook.show.tables import Table
from nanobrag_torch.workbook.triage import conclusion
from nanobrag_torch.workbook.triage.clusters import first_line

#: Okabe and Ito's palette: an outcome keeps its colour in every figure.
COLOURS: dict[TestOutcome, str] = {
    "passed": "#009E73",
    "skipped": "#BBBBBB",
    "xfailed": "#56B4E9",
    "xpassed": "#F0E442",
    "failed": "#D55E00",
    "error": "#CC79A7",
    "timed out": "#E69F00",
    "crashed": "#000000",
    "not run": "#FFFFFF",
}
_MOST_BARS = 20
_REMEDY = "Give triage_folder the folder of one, as reports/triage/SUITE/STAMP."
_LONGEST_LABEL = 60


@dataclass(frozen=True)
class View:
    """A finished triage as its notebook shows it."""

    suite: Suite
    results: tuple[ChunkResult, ...]
    triage: Triage

    @property
    def tests(self) -> tuple[TestResult, ...]:
        """Every test, in the order of the chunks."""
        return tuple(test for result in self.results for test in result.tests)

    def slowest(self, most: int) -> list[TestResult]:
        """Tests that took longest, at most ``most``."""
        return sorted(self.tests, key=lambda test: (-test.seconds, test.id))[:most]


class _Example(Part):
    """A suite with the results of its chunks, in one file."""

    suite: Suite
    results: tuple[ChunkResult, ...]


def read(place: str | Path) -> View:
    """Read the finished triage in a report folder, or the one that stands in a file as suite and results.

    Args:
        place: the folder or file, as seen from the root of the project.

    Raises:
        Blocked: it holds none.
    """
    path = project.find(str(place))
    if path.is_file():
        try:
            example = _Example.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            reason = str(error).splitlines()[0]
            raise Blocked(f"{path.name} is no suite with results: {reason}. {_REMEDY}") from None
        return View(example.suite, example.results, conclusion.conclude(example.results, None))
    run = conclusion.read(path)
    if run is None or run.triage is None:
        raise Blocked(f"{path.name} holds no finished triage. {_REMEDY}")
    return View(run.suite, run.results, run.triage)


def chunks(view: View) -> Table:
    """Table of the chunks: tests by outcome, duration, and end."""
    rows = [
        (
            str(result.number),
            str(len(view.suite.chunks[result.number - 1].files)),
            ", ".join(f"{count} {name}" for name, count in _counts(result.tests).items()),
            number(result.elapsed_s, 3),
            number(view.suite.chunks[result.number - 1].expected_s, 3),
            f"{result.meaning} ({result.exit_code})",
        )
        for result in view.results
    ]
    return Table(
        caption="Chunks", columns=("", "files", "tests", "seconds", "expected", "end (exit code)"), rows=tuple(rows)
    )


def clusters(view: View) -> Table:
    """Table of the clusters of failures, with the usual help against each."""
    rows = [
        (
            cluster.label,
            str(len(cluster.tests)),
            f"{cluster.failure.exception}: {cluster.pattern}",
            "–"
            if cluster.failure.frame is None
            else f"{cluster.failure.frame.path}:{cluster.failure.frame.line} in {cluster.failure.frame.function}",
            f"{cluster.tests[0]}: {first_line(cluster.failure.message)}",
            cluster.remedy,
        )
        for cluster in view.triage.clusters
    ]
    return Table(
        caption="Clusters of failures",
        columns=("", "tests", "what", "where", "for example", "what usually helps"),
        rows=tuple(rows),
    )


def difference(view: View) -> Table:
    """Table of the changes since the earlier run."""
    changed = view.triage.difference
    if changed is None:
        return Table(caption="Since the earlier run", columns=("", "test"), rows=(("–", "no earlier run"),))
    rows = [
        *(("new", test) for test in changed.new),
        *(("fixed", test) for test in changed.fixed),
        *(("moved", f"{move.test} ({move.before} to {move.after})") for move in changed.moved),
        *(("gone", test) for test in changed.gone),
    ]
    return Table(caption=f"Since {changed.earlier}: {len(rows)} changes", columns=("", "test"), rows=tuple(rows))


def guard(view: View) -> Table:
    """Table of the vacuous gradient checks, those of tests that passed included."""
    rows = [(test.id, test.outcome, f.check, f.kind, f.message) for test in view.tests for f in test.guard]
    said = "Findings of the gradient guard" if view.suite.gradient_guard else "The gradient guard was not on"
    return Table(caption=f"{said}: {len(rows)}", columns=("test", "outcome", "check", "kind", "what"), rows=tuple(rows))


def slowest(view: View, most: int) -> Table:
    """Table of the tests that took longest, their fixtures included."""
    rows = [(test.id, number(test.seconds, 3), test.outcome) for test in view.slowest(most)]
    return Table(caption="Slowest tests", columns=("test", "seconds", "outcome"), rows=tuple(rows))


def conclude(view: View) -> Verdict:
    """Verdict of the triage."""
    return conclusion.verdict(view.triage, view.suite)


def verdict(view: View) -> Table:
    """Table of the conclusion."""
    return tables.verdict(conclude(view))


def draw_chunks(view: View) -> Drawing:
    """Draw the outcomes in each chunk, with its duration."""
    with rc_context(STYLE):
        figure = Figure(figsize=(10.8, 1.4 + 0.32 * len(view.results)), layout="constrained")
        axes = figure.subplots()
        left = [0] * len(view.results)
        for name, colour in COLOURS.items():
            widths = [_counts(result.tests).get(name, 0) for result in view.results]
            if any(widths):
                places = [result.number for result in view.results]
                axes.barh(places, widths, left=left, color=colour, edgecolor="black", linewidth=0.4, label=name)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        for result, end in zip(view.results, left, strict=True):
            note = f" {number(result.elapsed_s, 3)} s" + (f", {result.end}" if result.end != "completed" else "")
            axes.text(end, result.number, note, va="center", fontsize=9)
        axes.set(xlabel="tests", ylabel="chunk", yticks=[result.number for result in view.results])
        axes.margins(x=0.15)
        axes.invert_yaxis()
        figure.legend(loc="outside upper center", frameon=False, ncols=len(COLOURS))
    return Drawing(
        figure,
        Caption(
            name="chunks",
            title="Outcomes by chunk",
            caption="Tests in each chunk by outcome, and the seconds that the chunk took.",
            alt="Bars per chunk. " + "; ".join(
                f"chunk {result.number}: {', '.join(f'{n} {name}' for name, n in _counts(result.tests).items())}"
                for result in view.results
            ),
        ),
    )  # fmt: skip


def draw_clusters(view: View) -> Drawing:
    """Draw the number of tests in each cluster."""
    found = view.triage.clusters[:_MOST_BARS]
    labels = [f"{c.label}  {c.failure.exception}: {c.pattern}" for c in found]
    return _bars(
        labels, [len(cluster.tests) for cluster in found], "#D55E00", "tests",
        Caption(
            name="clusters",
            title="Clusters of failures",
            caption="Failing tests that share exception, message (without numbers and paths) and innermost frame.",
            alt="; ".join(f"{c.label}: {len(c.tests)} tests" for c in found) or "No test failed.",
        ),
    )  # fmt: skip


def draw_slowest(view: View, most: int) -> Drawing:
    """Draw the durations of the slowest tests."""
    found = view.slowest(min(most, _MOST_BARS))
    return _bars(
        [test.id for test in found], [test.seconds for test in found], "#0072B2", "seconds",
        Caption(
            name="slowest",
            title="Slowest tests",
            caption="Seconds with set-up and tear-down.",
            alt="; ".join(f"{test.id}: {number(test.seconds, 3)} s" for test in found),
        ),
    )  # fmt: skip


def _bars(labels: list[str], widths: Iterable[float], colour: str, axis: str, words: Caption) -> Drawing:
    """Draw horizontal bars.

    Args:
        labels: label of each bar, from the top.
        widths: length of each bar.
        colour: colour of all bars.
        axis: quantity on the horizontal axis; whole numbers where it is "tests".
        words: title, caption and alternative text.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(10.8, 1.2 + 0.3 * max(1, len(labels))), layout="constrained")
        axes = figure.subplots()
        places = range(len(labels))
        axes.barh(places, list(widths), color=colour)
        # A dollar sign would begin a formula.
        axes.set_yticks(places, [_short(label).replace("$", r"\$") for label in labels])
        axes.set_xlabel(axis)
        if axis == "tests":
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.invert_yaxis()
    return Drawing(figure, words)


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 20]} … {label[-17:]}"


def _counts(tests: Iterable[TestResult]) -> dict[TestOutcome, int]:
    counts: dict[TestOutcome, int] = {}
    for test in tests:
        counts[test.outcome] = counts.get(test.outcome, 0) + 1
    return counts
