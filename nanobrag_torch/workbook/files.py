"""Files: written whole or not at all, read as what they are to be, listed as they stand, and their checksums.

What is read here may come from anyone. Only ordinary files are opened, never a link, a pipe or a device; text is UTF-8
whatever the system says; JSON is JSON. Whatever is wrong with a file is one error, :class:`Unreadable`, so that whoever
reads many names it and goes on with the rest.
"""

import hashlib
import json
import math
import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

#: Ends the name of a file that is being written; a reader never takes it for a result.
UNFINISHED = ".unfinished"
#: Largest file that is read into memory, in bytes.
LARGEST = 2**28
#: Digits of an integer in JSON: what has more than a float can hold is no number of ours.
_DIGITS = 308
_FOLDER = "a folder"
_MAY_BE_LARGE = re.compile(rb"[eE]\+?\d{3}|\d{300}")
#: What can stand where a file is looked for.
_OTHERS = (
    (stat.S_ISLNK, "a link"), (stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISDIR, _FOLDER),
    (stat.S_ISCHR, "a device"), (stat.S_ISBLK, "a device"),
)  # fmt: skip
#: Opened so, a name that became a link or a pipe a moment ago is neither followed nor waited for.
_CAUTIOUSLY = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

M = TypeVar("M", bound=BaseModel)


class Unreadable(ValueError):
    """A file that cannot be read as what it is to be; the message says why, and the caller which file."""


def write(path: Path, content: str | bytes) -> None:
    """Write beside and rename into place, so that ``path`` never holds half of ``content``."""
    beside = path.with_name(f".{path.name}{UNFINISHED}")
    beside.write_bytes(utf8(content) if isinstance(content, str) else content)
    beside.replace(path)


def utf8(text: str) -> bytes:
    r"""UTF-8 of any text; surrogates, as Python has them for the odd bytes of a file's name, are escapes: \udcff.

    Where the system takes names for ASCII, those of a name that is UTF-8 are put together again.
    """
    try:
        return text.encode("utf-8", "surrogateescape").decode().encode()
    except UnicodeError:
        return text.encode("utf-8", "backslashreplace")


def other_than_file(path: Path) -> str:
    """Words for the thing at ``path`` that is no file, such as "a link"; empty for a file. Raises ``OSError``."""
    return _kind(path.lstat().st_mode)


def _kind(mode: int) -> str:
    return "" if stat.S_ISREG(mode) else next((what for holds, what in _OTHERS if holds(mode)), "no file")


def _opened(path: Path) -> BufferedReader:
    """A file, opened for reading. Raises ``Unreadable``."""
    try:
        other = other_than_file(path)
        if not other:
            stream = os.fdopen(os.open(path, _CAUTIOUSLY), "rb")
            other = _kind(os.fstat(stream.fileno()).st_mode)
            if not other:
                return stream
            stream.close()
    except (OSError, ValueError) as error:
        raise Unreadable(getattr(error, "strerror", None) or str(error)) from None
    raise Unreadable(f"it is {other}, which is not followed" if other == "a link" else f"it is {other}")


def read(path: Path, largest: int = LARGEST) -> bytes:
    """Content of a file of at most ``largest`` bytes. Raises ``Unreadable``."""
    with _opened(path) as stream:
        try:
            content = stream.read(largest + 1)
        except OSError as error:
            raise Unreadable(error.strerror or str(error)) from None
    if len(content) > largest:
        raise Unreadable(f"it has more than {largest} bytes")
    return content


def read_text(path: Path, largest: int = LARGEST) -> str:
    """Text of a file, its lines ended by newlines. Raises ``Unreadable``."""
    return text(read(path, largest)).replace("\r\n", "\n").replace("\r", "\n")


def text(content: bytes) -> str:
    """UTF-8 text, with or without a byte-order mark. Raises ``Unreadable``."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"byte 0x{content[error.start]:02x} in line {line} is not UTF-8") from None


def read_json(path: Path) -> Any:
    """Data of a JSON file. Raises ``Unreadable``."""
    return parsed(read(path))


def parsed(content: bytes, not_finite: bool = False) -> Any:
    """Data of JSON, as the standard has it: no key twice, and every number one that a float can hold.

    Args:
        content: bytes of a file.
        not_finite: take ``NaN`` and ``Infinity`` as well, which notebooks of Jupyter may hold.

    Raises:
        Unreadable: it is something else.
    """
    # Numbers are looked at one by one only where some may be too large: that takes as long as all the rest.
    large = _MAY_BE_LARGE.search(content)
    try:
        return json.loads(
            text(content),
            object_pairs_hook=_without_doubles,
            parse_int=_integer if large else None,
            parse_float=_number if large else None,
            parse_constant=float if not_finite else _refused_constant,
        )
    except Unreadable:
        raise
    except json.JSONDecodeError as error:
        raise Unreadable(f"line {error.lineno} is not JSON: {error.msg}") from None
    except (RecursionError, MemoryError):
        raise Unreadable("it is nested too deeply") from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise Unreadable(f"the key {double!r} stands there twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise Unreadable(f"it has an integer of {len(digits)} digits")
    return int(digits)


def _number(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise Unreadable(f"the number {digits[:30]} is too large")
    return value


def _refused_constant(name: str) -> None:
    raise Unreadable(f"{name} is not JSON; a number that is not finite is written as a text")


def read_record(path: Path, kind: type[M]) -> M:
    """Record of a kind back from its JSON file. Raises ``Unreadable``."""
    return record(read(path), kind)


def record(content: bytes, kind: type[M]) -> M:
    """Record of a kind from the bytes of its file. Raises ``Unreadable``."""
    data = parsed(content)
    if not isinstance(data, dict):
        raise Unreadable(f"it holds {_IN_WORDS.get(type(data), 'a number')}, where an object is needed")
    try:
        return kind.model_validate_json(content.removeprefix(b"\xef\xbb\xbf"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Unreadable(f"{place}: {first['msg']}" if place else first["msg"]) from None
    except (Exception, SystemExit) as error:
        # The validator of somebody's record may raise anything.
        raise Unreadable(f"its record fails: {type(error).__name__}: {error}") from None


_IN_WORDS: dict[type, str] = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal. Raises ``Unreadable``."""
    with _opened(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def entries(folder: Path) -> Iterator[tuple[str, Path, str]]:
    """Everything below a folder but folders, links not followed: relative path, path, and what it is if no file.

    A relative path is UTF-8 text whatever the system takes names for; bytes that are none are written as escapes.
    """
    for base, folders, others in os.walk(folder):
        for path in (Path(base, name) for name in (*folders, *others)):
            with suppress(FileNotFoundError):
                kind = other_than_file(path)
                if kind != _FOLDER:
                    yield utf8(path.relative_to(folder).as_posix()).decode(), path, kind


def names(folder: Path) -> dict[str, Path]:
    """Every file below ``folder`` by its relative path, but those that are being written."""
    found = {name: path for name, path, other in entries(folder) if not other and not path.name.endswith(UNFINISHED)}
    return dict(sorted(found.items()))


def within(folder: Path, suffix: str) -> list[Path]:
    """Files whose names end in ``suffix`` in a folder, not in those below; none where it is a link or not there."""
    if folder.is_symlink() or not folder.is_dir():
        return []
    found = (each for each in os.scandir(folder) if each.name.endswith(suffix))
    return sorted(Path(each.path) for each in found if each.is_file(follow_symlinks=False))


def checksums(folder: Path, without: tuple[str, ...] = (), known: Mapping[str, str] | None = None) -> dict[str, str]:
    """SHA-256 of every file below a folder by its relative path.

    Args:
        folder: folder of a report.
        without: relative paths that are left out.
        known: checksums of files that have been read already and are not read again.
    """
    known = known or {}
    return {name: known.get(name) or sha256(path) for name, path in names(folder).items() if name not in without}
