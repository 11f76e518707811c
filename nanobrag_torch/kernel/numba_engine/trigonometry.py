"""Sine and cosine of pi*x for |x| <= 1/2 as short polynomials in y = x^2, in the precision of their argument.

Chebyshev interpolation on 0 <= y <= 1/4 of sin(pi x)/x and of its distance from pi cos(pi x), divided by y: both are
entire functions without a singular point, relative errors 2e-16 and 1e-14 in double, 7e-9 and 1e-9 in single precision.
"""

import numpy as np
import torch
from numba import types
from numba.extending import overload

from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED
from nanobrag_torch.physics.safe import SINE_BEND, SINE_QUOTIENT

QUOTIENT_DOUBLE, BEND_DOUBLE = SINE_QUOTIENT[torch.float64], SINE_BEND[torch.float64]
QUOTIENT_SINGLE, BEND_SINGLE = (
    tuple(np.float32(coefficient) for coefficient in table[torch.float32]) for table in (SINE_QUOTIENT, SINE_BEND)
)


def _quotient_double(y):
    p = QUOTIENT_DOUBLE[6] + y * QUOTIENT_DOUBLE[7]
    p = QUOTIENT_DOUBLE[4] + y * (QUOTIENT_DOUBLE[5] + y * p)
    p = QUOTIENT_DOUBLE[2] + y * (QUOTIENT_DOUBLE[3] + y * p)
    return QUOTIENT_DOUBLE[0] + y * (QUOTIENT_DOUBLE[1] + y * p)


def _quotient_single(y):
    p = QUOTIENT_SINGLE[3] + y * QUOTIENT_SINGLE[4]
    p = QUOTIENT_SINGLE[1] + y * (QUOTIENT_SINGLE[2] + y * p)
    return QUOTIENT_SINGLE[0] + y * p


def _bend_double(y):
    p = BEND_DOUBLE[5] + y * BEND_DOUBLE[6]
    p = BEND_DOUBLE[3] + y * (BEND_DOUBLE[4] + y * p)
    p = BEND_DOUBLE[1] + y * (BEND_DOUBLE[2] + y * p)
    return BEND_DOUBLE[0] + y * p


def _bend_single(y):
    p = BEND_SINGLE[3] + y * BEND_SINGLE[4]
    p = BEND_SINGLE[1] + y * (BEND_SINGLE[2] + y * p)
    return BEND_SINGLE[0] + y * p


QUOTIENT = {types.float64: _quotient_double, types.float32: _quotient_single}
BEND = {types.float64: _bend_double, types.float32: _bend_single}


def sine_quotient(y):
    """Quotient sin(pi x)/x at y = x^2."""
    return QUOTIENT[types.float32 if isinstance(y, np.float32) else types.float64](y)


def sine_bend(y):
    """Bend (sin(pi x)/x - pi cos(pi x))/x^2 at y = x^2."""
    return BEND[types.float32 if isinstance(y, np.float32) else types.float64](y)


@overload(sine_quotient, jit_options=CONTRACTED)
def _sine_quotient(y):
    return QUOTIENT[y]


@overload(sine_bend, jit_options=CONTRACTED)
def _sine_bend(y):
    return BEND[y]
