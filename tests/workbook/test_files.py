import hashlib
from pathlib import Path

import pytest

from nanobrag_torch.workbook import files


def test_a_file_is_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    files.write(path, "before")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write(path, "after")
    assert path.read_text() == "before"


def test_checksums_cover_every_file_below_a_folder(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    for name in ("a.txt", "figures/b.png", ".hidden", "manifest.json", ".part.unfinished"):
        files.write(tmp_path / name, f"content of {name}")
    found = files.checksums(tmp_path, without=("manifest.json",))
    assert set(found) == {"a.txt", "figures/b.png", ".hidden"}
    assert found["a.txt"] == hashlib.sha256(b"content of a.txt").hexdigest()
