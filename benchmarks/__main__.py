"""Command ``python -m benchmarks``: measure the simulator on this machine, in turns with the C program."""

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console

from benchmarks.contestants import contestants
from benchmarks.measure import measure
from benchmarks.report import keep, ratio_table, times
from benchmarks.scaling import scaling
from benchmarks.workloads import WORKLOADS


def main(
    workload: Annotated[
        list[str] | None, typer.Argument(help="Names of workloads; all of them if none is given.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds, after one that warms up.")] = 5,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch and of the engine.")] = torch.get_num_threads(),
    only: Annotated[
        list[str] | None, typer.Option(help="Measure the contestants whose names contain one of these.")
    ] = None,
    scale: Annotated[bool, typer.Option(help="Also measure how time grows with pixels and with domains.")] = False,
    output: Annotated[Path, typer.Option(help="Folder for benchmark.json and benchmark.png.")] = Path(
        "benchmark-results"
    ),
) -> None:
    """Time images and gradients on the workloads; NB_C_BIN may name a binary of the C program."""
    console = Console()
    unknown = set(workload or ()) - set(WORKLOADS)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: workloads are {', '.join(WORKLOADS)}.")
    wanted = only or [""]
    entrants = [entrant for entrant in contestants(threads) if any(part in entrant.name for part in wanted)]
    if not entrants:
        raise typer.BadParameter(
            f"--only {', '.join(wanted)}: contestants are {', '.join(e.name for e in contestants(threads))}."
        )
    loads = [WORKLOADS[name] for name in workload or WORKLOADS]
    with console.status("") as status:
        measurement = measure(loads, entrants, rounds, status.update)
        points = scaling(rounds, threads, status.update) if scale else []
    console.print(times(measurement))
    console.print(ratio_table(measurement))
    keep(measurement, points, output)
    console.print(f"Kept in {output}/benchmark.json and {output}/benchmark.png")


if __name__ == "__main__":
    typer.run(main)
