"""Sweeps from Python: :func:`sweep` computes what the command computes, and hands the table over."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.run import Verdict
from nanobrag_torch.workbook.records.sweep import Grain, Measure, Specification
from nanobrag_torch.workbook.report.folder import PAGE
from nanobrag_torch.workbook.running.run import Tell
from nanobrag_torch.workbook.sweeps import design as designs
from nanobrag_torch.workbook.sweeps import run as runs
from nanobrag_torch.workbook.sweeps import targets
from nanobrag_torch.workbook.sweeps.cluster import Cluster, Local
from nanobrag_torch.workbook.sweeps.engine import Progress
from nanobrag_torch.workbook.sweeps.table import PARQUET

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Sweep:
    """A sweep that came to its end.

    Attributes:
        folder: folder of its report.
        verdict: verdict on it.
    """

    folder: Path
    verdict: Verdict

    @property
    def table(self) -> "DataFrame":
        """Table with a row for each point."""
        import pandas

        return pandas.read_parquet(self.folder / PARQUET)

    @property
    def page(self) -> Path:
        """The page of the report."""
        return self.folder / PAGE


def sweep(
    target: str | Path,
    over: Mapping[str, str | Iterable[Any]] | str,
    *,
    fixed: Mapping[str, Any] | None = None,
    name: str = "",
    grain: Grain | None = None,
    measure: Iterable[Measure] = (),
    zip: bool = False,
    sample: int | None = None,
    design: Literal["sobol", "lhs", "random"] = "sobol",
    seed: int = 1,
    cluster: Cluster | None = None,
    reports: Path | None = None,
    retry: Literal["failed", "blocked", "all"] | None = None,
    again: bool = False,
    mix: bool = False,
    many: bool = False,
    progress: Progress | None = None,
    tell: Tell = lambda what, text: None,
) -> Sweep:
    """Compute many points of a scenario or a notebook, or go on with those that are missing.

    Args:
        target: a scenario (``.json``), a notebook by path or name, or a brief (``.txt``).
        over: what varies: name -> "60:120:5", "1e24:1e28:log9", "a,b,c", or values; or "@table.csv".
        fixed: values for all points, by name.
        name: name of the sweep; empty for that of the target.
        grain: "report" or "record"; None for what is usual for the target.
        measure: "image", "loss", "gradients", "doctor", "errors" of a scenario; empty for image and loss.
        zip: pair the values, instead of all their combinations.
        sample: number of points to draw within ranges "low:high"; None to take the values as they are.
        design: how they are drawn; ``seed`` is the seed.
        cluster: what computes; None for a process for each core of this machine.
        reports: folder of all reports; None for that of the project.
        retry: points that have ended so and are computed once more.
        again: begin anew, though the same was computed before.
        mix: go on though files, source or versions have changed.
        many: allow more than a million points.
        progress: is told how many points are done, failed, blocked, being computed, and asked for.
        tell: is told what happens.

    Raises:
        InputError: something is wrong with what was asked for; the message lists all of it, and nothing was started.
        Blocked: another process computes it, or the cluster cannot be had.

    Example:
        ```python
        cells = sweep("scenario.json", {"crystal.cell_a": "60:80:0.5"}, measure=("loss", "gradients"))
        cells.table.plot("crystal.cell_a", "gradient.crystal.cell_a")
        ```
    """
    root = project.root()
    words = (over,) if isinstance(over, str) else tuple(f"{key}={_spec(key, spec)}" for key, spec in over.items())
    specification: Specification = designs.specify(
        designs.Request(
            target=targets.resolve(str(target), root),
            over=words,
            fixed={key: _word(value) for key, value in (fixed or {}).items()},
            name=name,
            grain=grain,
            measure=tuple(measure),
            zipped=zip,
            sample=sample,
            design=design,
            seed=seed,
            many=many,
        ),
        root,
    )
    execution = runs.Execution(
        reports=reports, cluster=cluster or Local(), retry=retry, again=again, mix=mix, progress=progress
    )
    return Sweep(*runs.run(specification, execution, tell))


def _spec(name: str, spec: str | Iterable[Any]) -> str:
    """Specification in words of the command line; ``repr`` of a number is the number."""
    if not isinstance(spec, Iterable):
        raise InputError.of("sweep", f"over {name}", repr(spec), "a text or a list of values", f"Write [{spec}].")
    return spec if isinstance(spec, str) else ",".join(_word(value) for value in spec)


def _word(value: Any) -> str:
    plain = value.tolist() if hasattr(value, "tolist") else value
    return " ".join(map(_word, plain)) if isinstance(plain, list | tuple) else str(plain)
