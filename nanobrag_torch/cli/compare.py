"""Compare one command line through two programs, or against a stored image: pixels and SMV headers.

numpy and torch are imported by the functions that need them, so that ``nb-compare --help`` answers at once.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.parse import parse, settings_of
from nanobrag_torch.cli.run import main as run_command

if TYPE_CHECKING:
    import numpy as np

#: Environment variable that names the C program.
BINARY_VARIABLE = "NB_C_BIN"
#: A pixel differs by more than ``RTOL`` of itself plus this part of the image's maximum: C stores single precision.
RTOL, OF_MAXIMUM = 1e-6, 1e-9
_FLOAT, _INTEGER, _DUMP = "floatimage.bin", "intimage.img", "Fdump.bin"


@dataclass(frozen=True)
class WorstPixel:
    """A pixel that differs, with its value in both images."""

    slow: int
    fast: int
    ours: float
    theirs: float


@dataclass(frozen=True)
class ImageComparison:
    """Differences between two images.

    Attributes:
        pixels: Number of pixels.
        different: Number of pixels beyond their tolerance.
        correlation: Correlation of the images; None where either is constant.
        sum_ours: Sum of our image, photons.
        sum_theirs: Sum of the other image, photons.
        largest_difference: Largest difference of a pixel, photons.
        excess: Largest difference in units of its pixel's tolerance.
        worst: The pixels that are furthest off, the worst first.
        header_differences: Lines in which the SMV headers differ; None where there are no headers to compare.
    """

    pixels: int
    different: int
    correlation: float | None
    sum_ours: float
    sum_theirs: float
    largest_difference: float
    excess: float
    worst: tuple[WorstPixel, ...]
    header_differences: tuple[str, ...] | None = None

    @property
    def agrees(self) -> bool:
        """True where no pixel differs."""
        return self.different == 0


@dataclass(frozen=True)
class ImagePair:
    """Two images (slow, fast) of one command line, and their comparison."""

    ours: np.ndarray
    theirs: np.ndarray
    comparison: ImageComparison


def compare_images(
    ours: np.ndarray, theirs: np.ndarray, rtol: float = RTOL, count: int = 10, headers: tuple[str, ...] | None = None
) -> ImageComparison:
    """Compare two images: a pixel differs by more than ``rtol`` of itself plus 1e-9 of the maximum.

    Args:
        ours: Our image (slow, fast).
        theirs: The other image, of the same shape; tolerances are parts of it.
        rtol: Relative tolerance of a pixel.
        count: Number of worst pixels to keep.
        headers: Differences of the headers, to be kept with the result.

    Raises:
        ValueError: The shapes differ.
    """
    import numpy as np

    if ours.shape != theirs.shape:
        raise ValueError(f"images of {ours.shape} and {theirs.shape} pixels (slow, fast) cannot be compared.")
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    difference = np.nan_to_num(np.abs(a - b), nan=np.inf)
    allowed = np.nan_to_num(rtol * np.abs(b) + OF_MAXIMUM * np.abs(b[np.isfinite(b)]).max(initial=0.0), posinf=0.0)
    beyond = difference > allowed
    order = np.argsort(-difference, axis=None, kind="stable")[:count]
    worst = tuple(
        WorstPixel(int(s), int(f), float(a[s, f]), float(b[s, f]))
        for s, f in zip(*np.unravel_index(order, a.shape), strict=True)
        if beyond[s, f]
    )
    varies = bool(a.std() > 0 and b.std() > 0)
    return ImageComparison(
        pixels=a.size,
        different=int(beyond.sum()),
        correlation=float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) if varies else None,
        sum_ours=float(a.sum()),
        sum_theirs=float(b.sum()),
        largest_difference=float(difference.max(initial=0.0)),
        excess=float(np.divide(difference, allowed, where=difference > 0, out=np.zeros_like(a)).max(initial=0.0)),
        worst=worst,
        header_differences=headers,
    )


def compare_with_program(command: Sequence[str], binary: str, rtol: float = RTOL, count: int = 10) -> ImagePair:
    """Run a command line here and through another program; compare images and SMV headers.

    Args:
        command: Options of nanoBragg.
        binary: Path of the other program.
        rtol: Relative tolerance of a pixel.
        count: Number of worst pixels to keep.

    Raises:
        CommandError: A run does not leave its images.
        ValueError: An option or a file cannot be understood.
        OSError: A file or the program cannot be opened.
    """
    with tempfile.TemporaryDirectory(prefix="nb-compare-") as folder:
        ours, theirs = Path(folder, "ours"), Path(folder, "theirs")
        image = run_ours(command, ours)
        reference = run_theirs(binary, command, theirs)
        headers = header_differences(*((each / _INTEGER).read_bytes().decode("latin-1") for each in (theirs, ours)))
        return ImagePair(image, reference, compare_images(image, reference, rtol, count, headers))


def compare_with_stored(command: Sequence[str], reference: Path, rtol: float = RTOL, count: int = 10) -> ImagePair:
    """Run a command line here and compare with a stored image.

    Args:
        command: Options of nanoBragg.
        reference: A float image, or an .npz with an array ``float`` and maybe a text ``int_header``.
        rtol: Relative tolerance of a pixel.
        count: Number of worst pixels to keep.

    Raises:
        CommandError: The run does not leave its image.
        ValueError: An option or a file cannot be understood.
        OSError: A file cannot be opened.
    """
    with tempfile.TemporaryDirectory(prefix="nb-compare-") as folder:
        ours = Path(folder, "ours")
        image = run_ours(command, ours)
        stored, header = _stored(reference, image_shape(command))
        written = (ours / _INTEGER).read_bytes().decode("latin-1")
        headers = None if header is None else header_differences(header, written)
        return ImagePair(image, stored, compare_images(image, stored, rtol, count, headers))


def image_shape(command: Sequence[str]) -> tuple[int, int]:
    """(slow, fast) pixels of the image that ``command`` makes.

    Raises ``CommandError``, ``ValueError`` or ``OSError`` for options or a detector that cannot be.
    """
    from nanobrag_torch.cli.camera import camera_of

    settings = settings_of(parse(command))
    fast, slow = camera_of(settings).pixels(settings.pixel_size_mm)
    return slow, fast


def run_ours(command: Sequence[str], folder: Path) -> np.ndarray:
    """The float image of a run in this process, its files in the new ``folder``.

    Raises ``CommandError`` where it fails, and as ``image_shape`` does.
    """
    from nanobrag_torch.io.floatfile import read_float_image

    shape = image_shape(command)
    with contextlib.redirect_stdout(io.StringIO()) as report, contextlib.redirect_stderr(io.StringIO()) as messages:
        status = run_command(_redirected(command, folder))
    if status != 0:
        raise CommandError(f"our run ended with {status}: {_last_line(messages.getvalue() or report.getvalue())}")
    return read_float_image(folder / _FLOAT, shape)


def run_theirs(binary: str, command: Sequence[str], folder: Path) -> np.ndarray:
    """The float image of ``binary``, its files in the new ``folder``. Raises ``CommandError`` or ``OSError``."""
    from nanobrag_torch.io.floatfile import read_float_image

    done = subprocess.run([binary, *_redirected(command, folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandError(f"{binary} ended with {done.returncode}: {_last_line(done.stderr or done.stdout)}")
    return read_float_image(folder / _FLOAT, image_shape(command))


def header_differences(theirs: str, ours: str) -> tuple[str, ...]:
    """The lines in which two SMV headers differ, theirs with a minus sign and ours with a plus sign before them."""
    a, b = ([line.rstrip(";") for line in text.split("\f", 1)[0].splitlines()] for text in (theirs, ours))
    lines = difflib.unified_diff(a, b, "theirs", "ours", lineterm="", n=0)
    return tuple(line for line in lines if not line.startswith(("@@", "---", "+++")))


def _redirected(command: Sequence[str], folder: Path) -> list[str]:
    """The command line with all its outputs in ``folder``: the last option of a kind wins."""
    folder.mkdir()
    dump = ["-dump", str(folder / _DUMP)] if parse(command).given("-hkl") else []
    images = ["-floatfile", str(folder / _FLOAT), "-intfile", str(folder / _INTEGER)]
    return [*command, *dump, *images, "-nonoise", "-nopgm", "-noprogress"]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["without a message"])[-1]


def _stored(path: Path, shape: tuple[int, int]) -> tuple[np.ndarray, str | None]:
    """The stored image, and its SMV header where there is one."""
    import numpy as np

    from nanobrag_torch.io.floatfile import read_float_image

    if path.suffix != ".npz":
        return read_float_image(path, shape), None
    with np.load(path) as arrays:
        if "float" not in arrays:
            raise ValueError(f"{path}: holds {', '.join(arrays.files)}, but an array 'float' is needed.")
        return arrays["float"], str(arrays["int_header"]) if "int_header" in arrays else None
