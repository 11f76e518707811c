"""A Slurm of one node on this machine, for tests that submit jobs: needs root, and Debian's slurm-wlm and munge."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel")
_SOCKET = Path("/run/munge/munge.socket.2")
_KEY = Path("/etc/munge/munge.key")
_CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,batch_sched_delay=0
ReturnToService=2
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
KillWait=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cores} RealMemory={memory} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=01:00:00 State=UP
"""


def lacking() -> str:
    """What this machine lacks for a Slurm of its own, in words; empty where it lacks nothing."""
    missing = [program for program in PROGRAMS if shutil.which(program, path=_path()) is None]
    if missing:
        return f"no Slurm here ({', '.join(missing)}): apt-get install slurm-wlm munge"
    return "" if os.getuid() == 0 else "a Slurm of one's own needs root"


@contextmanager
def slurm(folder: Path) -> Iterator[dict[str, str]]:
    """Environment variables by which commands reach a Slurm that lives as long as the block."""
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    configuration = folder / "slurm.conf"
    cores, memory = os.cpu_count(), psutil.virtual_memory().total // 2**21
    configuration.write_text(
        _CONFIGURATION.format(host=host, folder=folder, cores=cores, memory=memory, ports=_free_ports())
    )
    environment = {"SLURM_CONF": str(configuration), "PATH": _path()}
    _start_munge()
    try:
        for daemon, ready in (("slurmctld", ("scontrol", "ping")), ("slurmd", ("sinfo", "--noheader", "--format=%T"))):
            subprocess.run(
                [daemon, *(["-c"] if daemon == "slurmctld" else [])], env=os.environ | environment, check=True
            )
            _until(lambda words=ready: _says(words, environment) in ("UP", "idle"))
        yield environment
    finally:
        subprocess.run(["scancel", "--user=root"], env=os.environ | environment, capture_output=True)
        for daemon in ("slurmd", "slurmctld"):
            # One that does not come up has no file, or no process.
            with suppress(OSError, ValueError, psutil.NoSuchProcess):
                daemon_process = psutil.Process(int((folder / f"{daemon}.pid").read_text()))
                daemon_process.terminate()
                daemon_process.wait(10)


def _says(words: tuple[str, ...], environment: dict[str, str]) -> str:
    """Last word of what a command of Slurm answers."""
    said = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True).stdout
    return (said.split() or [""])[-1]


def _path() -> str:
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"


def _start_munge() -> None:
    """Start the daemon by which Slurm knows its users, where none answers: one may outlive its installation."""
    if _SOCKET.is_socket() and any(process.name() == "munged" for process in psutil.process_iter()):
        return
    folders = [Path(name) for name in ("/etc/munge", "/run/munge", "/var/log/munge", "/var/lib/munge")]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    if not _KEY.exists():
        _KEY.write_bytes(os.urandom(1024))
        _KEY.chmod(0o400)
    subprocess.run(["chown", "-R", "munge:munge", *folders], check=True)
    subprocess.run(["su", "-s", "/bin/sh", "munge", "-c", "/usr/sbin/munged"], check=True)


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _until(holds: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "Slurm does not come up"
        time.sleep(0.1)
