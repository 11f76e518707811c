"""Series of images: rendered one after another, resumed where they stopped.

:func:`rotation` renders the frames of a rotation series from a simulator; :class:`Journal` remembers what is finished,
so that a series that was interrupted goes on, and none is continued with other settings.

Example:
    ```python
    stack = NexusStack("sweep.nxs")
    for index, exposure in enumerate(rotation(simulator, frames=90)):
        stack.keep(index, exposure.images[0])
    stack.join(replace(exposure, phi_start_deg=0.0), 90)
    ```
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from nanobrag_torch.exposure import exposure_of
from nanobrag_torch.io.exposure import Exposure
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.validation import check_count, fail, number_of

__all__ = ["Journal", "digest_of", "frame_start", "rotation"]

#: Number of the form of a journal.
_FORM = 1


def frame_start(phi_start_deg: float, width_deg: float, index: int) -> float:
    """Start of frame ``index`` (from 0) in degrees, rounded to 1e-9 so that three times 0.1 is 0.3."""
    return round(phi_start_deg + index * width_deg, 9) if index else phi_start_deg


def digest_of(record: Any) -> str:
    """Digest of a record with all that it holds: dataclasses, mappings, sequences, arrays, tensors, plain values."""
    found = hashlib.sha256()
    for part in _parts(record):
        found.update(part)
    return found.hexdigest()[:16]


def _parts(value: Any) -> Iterator[bytes]:
    """Bytes that tell a value from others."""
    items: Any = ()
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape};".encode()
        yield value.tobytes()
    elif is_dataclass(value):
        items = [(item.name, getattr(value, item.name)) for item in fields(value)]
    elif isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, (tuple, list)):
        items = enumerate(value)
    else:
        yield f"{value!r};".encode()
    for name, item in items:
        yield f"{name}:".encode()
        yield from _parts(item)


def rotation(simulator: Simulator, frames: int, first: int = 0) -> Iterator[Exposure]:
    """Render the frames of a rotation series, one at a time.

    Args:
        simulator: Simulator of the first frame: its crystal's ``phi_start_deg``, ``osc_range_deg`` and ``phi_steps``
            are those of a frame. While a frame is made ``phi_start_deg`` is that frame's; it comes back at the end.
        frames: Number of frames of the series.
        first: Frame (from 0) to begin with.

    Returns:
        The exposure of each frame: its image in photons per pixel, its start and its width in phi.

    Raises:
        ValueError: A number of frames below 1, or frames without a width.
    """
    check_count("rotation", "frames", frames)
    config = simulator.crystal.config
    width, start = number_of(config.osc_range_deg) or 0.0, number_of(config.phi_start_deg) or 0.0
    if width == 0:
        raise fail("rotation", "osc_range_deg", width, "the width of a frame", "Give the crystal's config one.")
    given = config.phi_start_deg
    try:
        for index in range(first, frames):
            if index:
                config.phi_start_deg = frame_start(start, width, index)
            image = simulator.run()
            assert not isinstance(image, tuple)
            yield exposure_of(simulator, image)
    finally:
        config.phi_start_deg = given


class Journal:
    """Record of a series on disk: its settings, then a line for every finished frame.

    The file is JSON, one value a line, and only grows; a line that was cut off while it was written does not count.

    Args:
        filepath: The file; an existing one is gone on with.
        settings: What decides about the frames; values that JSON can hold.

    Attributes:
        finished: Record of each finished frame by its number, from 0.

    Raises:
        ValueError: The file belongs to a series of other settings, or is no journal.
        OSError: The file cannot be read or written.
    """

    def __init__(self, filepath: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
        self.path = Path(filepath)
        self.finished: dict[int, dict[str, Any]] = {}
        wanted = json.loads(json.dumps(settings))
        kept = self.settings_of(self.path)
        if kept is not None:
            self._check(kept, wanted)
        self._file = self.path.open("a+b")
        self._lock()
        if kept is None:
            self._file.truncate(0)
            self._append({"series": _FORM, "settings": wanted})
            return
        self._file.seek(0)
        whole = self._file.read().rpartition(b"\n")[0] + b"\n"
        for number, line in enumerate(whole.splitlines()[1:], 2):
            record = self._record(line, number)
            self.finished[record["frame"]] = record
        self._file.truncate(len(whole))  # what was cut off is removed: the next line would go on with it

    @staticmethod
    def settings_of(filepath: str | os.PathLike[str]) -> dict[str, Any] | None:
        """Settings of the series that a file belongs to; None where there is no file, or only the beginning of one.

        Raises ``ValueError`` for a file that is no journal.
        """
        path = Path(filepath)
        if not path.is_file():
            return None
        first, end, _ = path.read_bytes().partition(b"\n")
        if not end and first.startswith(b'{"series"'):
            return None
        try:
            head = json.loads(first)
            form, settings = head["series"], dict(head["settings"])
        except (ValueError, KeyError, TypeError):
            form, settings = None, {}
        if form != _FORM:
            raise ValueError(f"{path}: this is no record of a series. Move it, or give the series another name.")
        return settings

    def finish(self, index: int, **truth: Any) -> None:
        """Enter a frame whose files are all in place, and what is true of it. Raises ``OSError``."""
        record = {"frame": index, **truth}
        self._append(record)
        self.finished[index] = record

    def close(self) -> None:
        """Let go of the file, so that another process may go on with it."""
        self._file.close()

    def _record(self, line: bytes, number: int) -> dict[str, Any]:
        """The record that a line holds. Raises ``ValueError`` for a damaged one."""
        try:
            record = json.loads(line)
            if isinstance(record, dict) and isinstance(record["frame"], int):
                return record
        except (ValueError, KeyError):
            pass
        self._file.close()
        raise ValueError(
            f"{self.path}, line {number}: this is no record of a frame. Remove the line: its frame is rendered again."
        )

    def _append(self, record: dict[str, Any]) -> None:
        self._file.write(json.dumps(record).encode() + b"\n")
        self._file.flush()

    def _lock(self) -> None:
        """Keep other processes off, until this one ends."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise ValueError(
                f"{self.path}: another process renders this series. Wait for it, or give the series another name."
            ) from None

    def _check(self, kept: dict[str, Any], wanted: dict[str, Any]) -> None:
        names = [name for name in {**kept, **wanted} if kept.get(name) != wanted.get(name)]
        if names:
            changes = ", ".join(f"{name} was {kept.get(name)}, now {wanted.get(name)}" for name in names)
            raise ValueError(
                f"{self.path} belongs to a series of other settings: {changes}. Give the settings of before, another "
                "name for the files, or remove it to begin anew."
            )
