"""Squared lattice factors of one sample, their slopes, and their slopes against the crystal's parameters.

One record a shape, of numbers in the precision of the evaluation; numba compiles the kernels once for each in use.
``dh``, ``dk``, ``dl`` are the remainders of the Miller indices. The parameters are formed outside, by
``kernel.tables.shape_parameters``, from which cells, fudge and reciprocal vectors get their gradients.
"""

import math

import numpy as np
from numba import njit
from numba.extending import overload

from nanobrag_torch.kernel.numba_engine.exponential import exponential
from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED
from nanobrag_torch.kernel.numba_engine.records import Gauss, Round, Square, Tophat
from nanobrag_torch.kernel.numba_engine.trigonometry import sine_bend, sine_quotient

#: One, in a precision that never widens its partner.
ONE = np.float32(1)
#: Pi as a number whose products with whole numbers are exact, and the rest.
PI_HIGH, PI_LOW = 3.1415926218032837, 3.178650954705639e-08


@njit(**CONTRACTED)
def sines(delta, cells, least):
    """Parts of a grating: d = |delta|; x and n with N d = x + n; and sin(pi x)/x and sin(pi d)/d."""
    d = max(abs(delta), least)
    x = d * cells
    whole = np.rint(x)
    x = x - whole
    return d, x, whole, sine_quotient(x * x), sine_quotient(d * d)


@njit(**CONTRACTED)
def grating(inverse, d, x, whole, above, below, cells):
    """Grating S = sin(pi N d)/sin(pi d) without its sign, and dS/dd.

    The slope is formed without the difference of two numbers that grow towards the pole: its singular part has the
    factor n, which is zero there.

    Args:
        inverse: 1/sin(pi d).
        d, x, whole, above, below: Results of ``sines``.
        cells: Number N of cells.
    """
    value = x * above * inverse
    regular = value * (d * d * sine_bend(d * d)) - cells * (x * x * sine_bend(x * x))
    return value, inverse * (whole * above * (below * inverse) + regular)


@njit(**CONTRACTED)
def grating_growth(inverse, d, x, above):
    """Slope dS/dN of ``grating``, from 1/sin(pi d) and results of ``sines``."""
    return d * inverse * (above - x * x * sine_bend(x * x))


@njit(**CONTRACTED)
def sphere(y):
    """Transform of a solid sphere as a function of y = x^2, and its slope, as in ``physics.safe.sphere``; in double."""
    y = np.float64(y)
    near = y < 0.25
    s = y if near else 0.25
    value = 1 + s * (-1 / 10 + s * (1 / 280 + s * (-1 / 15120 + s * (1 / 1330560 - s / 172972800))))
    slope = -1 / 10 + s * (2 / 280 + s * (-3 / 15120 + s * (4 / 1330560 - 5 * s / 172972800)))
    away = 1.0 if near else y
    x = math.sqrt(away)
    whole = np.rint(x * (1 / math.pi))
    t = (x - whole * PI_HIGH - whole * PI_LOW) * (1 / math.pi)
    turned = 1.0 - 2.0 * abs(whole - 2.0 * np.rint(0.5 * whole))
    sine = turned * t * sine_quotient(t * t)
    cosine = turned * (sine_quotient(t * t) - t * t * sine_bend(t * t)) * (1 / math.pi)
    inverse = 1 / away
    closed = 3 * (sine / x - cosine) * inverse
    steep = -1.5 * ((3 * inverse - 1) * sine / x - 3 * cosine * inverse) * inverse
    return (value, slope) if near else (closed, steep)


@njit(**CONTRACTED)
def quadratic_form(shape, dh, dk, dl):
    """Squared distance from the reciprocal lattice point, scaled as the shape wants it."""
    across_h = shape.aa * dh + shape.ab * dk + shape.ac * dl
    return dh * across_h + dk * (shape.bb * dk + shape.bc * dl) + shape.cc * dl * dl


@njit(**CONTRACTED)
def form_slopes(shape, dh, dk, dl):
    """Slopes of ``quadratic_form`` against the three remainders."""
    return (
        2 * shape.aa * dh + shape.ab * dk + shape.ac * dl,
        2 * shape.bb * dk + shape.ab * dh + shape.bc * dl,
        2 * shape.cc * dl + shape.ac * dh + shape.bc * dk,
    )


@njit(**CONTRACTED)
def form_terms(dh, dk, dl):
    """Factors of the six coefficients of ``quadratic_form``."""
    return dh * dh, dk * dk, dl * dl, dh * dk, dh * dl, dk * dl


def _square(shape, dh, dk, dl):
    h, xh, _, ah, bh = sines(dh, shape.na, shape.least)
    k, xk, _, ak, bk = sines(dk, shape.nb, shape.least)
    l, xl, _, al, bl = sines(dl, shape.nc, shape.least)
    ratio = (xh * xk * xl) * (ah * ak * al) / ((h * k * l) * (bh * bk * bl))
    return ratio * ratio


def _round(shape, dh, dk, dl):
    value = sphere(shape.ka * dh * dh + shape.kb * dk * dk + shape.kc * dl * dl)[0]
    return shape.peak * value * value


def _gauss(shape, dh, dk, dl):
    return shape.peak * exponential(-quadratic_form(shape, dh, dk, dl))


def _tophat(shape, dh, dk, dl):
    return shape.peak if quadratic_form(shape, dh, dk, dl) < 1.0 else shape.peak * 0


def _square_slopes(shape, dh, dk, dl):
    h, xh, nh, ah, bh = sines(dh, shape.na, shape.least)
    k, xk, nk, ak, bk = sines(dk, shape.nb, shape.least)
    l, xl, nl, al, bl = sines(dl, shape.nc, shape.least)
    inverse = ONE / ((h * bh) * (k * bk) * (l * bl))
    sh, gh = grating(inverse * (k * bk) * (l * bl), h, xh, nh, ah, bh, shape.na)
    sk, gk = grating(inverse * (h * bh) * (l * bl), k, xk, nk, ak, bk, shape.nb)
    sl, gl = grating(inverse * (h * bh) * (k * bk), l, xl, nl, al, bl, shape.nc)
    value = sh * sk * sl
    twice = value + value
    return (
        value * value,
        math.copysign(ONE, dh) * twice * gh * (sk * sl),
        math.copysign(ONE, dk) * twice * gk * (sh * sl),
        math.copysign(ONE, dl) * twice * gl * (sh * sk),
    )


def _round_slopes(shape, dh, dk, dl):
    value, slope = sphere(shape.ka * dh * dh + shape.kb * dk * dk + shape.kc * dl * dl)
    outer = 4 * shape.peak * value * slope
    return shape.peak * value * value, outer * shape.ka * dh, outer * shape.kb * dk, outer * shape.kc * dl


def _gauss_slopes(shape, dh, dk, dl):
    value = shape.peak * exponential(-quadratic_form(shape, dh, dk, dl))
    gh, gk, gl = form_slopes(shape, dh, dk, dl)
    return value, -value * gh, -value * gk, -value * gl


def _tophat_slopes(shape, dh, dk, dl):
    none = shape.peak * 0
    return (shape.peak if quadratic_form(shape, dh, dk, dl) < 1.0 else none), none, none, none


def _square_parameters(shape, square, dh, dk, dl):
    h, xh, _, ah, bh = sines(dh, shape.na, shape.least)
    k, xk, _, ak, bk = sines(dk, shape.nb, shape.least)
    l, xl, _, al, bl = sines(dl, shape.nc, shape.least)
    ih, ik, il = ONE / (h * bh), ONE / (k * bk), ONE / (l * bl)
    sh, sk, sl = xh * ah * ih, xk * ak * ik, xl * al * il
    twice = 2 * sh * sk * sl
    return (
        twice * grating_growth(ih, h, xh, ah) * sk * sl,
        twice * grating_growth(ik, k, xk, ak) * sh * sl,
        twice * grating_growth(il, l, xl, al) * sh * sk,
    )


def _round_parameters(shape, square, dh, dk, dl):
    value, slope = sphere(shape.ka * dh * dh + shape.kb * dk * dk + shape.kc * dl * dl)
    outer = 2 * shape.peak * value * slope
    return value * value, outer * dh * dh, outer * dk * dk, outer * dl * dl


def _gauss_parameters(shape, square, dh, dk, dl):
    hh, kk, ll, hk, hl, kl = form_terms(dh, dk, dl)
    fall = -square
    return square * (ONE / shape.peak), fall * hh, fall * kk, fall * ll, fall * hk, fall * hl, fall * kl


def _tophat_parameters(shape, square, dh, dk, dl):
    share = 1.0 if quadratic_form(shape, dh, dk, dl) < 1.0 else 0.0
    return share, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0


VALUE = {Square: _square, Round: _round, Gauss: _gauss, Tophat: _tophat}
SLOPES = {Square: _square_slopes, Round: _round_slopes, Gauss: _gauss_slopes, Tophat: _tophat_slopes}
PARAMETERS = {
    Square: _square_parameters,
    Round: _round_parameters,
    Gauss: _gauss_parameters,
    Tophat: _tophat_parameters,
}
#: Numbers of parameters, those of the tables; a square has one more field.
COUNT = {Square: 3, Round: 4, Gauss: 7, Tophat: 7}


def interference(shape, dh, dk, dl):
    """Squared lattice factor S^2 at remainders ``dh``, ``dk``, ``dl``."""
    return VALUE[type(shape)](shape, dh, dk, dl)


def interference_slopes(shape, dh, dk, dl):
    """Squared lattice factor S^2 and its slopes against the three remainders."""
    return SLOPES[type(shape)](shape, dh, dk, dl)


def parameter_slopes(shape, square, dh, dk, dl):
    """Slopes of S^2, whose value is ``square``, against the parameters of the shape, in the order of its fields."""
    return PARAMETERS[type(shape)](shape, square, dh, dk, dl)


def parameter_count(shape):
    """Number of the shape's parameters, a constant."""
    return COUNT[type(shape)]


@overload(interference, jit_options=CONTRACTED)
def _interference(shape, dh, dk, dl):
    return VALUE[shape.instance_class]


@overload(interference_slopes, jit_options=CONTRACTED)
def _interference_slopes(shape, dh, dk, dl):
    return SLOPES[shape.instance_class]


@overload(parameter_slopes, jit_options=CONTRACTED)
def _parameter_slopes(shape, square, dh, dk, dl):
    return PARAMETERS[shape.instance_class]


@overload(parameter_count, jit_options=CONTRACTED)
def _parameter_count(shape):
    count = COUNT[shape.instance_class]
    return lambda shape: count
