"""``nb-compare``: one command line through two programs, or against a stored image, and how far the images agree."""

import argparse
import contextlib
import difflib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from nanobrag_torch.cli.errors import CommandError, describe
from nanobrag_torch.cli.parse import parse
from nanobrag_torch.cli.precedence import configure, settings_of
from nanobrag_torch.cli.run import main as run_ours
from nanobrag_torch.io.floatfile import read_float_image
from nanobrag_torch.io.smv import parse_smv_header

#: Environment variable that names the C program.
BINARY_VARIABLE = "NB_C_BIN"
AGREE, DIFFER, FAILURE = 0, 1, 9


@dataclass(frozen=True)
class WorstPixel:
    """A pixel and its value in both images."""

    slow: int
    fast: int
    ours: float
    theirs: float


@dataclass(frozen=True)
class Comparison:
    """How far two images agree. ``different`` counts pixels beyond the tolerance; ``worst`` are the furthest off.

    ``correlation`` is None where either image is constant.
    """

    pixels: int
    different: int
    correlation: float | None
    sum_ours: float
    sum_theirs: float
    largest_difference: float
    worst: tuple[WorstPixel, ...]
    header_differences: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        """Whether no pixel differs."""
        return self.different == 0


def compare_images(
    ours: np.ndarray, theirs: np.ndarray, rtol: float = 1e-6, count: int = 10, headers: tuple[str, ...] = ()
) -> Comparison:
    """Compare two images (slow, fast): a pixel differs by more than ``rtol`` of itself plus 1e-9 of the maximum.

    Raises ``ValueError`` where the shapes differ.
    """
    if ours.shape != theirs.shape:
        raise ValueError(f"images of {ours.shape} and {theirs.shape} pixels (slow, fast) cannot be compared.")
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    difference = np.abs(a - b)
    beyond = ~(difference <= rtol * np.abs(b) + 1e-9 * np.abs(b[np.isfinite(b)]).max(initial=0.0))
    order = np.argsort(-np.nan_to_num(difference, nan=np.inf), axis=None, kind="stable")[:count]
    worst = tuple(
        WorstPixel(int(s), int(f), float(a[s, f]), float(b[s, f]))
        for s, f in zip(*np.unravel_index(order, a.shape), strict=True)
        if beyond[s, f]
    )
    varies = bool(a.std() > 0 and b.std() > 0)
    return Comparison(
        pixels=a.size,
        different=int(beyond.sum()),
        correlation=float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) if varies else None,
        sum_ours=float(a.sum()),
        sum_theirs=float(b.sum()),
        largest_difference=float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0)),
        worst=worst,
        header_differences=headers,
    )


def main() -> int:
    """Run ``nb-compare`` on ``sys.argv``; the exit status: 0 agreement, 1 difference, 9 failure."""
    return compare(sys.argv[1:])


def compare(words: Sequence[str]) -> int:
    """Run ``nb-compare`` on ``words``; the exit status."""
    options, command = _options(words)
    try:
        found = _compared(options, command)
    except (CommandError, ValueError, OSError) as error:
        print(f"ERROR: {describe(error)}", file=sys.stderr)
        return FAILURE
    if options.json:
        print(json.dumps(asdict(found), indent=2))
    else:
        print("\n".join(_lines(found)))
    return AGREE if found.agrees else DIFFER


def _options(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    split = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(
        prog="nb-compare",
        usage="nb-compare [options] -- NANOBRAGG OPTIONS",
        description="Run one command line through nanoBragg in C and here, or compare it with a stored image.",
    )
    parser.add_argument("--binary", default=os.environ.get(BINARY_VARIABLE), help=f"the C program (${BINARY_VARIABLE})")
    parser.add_argument("--reference", help="a float image, or an .npz with an array 'float', instead of the C program")
    parser.add_argument("--rtol", type=float, default=1e-6, help="relative tolerance of a pixel (default: %(default)g)")
    parser.add_argument("--worst", type=int, default=10, help="number of pixels to list (default: %(default)d)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    return parser.parse_args(list(words[:split])), list(words[split + 1 :])


def _compared(options: argparse.Namespace, command: list[str]) -> Comparison:
    if options.reference is None and options.binary is None:
        raise CommandError(f"neither --binary nor --reference was given. Name one, or set {BINARY_VARIABLE}.")
    detector = configure(settings_of(parse(command))).detector
    shape = (detector.spixels, detector.fpixels)
    with tempfile.TemporaryDirectory(prefix="nb-compare-") as folder:
        ours, theirs = Path(folder, "ours"), Path(folder, "theirs")
        _run_ours(command, ours)
        image = read_float_image(ours / "floatimage.bin", shape)
        if options.reference is not None:
            return compare_images(image, _stored(Path(options.reference), shape), options.rtol, options.worst)
        _run_theirs(options.binary, command, theirs)
        headers = tuple(_header_differences(ours / "intimage.img", theirs / "intimage.img"))
        return compare_images(
            image, read_float_image(theirs / "floatimage.bin", shape), options.rtol, options.worst, headers
        )


def _redirected(command: Sequence[str], folder: Path) -> list[str]:
    """The command line with all its outputs in ``folder``: the last option of a kind wins."""
    folder.mkdir()
    dump = ["-dump", str(folder / "Fdump.bin")] if parse(command).given("-hkl") else []
    images = ["-floatfile", str(folder / "floatimage.bin"), "-intfile", str(folder / "intimage.img")]
    return [*command, *dump, *images, "-nonoise", "-nopgm", "-noprogress"]


def _run_ours(command: Sequence[str], folder: Path) -> None:
    with contextlib.redirect_stdout(io.StringIO()) as report, contextlib.redirect_stderr(io.StringIO()) as messages:
        status = run_ours(_redirected(command, folder))
    if status != 0:
        raise CommandError(f"our run ended with {status}: {_last_line(messages.getvalue() or report.getvalue())}")


def _run_theirs(binary: str, command: Sequence[str], folder: Path) -> None:
    done = subprocess.run([binary, *_redirected(command, folder)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CommandError(f"{binary} ended with {done.returncode}: {_last_line(done.stderr or done.stdout)}")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["without a message"])[-1]


def _stored(path: Path, shape: tuple[int, int]) -> np.ndarray:
    if path.suffix != ".npz":
        return read_float_image(path, shape)
    with np.load(path) as arrays:
        if "float" not in arrays:
            raise ValueError(f"{path}: holds {', '.join(arrays.files)}, but an array 'float' is needed.")
        return arrays["float"]


def _header_differences(ours: Path, theirs: Path) -> Iterator[str]:
    a, b = ([f"{name}={value}" for name, value in parse_smv_header(path).items()] for path in (theirs, ours))
    yield from (line for line in difflib.unified_diff(a, b, "theirs", "ours", lineterm="", n=0) if line[:2] != "@@")


def _lines(found: Comparison) -> Iterator[str]:
    correlation = "none (a constant image)" if found.correlation is None else f"{found.correlation:.12f}"
    yield f"correlation          {correlation}"
    yield f"sums                 {found.sum_ours:.9g} (ours) {found.sum_theirs:.9g} (theirs)"
    yield f"largest difference   {found.largest_difference:.3g}"
    yield f"pixels that differ   {found.different} of {found.pixels}"
    if found.worst:
        yield "  slow  fast            ours          theirs"
        yield from (f"{p.slow:6d}{p.fast:6d} {p.ours:15.8g} {p.theirs:15.8g}" for p in found.worst)
    yield from found.header_differences
    yield "the images agree" if found.agrees else "the images differ"


if __name__ == "__main__":
    sys.exit(main())
