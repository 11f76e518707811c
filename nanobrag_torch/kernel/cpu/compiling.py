"""How the functions of this package are compiled, and the layout of a block's rows."""

from typing import Any

#: Pixels in a block: eight vectors of 512 bits in float64; the rows of a block stay in the first-level cache.
LANES = 64

#: Operations as written, for what must agree with the formula bit by bit.
EXACT: Any = {"nogil": True, "error_model": "numpy", "cache": True}
#: The same, for a function that is called within a loop over lanes or with constant rows.
EXACT_INLINE: Any = {"forceinline": True, "error_model": "numpy"}
#: A multiplication and an addition may become one; NaN and infinity keep their meaning.
INLINE: Any = {"forceinline": True, "error_model": "numpy", "fastmath": {"contract"}}
#: Sums over the lanes may be taken in the order that suits a vector; the order is fixed once compiled.
SUMMING: Any = {"forceinline": True, "error_model": "numpy", "fastmath": {"contract", "reassoc"}}
