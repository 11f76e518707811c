"""A measurement as a table, as a figure, and as the ratios that matter."""

import json
from pathlib import Path

from rich.table import Table

from benchmarks.measure import Measurement, Row

#: What is divided by what: (name of the ratio, dividend, divisor), the names of contestants without their threads.
RATIOS = (
    ("C loop / image, float64", "C, pixel loop", "auto float64"),
    ("C loop / image, float32", "C, pixel loop", "auto float32"),
    ("torch tiles / image", "torch float64", "auto float64"),
    ("formula / image", "formula float64", "auto float64"),
    ("image + cell gradient / image", "auto float64 + gradient of cell", "auto float64"),
    ("image + all gradients / image", "auto float64 + gradient of everything", "auto float64"),
    ("one thread / all threads", "auto float64 1 thread", "auto float64"),
)


def find(measurement: Measurement, workload: str, name: str) -> Row | None:
    """The row of a contestant by its name, or by its name without the number of threads (then with the most)."""
    exact = measurement.row(workload, name)
    others = [row for row in measurement.rows if row.workload == workload and _without_threads(row) == name]
    return exact or max(others, key=lambda row: row.contestant, default=None)


def _without_threads(row: Row) -> str:
    words = row.contestant.split()
    return " ".join(words[:-2]) if words[-1].startswith("thread") else row.contestant


def workloads(measurement: Measurement) -> list[str]:
    """Names of the workloads, in the order in which they were measured."""
    return list(dict.fromkeys(row.workload for row in measurement.rows))


def times(measurement: Measurement) -> Table:
    """Nanoseconds of one evaluation."""
    names = list(dict.fromkeys(row.contestant for row in measurement.rows))
    return _table(
        "ns per pixel x sub-pixel x source x phi x domain (median)",
        measurement,
        {name: {load: measurement.row(load, name) for load in workloads(measurement)} for name in names},
    )


def _table(title: str, measurement: Measurement, rows: dict[str, dict[str, Row | None]]) -> Table:
    table = Table("", *workloads(measurement), title=title)
    for name, cells in rows.items():
        table.add_row(name, *(f"{row.nanoseconds:.3g}" if row else "" for row in cells.values()))
    return table


def ratios(measurement: Measurement) -> dict[str, dict[str, float]]:
    """Ratios of medians by name and workload, where both took part."""
    found: dict[str, dict[str, float]] = {}
    for name, above, below in RATIOS:
        for load in workloads(measurement):
            one, other = find(measurement, load, above), find(measurement, load, below)
            if one is not None and other is not None:
                found.setdefault(name, {})[load] = one.median / other.median
    return found


def ratio_table(measurement: Measurement) -> Table:
    """``ratios`` as a table."""
    loads = workloads(measurement)
    table = Table("", *loads, title="ratios of medians")
    for name, cells in ratios(measurement).items():
        table.add_row(name, *(f"{cells[load]:.2f}" if load in cells else "" for load in loads))
    return table


def plot(measurement: Measurement, path: Path) -> None:
    """Bars of the times, one group a workload."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    loads = workloads(measurement)
    names = list(dict.fromkeys(row.contestant for row in measurement.rows))
    figure, axes = pyplot.subplots(figsize=(11, 4.5), layout="constrained")
    width = 0.9 / len(names)
    for number, name in enumerate(names):
        rows = [(place, row) for place, load in enumerate(loads) if (row := measurement.row(load, name))]
        axes.bar(
            [place + number * width for place, _ in rows], [row.nanoseconds for _, row in rows], width=width, label=name
        )
    axes.set_yscale("log")
    axes.set_xticks([place + 0.45 for place in range(len(loads))], loads)
    axes.set_ylabel("ns per evaluation")
    axes.legend(fontsize="small", ncols=2)
    figure.savefig(path)
    pyplot.close(figure)


def keep(measurement: Measurement, folder: Path) -> None:
    """Write ``benchmark.json`` and ``benchmark.png`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    content = measurement.as_dict() | {"ratios": ratios(measurement)}
    (folder / "benchmark.json").write_text(json.dumps(content, indent=1) + "\n")
    plot(measurement, folder / "benchmark.png")
