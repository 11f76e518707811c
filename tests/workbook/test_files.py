import hashlib
import math
import os
import re
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, field_validator

from nanobrag_torch.workbook import files


class Number(BaseModel):
    """A record whose validator has a fault of its own."""

    model_config = ConfigDict(extra="forbid")
    a: float

    @field_validator("a")
    @classmethod
    def _inverse(cls, a: float) -> float:
        return 0 * (1 / (1 + a)) + a


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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": "\xff"}', "byte 0xff in line 1 is not UTF-8"),
        (b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", "nested too deeply"),
        (b'{"a": ' + b"9" * 5000 + b"}", "an integer of 5000 digits"),
        (b'{"a": 1e999}', "the number 1e999 is too large"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": 1, "a": 2}', "the key 'a' stands there twice"),
        (b'{"a": {"b": 1, "b": 1}}', "the key 'b' stands there twice"),
        (b"[1]", "a list, where an object is needed"),
        (b"null", "null, where an object is needed"),
        (b'{\n"a": }', "line 2 is not JSON"),
        (b"", "line 1 is not JSON"),
        (b'{"a": "text"}', "a: Input should be a valid number"),
        (b'{"a": 1, "b": 2}', "b: Extra inputs are not permitted"),
        (b'{"a": -1}', "its record fails: ZeroDivisionError"),
    ],
)
def test_a_record_that_cannot_be_read_is_one_error_that_says_why(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(files.Unreadable, match=re.escape(said)):
        files.read_record(tmp_path / "a.json", Number)


@pytest.mark.parametrize("content", [b'{"a": 1.5}', b'\xef\xbb\xbf{"a": 1.5}', b'{"a":15e-1}', b'{"a": 1500e-003}'])
def test_a_record_is_read_with_or_without_a_byte_order_mark(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    assert files.read_record(tmp_path / "a.json", Number).a == 1.5


def test_a_notebook_may_hold_numbers_that_are_not_finite() -> None:
    found = files.parsed(b'{"a": [NaN, -Infinity]}', not_finite=True)
    assert found["a"][0] != found["a"][0] and found["a"][1] == -math.inf


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "it is a link, which is not followed"),
        (lambda path: path.symlink_to("/dev/zero"), "it is a link, which is not followed"),
        (os.mkfifo, "it is a pipe"),
        (Path.mkdir, "it is a folder"),
        (lambda path: None, "No such file"),
        (lambda path: path.write_bytes(b"1" * 11), "it has more than 10 bytes"),
    ],
    ids=["link", "link to a device", "pipe", "folder", "nothing", "too large"],
)
@pytest.mark.timeout(5)
def test_nothing_but_an_ordinary_file_is_read_or_waited_for(tmp_path: Path, make, said: str) -> None:
    make(tmp_path / "a")
    with pytest.raises(files.Unreadable, match=said):
        files.read(tmp_path / "a", largest=10)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/stdin", "/dev/null"])
@pytest.mark.timeout(5)
def test_a_device_is_never_opened(device: str) -> None:
    with pytest.raises(files.Unreadable, match=r"it is a (device|link|pipe)"):
        files.read(Path(device))


def test_what_is_below_a_folder_is_told_without_following_a_link(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "a.png").write_bytes(b"1")
    (tmp_path / "elsewhere").symlink_to("/etc")
    os.mkfifo(tmp_path / "figures" / "pipe")
    (tmp_path / ".hidden").write_bytes(b"1")
    found = {name: kind for name, _, kind in files.entries(tmp_path)}
    assert found == {"figures/a.png": "", "elsewhere": "a link", "figures/pipe": "a pipe", ".hidden": ""}
    assert [path.name for path in files.within(tmp_path / "figures", ".png")] == ["a.png"]
    assert files.within(tmp_path / "elsewhere", "") == [] == files.within(tmp_path / "nowhere", "")


def test_a_name_that_is_not_utf8_is_written_as_an_escape(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"odd\xff.txt")).write_bytes(b"1")
    assert list(files.checksums(tmp_path)) == ["odd\\udcff.txt"]
    files.write(tmp_path / "a.txt", "odd\udcff and \ud800")
    assert (tmp_path / "a.txt").read_bytes() == b"odd\\udcff and \\ud800"


def test_the_name_of_a_file_is_utf8_where_the_system_takes_it_for_ascii() -> None:
    name = "größe".encode().decode("ascii", "surrogateescape")
    assert files.utf8(name).decode() == "größe"
