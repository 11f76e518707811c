"""Report of a measurement: table, figure, and ratios of times."""

import json
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.measure import Measurement, Timing
from benchmarks.scaling import ScalingTime, as_dicts
from benchmarks.workloads import WORKLOADS

#: Ratios of times: (name, dividend, divisor), by the names of contestants without their threads.
RATIOS = (
    ("C loop / image, float64", "C, pixel loop", "auto float64"),
    ("C loop / image, float32", "C, pixel loop", "auto float32"),
    ("torch tiles / image", "torch float64", "auto float64"),
    ("formula / image", "formula float64", "auto float64"),
    ("image + cell gradient / image", "auto float64 + gradient of cell", "auto float64"),
    ("image + all gradients / image", "auto float64 + gradient of everything", "auto float64"),
    ("one thread / all threads", "auto float64 1 thread", "auto float64"),
    ("image / image on the GPU, float64", "auto float64", "cuda float64"),
    ("image / image on the GPU, float32", "auto float32", "cuda float32"),
    (
        "image + all gradients / the same on the GPU",
        "auto float64 + gradient of everything",
        "cuda float64 + gradient of everything",
    ),
)


def find(measurement: Measurement, workload: str, name: str) -> Timing | None:
    """Timing of a contestant by its name, or by its name without the number of threads (then with the most)."""
    exact = measurement.row(workload, name)
    others = [row for row in measurement.rows if row.workload == workload and _without_threads(row) == name]
    return exact or max(others, key=lambda row: row.contestant, default=None)


def _without_threads(row: Timing) -> str:
    words = row.contestant.split()
    return " ".join(words[:-2]) if words[-1].startswith("thread") else row.contestant


def workloads(measurement: Measurement) -> list[str]:
    """Names of the workloads, in the order in which they were measured."""
    return list(dict.fromkeys(row.workload for row in measurement.rows))


def times(measurement: Measurement) -> Table:
    """Table of the nanoseconds of one evaluation."""
    names = list(dict.fromkeys(row.contestant for row in measurement.rows))
    return _table(
        "ns per pixel x sub-pixel x source x phi x domain (median)",
        measurement,
        {name: {load: measurement.row(load, name) for load in workloads(measurement)} for name in names},
    )


def _table(title: str, measurement: Measurement, rows: dict[str, dict[str, Timing | None]]) -> Table:
    table = Table("", *workloads(measurement), title=title)
    for name, cells in rows.items():
        table.add_row(name, *(f"{row.nanoseconds:.3g}" if row else "" for row in cells.values()))
    return table


def ratios(measurement: Measurement) -> dict[str, dict[str, float]]:
    """Ratios of medians by name and workload, where both took part; and to C's times on another machine."""
    found: dict[str, dict[str, float]] = {}
    for name, above, below in RATIOS:
        for load in workloads(measurement):
            one, other = find(measurement, load, above), find(measurement, load, below)
            if one is not None and other is not None:
                found.setdefault(name, {})[load] = one.median / other.median
    for precision in ("float64", "float32"):
        for load in workloads(measurement):
            row, there = find(measurement, load, f"auto {precision}"), WORKLOADS[load].c_nanoseconds
            if row is not None and there is not None:
                found.setdefault(f"C loop elsewhere / image, {precision}", {})[load] = there / row.nanoseconds
    return found


def ratio_table(measurement: Measurement) -> Table:
    """Table of ``ratios``."""
    loads = workloads(measurement)
    table = Table("", *loads, title="ratios of medians")
    for name, cells in ratios(measurement).items():
        table.add_row(name, *(f"{cells[load]:.2f}" if load in cells else "" for load in loads))
    return table


def plot(measurement: Measurement, points: list[ScalingTime], path: Path) -> None:
    """Draw bars of the times, one group a workload, and the growth of time where it was measured."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    loads = workloads(measurement)
    names = list(dict.fromkeys(row.contestant for row in measurement.rows))
    panels = 2 if points else 1
    figure = pyplot.figure(figsize=(11, 4.5 * panels), layout="constrained")
    axes = figure.add_subplot(panels, 1, 1)
    width = 0.9 / len(names)
    for number, name in enumerate(names):
        rows = [(place, row) for place, load in enumerate(loads) if (row := measurement.row(load, name))]
        axes.bar(
            [place + number * width for place, _ in rows], [row.nanoseconds for _, row in rows], width=width, label=name
        )
    axes.set_yscale("log")
    axes.set_xticks([place + 0.45 for place in range(len(loads))], loads)
    axes.set_ylabel("ns per evaluation")
    figure.legend(loc="outside upper center", fontsize="small", ncols=4)
    if points:
        _plot_growth(figure.add_subplot(panels, 1, 2), points)
    figure.savefig(path)
    pyplot.close(figure)


def _plot_growth(axes: Any, points: list[ScalingTime]) -> None:
    for varied in dict.fromkeys(point.varied for point in points):
        chosen = [point for point in points if point.varied == varied]
        work = [point.pixels**2 * point.domains for point in chosen]
        axes.loglog(work, [point.seconds for point in chosen], "o-", label=f"more {varied}")
    axes.set_xlabel("pixels x domains")
    axes.set_ylabel("seconds")
    axes.legend()


def keep(measurement: Measurement, points: list[ScalingTime], folder: Path) -> None:
    """Write ``benchmark.json`` and ``benchmark.png`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    content = measurement.as_dict() | {"ratios": ratios(measurement), "scaling": as_dicts(points)}
    (folder / "benchmark.json").write_text(json.dumps(content, indent=1) + "\n")
    plot(measurement, points, folder / "benchmark.png")
