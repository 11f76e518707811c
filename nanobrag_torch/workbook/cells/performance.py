"""A measurement of ``python -m benchmarks`` in a report: its tables, its figure, and what it says."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.figure import Figure

from nanobrag_torch.workbook import files, project
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.formatting import number
from nanobrag_torch.workbook.records.benchmark import Benchmark
from nanobrag_torch.workbook.records.run import Caption, Verdict
from nanobrag_torch.workbook.show.drawing import STYLE, Drawing
from nanobrag_torch.workbook.show.tables import Table

_OWNER = "performance"
#: The ratio by which a run is judged, and what it may be at most.
GRADIENT_RATIO, AT_MOST = "image + cell gradient / image", 3.2


def read(file: str | Path) -> Benchmark:
    """The measurement in a file. Raises ``InputError`` for one that cannot be read or is none."""
    path = project.find(str(file))
    remedy = "Make one with python -m benchmarks."
    try:
        return files.read_record(path, Benchmark)
    except files.Unreadable as error:
        remedy = f"It cannot be read: {error}. {remedy}"
        raise InputError.of(_OWNER, "file", path.name, "a benchmark.json of this version", remedy) from None


def machine(benchmark: Benchmark) -> Table:
    """Machine on which the times were taken."""
    rows = tuple((name.replace("_", " "), str(value) or "–") for name, value in benchmark.machine.items())
    return Table(caption="The machine", columns=("", ""), rows=rows)


def times(benchmark: Benchmark) -> Table:
    """Nanoseconds of one evaluation: pixel x sub-pixel x source x phi step x domain."""
    cells = {(row.contestant, row.workload): number(row.nanoseconds, 3) for row in benchmark.rows}
    names = dict.fromkeys(row.contestant for row in benchmark.rows)
    rows = tuple((name, *(cells.get((name, load), "–") for load in benchmark.workloads)) for name in names)
    return Table(caption="Nanoseconds of one evaluation", columns=("", *benchmark.workloads), rows=rows)


def ratios(benchmark: Benchmark) -> Table:
    """Ratios of medians."""
    rows = tuple(
        (name, *(number(cells.get(load), 3) for load in benchmark.workloads))
        for name, cells in benchmark.ratios.items()
    )
    return Table(caption="Ratios of medians", columns=("", *benchmark.workloads), rows=rows)


def bars(benchmark: Benchmark) -> Drawing:
    """The times of all contestants, one group of bars a workload."""
    names = tuple(dict.fromkeys(row.contestant for row in benchmark.rows))
    width = 0.9 / len(names)
    with rc_context(STYLE):
        figure = Figure(figsize=(10, 4.8), layout="constrained")
        axes = figure.add_subplot()
        for place, name in enumerate(names):
            own = {row.workload: row.nanoseconds for row in benchmark.rows if row.contestant == name}
            where = [benchmark.workloads.index(load) + place * width for load in own]
            axes.bar(where, list(own.values()), width, label=name)
        axes.set_yscale("log")
        axes.set_xticks([group + 0.45 for group in range(len(benchmark.workloads))], benchmark.workloads)
        axes.set_ylabel("ns per evaluation")
        figure.legend(loc="outside upper center", fontsize=8, ncols=3, frameon=False)
    spoken = "; ".join(f"{row.contestant} on {row.workload} {number(row.nanoseconds, 3)} ns" for row in benchmark.rows)
    return Drawing(
        figure,
        Caption(
            name="times",
            title="Time of one evaluation",
            caption="Median of the rounds over the number of evaluations; all contestants took turns in one run.",
            alt=f"Bars. {spoken}.",
        ),
    )


def conclude(benchmark: Benchmark) -> Verdict:
    """Verdict on the cost of a gradient, on the median of the workloads."""
    by_load = benchmark.ratios.get(GRADIENT_RATIO, {})
    found = sorted(by_load.values())
    if not found:
        return Verdict(
            code="P0",
            status="blocked",
            title="No gradient was measured",
            sentence=f"The measurement has no ratio '{GRADIENT_RATIO}'.",
            remedy="Measure without --only.",
        )
    middle = found[len(found) // 2]
    cheap, dearest = middle <= AT_MOST, max(by_load, key=lambda load: by_load[load])
    return Verdict(
        code="P1" if cheap else "P2",
        status="passed" if cheap else "failed",
        title=f"Image and gradient cost {middle:.1f} images",
        sentence=(
            f"On the median workload image and cell gradient take {middle:.2f} images, {AT_MOST} are allowed; "
            f"on the dearest, {dearest}, {by_load[dearest]:.2f}."
        ),
        remedy="" if cheap else "Measure on a quiet machine; then look for the loop that lost its vectors.",
        answer=_answer(benchmark, middle),
    )


def _answer(benchmark: Benchmark, gradient: float) -> str:
    """Sentence with the range of the fastest times, from workload to workload, and the price of a gradient."""
    fastest = [min(row.nanoseconds for row in benchmark.rows if row.workload == load) for load in benchmark.workloads]
    span = " to ".join(dict.fromkeys(number(end, 3) for end in (min(fastest), max(fastest))))
    return (
        f"The fastest of all takes {span} ns an evaluation on {', '.join(benchmark.workloads)}; image and gradient "
        f"of the cell cost {gradient:.1f} images on the median workload."
    )
