"""exp(x) in the precision of its argument, without a branch or a call, so that a loop of them is made of vectors.

With x = k ln 2 + r and |r| <= ln(2)/2, exp(x) is 2^k (1 + r + r^2 P(r)), P the Chebyshev interpolation of the rest:
relative errors 2e-17 and 1e-8 before rounding. Even and odd powers of P are summed apart, so that a vector waits half
as long for its own results. A result smaller than the least normal number is zero.
"""

# mypy: disable-error-code="call-arg"

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED


def _double(x):
    k = np.rint(x * 1.4426950408889634)
    r = (x - k * 0.6931471803691238) - k * 1.9082149292705877e-10
    s = r * r
    even = 0.0013888888917213717 + s * (2.4801521295954376e-05 + s * 2.7620088445409746e-07)
    even = 0.5000000000000001 + s * (0.04166666666662413 + s * even)
    odd = 0.00019841269863053618 + s * (2.7557268459997064e-06 + s * 2.510038549551032e-08)
    odd = 0.16666666666666669 + s * (0.008333333333330062 + s * odd)
    return 0.0 if x <= -708.0 else (1.0 + (r + s * (even + r * odd))) * power_of_two(k)


def _single(x):
    k = np.rint(x * np.float32(1.442695))
    r = (x - k * np.float32(0.693359375)) - k * np.float32(-2.1219444e-4)
    s = r * r
    even = np.float32(0.5) + s * (np.float32(0.041666556149721146) + s * np.float32(0.0013926184037700295))
    odd = np.float32(0.16666576266288757) + s * np.float32(0.008363178931176662)
    return np.float32(0) if x <= np.float32(-87) else (np.float32(1) + (r + s * (even + r * odd))) * power_of_two(k)


EXPONENTIAL = {types.float64: _double, types.float32: _single}
#: For each precision: the summand that moves a whole number into the lowest bits, the exponent's bias, and its place;
#: and the types of number and integer in LLVM.
BITS = {
    types.float64: (6755399441055744.0, 1023, 52, ir.DoubleType(), ir.IntType(64)),
    types.float32: (12582912.0, 127, 23, ir.FloatType(), ir.IntType(32)),
}


@intrinsic
def power_of_two(typing_context, k):
    """2^k for a whole number ``k`` between the exponents of the precision, by its bits."""

    def generate(context, builder, signature, arguments):
        magic, bias, place, real, integer = BITS[signature.return_type]
        moved = builder.bitcast(builder.fadd(arguments[0], ir.Constant(real, magic)), integer)
        exponent = builder.add(moved, ir.Constant(integer, bias))
        return builder.bitcast(builder.shl(exponent, ir.Constant(integer, place)), real)

    return k(k), generate


def exponential(x):
    """Exponential of x <= 0 or not much above."""
    return type(x)(math.exp(x))


@overload(exponential, jit_options=CONTRACTED)
def _exponential(x):
    return EXPONENTIAL[x]
