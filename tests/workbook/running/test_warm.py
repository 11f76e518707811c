"""Forked kernels are as started ones: in what they find, how they end, and what is left of them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil
import pytest
from checkouts import make_checkout, write_notebook

#: Executes notebooks one after the other in one process, as a worker does, and prints how each ended.
_WORKER = """
import json, os, sys
from pathlib import Path
from nanobrag_torch.workbook.machine.limits import Limits
from nanobrag_torch.workbook.running.execute import execute
project = Path(sys.argv[1])
for number, (notebook, guards, limits) in enumerate(json.loads(sys.argv[2])):
    output = project.parent / str(number) / "notebook.ipynb"
    output.parent.mkdir()
    outcome = execute(
        Path(notebook), output, {"report_folder": "there"}, environment={**os.environ, **guards}, cwd=project,
        timeout=20, on_cell=lambda *_: None, warm=True, limits=Limits(*limits),
    )
    print(json.dumps([outcome.end, outcome.detail]), flush=True)
"""
#: What a program finds in its process: all of it is to be the same in a forked kernel as in one that was started.
_FOUND = (
    "import json, multiprocessing, os, signal, sys\n"
    "print(json.dumps([os.getcwd(), report_folder, os.environ['PLANET'], os.environ.get('JPY_SESSION_NAME') is None,\n"
    "    sys.argv[0].rpartition('/')[2].partition('.')[0], multiprocessing.get_start_method(allow_none=True),\n"
    "    signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, os.getsid(0) == os.getpid(), __name__, sys.path]))\n"
)
_FORKED = "import os, psutil\nprint('forkserver' in ' '.join(psutil.Process(os.getppid()).cmdline()))"
_DRAWN = "import numpy\nprint(numpy.random.random())"
_NO_LIMITS = (60.0, None)


class Runs:
    """Notebooks of one cell each, executed one after the other in one process."""

    def __init__(self, folder: Path, *runs: tuple[str, dict[str, str], tuple[float | None, int | None]]) -> None:
        self.folder = folder
        project = make_checkout(folder / "project")
        told = []
        for number, (cell, guards, limits) in enumerate(runs):
            path = write_notebook(project, cell).rename(project / "notebooks" / f"n{number}.ipynb")
            told.append((str(path), guards, limits))
        done = subprocess.run(
            [sys.executable, "-c", _WORKER, project, json.dumps(told)], capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
        self.ends = [json.loads(line) for line in done.stdout.splitlines()]

    def text(self, number: int) -> str:
        cells = nbformat.read(self.folder / str(number) / "notebook.ipynb", as_version=4).cells
        return "".join(output.get("text", "") for output in cells[-1].outputs)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    earth, mars = {"PLANET": "earth"}, {"PLANET": "mars"}
    return Runs(
        tmp_path_factory.mktemp("warm"),
        (_FOUND, earth, _NO_LIMITS),
        (_FORKED, earth, _NO_LIMITS),
        (_DRAWN, earth, _NO_LIMITS),
        (_DRAWN, earth, _NO_LIMITS),
        (_FOUND, mars, _NO_LIMITS),
        (_FORKED, mars, _NO_LIMITS),
        ("import os\nos.write(2, b'last words')\nos._exit(7)", earth, _NO_LIMITS),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", earth, _NO_LIMITS),
        ("import time\ntime.sleep(600)", earth, (2.0, None)),
        ("x = bytearray(2_000_000_000)\nimport time\ntime.sleep(600)", earth, (60.0, 1_500_000_000)),
        ("import subprocess\nprint(subprocess.Popen(['sleep', '300'], env={}).pid)", earth, _NO_LIMITS),
    )


def test_a_forked_kernel_finds_what_a_started_one_finds(runs: Runs) -> None:
    forked, started = json.loads(runs.text(0)), json.loads(runs.text(4))
    assert (forked.pop(2), started.pop(2)) == ("earth", "mars")
    assert forked == started


def test_kernels_with_the_environment_of_the_first_are_forked_and_others_started(runs: Runs) -> None:
    assert (runs.text(1), runs.text(5)) == ("True\n", "False\n")


def test_forked_kernels_draw_other_random_numbers(runs: Runs) -> None:
    assert runs.text(2) != runs.text(3)


def test_a_forked_kernel_that_dies_says_how_and_with_which_last_words(runs: Runs) -> None:
    assert runs.ends[6] == ["died", "the kernel ended with exit code 7"]
    assert (runs.folder / "6" / "kernel.log").read_text() == "last words"
    assert runs.ends[7][0] == "died" and "SIGKILL" in runs.ends[7][1]


def test_a_forked_kernel_that_crosses_a_limit_is_ended(runs: Runs) -> None:
    assert [runs.ends[number][0] for number in (8, 9)] == ["timeout", "memory"]


def test_what_a_forked_kernel_started_ends_with_it(runs: Runs) -> None:
    assert runs.ends[10][0] == "completed" and not _lives(int(runs.text(10)))


def test_a_forked_kernel_ends_with_the_process_that_asked_for_it(tmp_path: Path) -> None:
    project = make_checkout(tmp_path / "project")
    told = project / "told"
    cell = f"import os, time\nopen({str(told)!r}, 'w').write(f'{{os.getpid()}} {{os.getppid()}}')\ntime.sleep(300)"
    asked = json.dumps([(str(write_notebook(project, cell)), {}, _NO_LIMITS)])
    worker = subprocess.Popen([sys.executable, "-c", _WORKER, project, asked], stdout=subprocess.DEVNULL)
    _until(lambda: told.exists() and len(told.read_text().split()) == 2)
    worker.kill()
    worker.wait()
    kernel, server = map(int, told.read_text().split())
    _until(lambda: not _lives(kernel) and not _lives(server))


def _lives(pid: int) -> bool:
    """One that is dead and not yet buried does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)
