"""Options of numba for the functions of this package."""

from typing import Any

from nanobrag_torch.kernel.numba_engine.records import LANES as LANES

#: Operations as written, for numbers that must agree with the formula bit by bit. Unless told, numba compiles
#: a function with the fast operations of whichever caller it meets first.
EXACT: Any = {
    "forceinline": True,
    "fastmath": False,
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}
#: A multiplication and an addition may become one; NaN and infinity keep their meaning.
CONTRACTED: Any = EXACT | {"fastmath": {"contract"}}
#: Compiled by itself and then called: what is inlined into a large loop may be vectorised no more.
CALLED: Any = {key: value for key, value in CONTRACTED.items() if key != "forceinline"}
#: Inlined into its single caller before compilation; otherwise LLVM optimises its callees twice.
INLINED: Any = EXACT | {"inline": "always"}
#: Sums over the lanes may moreover be taken in the order that suits a vector; the order is fixed once compiled.
SUMMED: Any = EXACT | {"fastmath": {"contract", "reassoc"}}
