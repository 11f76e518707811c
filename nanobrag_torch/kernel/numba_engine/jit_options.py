"""How the functions of this package are compiled and cached, and how many pixels a block has."""

import zlib
from pathlib import Path
from typing import Any

from nanobrag_torch.kernel import tables
from nanobrag_torch.physics import safe

#: Pixels in a block: eight vectors of 512 bits in float64; the rows of a block stay in the first-level cache.
LANES = 64

#: Operations as written, for what must agree with the formula bit by bit.
EXACT: Any = {"forceinline": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
#: A multiplication and an addition may become one; NaN and infinity keep their meaning.
CONTRACTED: Any = EXACT | {"fastmath": {"contract"}}
#: Taken into its one caller before either is compiled, or all that it calls would be optimised once more than needed.
INLINED: Any = EXACT | {"inline": "always"}
#: Sums over the lanes may moreover be taken in the order that suits a vector; the order is fixed once compiled.
SUMMED: Any = EXACT | {"fastmath": {"contract", "reassoc"}}
#: An entry from Python: runs without the interpreter's lock and is kept on disk.
ENTRY: Any = {"nogil": True, "error_model": "numpy", "cache": True}


def fingerprint() -> int:
    """A number that changes with the sources of this package and of the two files whose constants it compiles.

    numba renews a cached function when the file that holds it changes, and does not see the other files whose functions
    it has taken in. What an entry closes over is part of the cache's key, so each entry closes over this number.
    """
    sources = [*sorted(Path(__file__).parent.glob("*.py")), Path(tables.__file__), Path(safe.__file__)]
    return zlib.crc32(b"".join(source.read_bytes() for source in sources))
