"""Clusters of dask that compute the points of a sweep: this machine, a Slurm, or one that runs already."""

import logging
import math
import os
import platform
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.machine.family import VARIABLE, carrying, family
from nanobrag_torch.workbook.machine.limits import USUAL_SHARE
from nanobrag_torch.workbook.machine.processes import script_hidden
from nanobrag_torch.workbook.sweeps import store

if TYPE_CHECKING:
    from distributed import Client

#: File of a project with the options of its cluster, in the table ``[sweep.slurm]``.
OPTIONS = "nanobrag.toml"
#: Threads of torch, numba and what they use in a worker: one, since the last bits of a sum depend on their number, and
#: the cores of a machine are divided among its workers.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)  # fmt: skip
_ANSWERS_S = 10
#: Part of its wall time that a job of Slurm leaves unused, and part of the rest by which the ends of jobs are spread.
_SPARE, _STAGGER = 0.1, 0.1
_LEAST_SPARE_S = 30
#: Times that the workers of this machine are started before they are given up.
_STARTS = 3
#: Seconds after which a worker whose coordinator is gone ends itself.
_ORPHANED_S = 30


@dataclass(frozen=True)
class Local:
    """Workers on this machine.

    Attributes:
        workers: number of processes; None for one a core.
        memory: bytes that each may take; None for its share of four fifths of the machine's.
    """

    workers: int | None = None
    memory: int | None = None


@dataclass(frozen=True)
class Slurm:
    """Jobs of a Slurm; each has a worker a core.

    Attributes:
        jobs: number of jobs that are kept in the queue or running.
        cores: cores of a job, and ``memory``, what it may take, with its unit.
        wall_time: longest time of a job, as Slurm writes it: [D-]HH:MM:SS.
        partition: partition of the cluster; None for the usual one, as with ``account``.
        lifetime: seconds after which a worker ends and is replaced; None for nine tenths of the wall time.
        directives: further options of sbatch, such as "--constraint=avx512".
        prologue: commands of the job's script before the worker is started, such as "module load gcc".
        interface: network interface by which workers reach the coordinator; None for the usual one.
        scratch: folder of a node for files that pass; None for $TMPDIR.
    """

    jobs: int = 1
    cores: int = 1
    memory: str = "4 GiB"
    wall_time: str = "01:00:00"
    partition: str | None = None
    account: str | None = None
    lifetime: int | None = None
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    interface: str | None = None
    scratch: str | None = None


@dataclass(frozen=True)
class Running:
    """A dask cluster that runs already; ``address`` is that of its scheduler, such as "tcp://10.0.0.1:8786"."""

    address: str


Cluster = Local | Slurm | Running


def slurm(root: Path, given: Mapping[str, Any]) -> Slurm:
    """A Slurm as ``nanobrag.toml`` of a project describes it in ``[sweep.slurm]``, changed by what was ``given``.

    Raises:
        InputError: the file cannot be read, or holds an option that there is not or a value of another kind.
    """
    path = root / OPTIONS
    options: dict[str, Any] = {}
    if path.exists():
        try:
            options = tomllib.loads(files.read_text(path)).get("sweep", {}).get("slurm", {})
        except (files.Unreadable, tomllib.TOMLDecodeError, AttributeError) as error:
            raise InputError.of(OPTIONS, "file", path.name, "TOML with a table [sweep.slurm]", f"{error}.") from None
    options = {name.replace("-", "_"): value for name, value in options.items()}
    options |= {name: value for name, value in given.items() if value is not None}
    return Slurm(**{name: _checked(name, value) for name, value in options.items()})


def _checked(name: str, value: Any) -> Any:
    known = {field.name: field.type for field in fields(Slurm)}
    if name not in known:
        raise InputError.of("sweep.slurm", name, value, ", ".join(known), "Correct the name.")
    kind = str(known[name])
    if "tuple" in kind:
        fits = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        allowed, value = "a list of texts", tuple(value) if fits else value
    elif "int" in kind:
        fits, allowed = isinstance(value, int) and not isinstance(value, bool) and value > 0, "a whole number from 1"
    else:
        fits, allowed = isinstance(value, str) and "\n" not in value, "a text of one line"
    if not fits or (name == "wall_time" and _seconds(str(value)) is None):
        raise InputError.of("sweep.slurm", name, value, _WALL if name == "wall_time" else allowed, "Correct the value.")
    return value


_WALL = "[D-]HH:MM:SS, HH:MM:SS or MM:SS"


def _seconds(wall_time: str) -> int | None:
    """Seconds of a wall time as Slurm writes it; None for another text."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", wall_time)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds or None


def workers(cluster: Cluster) -> int | None:
    """Number of workers that a cluster will have; None where it has those that it has."""
    if isinstance(cluster, Local):
        return cluster.workers or os.cpu_count() or 1
    return cluster.jobs * cluster.cores if isinstance(cluster, Slurm) else None


def check(cluster: Cluster) -> None:
    """Refuse a cluster that cannot be had, before anything is started. Raises ``InputError``."""
    if isinstance(cluster, Slurm):
        for program in ("sbatch", "scancel", "squeue"):
            if shutil.which(program) is None:
                remedy = "Start it on a login node, load Slurm's module, or leave --cluster out."
                raise InputError.of("sweep", "--cluster slurm", f"no {program}", "a machine with Slurm", remedy)
    elif isinstance(cluster, Running):
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port, resolve_address

        _quiet()
        try:
            # A client that is given no address stays half made, and takes long to end.
            if not 0 < get_address_host_port(resolve_address(cluster.address))[1] < 2**16:
                raise ValueError("its port is none")
            Client(cluster.address, timeout=_ANSWERS_S, set_as_default=False).close()
        except (OSError, ValueError) as error:
            remedy = (
                f"{error}. Check the address, and that scheduler and versions of dask are those of this environment."
            )
            raise InputError.of("sweep", "--scheduler", cluster.address, "one that answers", remedy) from None


class Ends(logging.Handler):
    """Ends of the processes of workers, by their numbers, as the watching process logs it."""

    _MESSAGES = (
        re.compile(r"process (?P<pid>\d+) was (?P<how>killed by signal \d+)"),
        re.compile(r"process (?P<pid>\d+) (?P<how>exited with status \d+)"),
        re.compile(r"pid=(?P<pid>\d+)\) (?P<how>exceeded \d+% memory budget)"),
    )

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._by_process: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take what a message says of the end of a process; of two, the first is the reason."""
        message = record.getMessage()
        for pattern in self._MESSAGES:
            if found := pattern.search(message):
                how = found["how"].replace(" budget", " that it may take")
                self._by_process.setdefault(f"{found['pid']} {platform.node()}", how)

    def __call__(self, process: str) -> str:
        """End of the process "process host" in words; empty where it is not known."""
        return self._by_process.get(process, "")


@contextmanager
def joined(cluster: Cluster, sweep: Path, mark: str, points: int) -> "Iterator[tuple[Client, Ends]]":
    """A client of the cluster for as long as the block lasts; what was started for it ends with the block.

    Args:
        cluster: the cluster.
        sweep: folder of the sweep.
        mark: mark of its processes and jobs.
        points: points to compute; no more workers than these are started here.

    Raises:
        Blocked: it cannot be started.
    """
    ends = _quiet()
    with ExitStack() as stack:
        if isinstance(cluster, Local):
            address = stack.enter_context(_local(cluster, points))
        elif isinstance(cluster, Slurm):
            address = stack.enter_context(_slurm(cluster, sweep, mark))
        else:
            address = cluster.address
        from distributed import Client

        client = Client(address, timeout=_ANSWERS_S, set_as_default=False)
        stack.callback(_closed, client)
        yield client, ends


def release(mark: str) -> None:
    """Take the jobs of a sweep whose coordinator was killed out of the queue of Slurm, where there is one."""
    if mark and shutil.which("scancel"):
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(["scancel", f"--name={_job_name(mark)}"], capture_output=True, timeout=30)


@contextmanager
def _local(cluster: Local, points: int) -> Iterator[Any]:
    import multiprocessing.resource_tracker

    import dask
    from distributed import LocalCluster

    workers = min(cluster.workers or os.cpu_count() or 1, max(points, 1))
    memory = cluster.memory or int(psutil.virtual_memory().total * USUAL_SHARE / workers)
    # It outlives this cluster, and is none of its family.
    multiprocessing.resource_tracker.ensure_running()
    with (
        tempfile.TemporaryDirectory(prefix="nanobrag-sweep-", ignore_cleanup_errors=True) as scratch,
        family(os.environ) as own,
        carrying(own.mark),
        _environment(ONE_THREAD),
        dask.config.set(_CONFIG),
        script_hidden(),
        _forgotten(),
        ExitStack() as stack,
    ):
        yield stack.enter_context(_started(lambda: LocalCluster(
            n_workers=workers, threads_per_worker=1, memory_limit=memory, processes=True, silence_logs=False,
            dashboard_address="127.0.0.1:0", local_directory=scratch, **_encrypted(),
        )))  # fmt: skip


@contextmanager
def _forgotten() -> Iterator[None]:
    """Let dask forget the clusters of the block, which ends their processes.

    A signal that comes while one is being started leaves it half made; when the program ends, dask would close it once
    more, and fail.
    """
    from distributed import SpecCluster

    before = set(SpecCluster._instances)
    try:
        yield
    finally:
        for cluster in set(SpecCluster._instances) - before:
            SpecCluster._instances.discard(cluster)


def _started(start: Callable[[], Any]) -> Any:
    """A cluster of this machine, tried again where a worker dies while it is starting. Raises ``Blocked``."""
    for left in reversed(range(_STARTS)):
        try:
            return start()
        except RuntimeError as error:
            if not left:
                remedy = "Try again, with fewer of them."
                raise Blocked(f"The workers cannot be started: {str(error).rstrip('.')}. {remedy}") from None


@contextmanager
def _slurm(cluster: Slurm, sweep: Path, mark: str) -> Iterator[Any]:
    import dask
    from dask_jobqueue.slurm import SLURMCluster

    wall = _seconds(cluster.wall_time)
    assert wall is not None
    lifetime = cluster.lifetime or max(wall - max(_LEAST_SPARE_S, wall * _SPARE), wall / 2)
    work = sweep / store.WORK
    others = {**_encrypted(work / "tls"), **({"interface": cluster.interface} if cluster.interface else {})}
    exports = {**ONE_THREAD, "DASK_DISTRIBUTED__WORKER__DAEMON": "False", VARIABLE: os.environ.get(VARIABLE, "")}
    try:
        with (
            dask.config.set(_CONFIG),
            SLURMCluster(
                queue=cluster.partition, account=cluster.account, cores=cluster.cores, processes=cluster.cores,
                memory=cluster.memory, walltime=cluster.wall_time, job_name=_job_name(mark),
                job_extra_directives=list(cluster.directives), log_directory=str(work / "jobs"),
                local_directory=cluster.scratch or "${TMPDIR:-/tmp}", death_timeout=_ORPHANED_S,
                worker_extra_args=[
                    "--lifetime", f"{math.floor(lifetime * (1 - _STAGGER))}s",
                    "--lifetime-stagger", f"{math.floor(lifetime * _STAGGER)}s",
                ],
                job_script_prologue=[*(f"export {name}={value}" for name, value in exports.items()), *cluster.prologue],
                scheduler_options={"dashboard": False, "dashboard_address": "127.0.0.1:0"}, silence_logs=False,
 **others,
            ) as jobs,
        ):  # fmt: skip
            _accepted(jobs.job_script())
            jobs.adapt(minimum_jobs=cluster.jobs, maximum_jobs=cluster.jobs, interval="5s")
            yield jobs
    finally:
        release(mark)


def _accepted(script: str) -> None:
    """Let Slurm look at a job's script. Raises ``Blocked`` where it would not take it."""
    try:
        asked = subprocess.run(["sbatch", "--test-only"], input=script, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise Blocked(f"Slurm does not answer: {error}.") from None
    if asked.returncode:
        raise Blocked(
            f"Slurm would not take the job: {asked.stderr.strip()}. Correct the options of the cluster, on the "
            f"command line or in {OPTIONS}."
        )


def _job_name(mark: str) -> str:
    return f"nanobrag-{mark[:12]}"


def _encrypted(folder: Path | None = None) -> dict[str, Any]:
    """Connections that only the processes of this sweep can make: whoever reaches a scheduler may run code by it.

    Args:
        folder: folder that takes the keys, for workers that are not children of this process.
    """
    from distributed.security import Security

    if find_spec("cryptography") is None:
        return {}
    security = Security.temporary()
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        keys = {}
        for part, text in security.get_tls_config_for_role("worker").items():
            if "\n" in str(text):
                keys[part] = folder / f"{part}.pem"
                keys[part].touch(mode=0o600)
                keys[part].write_text(text, encoding="utf-8")
        roles = ("scheduler", "worker", "client")
        own = {f"tls_{role}_{part}": str(keys[part]) for role in roles for part in ("cert", "key")}
        security = Security(require_encryption=True, tls_ca_file=str(keys["ca_file"]), **own)
    return {"security": security, "protocol": "tls://"}


#: A point that kills its worker is counted on disk; the scheduler only sees that another worker takes its batch.
#: A worker that is no daemon may have children: the process that kernels are forked from.
_CONFIG = {
    "distributed.scheduler.allowed-failures": 1,
    "distributed.worker.daemon": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.pause": False,
    "distributed.admin.low-level-log-length": 0,
}


#: Libraries that log on the terminal, and those of their loggers that tell how a worker ended.
_TALKATIVE = ("distributed", "tornado", "bokeh", "asyncio")
_TELL_OF_ENDS = ("distributed.nanny", "distributed.nanny.memory")


def _quiet() -> Ends:
    """Let dask say nothing on the terminal; what it says of the ends of workers is taken note of."""
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")
    import distributed  # noqa: F401  (sets its loggers up)

    ends = Ends()
    for name in [known for known in logging.root.manager.loggerDict if known.partition(".")[0] in _TALKATIVE]:
        logger = logging.getLogger(name)
        logger.handlers[:] = [ends] if name in _TELL_OF_ENDS else [logging.NullHandler()]
        logger.setLevel(logging.INFO if name in _TELL_OF_ENDS else logging.CRITICAL)
        logger.propagate = False
    return ends


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables of what is started in the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _closed(client: "Client") -> None:
    """Close a client, whatever became of its scheduler."""
    with suppress(OSError, RuntimeError, TimeoutError):
        client.close(timeout=2)
