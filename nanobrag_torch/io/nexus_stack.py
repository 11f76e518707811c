"""One NXmx file of many images that are finished one after another, at most one of them in memory.

Each image is kept, compressed, in a small HDF5 file of its own beside the file to come, so that whatever ends the
program leaves whole images. When all are there, their compressed bytes are joined as they are.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nanobrag_torch.io.exposure import Exposure
from nanobrag_torch.io.files import check_ordinary, replacing, require
from nanobrag_torch.io.nexus import create_stack, creating, write_sweep

_PURPOSE = "NXmx files"
_IMAGE = "data"


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
        return self._part(index).is_file() or (self.path.is_file() and not self.folder.is_dir())

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

        ``wavelengths_A`` gives each image a wavelength of its own. Raises ``OSError`` where an image is missing.
        """
        h5py = require("h5py", _PURPOSE)
        with creating(self.path) as file:
            images = write_sweep(file, exposure, count, sample, wavelengths_A)
            for index in range(count):
                with h5py.File(self._part(index), "r") as part:
                    mask, content = part[_IMAGE].id.read_direct_chunk((0, 0, 0))
                images.id.write_direct_chunk((index, 0, 0), content, mask)
        self.remove()

    def first(self) -> np.ndarray:
        """Image 0 (slow, fast). Raises ``OSError`` where it is missing."""
        with require("h5py", _PURPOSE).File(self._part(0), "r") as part:
            image: np.ndarray = part[_IMAGE][0]
        return image

    def remove(self) -> None:
        """Remove the folder of kept images."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _part(self, index: int) -> Path:
        return self.folder / f"{index + 1:06d}.h5"
