"""One NXmx file of many images that are finished one after another, at most one of them in memory.

Each image is kept, compressed, in a small HDF5 file of its own beside the file to come, so that whatever ends the
program leaves whole images. When all are there, their compressed bytes are joined as they are.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from nanobrag_torch.io.description import Description
from nanobrag_torch.io.exposure import Exposure
from nanobrag_torch.io.files import check_ordinary, replacing, require
from nanobrag_torch.io.nexus import create_stack, creating, write_sweep
from nanobrag_torch.io.nexus_geometry_writer import write_layout

_PURPOSE = "NXmx files"
_IMAGE = "data"
_JOINED = "entry/data/data"


class NexusStack:
    """Images of an NXmx file to come.

    Args:
        filepath: The file; until it is joined its images lie in a folder of that name and ``.frames``.

    Raises:
        ValueError: ``filepath`` is a device, a pipe or a folder.
        ImportError: h5py is not installed.
    """

    def __init__(self, filepath: str | os.PathLike[str]) -> None:
        require("h5py", _PURPOSE)
        check_ordinary(filepath, "NXmx file")
        self.path = Path(filepath)
        self.folder = self.path.with_name(f"{self.path.name}.frames")

    def has(self, index: int) -> bool:
        """True where image ``index`` is finished, in the folder or in the joined file."""
        return self._part(index).is_file() or index < self._joined

    def keep(self, index: int, image: np.ndarray) -> None:
        """Keep image ``index`` (slow, fast). Raises ``OSError`` where it cannot be written."""
        self.folder.mkdir(exist_ok=True)
        with replacing(self._part(index)) as part, require("h5py", _PURPOSE).File(part, "w") as file:
            create_stack(file, _IMAGE, 1, image)[0] = image

    def join(
        self,
        exposure: Exposure,
        count: int,
        sample: str = "simulated crystal",
        wavelengths_A: Sequence[float] | None = None,
    ) -> None:
        """Make the file of ``count`` kept images, of which ``exposure`` is the first, and remove their folder.

        Images that were joined before, and are not in the folder, are taken from the file that is replaced.
        ``wavelengths_A`` gives each image a wavelength of its own. Raises ``OSError`` where an image is missing.
        """
        self._join(count, lambda file: write_sweep(file, exposure, count, sample, wavelengths_A))

    def join_panels(self, experiment: Description, count: int, wavelengths_A: Sequence[float] | None = None) -> None:
        """Make the file as :meth:`join` does, of raw images that hold the panels of an experiment at their slabs.

        Raises ``ValueError`` where no NXmx file holds the experiment, or an image does not hold its panels, and
        ``OSError`` where an image is missing.
        """
        first = self.first()
        self._join(count, lambda file: write_layout(file, experiment, count, first, wavelengths_A))

    def _join(self, count: int, write: Callable[[Any], Any]) -> None:
        """Make the file of ``count`` images; ``write`` writes all but them, and gives their dataset."""
        h5py = require("h5py", _PURPOSE)
        with creating(self.path) as file:
            images = write(file)
            for index in range(count):
                path, name, place = self._place(index)
                with h5py.File(path, "r") as kept:
                    mask, content = kept[name].id.read_direct_chunk((place, 0, 0))
                images.id.write_direct_chunk((index, 0, 0), content, mask)
        vars(self).pop("_joined", None)
        self.remove()

    def first(self) -> np.ndarray:
        """Image 0 (slow, fast). Raises ``OSError`` where it is missing."""
        path, name, place = self._place(0)
        with require("h5py", _PURPOSE).File(path, "r") as kept:
            image: np.ndarray = kept[name][place]
        return image

    def remove(self) -> None:
        """Remove the folder of kept images."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @cached_property
    def _joined(self) -> int:
        """Number of images in the joined file; 0 where there is none, or it is of another program."""
        if not self.path.is_file():
            return 0
        try:
            with require("h5py", _PURPOSE).File(self.path, "r") as file:
                return len(file[_JOINED])
        except (OSError, KeyError, TypeError):
            return 0

    def _place(self, index: int) -> tuple[Path, str, int]:
        """File, dataset and number there of image ``index``."""
        part = self._part(index)
        return (self.path, _JOINED, index) if not part.is_file() and index < self._joined else (part, _IMAGE, 0)

    def _part(self, index: int) -> Path:
        return self.folder / f"{index + 1:06d}.h5"
