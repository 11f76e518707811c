"""Collecting a suite and dividing it."""

import sys

import psutil
import pytest
from checkouts import SETTINGS
from hypothesis import given
from hypothesis import strategies as st

from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.records.triage import ChunkResult, TestResult
from nanobrag_torch.workbook.triage.suite import collect, divide, seconds_by_file

FILES = st.dictionaries(st.sampled_from([f"test_{i}.py" for i in range(30)]), st.integers(0, 9), min_size=1)


@given(
    FILES, st.integers(1, 12), st.dictionaries(st.sampled_from([f"test_{i}.py" for i in range(30)]), st.floats(0, 99))
)
def test_every_file_is_in_exactly_one_chunk_and_no_chunk_is_empty(counts, number, seconds):
    files = {name: tuple(f"{name}::t{i}" for i in range(count)) for name, count in counts.items()}
    chunks = divide(files, number, seconds)
    assert len(chunks) == min(number, len(files)) and all(chunk.files for chunk in chunks)
    assert sorted(file for chunk in chunks for file in chunk.files) == sorted(files)
    assert all(chunk.files[file] == files[file] for chunk in chunks for file in chunk.files)


def test_chunks_are_balanced_by_the_times_of_an_earlier_run():
    files = dict.fromkeys(("slow", "a", "b", "c"), ("t",) * 10)
    chunks = divide(files, 2, {"slow": 9.0, "a": 3.0, "b": 3.0, "c": 3.0})
    assert [set(chunk.files) for chunk in chunks] == [{"slow"}, {"a", "b", "c"}]
    assert [chunk.expected_s for chunk in chunks] == [9.0, 9.0]


def test_without_times_chunks_are_balanced_by_the_number_of_tests():
    files = {"many": ("t",) * 6, "some": ("t",) * 3, "few": ("t",) * 3}
    chunks = divide(files, 2)
    assert [sorted(chunk.files) for chunk in chunks] == [["many"], ["few", "some"]]
    assert all(chunk.expected_s is None for chunk in chunks)


def test_the_time_of_a_file_that_was_broken_off_is_not_known():
    tests = (
        TestResult(id="a.py::x", outcome="passed", seconds=1.5),
        TestResult(id="a.py::y", outcome="failed", seconds=0.5),
        TestResult(id="b.py::x", outcome="passed", seconds=1.0),
        TestResult(id="b.py::y", outcome="timed out", seconds=9.0),
    )
    result = ChunkResult(
        number=1, end="timed out", exit_code=-9, meaning="", elapsed_s=10, command=("pytest",), tests=tests
    )  # fmt: skip
    assert seconds_by_file([result]) == {"a.py": 2.0}


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").write_text(SETTINGS)
    return tmp_path


def test_files_that_cannot_be_collected_are_part_of_the_suite(project):
    (project / "test_good.py").write_text("def test_one(): pass\ndef test_two(): pass\n")
    (project / "test_bad.py").write_text("import there_is_no_such_module\n")
    assert collect(project, (), 60) == {
        "test_bad.py": (), "test_good.py": ("test_good.py::test_one", "test_good.py::test_two"),
    }  # fmt: skip


def test_the_words_for_pytest_select_the_tests(project):
    (project / "test_good.py").write_text("def test_one(): pass\ndef test_two(): pass\n")
    assert collect(project, ("-k", "two"), 60) == {"test_good.py": ("test_good.py::test_two",)}
    assert collect(project, ("test_good.py::test_one",), 60) == {"test_good.py": ("test_good.py::test_one",)}


@pytest.mark.parametrize("words", [("--no-such-option",), ("no_such_file.py",), ("-k", "nothing_has_this_name")])
def test_words_that_select_nothing_are_refused_with_what_pytest_says(project, words):
    (project / "test_good.py").write_text("def test_one(): pass\n")
    with pytest.raises(InputError, match=f"pytest arguments: got '{' '.join(words)}'.*pytest says: ") as refused:
        collect(project, words, 60)
    assert "\n" not in str(refused.value)


def test_a_suite_that_never_ends_its_collection_is_blocked(project):
    (project / "test_endless.py").write_text("while True: pass\n")
    with pytest.raises(Blocked, match="still collecting after 2 s"):
        collect(project, (), 2)


def test_nothing_is_handed_to_a_shell(project):
    (project / "test_good.py").write_text("def test_one(): pass\n")
    with pytest.raises(InputError):
        collect(project, (f"; {sys.executable} -c \"open('made', 'w')\"", "$(touch made)", "`touch made`"), 60)
    assert not (project / "made").exists()


def test_what_a_suite_starts_while_it_is_collected_ends_with_the_collection(project):
    (project / "test_starts.py").write_text(
        "import pathlib, subprocess\n"
        "left = subprocess.Popen(['sleep', '120'], start_new_session=True)\n"
        "pathlib.Path('left.txt').write_text(str(left.pid))\n"
        "def test_one(): pass\n"
    )
    assert collect(project, (), 60) == {"test_starts.py": ("test_starts.py::test_one",)}
    left = int((project / "left.txt").read_text())
    assert not psutil.pid_exists(left) or psutil.Process(left).status() == psutil.STATUS_ZOMBIE
