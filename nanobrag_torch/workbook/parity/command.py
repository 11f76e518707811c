"""Command ``nb-compare``: one command line through two programs, or against a stored image, printed and drawn."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from nanobrag_torch import __version__
from nanobrag_torch.cli.compare import (
    BINARY_VARIABLE,
    RTOL,
    ImageComparison,
    ImagePair,
    compare_with_program,
    compare_with_stored,
)
from nanobrag_torch.cli.errors import CommandError, describe

AGREE, DIFFER, FAILURE = 0, 1, 9
PICTURES = (".png", ".svg", ".pdf")


def main() -> int:
    """Run ``nb-compare`` on ``sys.argv`` and return the exit status: 0 agreement, 1 difference, 9 failure."""
    return compare(sys.argv[1:])


def compare(words: Sequence[str]) -> int:
    """Run ``nb-compare`` on ``words`` and return the exit status."""
    options, command = _options(words)
    try:
        _check(options)
        pair = _compared(options, command)
        if options.plot is not None:
            _plot(Path(options.plot), pair)
    except (CommandError, ValueError, OSError, ImportError) as error:
        print(f"ERROR: {describe(error)}", file=sys.stderr)
        return FAILURE
    found = pair.comparison
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
    parser.add_argument("--version", action="version", version=f"nanobrag_torch {__version__}")
    parser.add_argument("--binary", default=os.environ.get(BINARY_VARIABLE), help=f"the C program (${BINARY_VARIABLE})")
    parser.add_argument("--reference", help="a float image, or an .npz with an array 'float', instead of the C program")
    parser.add_argument("--rtol", type=float, default=RTOL, help="relative tolerance of a pixel (default: %(default)g)")
    parser.add_argument("--worst", type=int, default=10, help="number of pixels to list (default: %(default)d)")
    parser.add_argument(
        "--plot", metavar="FILE", help=f"draw images, difference and worst pixels ({_listed(PICTURES)})"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")
    return parser.parse_args(list(words[:split])), list(words[split + 1 :])


def _check(options: argparse.Namespace) -> None:
    if options.reference is None and options.binary is None:
        raise CommandError(f"neither --binary nor --reference was given. Name one, or set {BINARY_VARIABLE}.")
    if options.plot is not None and Path(options.plot).suffix not in PICTURES:
        raise CommandError(f"--plot {options.plot}: the name must end in {_listed(PICTURES)}. Give it one of these.")


def _listed(names: Sequence[str]) -> str:
    return " or ".join(names)


def _compared(options: argparse.Namespace, command: list[str]) -> ImagePair:
    if options.reference is not None:
        return compare_with_stored(command, Path(options.reference), options.rtol, options.worst)
    return compare_with_program(command, options.binary, options.rtol, options.worst)


def _plot(path: Path, pair: ImagePair) -> None:
    """Draw the comparison into a file.

    Raises:
        ImportError: the packages of the workbook are not installed.
        OSError: the file cannot be written.
    """
    from nanobrag_torch.io.files import replacing

    try:
        from nanobrag_torch.workbook.parity.figures import comparison
    except ModuleNotFoundError as error:
        raise ImportError(
            f"--plot needs the Python package {error.name}. Install it with: pip install nanobrag-torch[workbook]"
        ) from None
    with replacing(path) as part:
        part.write_bytes(comparison(pair).rendered(path.suffix.removeprefix(".")))


def _lines(found: ImageComparison) -> Iterator[str]:
    correlation = "none (a constant image)" if found.correlation is None else f"{found.correlation:.12f}"
    yield f"correlation          {correlation}"
    yield f"sums                 {found.sum_ours:.9g} (ours) {found.sum_theirs:.9g} (theirs)"
    yield f"largest difference   {found.largest_difference:.3g}, {found.excess:.3g} of its pixel's tolerance"
    yield f"pixels that differ   {found.different} of {found.pixels}"
    if found.worst:
        yield "  slow  fast            ours          theirs"
        yield from (f"{p.slow:6d}{p.fast:6d} {p.ours:15.8g} {p.theirs:15.8g}" for p in found.worst)
    yield from found.header_differences or ()
    yield "the images agree" if found.agrees else "the images differ"


if __name__ == "__main__":
    sys.exit(main())
