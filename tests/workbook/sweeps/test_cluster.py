import json
import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pandas
import psutil
import pytest
import slurm_here
import sweeping
from distributed import SpecCluster

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.report.folder import verify
from nanobrag_torch.workbook.sweeps import cluster, store
from nanobrag_torch.workbook.sweeps.cluster import Ends, Running, Slurm

TESTS = Path(sweeping.__file__).parent


def test_options_of_slurm_come_from_the_file_of_the_project_and_those_of_the_command_go_first(tmp_path):
    (tmp_path / "nanobrag.toml").write_text(
        '[sweep.slurm]\npartition = "long"\ncores = 4\nwall-time = "1-00:00:00"\ndirectives = ["--constraint=avx512"]\n'
    )
    found = cluster.slurm(tmp_path, {"cores": 8, "account": None})
    assert found == Slurm(partition="long", cores=8, wall_time="1-00:00:00", directives=("--constraint=avx512",))
    assert cluster.slurm(tmp_path / "elsewhere", {}) == Slurm()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sweep.slurm]\nqueue = 'long'", "queue.*partition"),
        ("[sweep.slurm]\ncores = 'four'", "a whole number from 1"),
        ("[sweep.slurm]\nwall-time = 'a day'", "HH:MM:SS"),
        ("[sweep.slurm]\ndirectives = '-x'", "a list of texts"),
        ("[sweep.slurm", r"TOML with a table \[sweep.slurm\]"),
    ],
)
def test_a_wrong_option_of_slurm_is_named_with_what_is_allowed(tmp_path, text, words):
    (tmp_path / "nanobrag.toml").write_text(text)
    with pytest.raises(InputError, match=words):
        cluster.slurm(tmp_path, {})


def test_a_machine_without_slurm_is_told_apart_before_anything_starts(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"no sbatch.*login node"):
        cluster.check(Slurm())


def test_a_scheduler_that_does_not_answer_is_an_error_that_names_its_address(monkeypatch):
    monkeypatch.setattr(cluster, "_ANSWERS_S", 0.5)
    with pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:9.*one that answers"):
        cluster.check(Running("tcp://127.0.0.1:9"))


@pytest.mark.parametrize(
    "address", ["nonsense", "tcp://here", "other://here:1", "tcp://127.0.0.1:port", "tcp://127.0.0.1:99999999"]
)
def test_a_scheduler_by_what_is_no_address_is_refused_before_a_client_is_made(monkeypatch, address):
    import distributed

    monkeypatch.setattr(distributed, "Client", lambda *_, **__: pytest.fail("a client was made"))
    with pytest.raises(InputError, match="one that answers"):
        cluster.check(Running(address))


def test_how_a_worker_ended_is_read_from_what_its_nanny_logs():
    ends = Ends()
    host = os.uname().nodename
    for message in (
        "Worker process 17 was killed by signal 9",
        "Worker tls://127.0.0.1:1 (pid=18) exceeded 95% memory budget. Restarting...",
        "Worker process 18 was killed by signal 15",
    ):
        ends.emit(logging.LogRecord("distributed.nanny", logging.INFO, "", 0, message, None, None))
    assert ends(f"17 {host}") == "killed by signal 9" and ends(f"19 {host}") == ""
    assert ends(f"18 {host}") == "exceeded 95% memory that it may take"


def start(project: Path, points: int, environment: dict[str, str]) -> subprocess.Popen[str]:
    """The trial sweep in a process of its own."""
    paths = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, TESTS / "sweeping.py", str(points)], cwd=project, text=True,
        env=os.environ | {"PYTHONPATH": paths} | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def until_done(process: subprocess.Popen[str], points: int) -> None:
    """Read what a sweep tells until so many points are done."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("progress") and int(line.split()[1]) >= points:
            return
    raise AssertionError(process.stderr.read())


def workers(project: Path) -> list[psutil.Process]:
    """Processes that have begun a point of the sweep, and live."""
    there = (int(path.read_text().split()[0]) for path in project.glob(f"reports/*/*/.*/{store.WORK}/underway/*"))
    return [psutil.Process(pid) for pid in there if psutil.pid_exists(pid)]


#: Time that dask waits for a worker that has left to come back, before its job is replaced.
SOON_REPLACED = {"DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "1s"}


@pytest.fixture
def project(tmp_path):
    for name in ("notebooks", "reports", "plans"):
        (tmp_path / "project" / name).mkdir(parents=True)
    (tmp_path / "project" / "scenario.json").write_text("{}")
    return tmp_path / "project"


@pytest.mark.slurm
@pytest.mark.skipif(bool(slurm_here.lacking()), reason=slurm_here.lacking())
def test_a_sweep_on_slurm_outlives_scancel_and_kills_of_worker_and_coordinator(project, tmp_path):
    with slurm_here.slurm(tmp_path / "slurm") as reach:
        environment = reach | {sweeping.CLUSTER: "slurm", sweeping.SECONDS: "0.4"}
        first = start(project, 24, environment)
        until_done(first, 4)
        jobs = _slurm(reach, "squeue", "--noheader", "--format=%i").split()
        assert len(jobs) == 2
        _slurm(reach, "scancel", jobs[0])
        until_done(first, 10)
        workers(project)[0].send_signal(signal.SIGKILL)
        until_done(first, 14)
        first.kill()
        first.communicate()
        deadline = time.monotonic() + 60
        last = start(project, 24, environment)
        assert last.communicate(timeout=120)[0].split()[-1] == "passed"
        while _slurm(reach, "squeue", "--noheader", "--states=running,pending").split():
            assert time.monotonic() < deadline, "jobs are left in the queue"
            time.sleep(0.2)
    (folder,) = project.glob("reports/sweep/trial/2*Z")
    table = sweeping.table(folder)
    assert list(table["loss"]) == [sweeping.value(number) for number in range(24)]
    assert set(table["status"]) == {"done"} and verify(folder) == []


@pytest.mark.slurm
@pytest.mark.skipif(bool(slurm_here.lacking()), reason=slurm_here.lacking())
def test_a_coordinator_may_be_a_job_itself_and_workers_that_end_by_their_lifetime_are_replaced(project, tmp_path):
    program = f"PYTHONPATH={TESTS} {sys.executable} {TESTS / 'sweeping.py'} 6"
    with slurm_here.slurm(tmp_path / "slurm") as reach:
        environment = reach | {sweeping.CLUSTER: "short-lived", sweeping.LINGERING: "2", **SOON_REPLACED}
        where = [f"--chdir={project}", f"--output={project}/said"]
        words = ["sbatch", "--parsable", "--mem=1G", *where, f"--wrap={program}"]
        job = subprocess.run(words, env=os.environ | environment, check=True, capture_output=True, text=True).stdout
        jobs: set[str] = set()
        deadline = time.monotonic() + 500
        while not (found := list(project.glob("reports/sweep/trial/2*Z"))):
            assert time.monotonic() < deadline, (project / "said").read_text()
            jobs |= set(_slurm(reach, "squeue", "--noheader", "--format=%i").split()) - {job.strip()}
            time.sleep(0.5)
        while _slurm(reach, "squeue", "--noheader", "--states=running,pending").split():
            assert time.monotonic() < deadline, "jobs are left in the queue"
            time.sleep(0.2)
    table = pandas.read_parquet(found[0] / "points.parquet")
    assert list(table["loss"]) == [sweeping.value(number) for number in range(6)]
    # Nobody died over a point: whoever was asked to leave ended the one it had begun, and handed back the others.
    assert set(table["status"]) == {"done"} and set(table["deaths"]) == {0} and len(jobs) > 1


def test_points_go_to_a_scheduler_that_runs_already_and_its_workers_stay(project, tmp_path):
    dask = [sys.executable, "-m", "dask"]
    there = os.environ | {"PYTHONPATH": str(TESTS)}
    addressed = tmp_path / "scheduler.json"
    with ExitStack() as stack:
        for words in (
            ["scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1", "--scheduler-file", addressed],
            ["worker", "--scheduler-file", addressed, "--nthreads", "1", "--no-dashboard"],
        ):
            process = subprocess.Popen(
                [*dask, *words], env=there, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
        deadline = time.monotonic() + 60
        while not (text := addressed.read_text() if addressed.exists() else ""):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        address = json.loads(text)["address"]
        first = start(project, 6, {sweeping.CLUSTER: address, sweeping.SECONDS: "0.1"})
        assert first.communicate(timeout=120)[0].split()[-1] == "passed"
        assert process.poll() is None
        # The workers that served once serve again.
        again = start(project, 7, {sweeping.CLUSTER: address})
        assert again.communicate(timeout=120)[0].split()[-1] == "passed"
    tables = [sweeping.table(folder) for folder in sorted(project.glob("reports/sweep/trial/2*Z"))]
    assert [list(table["loss"]) for table in tables] == [[sweeping.value(n) for n in range(m)] for m in (6, 7)]


def _slurm(reach: dict[str, str], *words: str) -> str:
    return subprocess.run(words, env=os.environ | reach, capture_output=True, text=True, check=True).stdout


def test_a_worker_does_not_run_the_script_that_asked_for_the_sweep(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from multiprocessing.spawn import get_preparation_data as data\n"
        "from nanobrag_torch.workbook.machine.processes import script_hidden\n"
        "with script_hidden():\n"
        "    print(sorted(name for name in data('worker') if name.startswith('init_main')))\n"
        "print(sorted(name for name in data('worker') if name.startswith('init_main')))\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n['init_main_from_path']\n", done.stderr


def test_dask_forgets_a_cluster_whose_start_was_broken_off():
    half = object.__new__(SpecCluster)
    half._cluster_info = {"name": "half"}
    with pytest.raises(KeyboardInterrupt), cluster._forgotten():
        SpecCluster._instances.add(half)
        raise KeyboardInterrupt
    assert not any(each is half for each in SpecCluster._instances)
