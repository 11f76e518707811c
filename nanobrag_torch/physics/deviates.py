"""Deviates of the C program's generator, compiled: the arithmetic rounds where the C program rounds.

``seed`` holds the seed variable (1,), ``table`` the shuffled numbers and, last, the last output, and ``spare`` whether
the second normal deviate of a pair is waiting, and it. All deviates are float32 (docs/physics.md, Random numbers).
"""

import math
from typing import Any

import numpy as np
from numba import njit

from nanobrag_torch.compiled import OPTIONS
from nanobrag_torch.physics.random import MODULUS, MULTIPLIER, QUOTIENT, REMAINDER, TABLE_SIZE

WARM_UP = 8
DIVISOR = 1 + (MODULUS - 1) // TABLE_SIZE
LARGEST = 1.0 - 1.2e-7

_LAST = TABLE_SIZE
_f32: Any = np.float32

Array = np.ndarray[Any, Any]


@njit(**OPTIONS)
def _step(seed):
    k = seed // QUOTIENT
    seed = MULTIPLIER * (seed - k * QUOTIENT) - REMAINDER * k
    return seed + MODULUS if seed < 0 else seed


@njit(**OPTIONS)
def _draw(seed, table):
    """The next uniform deviate in (0, 1), float32; ``table`` holds the shuffled numbers and, last, the last output."""
    s = seed[0]
    if s <= 0 or table[_LAST] == 0:
        s = max(1, -s)
        for j in range(TABLE_SIZE + WARM_UP - 1, -1, -1):
            s = _step(s)
            if j < TABLE_SIZE:
                table[j] = s
        table[_LAST] = table[0]
    s = _step(s)
    seed[0] = s
    j = table[_LAST] // DIVISOR
    output = table[j]
    table[_LAST] = output
    table[j] = s
    uniform = _f32((1.0 / MODULUS) * output)
    return _f32(LARGEST) if uniform > LARGEST else uniform


@njit(**OPTIONS)
def _gauss(seed, table, spare):
    """A normal deviate by the polar method; ``spare`` holds whether the second one of the pair is waiting, and it."""
    if spare[0] != 0:
        spare[0] = 0
        return spare[1]
    while True:
        v1 = _f32(2.0 * _draw(seed, table) - 1.0)
        v2 = _f32(2.0 * _draw(seed, table) - 1.0)
        square = _f32(v1 * v1) + _f32(v2 * v2)
        if 0 < square < 1:
            break
    factor = _f32(math.sqrt(-2.0 * math.log(np.float64(square)) / np.float64(square)))
    spare[0] = 1
    spare[1] = _f32(v1 * factor)
    return _f32(v2 * factor)


@njit(**OPTIONS)
def _log_gamma(argument):
    """ln Gamma(x) by the Lanczos series, from and to float32."""
    x = np.float64(_f32(argument))
    z = x + 5.5
    z -= (x + 0.5) * math.log(z)
    series = 1.000000000190015
    series += 76.18009172947146 / (x + 1.0)
    series += -86.50532032941677 / (x + 2.0)
    series += 24.01409824083091 / (x + 3.0)
    series += -1.231739572450155 / (x + 4.0)
    series += 0.001208650973866179 / (x + 5.0)
    series += -0.000005395239384953 / (x + 6.0)
    return _f32(-z + math.log(2.5066282746310005 * series / x))


@njit(**OPTIONS)
def _poisson(seed, table, spare, mean):
    """A Poisson deviate of the float32 ``mean``: by product of uniforms, by rejection, or as a Gaussian above 1e6."""
    m = np.float64(mean)
    if m > 1e6:
        return _f32(m + math.sqrt(m) * np.float64(_gauss(seed, table, spare)))
    if m < 12.0:
        limit = _f32(math.exp(-m))
        deviate = _f32(0.0)
        product = _draw(seed, table)
        while product > limit:
            deviate += _f32(1.0)
            product = _f32(product * _draw(seed, table))
        return deviate
    root = _f32(math.sqrt(2.0 * m))
    log_mean = _f32(math.log(m))
    offset = _f32(_f32(mean * log_mean) - _log_gamma(m + 1.0))
    while True:
        while True:
            y = _f32(math.tan(math.pi * np.float64(_draw(seed, table))))
            deviate = _f32(_f32(root * y) + mean)
            if not deviate < 0:
                break
        deviate = _f32(math.floor(np.float64(deviate)))
        exponent = _f32(_f32(_f32(deviate * log_mean) - _log_gamma(np.float64(deviate) + 1.0)) - offset)
        lorentzian = np.float64(_f32(1.0) + _f32(y * y))
        acceptance = _f32(0.9 * lorentzian * math.exp(np.float64(exponent)))
        if not _draw(seed, table) > acceptance:
            return deviate


def uniform(seed: Array, table: Array, values: Array) -> None:
    """Fill ``values`` (n,) with the next uniform deviates."""
    for i in range(values.size):
        values[i] = _draw(seed, table)


def normal(seed: Array, table: Array, spare: Array, values: Array) -> None:
    """Fill ``values`` (n,) with normal deviates."""
    for i in range(values.size):
        values[i] = _gauss(seed, table, spare)


def poisson(seed: Array, table: Array, spare: Array, means: Array, values: Array) -> None:
    """Fill ``values`` (n,) with Poisson deviates of ``means`` (n,), both float32."""
    for i in range(values.size):
        values[i] = _poisson(seed, table, spare, means[i])
