"""Sine and cosine of pi*x for |x| <= 1/2 as short polynomials in y = x^2, in the precision of their argument.

Chebyshev interpolation on 0 <= y <= 1/4 of sin(pi x)/x and of its distance from pi cos(pi x), divided by y: both are
entire functions without a singular point, relative errors 2e-16 and 1e-14 in double, 7e-9 and 1e-9 in single precision.
"""

import numpy as np
import torch
from numba import types
from numba.extending import overload

from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED
from nanobrag_torch.physics.safe import SINE_BEND

DOUBLE = SINE_BEND[torch.float64]
SINGLE = tuple(np.float32(coefficient) for coefficient in SINE_BEND[torch.float32])


def _quotient_double(y):
    p = 0.0004659870158043378 - 2.113362735205297e-05 * y
    p = 0.08214587881631043 + y * (-0.0073703643265304155 + y * p)
    p = 2.5501640398618677 + y * (-0.599264528825224 + y * p)
    return 3.1415926535897927 + y * (-5.1677127800497855 + y * p)


def _quotient_single(y):
    p = np.float32(-0.5982904112834275) + y * np.float32(0.07765591227601387)
    p = np.float32(-5.167710076668315) + y * (np.float32(2.550077386528912) + y * p)
    return np.float32(3.1415926400772034) + y * p


def _bend_double(y):
    p = DOUBLE[5] + y * DOUBLE[6]
    p = DOUBLE[3] + y * (DOUBLE[4] + y * p)
    p = DOUBLE[1] + y * (DOUBLE[2] + y * p)
    return DOUBLE[0] + y * p


def _bend_single(y):
    p = SINGLE[3] + y * SINGLE[4]
    p = SINGLE[1] + y * (SINGLE[2] + y * p)
    return SINGLE[0] + y * p


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
