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
    assert from_root("model.py:loss") == "model.py:loss"


def test_a_parameter_takes_two_words_or_one() -> None:
    assert joined(["run", "-p", "a", "-2", "-p", "b=3", "--", "-p", "c", "4"]) == [
        "run", "-p", "a=-2", "-p", "b=3", "--", "-p", "c", "4",
    ]  # fmt: skip
    assert pairs(["a=-2", "b=x=y"]) == (("a", "-2"), ("b", "x=y"))
    with pytest.raises(InputError, match="a name and a value"):
        pairs(["alone"])
