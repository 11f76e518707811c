"""Random numbers of the C program: one generator, and uniform, normal and Poisson deviates from it.

The generator is Park and Miller's minimal standard with a Bays-Durham shuffle (docs/physics.md, Random numbers). Its
table and last output form one state that every stream shares, so that a stream whose seed does not re-initialise the
table goes on where another one left off. All deviates are float32, and the arithmetic (``physics/deviates.py``)
rounds where the C program rounds.
"""

from dataclasses import dataclass, field

import numpy as np

from nanobrag_torch.compiled import Compiled

MULTIPLIER, MODULUS, QUOTIENT, REMAINDER = 16807, 2147483647, 127773, 2836
TABLE_SIZE = 32
#: Seeds up to this size keep every table entry within the generator's modulus.
SEED_LIMIT = (MODULUS // REMAINDER) * QUOTIENT

_uniform, _normal, _poisson = (
    Compiled(f"nanobrag_torch.physics.deviates:{name}", ("physics/random.py",))
    for name in ("uniform", "normal", "poisson")
)


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
        return float(self.draws(1)[0])

    def draws(self, count: int) -> np.ndarray:
        """The next ``count`` uniform deviates, float64 holding float32 values."""
        values = np.empty(count)
        _uniform(self._seed, self.state.table, values)
        return values

    def gauss(self) -> float:
        """A normal deviate of mean 0 and variance 1: a float32 value."""
        return float(self.gausses(1)[0])

    def gausses(self, count: int) -> np.ndarray:
        """The next ``count`` normal deviates, float64 holding float32 values."""
        values = np.empty(count)
        _normal(self._seed, self.state.table, self.state.spare, values)
        return values

    def poisson(self, mean: float) -> float:
        """A Poisson deviate: a float32 value, whole unless ``mean`` exceeds a million."""
        return float(self.poissons(np.array([mean]))[0])

    def poissons(self, means: np.ndarray) -> np.ndarray:
        """Poisson deviates of ``means``, drawn in row-major order: float32 of their shape.

        They are whole numbers unless the mean exceeds a million, where the deviate is Gaussian.
        """
        flat = np.ascontiguousarray(means, np.float32).reshape(-1)
        values = np.empty_like(flat)
        _poisson(self._seed, self.state.table, self.state.spare, flat, values)
        return values.reshape(means.shape)


def rotation_draws(stream: CRandom, count: int) -> np.ndarray:
    """The deviates (r1, r2, r3) in (-1, 1) of ``count`` random rotations, float64 of shape (count, 3)."""
    return 2.0 * stream.draws(3 * count).reshape(count, 3) - 1.0
