"""Squared lattice factors of samples in a Triton kernel, their slopes, and their slopes against the parameters.

``dh``, ``dk``, ``dl`` are remainders of Miller indices, and ``p`` points to the parameters of the shape, as
``kernel.tables.shape_parameters`` forms them; both are in the precision of the evaluation. The same forms as
``numba_engine.shapes``.
"""

import math

import torch
import triton
import triton.language as tl

from nanobrag_torch.kernel.tables import LEAST_REMAINDER
from nanobrag_torch.physics.safe import SINE_BEND, SINE_QUOTIENT

QUOTIENT_DOUBLE, QUOTIENT_SINGLE = (tl.constexpr(SINE_QUOTIENT[dtype]) for dtype in (torch.float64, torch.float32))
BEND_DOUBLE, BEND_SINGLE = (tl.constexpr(SINE_BEND[dtype]) for dtype in (torch.float64, torch.float32))
LEAST_DOUBLE, LEAST_SINGLE = (tl.constexpr(LEAST_REMAINDER[dtype]) for dtype in (torch.float64, torch.float32))
#: Series of ``physics.safe.sphere`` and of its slope.
SPHERE = (1.0, -1 / 10, 1 / 280, -1 / 15120, 1 / 1330560, -1 / 172972800)
SPHERE_SERIES = tl.constexpr(SPHERE)
SPHERE_SLOPES = tl.constexpr(tuple(power * SPHERE[power] for power in range(1, len(SPHERE))))
#: Pi as a number whose products with whole numbers are exact, and the rest.
PI_HIGH, PI_LOW = tl.constexpr(3.1415926218032837), tl.constexpr(3.178650954705639e-08)
INVERSE_PI = tl.constexpr(1 / math.pi)


@triton.constexpr_function
def degree(coefficients):
    """Degree of a polynomial."""
    return len(coefficients) - 1


@triton.constexpr_function
def coefficient(coefficients, power):
    """Coefficient of a power."""
    return coefficients[power]


@triton.jit
def horner(y, COEFFICIENTS: tl.constexpr):
    """Polynomial in y, from its coefficients in rising order."""
    last: tl.constexpr = degree(COEFFICIENTS)
    total = tl.full(y.shape, coefficient(COEFFICIENTS, last), y.dtype)
    for step in tl.static_range(last):
        total = tl.fma(total, y, tl.full(y.shape, coefficient(COEFFICIENTS, last - 1 - step), y.dtype))
    return total


@triton.jit
def sine_quotient(y):
    """Quotient sin(pi x)/x at y = x^2 <= 1/4."""
    if y.dtype == tl.float64:
        return horner(y, QUOTIENT_DOUBLE)
    else:
        return horner(y, QUOTIENT_SINGLE)


@triton.jit
def sine_bend(y):
    """Bend (sin(pi x)/x - pi cos(pi x))/x^2 at y = x^2 <= 1/4."""
    if y.dtype == tl.float64:
        return horner(y, BEND_DOUBLE)
    else:
        return horner(y, BEND_SINGLE)


@triton.jit
def sines(delta, cells):
    """Parts of a grating: d = |delta|; x and n with N d = x + n; sin(pi x)/x and sin(pi d)/d."""
    d = tl.abs(delta)
    if delta.dtype == tl.float64:
        d = tl.maximum(d, tl.full(d.shape, LEAST_DOUBLE, d.dtype))
    else:
        d = tl.maximum(d, tl.full(d.shape, LEAST_SINGLE, d.dtype))
    x = d * cells
    whole = tl.floor(x + 0.5)
    x = x - whole
    return d, x, whole, sine_quotient(x * x), sine_quotient(d * d)


@triton.jit
def grating(inverse, d, x, whole, above, below, cells):
    """Grating S = sin(pi N d)/sin(pi d) without its sign, and dS/dd, from ``inverse`` = 1/sin(pi d) and ``sines``."""
    value = x * above * inverse
    regular = value * (d * d * sine_bend(d * d)) - cells * (x * x * sine_bend(x * x))
    return value, inverse * tl.fma(whole * above, below * inverse, regular)


@triton.jit
def grating_growth(inverse, d, x, above):
    """Slope dS/dN of ``grating``."""
    return d * inverse * (above - x * x * sine_bend(x * x))


@triton.jit
def sphere(y):
    """Transform of a solid sphere as a function of y = x^2, and its slope, in float64."""
    y = y.to(tl.float64)
    near = y < 0.25
    s = tl.where(near, y, 0.0)
    away = tl.where(near, 1.0, y)
    x = tl.sqrt(away)
    whole = tl.floor(x * INVERSE_PI + 0.5)
    t = (x - whole * PI_HIGH - whole * PI_LOW) * INVERSE_PI
    turned = 1.0 - 2.0 * tl.abs(whole - 2.0 * tl.floor(0.5 * whole + 0.5))
    quotient = sine_quotient(t * t)
    sine = turned * t * quotient
    cosine = turned * (quotient - t * t * sine_bend(t * t)) * INVERSE_PI
    inverse = 1 / away
    closed = 3 * (sine / x - cosine) * inverse
    steep = -1.5 * ((3 * inverse - 1) * sine / x - 3 * cosine * inverse) * inverse
    return tl.where(near, horner(s, SPHERE_SERIES), closed), tl.where(near, horner(s, SPHERE_SLOPES), steep)


@triton.jit
def radius(p, dh, dk, dl):
    """y = ka dh^2 + kb dk^2 + kc dl^2."""
    return tl.load(p + 1) * dh * dh + tl.load(p + 2) * dk * dk + tl.load(p + 3) * dl * dl


@triton.jit
def form_slopes(p, dh, dk, dl):
    """Quadratic form r of the remainders whose six coefficients follow the peak, and its slopes."""
    aa, bb, cc = tl.load(p + 1), tl.load(p + 2), tl.load(p + 3)
    ab, ac, bc = tl.load(p + 4), tl.load(p + 5), tl.load(p + 6)
    across_h = tl.fma(aa, dh, tl.fma(ab, dk, ac * dl))
    across_k = tl.fma(bb, dk, bc * dl)
    form = tl.fma(dh, across_h, tl.fma(dk, across_k, cc * dl * dl))
    return (
        form,
        tl.fma(aa, dh, across_h),
        tl.fma(ab, dh, bb * dk + across_k),
        tl.fma(ac, dh, tl.fma(bc, dk, 2 * cc * dl)),
    )


@triton.jit
def interference(SHAPE: tl.constexpr, p, dh, dk, dl):
    """Squared lattice factors S^2."""
    if SHAPE == "square":
        h, xh, _, ah, bh = sines(dh, tl.load(p))
        k, xk, _, ak, bk = sines(dk, tl.load(p + 1))
        l, xl, _, al, bl = sines(dl, tl.load(p + 2))
        ratio = (xh * xk * xl) * (ah * ak * al) / ((h * k * l) * (bh * bk * bl))
        return ratio * ratio
    elif SHAPE == "round":
        value, _ = sphere(radius(p, dh, dk, dl))
        return (tl.load(p).to(tl.float64) * value * value).to(dh.dtype)
    else:
        form, _, _, _ = form_slopes(p, dh, dk, dl)
        if SHAPE == "tophat":
            return tl.where(form < 1, tl.load(p), 0.0)
        else:
            return tl.load(p) * tl.exp(-form)


@triton.jit
def interference_slopes(SHAPE: tl.constexpr, p, dh, dk, dl):
    """Squared lattice factors S^2 and their slopes against the three remainders."""
    if SHAPE == "square":
        na, nb, nc = tl.load(p), tl.load(p + 1), tl.load(p + 2)
        h, xh, nh, ah, bh = sines(dh, na)
        k, xk, nk, ak, bk = sines(dk, nb)
        l, xl, nl, al, bl = sines(dl, nc)
        sh, gh = grating(1 / (h * bh), h, xh, nh, ah, bh, na)
        sk, gk = grating(1 / (k * bk), k, xk, nk, ak, bk, nb)
        sl, gl = grating(1 / (l * bl), l, xl, nl, al, bl, nc)
        value = sh * sk * sl
        twice = value + value
        return (
            value * value,
            tl.where(dh < 0, -twice, twice) * gh * (sk * sl),
            tl.where(dk < 0, -twice, twice) * gk * (sh * sl),
            tl.where(dl < 0, -twice, twice) * gl * (sh * sk),
        )
    elif SHAPE == "round":
        value, slope = sphere(radius(p, dh, dk, dl))
        peak = tl.load(p).to(tl.float64)
        outer = (4 * peak * value * slope).to(dh.dtype)
        ka, kb, kc = tl.load(p + 1), tl.load(p + 2), tl.load(p + 3)
        return (peak * value * value).to(dh.dtype), outer * ka * dh, outer * kb * dk, outer * kc * dl
    else:
        form, gh, gk, gl = form_slopes(p, dh, dk, dl)
        if SHAPE == "tophat":
            none = tl.zeros_like(form)
            return tl.where(form < 1, tl.load(p), 0.0), none, none, none
        else:
            value = tl.load(p) * tl.exp(-form)
            return value, -value * gh, -value * gk, -value * gl


@triton.jit
def parameter_slopes(SHAPE: tl.constexpr, p, square, dh, dk, dl):
    """Slopes of S^2 = ``square`` against seven parameters, in their order; those that the shape has not are zero."""
    none = tl.zeros_like(dh)
    if SHAPE == "square":
        h, xh, _, ah, bh = sines(dh, tl.load(p))
        k, xk, _, ak, bk = sines(dk, tl.load(p + 1))
        l, xl, _, al, bl = sines(dl, tl.load(p + 2))
        ih, ik, il = 1 / (h * bh), 1 / (k * bk), 1 / (l * bl)
        sh, sk, sl = xh * ah * ih, xk * ak * ik, xl * al * il
        twice = 2 * sh * sk * sl
        return (
            twice * grating_growth(ih, h, xh, ah) * sk * sl,
            twice * grating_growth(ik, k, xk, ak) * sh * sl,
            twice * grating_growth(il, l, xl, al) * sh * sk,
            none, none, none, none,
        )  # fmt: skip
    elif SHAPE == "round":
        value, slope = sphere(radius(p, dh, dk, dl))
        outer = (2 * tl.load(p).to(tl.float64) * value * slope).to(dh.dtype)
        return (value * value).to(dh.dtype), outer * dh * dh, outer * dk * dk, outer * dl * dl, none, none, none
    elif SHAPE == "tophat":
        return square / tl.load(p), none, none, none, none, none, none
    else:
        return (
            square / tl.load(p),
            -square * dh * dh, -square * dk * dk, -square * dl * dl,
            -square * dh * dk, -square * dh * dl, -square * dk * dl,
        )  # fmt: skip
