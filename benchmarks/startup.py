"""Start-up times of the commands that compute nothing: ``python -m benchmarks.startup``.

Every command is run as a process of its own, in turns, so that a change of the machine's load meets all of them; the
median of the rounds is printed beside the limit. The first round fills the caches of the file system and does not
count.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
REPORT = "docs/example-report"
#: Words of each command, and the seconds within which it must answer.
COMMANDS: dict[str, tuple[tuple[str, ...], float]] = {
    "python": ((sys.executable, "-c", ""), 0.1),
    "nanoBragg -h": (("nanoBragg", "-h"), 0.3),
    "nb-compare --help": (("nb-compare", "--help"), 0.3),
    "nanobrag-workbook --help": (("nanobrag-workbook", "--help"), 0.7),
    "nanobrag-workbook schema": (("nanobrag-workbook", "schema", "manifest.json"), 0.7),
    "nanobrag-workbook notebooks": (("nanobrag-workbook", "notebooks"), 0.7),
    "nanobrag-workbook ledger": (("nanobrag-workbook", "ledger", "--reports", REPORT), 0.7),
    "nanobrag-workbook plan status": (("nanobrag-workbook", "plan", "status", "gradient-flow"), 0.7),
    "nanobrag-workbook verify": (("nanobrag-workbook", "verify", REPORT), 0.7),
}


def seconds(words: tuple[str, ...]) -> float:
    """Wall time of a command from its start to its end."""
    program = shutil.which(words[0], path=str(Path(sys.executable).parent)) or words[0]
    started = time.perf_counter()
    subprocess.run([program, *words[1:]], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> int:
    """Print the table; 1 where a median lies above its limit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds + 1):
        for name, (words, _limit) in COMMANDS.items():
            taken[name].append(seconds(words))
    late = 0
    for name, (_, limit) in COMMANDS.items():
        median = statistics.median(taken[name][1:])
        late += median > limit
        print(f"{name:32} {median:6.2f} s   of {limit:.1f} s{'   LATE' if median > limit else ''}")
    return 1 if late else 0


if __name__ == "__main__":
    raise SystemExit(main())
