"""Conclusion of a triage: counts, clusters, the difference to an earlier run, and the verdict."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from nanobrag_torch.workbook.records.run import Manifest, Verdict
from nanobrag_torch.workbook.records.triage import (
    FAILING,
    ChunkResult,
    Cluster,
    Difference,
    Move,
    Suite,
    TestResult,
    Triage,
)
from nanobrag_torch.workbook.report.folder import Report
from nanobrag_torch.workbook.triage import chunks, clusters


@dataclass(frozen=True)
class StoredTriage:
    """A triage as its report holds it; ``triage`` is None where it did not come to its end."""

    stamp: str
    status: str
    suite: Suite
    results: tuple[ChunkResult, ...]
    triage: Triage | None


def read(report: Path) -> StoredTriage | None:
    """Read the triage in a report folder; None where it holds none that can be read."""
    folder = Report(report)
    suite, manifest = folder.read(Suite), folder.read(Manifest)
    if suite is None:
        return None
    return StoredTriage(
        stamp=report.name,
        status=manifest.status if manifest else "running",
        suite=suite,
        results=read_results(report, suite),
        triage=folder.read(Triage),
    )


def read_results(report: Path, suite: Suite) -> tuple[ChunkResult, ...]:
    """Read the results of the chunks that were run, in order."""
    found = (chunks.read(chunks.folder_of(report, chunk)) for chunk in suite.chunks)
    return tuple(result for result in found if result is not None)


def conclude(results: Iterable[ChunkResult], earlier: StoredTriage | None) -> Triage:
    """Count and group the tests of a run, and compare it with an earlier one where there is one."""
    results = tuple(results)
    tests = _tests(results)
    before = earlier.triage.clusters if earlier and earlier.triage else ()
    known = {cluster.key: cluster.label for cluster in before}
    found = clusters.clusters(tests.values(), known)
    return Triage(
        counts=dict(Counter(test.outcome for test in tests.values())),
        guard_findings=sum(len(test.guard) for test in tests.values()),
        elapsed_s=round(sum(result.elapsed_s for result in results), 3),
        clusters=found,
        difference=_difference(tests, found, earlier.stamp, before) if earlier else None,
    )


def verdict(triage: Triage, suite: Suite) -> Verdict:
    """Verdict on a triage: passed where every test was run, and none failed."""
    counts = ", ".join(f"{number} {outcome}" for outcome, number in triage.counts.items())
    failing = sum(triage.counts.get(outcome, 0) for outcome in FAILING)
    tests = sum(triage.counts.values())
    sentence = f"{tests} tests in {len(suite.chunks)} chunks: {counts}."
    if triage.difference:
        changed = triage.difference
        sentence += (
            f" Since {changed.earlier}: {len(changed.new)} new, {len(changed.fixed)} fixed, "
            f"{len(changed.moved)} moved, {len(changed.gone)} gone."
        )
    if triage.guard_findings:
        sentence += f" Gradient checks that prove nothing: {triage.guard_findings}."
    if failing:
        largest = triage.clusters[0]
        return Verdict(
            code="suite_fails",
            status="failed",
            title=f"{failing} tests need attention, in {len(triage.clusters)} clusters",
            sentence=f"{sentence} The largest cluster, {largest.label}, has {len(largest.tests)}: "
            f"{largest.failure.exception}, {largest.pattern or 'no message'}.",
            remedy=f"Begin with {largest.label}. {largest.remedy}",
            answer=f"Begin with {largest.label}: {len(largest.tests)} of {failing} tests that need attention end in "
            f"{largest.failure.exception}, {largest.pattern or 'no message'}.",
        )
    if triage.counts.get("not run"):
        return Verdict(
            code="not_all_run",
            status="blocked",
            title="Not every test was run",
            sentence=sentence,
            remedy="The logs of the chunks say what stopped them.",
            answer=f"Nothing failed, but {triage.counts['not run']} of {tests} tests were not run.",
        )
    return Verdict(
        code="suite_passes",
        status="passed",
        title="The suite passes",
        sentence=sentence,
        answer=f"Nothing fails: {counts}, in {len(suite.chunks)} chunks.",
    )


def _tests(results: Iterable[ChunkResult]) -> dict[str, TestResult]:
    return {test.id: test for result in results for test in result.tests}


def _difference(
    tests: dict[str, TestResult], found: Iterable[Cluster], earlier: str, clusters_then: Iterable[Cluster]
) -> Difference:
    """Compare a run with an earlier one.

    Args:
        tests: results of this run by pytest id.
        found: clusters of this run.
        earlier: stamp of the earlier run.
        clusters_then: clusters of the earlier run.
    """
    before, now = _labels(clusters_then), _labels(found)
    old = before.keys() - now.keys()
    passing = {name for name, test in tests.items() if test.outcome in ("passed", "xpassed")}
    return Difference(
        earlier=earlier,
        new=tuple(sorted(now.keys() - before.keys())),
        fixed=tuple(sorted(old & passing)),
        moved=tuple(
            Move(test=test, before=before[test], after=now[test])
            for test in sorted(before.keys() & now.keys())
            if before[test] != now[test]
        ),
        gone=tuple(sorted(old - passing)),
    )


def _labels(found: Iterable[Cluster]) -> dict[str, str]:
    return {test: cluster.label for cluster in found for test in cluster.tests}
