"""A disk that is full, and a folder that cannot be written, in a mount namespace of their own."""

import os
import shutil
import subprocess
import sys

import pytest
from faults import tally, trials

_MAIN = "from nanobrag_torch.workbook.commands.main import main; main()"
_NAMESPACE = ("unshare", "--mount", "--map-root-user")
_CAN_MOUNT = shutil.which("unshare") is not None and (
    subprocess.run([*_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode == 0
)
pytestmark = pytest.mark.skipif(not _CAN_MOUNT, reason="this system lets nobody mount a tmpfs in a namespace")

_FILL = (
    "from pathlib import Path\n"
    "big = Path(report_folder) / 'big.bin'\n"
    "with big.open('wb') as stream:\n"
    "    while True: stream.write(b'1' * 65536)"
)
_FILL_ALL_BUT_A_LITTLE = (
    "import os\nfrom pathlib import Path\n"
    "room = os.statvfs(report_folder)\n"
    "Path(report_folder, 'big.bin').write_bytes(b'1' * (room.f_bavail * room.f_bsize - 8192))\n"
    "print('x' * 100_000)"
)


def run_mounted(checkout, mount: str, after: str = "true") -> subprocess.CompletedProcess[str]:
    """A run of the trial notebook with ``mount`` done before, and ``after`` in the same namespace after it.

    What is then in ``reports`` is copied to ``seen``: the mount is gone afterwards.
    """
    (checkout / "reports").mkdir(exist_ok=True)
    script = f'{mount} || exit 99; "$@"; code=$?; {after}; mkdir seen; cp -a reports/. seen/; exit $code'
    return subprocess.run(
        [*_NAMESPACE, "bash", "-c", script, "bash", sys.executable, "-c", _MAIN, "run", trials.NOTEBOOK],
        cwd=checkout, env=os.environ | {"COLUMNS": "400"}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip


def told(trial: tally.Trial, done: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    """Note a command that did not end with ``code``, showed a traceback, or did not say ``words``."""
    if "Traceback" in done.stderr:
        trial.found("traceback", done.stderr)
    if done.returncode != code or words not in done.stderr:
        trial.found("unnoticed", f"exit code {done.returncode}: {done.stderr}")


@pytest.mark.parametrize("cell", [_FILL, _FILL_ALL_BUT_A_LITTLE], ids=["by a cell", "by the notebook itself"])
def test_a_full_disk_blocks_the_run_and_a_later_command_finishes_its_report(tmp_path, cell):
    checkout = trials.checkout(tmp_path / "checkout", "print('before')", cell)
    with tally.Trial("a disk that fills up") as trial:
        done = run_mounted(checkout, "mount -t tmpfs -o size=1m tmpfs reports", after="rm -f reports/*/*/.*/big.bin")
        told(trial, done, 3, "No space left on device")
        shutil.rmtree(checkout / "reports")
        (checkout / "seen").rename(checkout / "reports")
        assert trials.reports(checkout) == [] and len(trials.working(checkout)) == 1
        trials.finish(checkout)
        assert trials.check(checkout, trial) == ["interrupted"]


def test_a_disk_that_is_full_from_the_start_is_refused_before_anything_begins(checkout):
    full = "mount -t tmpfs -o size=16k tmpfs reports && (cat /dev/zero > reports/full; true)"
    with tally.Trial("a disk that is full") as trial:
        told(trial, run_mounted(checkout, full), 2, "No space left on device")
    assert {path.name for path in (checkout / "seen").rglob("*") if path.is_file()} <= {"full", ".finishing.lock"}


def test_a_folder_that_cannot_be_written_is_refused_before_anything_begins(checkout):
    with tally.Trial("a folder that is read-only") as trial:
        told(trial, run_mounted(checkout, "mount -t tmpfs -o ro tmpfs reports"), 2, "Read-only file system")
    assert list((checkout / "seen").iterdir()) == []
