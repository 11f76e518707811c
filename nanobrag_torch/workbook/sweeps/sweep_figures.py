"""Figures of a sweep for a notebook: a column of its table against the parameters, as lines, a map or parallel axes."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import pandas
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.run import Caption, Verdict
from nanobrag_torch.workbook.records.sweep import Specification, SweepResults
from nanobrag_torch.workbook.show.drawing import AUTOGRAD, DIFFERENCE, Drawing
from nanobrag_torch.workbook.show.tables import Table
from nanobrag_torch.workbook.sweeps.conclusion import results
from nanobrag_torch.workbook.sweeps.table import PARQUET

if TYPE_CHECKING:
    from pandas import DataFrame

_VERDICT = "verdict.code"
_GRADIENT, _DIFFERENCE, _ERROR = "gradient.", "finite_difference.", "error_bar."
#: Colours of verdicts that are known; others take those of a palette in turn.
_KNOWN = {"healthy": "#009E73", "agrees": "#009E73", "done": "#009E73", "failed": DIFFERENCE, "blocked": "#E69F00"}
_PALETTE = ("#D55E00", "#CC79A7", "#E69F00", "#56B4E9", "#0072B2", "#999999", "#8250df", "#7a5200")
#: Lines that parallel axes show of many points, evenly spread.
_LINES = 500
#: Values that span this many times their smallest are drawn on a logarithmic scale.
_WIDE = 100.0


def read(folder: str | Path) -> "tuple[Specification, DataFrame]":
    """Specification and table of a sweep.

    Args:
        folder: folder of its report.

    Raises:
        InputError: the folder is not that of a sweep that came to its end.
    """
    path = Path(folder)
    try:
        specification = files.read_record(path / Specification.file, Specification)
        return specification, pandas.read_parquet(path / PARQUET)
    except (files.Unreadable, OSError) as error:
        allowed = f"the folder of a sweep with {Specification.file} and {PARQUET}"
        raise InputError.of("sweep", "folder", str(folder), allowed, f"{error}.") from None


def overview(specification: Specification, points: "DataFrame") -> Table:
    """Table of what varied, and how many points ended how."""
    rows = [
        (name, unit, str(points[name].nunique()), str(points[name].min()), str(points[name].max()))
        for name, unit in specification.units.items()
    ]
    counts = ", ".join(f"{number} {status}" for status, number in points["status"].value_counts().items())
    caption = f"{specification.target}: {counts}"
    return Table(caption=caption, columns=("parameter", "unit", "values", "from", "to"), rows=tuple(rows))


def numbers(specification: Specification, points: "DataFrame", column: str) -> Drawing:
    """A column of numbers against the parameters.

    One parameter: a line, for a gradient with the finite difference and its error bar beside it. Two: a map. More:
    parallel axes, coloured by the column.

    Raises:
        InputError: the points have no such column of numbers.
    """
    known = [name for name in points.select_dtypes("number").columns if name not in ("point", *specification.names)]
    if column not in known:
        raise InputError.of("sweep", "column", column, ", ".join(known), "Name one of them.")
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    names = _varied(specification, points)
    # What is not finite has no place on a scale: a gap, as a number that was not found.
    points = points.replace([math.inf, -math.inf], math.nan)
    (_line, _map, _parallel)[min(len(names), 3) - 1](axes, specification, points, names, column)
    over, least, greatest = " and ".join(names), points[column].min(), points[column].max()
    words = Caption(
        name=f"{column.replace('.', '_').replace('[', '_').replace(']', '')}_over_parameters",
        title=f"{column} over {over}",
        caption=f"{int(points[column].notna().sum())} of {len(points)} points have it.",
        alt=f"{column} of {len(points)} points over {over}, from {least:.6g} to {greatest:.6g}",
    )
    return Drawing(figure, words)


def verdicts(specification: Specification, points: "DataFrame", column: str = _VERDICT) -> Drawing:
    """A column of words, such as verdicts, over one parameter or two; of more, the first two."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.add_subplot()
    names = _varied(specification, points)[:2]
    found = [str(word) for word in points[column].dropna().unique()]
    others = iter(_PALETTE * (len(found) // len(_PALETTE) + 1))
    colours = {word: _KNOWN.get(word) or next(others) for word in found}
    heights = points[names[1]] if len(names) > 1 else pandas.Series(0.0, index=points.index)
    size = max(6.0, min(120.0, 20000.0 / len(points)))
    for word in found:
        chosen = points[column] == word
        axes.scatter(points[names[0]][chosen], heights[chosen], s=size, marker="s", color=colours[word])
    axes.set_xlabel(_label(specification, names[0]))
    if len(names) > 1:
        axes.set_ylabel(_label(specification, names[1]))
    else:
        axes.set_yticks([])
    counts = {word: int((points[column] == word).sum()) for word in found}
    handles = [Patch(color=colours[word], label=f"{word} ({counts[word]})") for word in found]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, max(1, len(handles))), frameon=False)
    words = Caption(
        name=f"{column.replace('.', '_')}_map",
        title=f"{column} over {' and '.join(names)}",
        caption=", ".join(f"{word}: {count} points" for word, count in counts.items()),
        alt=f"{column} of {len(points)} points: " + ", ".join(f"{count} {word}" for word, count in counts.items()),
    )
    return Drawing(figure, words)


def leading(specification: Specification, points: "DataFrame") -> Drawing | None:
    """The one figure that stands for a sweep; None where nothing was found.

    It shows verdicts where they differ, else the first gradient, the first number, or the one verdict.
    """
    different = points[_VERDICT].nunique() if _VERDICT in points else 0
    measured = [name for name in results(points).least if name not in specification.names]
    measured.sort(key=lambda name: not name.startswith(_GRADIENT))
    if measured and different < 2:
        return numbers(specification, points, measured[0])
    return verdicts(specification, points) if different else None


def conclude(folder: str | Path) -> Verdict:
    """Conclusion of a notebook that reads a sweep: how many points ended how."""
    results = files.read_record(Path(folder) / SweepResults.file, SweepResults)
    return Verdict(
        code="sweep_read",
        status="passed",
        title="The sweep was read",
        sentence=f"{results.headline()[0][1]}; verdicts: "
        + (", ".join(f"{count} {code}" for code, count in results.verdicts.items()) or "none asked for"),
    )


def _varied(specification: Specification, points: "DataFrame") -> list[str]:
    return [name for name in specification.names if points[name].nunique() > 1] or list(specification.names[:1])


def _label(specification: Specification, name: str) -> str:
    unit = specification.units.get(name)
    return f"{name} ({unit})" if unit else name


def _wide(values: "pandas.Series[Any]") -> bool:
    known = values.dropna()
    return bool(pandas.api.types.is_numeric_dtype(known) and len(known) and known.min() > 0) and bool(
        known.max() / _WIDE >= known.min()
    )


def _line(axes: Axes, specification: Specification, points: "DataFrame", names: list[str], column: str) -> None:
    rows = points.sort_values(names[0])
    axes.plot(rows[names[0]], rows[column], "o-", color=AUTOGRAD, markersize=3, linewidth=1.2, label=column)
    quantity = column.removeprefix(_GRADIENT)
    if column.startswith(_GRADIENT) and f"{_DIFFERENCE}{quantity}" in rows:
        axes.errorbar(
            rows[names[0]], rows[f"{_DIFFERENCE}{quantity}"], rows[f"{_ERROR}{quantity}"], fmt="none", capsize=3,
            ecolor=DIFFERENCE, label="finite difference with its error bar",
        )  # fmt: skip
        axes.legend(frameon=False)
    axes.set_xlabel(_label(specification, names[0]))
    axes.set_ylabel(column)
    if _wide(rows[column]):
        axes.set_yscale("log")
    if _wide(rows[names[0]]):
        axes.set_xscale("log")


def _map(axes: Axes, specification: Specification, points: "DataFrame", names: list[str], column: str) -> None:
    norm = LogNorm() if _wide(points[column]) else Normalize()
    table = points.pivot_table(index=names[1], columns=names[0], values=column, aggfunc="first")
    numeric = all(pandas.api.types.is_numeric_dtype(points[name]) for name in names)
    drawn: Any
    if numeric and table.size <= 4 * len(points):
        edges = [_edges(along.to_numpy(float)) for along in (table.columns, table.index)]
        drawn = axes.pcolormesh(*edges, table.to_numpy(float), norm=norm)
        axes.set_xscale("log" if _wide(points[names[0]]) else "linear")
        axes.set_yscale("log" if _wide(points[names[1]]) else "linear")
    else:
        drawn = axes.scatter(points[names[0]], points[names[1]], c=points[column], norm=norm)
    axes.figure.colorbar(drawn, ax=axes, label=column)
    axes.set_xlabel(_label(specification, names[0]))
    axes.set_ylabel(_label(specification, names[1]))


def _edges(values: "numpy.ndarray[Any, Any]") -> "numpy.ndarray[Any, Any]":
    """Edges (n + 1) of cells about n ascending values, halfway between them, or by their logarithms where wide."""
    wide = _wide(pandas.Series(values))
    at = numpy.log(values) if wide else values
    between = (at[1:] + at[:-1]) / 2
    first, last = (2 * at[0] - between[0], 2 * at[-1] - between[-1]) if len(between) else (at[0] - 0.5, at[0] + 0.5)
    edges = numpy.array([first, *between, last])
    return numpy.exp(edges) if wide else edges


def _parallel(axes: Axes, specification: Specification, points: "DataFrame", names: list[str], column: str) -> None:
    shown = points.dropna(subset=[column])
    shown = shown.iloc[:: -(-len(shown) // _LINES) or 1]
    heights = [_part(shown[name]) for name in (*names, column)]
    colours = colormaps["viridis"](heights[-1])
    for row in range(len(shown)):
        axes.plot(
            [part[row] for part in heights], color=colours[row], linewidth=0.8, alpha=max(0.1, 60 / (60 + len(shown)))
        )
    axes.set_xticks(range(len(heights)), [_label(specification, name) for name in (*names, column)], rotation=20)
    axes.set_yticks([0, 1], ["least", "greatest"])


def _part(values: "pandas.Series[Any]") -> "numpy.ndarray[Any, Any]":
    """Values, or the codes of texts, as parts between the least and the greatest."""
    numeric = pandas.api.types.is_numeric_dtype(values)
    found = numpy.asarray(values if numeric else pandas.factorize(values)[0], dtype=float)
    found = numpy.log(found) if numeric and _wide(values) else found
    spread = found.max() - found.min() if len(found) else 0.0
    return (found - found.min()) / spread if spread else numpy.full(len(found), 0.5)
