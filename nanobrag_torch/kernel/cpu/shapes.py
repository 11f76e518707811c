"""Squared lattice factors of one sample, their slopes, and their slopes against the crystal's parameters.

One record a shape, of numbers in the precision of the evaluation; numba compiles the kernels once for each in use.
``dh``, ``dk``, ``dl`` are the remainders of the Miller indices. The parameters are formed outside, by
``arrays.shape_parameters``, from which cells, fudge and reciprocal vectors get their gradients.
"""

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numba.extending import overload

from nanobrag_torch.kernel.cpu.compiling import INLINE
from nanobrag_torch.kernel.cpu.trigonometry import sine_bend, sine_quotient
from nanobrag_torch.physics.lattice_factor import TOPHAT_LIMIT

#: One, in a precision that never widens what it is combined with.
ONE = np.float32(1)


class Square(NamedTuple):
    """Numbers of cells along the axes, and the remainder that stands for a smaller one, so that no quotient is 0/0."""

    na: float
    nb: float
    nc: float
    least: float


class Round(NamedTuple):
    """S^2 = peak * sphere(y)^2 with y = ka dh^2 + kb dk^2 + kc dl^2."""

    peak: float
    ka: float
    kb: float
    kc: float


class Gauss(NamedTuple):
    """S^2 = peak * exp(-r) with r = aa dh^2 + bb dk^2 + cc dl^2 + ab dh dk + ac dh dl + bc dk dl."""

    peak: float
    aa: float
    bb: float
    cc: float
    ab: float
    ac: float
    bc: float


class Tophat(NamedTuple):
    """S^2 = peak where r, formed as in ``Gauss``, is less than the limit, and 0 elsewhere."""

    peak: float
    aa: float
    bb: float
    cc: float
    ab: float
    ac: float
    bc: float


@njit(**INLINE)
def grating(delta, cells, least):
    """(S, dS/d delta, dS/d cells) of a grating, the sign of S left out as in ``physics.safe.grating``.

    With x = N delta - n, the sines are x P(x^2) and delta P(delta^2). The slope is formed without the difference of two
    numbers that grow towards the pole: its singular part has the factor n, which is zero there.
    """
    d = max(abs(delta), least)
    x = d * cells
    whole = np.rint(x)
    x = x - whole
    above, below = sine_quotient(x * x), sine_quotient(d * d)
    inverse = ONE / (d * below)
    value = x * above * inverse
    bend = x * x * sine_bend(x * x)
    slope = inverse * (whole * above * below * inverse - cells * bend + value * (d * d * sine_bend(d * d)))
    return value, math.copysign(ONE, delta) * slope, d * inverse * (above - bend)


@njit(**INLINE)
def sphere(y):
    """Transform of a solid sphere as a function of y = x^2, and its slope, as in ``physics.safe.sphere``; in double."""
    y = np.float64(y)
    if y < 0.25:
        value = 1 + y * (-1 / 10 + y * (1 / 280 + y * (-1 / 15120 + y * (1 / 1330560 - y / 172972800))))
        slope = -1 / 10 + y * (2 / 280 + y * (-3 / 15120 + y * (4 / 1330560 - 5 * y / 172972800)))
        return value, slope
    x = math.sqrt(y)
    sine, cosine = math.sin(x), math.cos(x)
    return 3 * (sine / x - cosine) / y, -1.5 * ((3 / (x * y) - 1 / x) * sine - 3 * cosine / y) / y


@njit(**INLINE)
def quadratic_form(shape, dh, dk, dl):
    """The squared distance from the reciprocal lattice point, scaled as the shape wants it."""
    across_h = shape.aa * dh + shape.ab * dk + shape.ac * dl
    return dh * across_h + dk * (shape.bb * dk + shape.bc * dl) + shape.cc * dl * dl


@njit(**INLINE)
def form_slopes(shape, dh, dk, dl):
    """Slopes of ``quadratic_form`` against the three remainders."""
    return (
        2 * shape.aa * dh + shape.ab * dk + shape.ac * dl,
        2 * shape.bb * dk + shape.ab * dh + shape.bc * dl,
        2 * shape.cc * dl + shape.ac * dh + shape.bc * dk,
    )


@njit(**INLINE)
def form_terms(dh, dk, dl):
    """What multiplies the six coefficients of ``quadratic_form``."""
    return dh * dh, dk * dk, dl * dl, dh * dk, dh * dl, dk * dl


def _square(shape, dh, dk, dl):
    dh, dk, dl = max(abs(dh), shape.least), max(abs(dk), shape.least), max(abs(dl), shape.least)
    xh, xk, xl = dh * shape.na, dk * shape.nb, dl * shape.nc
    xh, xk, xl = xh - np.rint(xh), xk - np.rint(xk), xl - np.rint(xl)
    above = (xh * xk * xl) * (sine_quotient(xh * xh) * sine_quotient(xk * xk) * sine_quotient(xl * xl))
    below = (dh * dk * dl) * (sine_quotient(dh * dh) * sine_quotient(dk * dk) * sine_quotient(dl * dl))
    ratio = above / below
    return ratio * ratio


def _round(shape, dh, dk, dl):
    value = sphere(shape.ka * dh * dh + shape.kb * dk * dk + shape.kc * dl * dl)[0]
    return shape.peak * value * value


def _gauss(shape, dh, dk, dl):
    return shape.peak * math.exp(-quadratic_form(shape, dh, dk, dl))


def _tophat(shape, dh, dk, dl):
    return shape.peak if quadratic_form(shape, dh, dk, dl) < TOPHAT_LIMIT else shape.peak * 0


def _square_slopes(shape, dh, dk, dl):
    sh, gh, _ = grating(dh, shape.na, shape.least)
    sk, gk, _ = grating(dk, shape.nb, shape.least)
    sl, gl, _ = grating(dl, shape.nc, shape.least)
    twice = sh * sk * sl
    value = twice * twice
    twice = twice + twice
    return value, twice * gh * sk * sl, twice * sh * gk * sl, twice * sh * sk * gl


def _round_slopes(shape, dh, dk, dl):
    value, slope = sphere(shape.ka * dh * dh + shape.kb * dk * dk + shape.kc * dl * dl)
    outer = 4 * shape.peak * value * slope
    return shape.peak * value * value, outer * shape.ka * dh, outer * shape.kb * dk, outer * shape.kc * dl


def _gauss_slopes(shape, dh, dk, dl):
    value = shape.peak * math.exp(-quadratic_form(shape, dh, dk, dl))
    gh, gk, gl = form_slopes(shape, dh, dk, dl)
    return value, -value * gh, -value * gk, -value * gl


def _tophat_slopes(shape, dh, dk, dl):
    none = shape.peak * 0
    return (shape.peak if quadratic_form(shape, dh, dk, dl) < TOPHAT_LIMIT else none), none, none, none


def _square_parameters(shape, dh, dk, dl):
    sh, _, nh = grating(dh, shape.na, shape.least)
    sk, _, nk = grating(dk, shape.nb, shape.least)
    sl, _, nl = grating(dl, shape.nc, shape.least)
    twice = 2 * sh * sk * sl
    return twice * nh * sk * sl, twice * sh * nk * sl, twice * sh * sk * nl


def _round_parameters(shape, dh, dk, dl):
    value, slope = sphere(shape.ka * dh * dh + shape.kb * dk * dk + shape.kc * dl * dl)
    outer = 2 * shape.peak * value * slope
    return value * value, outer * dh * dh, outer * dk * dk, outer * dl * dl


def _gauss_parameters(shape, dh, dk, dl):
    share = math.exp(-quadratic_form(shape, dh, dk, dl))
    hh, kk, ll, hk, hl, kl = form_terms(dh, dk, dl)
    value = -shape.peak * share
    return share, value * hh, value * kk, value * ll, value * hk, value * hl, value * kl


def _tophat_parameters(shape, dh, dk, dl):
    share = 1.0 if quadratic_form(shape, dh, dk, dl) < TOPHAT_LIMIT else 0.0
    return share, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0


VALUE = {Square: _square, Round: _round, Gauss: _gauss, Tophat: _tophat}
SLOPES = {Square: _square_slopes, Round: _round_slopes, Gauss: _gauss_slopes, Tophat: _tophat_slopes}
PARAMETERS = {
    Square: _square_parameters,
    Round: _round_parameters,
    Gauss: _gauss_parameters,
    Tophat: _tophat_parameters,
}


def interference(shape, dh, dk, dl):
    """S^2 at remainders ``dh``, ``dk``, ``dl``."""
    return VALUE[type(shape)](shape, dh, dk, dl)


def interference_slopes(shape, dh, dk, dl):
    """S^2 and its slopes against the three remainders."""
    return SLOPES[type(shape)](shape, dh, dk, dl)


def parameter_slopes(shape, dh, dk, dl):
    """Slopes of S^2 against the parameters of the shape, in the order of its fields."""
    return PARAMETERS[type(shape)](shape, dh, dk, dl)


@overload(interference, jit_options=INLINE)
def _interference(shape, dh, dk, dl):
    return VALUE[shape.instance_class]


@overload(interference_slopes, jit_options=INLINE)
def _interference_slopes(shape, dh, dk, dl):
    return SLOPES[shape.instance_class]


@overload(parameter_slopes, jit_options=INLINE)
def _parameter_slopes(shape, dh, dk, dl):
    return PARAMETERS[shape.instance_class]
