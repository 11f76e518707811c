"""The command from words to report: a first run, one that is compared with it, and one that is killed and resumed."""

import json
import shutil
import signal
import time
from pathlib import Path

import checkouts
import pytest

from nanobrag_torch.workbook.report.folder import verify
from nanobrag_torch.workbook.triage import conclusion

_SUITE = {
    "test_a.py": (
        "import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_a(n):\n    assert n < 2, f'{n} is large'\n"
    ),
    "test_b.py": "def test_b(): assert {value}, 'zero'\n",
    "test_c.py": "def test_c(): pass\n",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    folder = checkouts.make_checkout(tmp_path_factory.mktemp("triage") / "checkout")
    shutil.copytree(checkouts.PROJECT / "notebooks" / "triage", folder / "notebooks" / "triage")
    write_suite(folder, value=0)
    return folder


def write_suite(checkout: Path, value: int, last: str = "pass") -> None:
    suite = checkout / "suite"
    suite.mkdir(exist_ok=True)
    for name, text in _SUITE.items():
        (suite / name).write_text(text.replace("{value}", str(value)).replace("(): pass", f"(): {last}"))


def triage(checkout: Path, *words: str):
    return checkouts.run(checkout, "triage", *words)


def reports(checkout: Path) -> list[Path]:
    return sorted((checkout / "reports" / "triage" / "suite").glob("2*Z"))


@pytest.fixture(scope="module")
def first(checkout) -> Path:
    done = triage(
        checkout, "run", "--chunks", "2", "--jobs", "2", "--no-guard", "--project", "suite", "--", "-p", "no:randomly"
    )
    assert done.returncode == 1, done.stderr
    (report,) = reports(checkout)
    assert done.stdout.strip() == f"reports/triage/suite/{report.name}/report.html"
    return report


def test_a_triage_leaves_a_report_like_any_other(first):
    assert verify(first) == []
    assert (first / "status").read_text() == "failed\n"
    names = {path.relative_to(first).as_posix() for path in first.rglob("*") if path.is_file()}
    chunk = ("pytest.log", "pytest.xml", "exit_code.txt", "summary.md", "chunk.json")
    assert {f"chunks/{number}/{name}" for number in ("001", "002") for name in chunk} <= names
    assert {"triage.json", "suite.json", "remediation.md", "notebook.ipynb", "figures/clusters.png"} <= names
    manifest = json.loads((first / "manifest.json").read_text())
    assert manifest["parameters"]["pytest_arguments"]["value"] == "-p no:randomly"
    assert manifest["verdict"]["title"] == "3 tests need attention, in 2 clusters"


def test_page_and_remediation_show_the_clusters(first):
    page, remediation = (first / "report.html").read_text(), (first / "remediation.md").read_text()
    for text in (page, remediation):
        assert "N is large" in text and "zero" in text and "C2" in text
    assert page.count("data:image/png;base64,") == 3


def test_a_later_run_says_what_changed(checkout, first):
    write_suite(checkout, value=1, last="assert 'lost' == 'found'")
    done = triage(checkout, "run", "--chunks", "2", "--no-guard", "--project", "suite")
    assert done.returncode == 1, done.stderr
    run = conclusion.read(reports(checkout)[-1])
    assert run is not None and run.triage is not None and run.triage.difference is not None
    changed = run.triage.difference
    assert (changed.earlier, changed.new, changed.fixed) == (
        first.name,
        ("suite/test_c.py::test_c",),
        ("suite/test_b.py::test_b",),
    )
    assert changed.moved == changed.gone == ()
    assert [cluster.label for cluster in run.triage.clusters] == ["C1", "C3"]
    assert all(chunk.expected_s is not None for chunk in run.suite.chunks)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_an_interrupted_triage_is_resumed_without_repeating_what_is_done(checkout, first, number, status):
    write_suite(checkout, value=1, last="import pathlib, time; time.sleep(0 if pathlib.Path('go').exists() else 600)")
    process = checkouts.start(
        checkout, "triage", "run", "--chunks", "3", "--jobs", "2", "--no-guard", "--project", "suite"
    )
    working = checkout / "reports" / "triage" / "suite"
    _until(lambda: len(list(working.glob(".*.running/chunks/*/chunk.json"))) == 2)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == status
    (checkout / "suite" / "go").touch()
    done = triage(checkout, "resume", "--project", "suite")
    (checkout / "suite" / "go").unlink()
    assert done.returncode == 1 and "2 of 3 chunks are done" in done.stderr, done.stderr
    assert done.stderr.count(" of 3: ") == 1
    interrupted, resumed = reports(checkout)[-2:]
    assert [(path / "status").read_text() for path in (interrupted, resumed)] == ["interrupted\n", "failed\n"]
    assert verify(interrupted) == verify(resumed) == []
    run = conclusion.read(resumed)
    assert run is not None and run.triage is not None and run.suite.resumed == interrupted.name
    assert run.triage.counts == {"passed": 4, "failed": 2}
    assert not list(working.glob(".*.running"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--project", "nowhere"), "--project: got 'nowhere'; allowed: a folder"),
        (("run", "--project", "suite", "--against", "20200101T000000Z"), "--against: got '20200101T000000Z'"),
        (("run", "--project", "suite", "--", "-k", "no_such_test"), "at least one test"),
        (("run", "--project", "suite", "--chunks", "0"), "greater than or equal to 1"),
        (("resume", "20200101T000000Z", "--project", "suite"), "resume: got "),
    ],
)
def test_wrong_input_is_refused_in_words_and_leaves_no_report(checkout, first, words, said):
    before = reports(checkout)
    refused = triage(checkout, *words)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr
    assert said in refused.stderr
    assert reports(checkout) == before


def _until(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
