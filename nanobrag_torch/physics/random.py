"""Random numbers of the C program: one generator, and uniform, normal and Poisson deviates from it.

The generator is Park and Miller's minimal standard with a Bays-Durham shuffle (docs/physics.md, Random numbers). Its
table and last output form one state that every stream shares, so that a stream whose seed does not re-initialise the
table goes on where another one left off. All deviates are float32, and the arithmetic below rounds where the C program
rounds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

MULTIPLIER, MODULUS, QUOTIENT, REMAINDER = 16807, 2147483647, 127773, 2836
TABLE_SIZE, WARM_UP = 32, 8
DIVISOR = 1 + (MODULUS - 1) // TABLE_SIZE
LARGEST = 1.0 - 1.2e-7
#: Seeds up to this size keep every table entry within the generator's modulus.
SEED_LIMIT = (MODULUS // REMAINDER) * QUOTIENT

_LAST = TABLE_SIZE
_f32: Any = np.float32

Array = np.ndarray[Any, Any]
Compiled = TypeVar("Compiled", bound=Callable[..., Any])


def compiled(function: Compiled) -> Compiled:
    """Compile a function of numbers and arrays; the result is kept on disk."""
    made: Any = njit(cache=True)(function)
    return cast(Compiled, made)


@compiled
def _step(seed: int) -> int:
    k = seed // QUOTIENT
    seed = MULTIPLIER * (seed - k * QUOTIENT) - REMAINDER * k
    return seed + MODULUS if seed < 0 else seed


@compiled
def _draw(seed: Array, table: Array) -> Any:
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


@compiled
def _draws(seed: Array, table: Array, count: int) -> Array:
    values = np.empty(count, np.float64)
    for i in range(count):
        values[i] = _draw(seed, table)
    return values


@compiled
def _gauss(seed: Array, table: Array, spare: Array) -> Any:
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


@compiled
def _log_gamma(argument: Any) -> Any:
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


@compiled
def _poisson(seed: Array, table: Array, spare: Array, mean: Any) -> Any:
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


@dataclass
class GeneratorState:
    """State that all streams share: shuffle table with the last output behind it, and the waiting Gaussian deviate."""

    table: np.ndarray = field(default_factory=lambda: np.zeros(TABLE_SIZE + 1, np.int64))
    spare: np.ndarray = field(default_factory=lambda: np.zeros(2, np.float32))


class CRandom:
    """One stream of the C program's generator: a seed variable over a state that may be shared with other streams.

    ``seed`` is the number that the C program stores, the negated option value (``-mosaic_seed 5`` stores -5): zero or
    negative, the first draw fills the table anew; positive, the stream goes on with the table as it is.
    Without ``state`` the stream has a state of its own.

    Raises ``ValueError`` for a seed that would leave the generator's modulus.
    """

    def __init__(self, seed: int, state: GeneratorState | None = None) -> None:
        if abs(seed) > SEED_LIMIT:
            raise ValueError(
                f"CRandom.seed = {seed}: must be an integer between -{SEED_LIMIT} and {SEED_LIMIT}. "
                "Choose a smaller seed."
            )
        self.state = GeneratorState() if state is None else state
        self._seed = np.array([seed], np.int64)

    @classmethod
    def of_option(cls, value: int, state: GeneratorState | None = None, continues: bool = False) -> "CRandom":
        """The stream of a seed as users give it, which is stored negated.

        A negative seed starts the stream of its magnitude; where it ``continues`` it is C's and goes on with ``state``.
        """
        return cls(-int(value) if continues else -abs(int(value)), state)

    @property
    def seed(self) -> int:
        """The seed variable as it stands after the draws made so far."""
        return int(self._seed[0])

    def draw(self) -> float:
        """A uniform deviate in (0, 1): a float32 value."""
        return float(_draw(self._seed, self.state.table))

    def draws(self, count: int) -> np.ndarray:
        """The next ``count`` uniform deviates, float64 holding float32 values."""
        return _draws(self._seed, self.state.table, count)

    def gauss(self) -> float:
        """A normal deviate of mean 0 and variance 1: a float32 value."""
        return float(_gauss(self._seed, self.state.table, self.state.spare))

    def poisson(self, mean: float) -> float:
        """A Poisson deviate: a float32 value, whole unless ``mean`` exceeds a million."""
        return float(_poisson(self._seed, self.state.table, self.state.spare, _f32(mean)))


def rotation_draws(stream: CRandom, count: int) -> np.ndarray:
    """The deviates (r1, r2, r3) in (-1, 1) of ``count`` random rotations, float64 of shape (count, 3)."""
    return 2.0 * stream.draws(3 * count).reshape(count, 3) - 1.0
