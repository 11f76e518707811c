"""Wall time of the command from shell to shell: ``python -m benchmarks.command W1``.

The command computes a workload with all files that it writes by default, as a process of its own, in turns with the C
program (where NB_C_BIN names it) and with ``import torch`` alone. The least time of the rounds is printed: the others
are those of a machine that did something else as well. The first round fills caches and does not count. ``--empty``
adds the command with an empty folder for compiled code, once a round.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.contestants import C_BINARY, write_list
from benchmarks.workloads import WORKLOADS

#: Options of the workloads that leave files out or name them.
WITHOUT = ("-nonoise", "-nopgm", "-floatfile", "image.bin")
OURS = (sys.executable, "-m", "nanobrag_torch")


def seconds(words: Sequence[str], folder: str, environment: Mapping[str, str]) -> float:
    """Wall time of a command in ``folder``, from its start to its end."""
    started = time.perf_counter()
    subprocess.run(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def contestants(arguments: Sequence[str], empty: bool) -> dict[str, tuple[str, ...]]:
    """Command lines by name."""
    found = {
        "import torch": (sys.executable, "-c", "import torch"),
        "nanoBragg": (*OURS, *arguments),
    }
    if empty:
        found["nanoBragg, nothing compiled"] = (*OURS, *arguments)
    if binary := os.environ.get(C_BINARY):
        found["C"] = (str(Path(binary).resolve()), *arguments)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workload", nargs="*", default=["W1"], choices=WORKLOADS, metavar="workload")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--empty", action="store_true", help="also with nothing compiled")
    given = parser.parse_args()
    # Our modules are read as compiled bytecode, as they are where anyone has installed them.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for name in given.workload:
        load = WORKLOADS[name]
        commands = contestants([word for word in load.arguments() if word not in WITHOUT], given.empty)
        taken: dict[str, list[float]] = {each: [] for each in commands}
        with TemporaryDirectory() as folder:
            if load.table:
                write_list(Path(folder) / "list.hkl")
            for number in range(given.rounds + 1):
                for each, words in commands.items():
                    nothing = {"NUMBA_CACHE_DIR": f"{folder}/{number}"} if each.endswith("nothing compiled") else {}
                    taken[each].append(seconds(words, folder, environment | nothing))
        for each, times in taken.items():
            print(f"{name}  {each:28} {min(times[1:]):6.2f} s")


if __name__ == "__main__":
    main()
