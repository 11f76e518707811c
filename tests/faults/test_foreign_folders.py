"""Reports that somebody prepared: links, pipes, devices, hidden files, odd names; and very many reports."""

import os
import shutil
import socket
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from faults import readers, tally
from finished import alter

from benchmarks import archive

#: Text in a file outside of the project, which nothing may carry away.
SECRET = "the text that is nobody's business"


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    return readers.project(tmp_path_factory.mktemp("sound") / "project")


def _device(path: Path) -> None:
    """A device that gives zeros without end; where the system lets nobody make one, a link to it."""
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5))
    except OSError:
        path.symlink_to("/dev/zero")


def _socket(path: Path) -> None:
    # A path of more than a hundred bytes is too long for the name of a socket.
    here = Path.cwd()
    os.chdir(path.parent)
    with suppress(OSError), socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)
    if not path.exists():
        path.symlink_to("nowhere")


def _link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def _text(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")


def _large(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(2**31)


#: Name in the report -> how it is made there, in place of a file where there is one.
STRANGE: tuple[tuple[str, Callable[[Path], None]], ...] = (
    ("link.txt", _link("SECRET")),
    ("figures/secret.png", _link("SECRET")),
    ("secret.json", _link("SECRET")),
    ("nowhere", _link("nowhere")),
    ("round", _link("round")),
    ("up", _link("..")),
    ("root", _link("/")),
    ("zero.json", _link("/dev/zero")),
    ("zero.png", _link("/dev/zero")),
    ("stdin.txt", _link("/dev/stdin")),
    ("device", _device),
    ("device.json", _device),
    ("figures/device.png", _device),
    ("pipe", os.mkfifo),
    ("pipe.json", os.mkfifo),
    ("figures/pipe.png", os.mkfifo),
    ("figures/pipe.json", os.mkfifo),
    ("socket", _socket),
    (".hidden", _text),
    (".hidden.json", _text),
    (".git/config", _text),
    ("figures/.image.png.unfinished", _text),
    (".process.json", _text),
    ("new\nline.txt", _text),
    ("bell\x07\x1b[2J.txt", _text),
    ("odd\udcff.txt", _text),
    ("odd\udcff.json", _text),
    ("/".join(["deep"] * 300), _text),
    ("large.json", _large),
    *((name, make) for name in (
        "manifest.json", "summary.md", "status", "control.json", "environment.json", "report.html", "test.json",
        "figures/image.png", "figures/image.json",
    ) for make in (os.mkfifo, _link("SECRET"), _device)),
)  # fmt: skip


@pytest.mark.dose(few=9, full=len(STRANGE))
def test_what_is_no_file_of_a_report_is_named_and_never_followed_sent_on_or_waited_for(sound, tmp_path, amount):
    (tmp_path / "SECRET").write_text(SECRET)
    with tally.Trial("hostile report folders", amount) as trial:
        for number in range(amount):
            name, make = STRANGE[number * len(STRANGE) // amount]
            folder = readers.copy(sound, tmp_path / str(number))
            path = readers.reports(folder)[0] / name
            path.unlink(missing_ok=True)
            make(path)
            if path.is_symlink() and path.readlink() == Path("SECRET"):
                path.unlink()
                path.symlink_to(tmp_path / "SECRET")
            readers.read_all(trial, folder, name.partition("\n")[0].partition("\x07")[0].partition("\udcff")[0])
            for page in (*folder.rglob("index.html"), *folder.glob("comparison.html")):
                if SECRET in page.read_text():
                    trial.found("unnoticed", f"{name}: {page.name} carries what a link leads to")
            shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["../../outside.txt", "/etc/passwd", "manifest.json", "", ".", "figures"])
def test_a_name_in_a_manifest_that_leads_out_of_the_report_is_that_of_no_file(sound, tmp_path, name):
    folder = readers.copy(sound, tmp_path / "project")
    (folder / "reports" / "outside.txt").write_text(SECRET)
    report, _ = readers.reports(folder)
    with tally.Trial("hostile report folders") as trial:
        whole = readers.run_here(folder, "export", str(report), "--output", "sound.zip")
        assert whole.returncode == 0
        with zipfile.ZipFile(folder / "sound.zip") as packed:
            assert all(".." not in entry and not entry.startswith("/") for entry in packed.namelist())
        files = readers.json_of(report / "manifest.json")["files"]
        alter(report / "manifest.json", files=files | {name: "0" * 64})
        readers.read_all(trial, folder, f"{name} is missing")


@pytest.mark.dose(few=150, full=5000)
def test_ledger_and_index_over_many_reports_take_seconds(tmp_path, sound, amount):
    root = tmp_path / "project"
    (root / "notebooks").mkdir(parents=True)
    (root / "plans").mkdir()
    archive.fill(root / "reports", amount, seed=readers.reports(sound)[0])
    with tally.Trial("reports in ledger and index", amount) as trial:
        for name, seconds in zip(("ledger", "index"), archive.seconds(root / "reports", root), strict=True):
            if seconds > archive.LIMIT_S:
                trial.found("hang", f"{name}: {seconds:.1f} s of computing for {amount} reports")
