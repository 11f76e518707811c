"""Words of the command ``run``."""

from pathlib import Path

import pytest

from nanobrag_torch.workbook.commands.run import from_root, joined, pairs
from nanobrag_torch.workbook.errors import InputError


def test_a_file_of_the_working_folder_is_named_from_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("notebooks", "reports", "deep/er"):
        (tmp_path / folder).mkdir(parents=True)
    for place in ("model.py", "deep/er/model.py"):
        (tmp_path / place).touch()
    monkeypatch.chdir(tmp_path / "deep" / "er")
    assert from_root("model.py:loss") == "deep/er/model.py:loss"
    assert from_root("../../model.py:loss") == "model.py:loss"
    assert from_root("other.py:loss") == "other.py:loss" and from_root("x=1.0") == "x=1.0" and from_root("") == ""
    monkeypatch.chdir(tmp_path)
    assert from_root("model.py:loss") == "model.py:loss" and from_root("./model.py") == "model.py"


def test_a_path_in_full_is_named_from_the_root_and_a_colon_may_be_part_of_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "project"
    for folder in ("notebooks", "reports", "deep", "golden"):
        (root / folder).mkdir(parents=True)
    for place in (root / "deep" / "a:b.json", root / "deep" / "a", tmp_path / "outside.json"):
        place.touch()
    monkeypatch.chdir(root / "deep")
    assert from_root("a:b.json") == "deep/a:b.json" and from_root("a:c") == "deep/a:c"
    assert from_root(str(root / "deep" / "a")) == "deep/a" and from_root(f"{root}/deep/a:f") == "deep/a:f"
    assert from_root(str(tmp_path / "outside.json")) == "../outside.json"
    assert from_root(str(root / "golden")) == "golden"
    for other in ("golden", "x" * 5000, "a\x00b", "/nowhere/at:all", ":"):
        assert from_root(other) == other


def test_a_parameter_takes_two_words_or_one() -> None:
    assert joined(["run", "-p", "a", "-2", "-p", "b=3", "--", "-p", "c", "4"]) == [
        "run", "-p", "a=-2", "-p", "b=3", "--", "-p", "c", "4",
    ]  # fmt: skip
    assert pairs(["a=-2", "b=x=y"]) == (("a", "-2"), ("b", "x=y"))
    with pytest.raises(InputError, match="a name and a value"):
        pairs(["alone"])
