"""``nanobrag-workbook sweep``: many points from one command, computed here or on a cluster, resumed after any end."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.commands.options import Reports, Stamp, places
from nanobrag_torch.workbook.errors import InputError

if TYPE_CHECKING:
    from nanobrag_torch.workbook.records.sweep import Specification
    from nanobrag_torch.workbook.sweeps.cluster import Cluster
    from nanobrag_torch.workbook.sweeps.design import Request
    from nanobrag_torch.workbook.sweeps.targets import Target

_RESUME = "resume"
_SHOWN_ROWS = 6
_GIB = 2**30
Retry = Literal["failed", "blocked", "all"]
Cluster_ = Literal["local", "slurm"]


def sweep(
    target: Annotated[
        str,
        typer.Argument(
            help="A scenario (.json), a notebook, a brief (.txt), or PLAN:PHASE; or the word resume.", metavar="TARGET"
        ),
    ],
    place: Annotated[
        str | None, typer.Argument(help="After resume: the folder of a sweep, or its name.", metavar="[PATH]")
    ] = None,
    over: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=SPEC", help="What varies: 60:120:5, 1e24:1e28:log9, a,b,c or @table.csv (without a name)."
        ),
    ] = None,
    fixed: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value for all points.")
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the sweep (default: that of the target).")] = "",
    grain: Annotated[
        str | None, typer.Option("--as", metavar="report|record", help="A full report a point, or a line of a table.")
    ] = None,
    measure: Annotated[
        str, typer.Option(help="Of a record: image,loss,gradients,doctor,errors (image,loss).", metavar="WHAT,...")
    ] = "",
    zipped: Annotated[bool, typer.Option("--zip", help="Pair the values, instead of all their combinations.")] = False,
    sample: Annotated[
        int | None, typer.Option(metavar="N", help="Draw N points within ranges low:high or low:high:log.", min=1)
    ] = None,
    design: Annotated[
        str | None, typer.Option(metavar="sobol|lhs|random", help="How they are drawn (default: sobol).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the draw (default: 1).", min=0)] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes on this machine, or jobs of Slurm (default: as many as cores).", min=1)
    ] = None,
    memory: Annotated[float | None, typer.Option(metavar="GIB", help="Memory of a worker here.", min=0.01)] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="local|slurm", help="What computes (nanobrag.toml may say more).")
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="A dask cluster that runs already: tcp://HOST:8786.")
    ] = None,
    partition: Annotated[str | None, typer.Option(help="Of Slurm.")] = None,
    account: Annotated[str | None, typer.Option(help="Of Slurm.")] = None,
    cores: Annotated[int | None, typer.Option(help="Cores of a job of Slurm.", min=1)] = None,
    job_memory: Annotated[str | None, typer.Option(help="Memory of a job of Slurm, such as '8 GiB'.")] = None,
    wall_time: Annotated[str | None, typer.Option(help="Longest time of a job of Slurm, HH:MM:SS.")] = None,
    lifetime: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="After which a worker of Slurm is replaced.", min=1)
    ] = None,
    directive: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="A further option of sbatch, such as --directive=-C=avx512."),
    ] = None,
    retry: Annotated[
        str | None, typer.Option(metavar="failed|blocked|all", help="Compute points once more that ended so.")
    ] = None,
    again: Annotated[bool, typer.Option(help="Begin anew, though the same was computed before.")] = False,
    mix: Annotated[bool, typer.Option(help="Go on though files, source or versions have changed.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Show the points, and what they will take; compute none.")] = False,
    many: Annotated[bool, typer.Option("--yes", help="Allow more than a million points.")] = False,
    watch: Annotated[bool, typer.Option(help="Keep a page that refreshes itself while it runs.")] = False,
    reports: Reports = None,
    stamp: Stamp = None,
) -> None:
    """Compute many points: nanobrag-workbook sweep scenario.json --over crystal.cell_a=60:80:0.5.

    The same command again, or sweep resume PATH, computes what is missing and nothing else, whatever ended it.
    """
    from nanobrag_torch.workbook.sweeps.design import DESIGNS

    resuming = target == _RESUME
    if resuming != (place is not None):
        given = place or "resume alone"
        allowed = "sweep resume PATH, or sweep TARGET --over NAME=SPEC"
        raise InputError.of("sweep", "PATH", given, allowed, "Name the folder.")
    _one_of("--design", design, DESIGNS)
    _one_of("--retry", retry, get_args(Retry))
    if sample is None and (design is not None or seed is not None):
        given = "--seed" if design is None else "--design"
        raise InputError.of("sweep", given, "no --sample", "--sample N beside it", "Say how many points are drawn.")
    _one_of("--as", grain, ("report", "record"))
    where = _cluster(
        cluster, scheduler, workers, memory,
        {"partition": partition, "account": account, "cores": cores, "memory": job_memory, "wall_time": wall_time,
         "lifetime": lifetime, "directives": directive},
    )  # fmt: skip
    execution: dict[str, Any] = {
        "reports": reports, "stamp": stamp, "cluster": where, "retry": retry, "again": again, "mix": mix,
    }  # fmt: skip
    if resuming:
        assert place is not None
        if over or fixed or sample is not None or dry_run or again:
            raise InputError.of(
                "sweep", "resume", "a new specification", "a path, and how it is computed", "Leave it out."
            )
        _carry_out(place, execution, watch)
        return
    request = _request(
        target, over or [], fixed or [], name, grain, measure, zipped, sample, design or "sobol",
        1 if seed is None else seed, many,
    )  # fmt: skip
    from nanobrag_torch.workbook.sweeps.design import specify

    specification = specify(request, project.root())
    if dry_run:
        _show(specification, reports, where)
        return
    _carry_out(specification, execution, watch)


def _one_of(option: str, given: str | None, allowed: tuple[str, ...]) -> None:
    if given is not None and given not in allowed:
        raise InputError.of("sweep", option, given, ", ".join(allowed), "Name one of them.")


def _cluster(
    cluster: str | None, scheduler: str | None, workers: int | None, memory: float | None, given: dict[str, Any]
) -> "Cluster":
    """Cluster that the options describe.

    Args:
        cluster: "local" or "slurm"; None for this machine.
        scheduler: address of a cluster that runs already.
        workers: number of processes or jobs.
        memory: GiB of a worker on this machine.
        given: options of Slurm by name; None for one that was not given.
    """
    from nanobrag_torch.workbook.sweeps.cluster import Local, Running, slurm

    _one_of("--cluster", cluster, get_args(Cluster_))
    of_slurm = [name for name, value in given.items() if value is not None and value != []]
    if scheduler is not None:
        if cluster is not None or workers is not None or of_slurm:
            raise InputError.of("sweep", "--scheduler", scheduler, "alone", "That cluster has the workers that it has.")
        return Running(scheduler)
    if cluster == "slurm":
        return slurm(project.root(), {**given, "jobs": workers, "directives": given["directives"] or None})
    if of_slurm:
        raise InputError.of("sweep", ", ".join(of_slurm), "a value", "--cluster slurm beside it", "Add that option.")
    return Local(workers, None if memory is None else int(memory * _GIB))


def _request(
    target: str, over: list[str], fixed: list[str], name: str, grain: str | None, measure: str, zipped: bool,
    sample: int | None, design: str, seed: int, many: bool,
) -> "Request":  # fmt: skip
    from nanobrag_torch.workbook.sweeps.design import MEASURES, Request

    asked = tuple(word.strip() for word in measure.split(",") if word.strip())
    for word in asked:
        _one_of("--measure", word, MEASURES)
    pairs = {}
    for text in fixed:
        key, equals, value = text.partition("=")
        if not equals or key in pairs:
            raise InputError.of("sweep", "--set", text, "NAME=VALUE, each name once", "Correct it.")
        pairs[key] = value
    found, planned, plan, phase = _target(target)
    return Request(
        target=found,
        over=tuple(over),
        fixed={**planned, **pairs},
        name=name,
        grain=grain,  # type: ignore[arg-type]
        measure=asked,  # type: ignore[arg-type]
        zipped=zipped,
        sample=sample,
        design=design,  # type: ignore[arg-type]
        seed=seed,
        many=many,
        plan=plan,
        phase=phase,
    )


def _target(given: str) -> "tuple[Target, dict[str, Any], str | None, str | None]":
    """Target, the parameters that a plan sets for it, the plan, and its phase."""
    from nanobrag_torch.workbook.sweeps import targets

    root = project.root()
    name, colon, phase_id = given.partition(":")
    if not colon or Path(given).exists():
        return targets.resolve(given, root), {}, None, None
    from nanobrag_torch.workbook.plans import header
    from nanobrag_torch.workbook.plans.run import target_of

    plan = header.read(name, root)
    phase = next((each for each in plan.phases(phase_id) if each.id == phase_id), plan.phases(phase_id)[0])
    return target_of(phase, root), dict(phase.parameters), plan.path, phase.id


def _show(specification: "Specification", reports: Path | None, cluster: "Cluster") -> None:
    """Print the points of a sweep, and what it will take."""
    from nanobrag_torch.workbook.commands.terminal import messages, say
    from nanobrag_torch.workbook.sweeps import cluster as clusters
    from nanobrag_torch.workbook.sweeps.estimate import estimate
    from nanobrag_torch.workbook.sweeps.table import frame

    shown = frame(specification, ())[["point", *specification.names]]
    text = shown.to_string(index=False, max_rows=2 * _SHOWN_ROWS)
    say(text)
    with messages.status("measuring one point"):
        cost = estimate(specification, places(reports).reports, project.root())
    say(f"{specification.count} points of {specification.target}, each a {specification.grain}")
    if cost.seconds is None or cost.size is None:
        say(f"cost: not known, since there is {cost.source}")
        return
    total, workers = cost.seconds * specification.count, clusters.workers(cluster)
    share = f", {_time(total / workers)} with {workers} workers" if workers else ""
    say(f"time: {cost.seconds:.3g} s a point ({cost.source}), {_time(total)} in all{share}")
    say(f"disk: {cost.size * specification.count / 2**20:.1f} MiB")


def _time(seconds: float) -> str:
    for size, unit in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def _carry_out(asked: "Specification | str", execution: dict[str, Any], watch: bool) -> None:
    """Compute a sweep, or go on with one; print the path of its page, and leave with the code of its status."""
    from nanobrag_torch.workbook.commands.progress import shown
    from nanobrag_torch.workbook.commands.terminal import begin, conclude
    from nanobrag_torch.workbook.sweeps.run import Execution, resume, run

    _, tell = begin(execution["reports"])
    with shown(tell) as progress:
        made = Execution(**execution, progress=progress, watch=watch)
        folder, verdict = resume(asked, made, tell) if isinstance(asked, str) else run(asked, made, tell)
    conclude(folder, verdict, tell)
