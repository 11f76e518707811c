"""The plugin within this process: events, selection, and descriptions of failures."""

import json
import os
from pathlib import Path

import pytest

from nanobrag_torch.workbook.triage import journal, plugin

_NAME = "nanobrag_torch.workbook.triage.plugin"
_TESTS = """
import pytest

@pytest.fixture
def broken():
    raise KeyError("lost")

def test_passes(record_property):
    record_property("gradient_guard", '{"kind": "zero with zero"}')

def test_errs(broken):
    pass

def test_is_not_of_the_chunk():
    assert False
"""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run pytest within this process over files, with the plugin, and give its events."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    def run(chunk: str = "", **files: str):
        for name, text in files.items():
            (tmp_path / f"{name}.py").write_text(text)
        (tmp_path / "chunk.json").write_text(chunk)
        words = ["-q", "-p", _NAME, "-p", "no:cacheprovider", "--import-mode=importlib"]
        words.append(f"--triage-events={tmp_path / 'events.jsonl'}")
        code = pytest.main([*words, *(["--triage-chunk=chunk.json"] if chunk else [])])
        return code, list(journal.read(tmp_path / "events.jsonl"))

    return run


def test_a_session_is_written_event_by_event_for_the_tests_of_its_chunk(session) -> None:
    ids = ("test_all.py::test_passes", "test_all.py::test_errs")
    code, events = session(json.dumps({"test_all.py": ids}), test_all=_TESTS, test_other="def test_x(): pass\n")
    assert code == 1
    assert [event["id"] for event in events if event["event"] == "collected"] == list(ids)
    kinds = [event["event"] for event in events]
    assert kinds[kinds.index("started") :] == [
        "started", "stage", "stage", "stage", "finished", "started", "stage", "stage", "finished", "ended",
    ]  # fmt: skip
    stages = [event for event in events if event["event"] == "stage"]
    assert [stage["category"] for stage in stages] == ["", "passed", "", "error", ""]
    assert [stage["guard"] for stage in stages[:3]] == [[], [{"kind": "zero with zero"}], []]
    failure = stages[3]["failure"]
    assert (failure["exception"], failure["message"]) == ("KeyError", "'lost'")
    assert failure["frame"] == {"path": "test_all.py", "line": 6, "function": "broken"}


def test_a_file_that_cannot_be_imported_is_written_with_its_own_error(session) -> None:
    code, events = session(test_bad="import there_is_no_such_module\n")
    (bad,) = [event for event in events if event["event"] == "uncollected"]
    assert code == 2 and bad["id"] == "test_bad.py"
    assert bad["failure"]["exception"] == "ModuleNotFoundError"
    assert bad["failure"]["frame"] == {"path": "test_bad.py", "line": 1, "function": "<module>"}


def raised(code: str, file: str) -> BaseException:
    """The exception of code that seems to stand in a file."""
    try:
        exec(compile(code, file, "exec"), {"pytest": pytest})
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def test_the_innermost_frame_of_the_suite_itself_is_named() -> None:
    error = raised("import json\njson.loads('{')", "/suite/test_a.py")
    described = plugin.describe(error, Path("/suite"))
    assert described["exception"] == "json.decoder.JSONDecodeError"
    assert described["frame"] == {"path": "test_a.py", "line": 2, "function": "<module>"}


def test_without_a_frame_of_the_suite_the_innermost_is_named_from_its_package() -> None:
    error = raised("\n1 / 0", "/usr/lib/site-packages/other/deep.py")
    frame = plugin.describe(error, Path("/suite"))["frame"]
    assert frame == {"path": "other/deep.py", "line": 2, "function": "<module>"}
    error = raised("1 / 0", "/usr/lib/python/deep.py")
    assert plugin.describe(error, Path("/suite"))["frame"]["path"] == "python/deep.py"


def test_a_syntax_error_is_placed_in_the_file_that_has_it() -> None:
    error = raised("x = = 1", "/suite/test_a.py")
    assert plugin.describe(error, Path("/suite"))["frame"] == {"path": "test_a.py", "line": 1, "function": "<module>"}


def test_an_error_that_was_never_raised_has_no_frame() -> None:
    assert plugin.describe(ValueError("x"), Path("/suite")) == {
        "exception": "ValueError", "message": "x", "frame": None,
    }  # fmt: skip


def test_a_message_names_no_folder_of_the_machine_and_has_an_end() -> None:
    described = plugin.describe(ValueError(f"/suite{os.sep}data.bin " + "x" * 5000), Path("/suite"))
    assert described["message"].startswith("data.bin x") and len(described["message"]) == plugin.LONGEST_MESSAGE


def test_an_exception_whose_text_raises_is_still_described() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    described = plugin.describe(Mute(), Path("/suite"))
    assert described["message"] == "(its message cannot be shown: RuntimeError)"
    assert described["exception"].endswith("Mute")


def test_a_fixture_that_is_missing_is_named_alone(request: pytest.FixtureRequest) -> None:
    with pytest.raises(pytest.FixtureLookupError) as missing:
        request.getfixturevalue("no_such_fixture")
    assert plugin.describe(missing.value, Path("/suite"))["message"] == "fixture 'no_such_fixture' not found"
