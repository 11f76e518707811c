"""Options of numba for the functions of this package, their cache on disk, and the pixels of a block."""

import zlib
from collections.abc import Callable
from inspect import getfile
from pathlib import Path
from typing import Any

from numba import njit

from nanobrag_torch.kernel import pixel_plan, tables
from nanobrag_torch.physics import safe

#: Pixels in a block: eight vectors of 512 bits in float64; the rows of a block stay in the first-level cache.
LANES = 64

#: Operations as written, for numbers that must agree with the formula bit by bit.
EXACT: Any = {"forceinline": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
#: A multiplication and an addition may become one; NaN and infinity keep their meaning.
CONTRACTED: Any = EXACT | {"fastmath": {"contract"}}
#: Compiled by itself and then called: what is inlined into a large loop may be vectorised no more.
CALLED: Any = {key: value for key, value in CONTRACTED.items() if key != "forceinline"}
#: Inlined into its single caller before compilation; otherwise LLVM optimises its callees twice.
INLINED: Any = EXACT | {"inline": "always"}
#: Sums over the lanes may moreover be taken in the order that suits a vector; the order is fixed once compiled.
SUMMED: Any = EXACT | {"fastmath": {"contract", "reassoc"}}


def _fingerprint() -> str:
    """Checksum of the sources of this package and of the files whose constants and records it compiles."""
    others = (Path(getfile(module)) for module in (pixel_plan, tables, safe))
    sources = [*sorted(Path(__file__).parent.glob("*.py")), *others]
    return f"{zlib.crc32(b''.join(source.read_bytes() for source in sources)):08x}"


FINGERPRINT = _fingerprint()


def entry(function: Callable[..., None]) -> Callable[..., None]:
    """Compile an entry from Python, which runs without the interpreter's lock and is kept on disk.

    numba renews a cached function when the file that holds it changes, and does not see the other files whose functions
    it has taken in; and it cannot read an index that names records which are there no more. The fingerprint becomes a
    part of the function's name, hence of the names of its files, so that no version meets those of another.
    """
    function.__qualname__ += "-" + FINGERPRINT
    compiled: Callable[..., None]
    try:
        compiled = njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:
        # No folder that numba could write to, as in a container that is read-only: compiled anew in each process.
        compiled = njit(nogil=True, error_model="numpy")(function)
    return compiled
