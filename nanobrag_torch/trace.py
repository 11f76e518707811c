"""Trace of one pixel: every quantity that the formula multiplies, sample by sample."""

from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.kernel.formula import Samples, photons, samples
from nanobrag_torch.kernel.weights import select, select_capture
from nanobrag_torch.physics.safe import fraction
from nanobrag_torch.physics.scattering import sin_theta_over_lambda
from nanobrag_torch.scene import Scene
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.units import m_to_angstrom
from nanobrag_torch.validation import fail


@dataclass(frozen=True)
class PixelTrace:
    """Trace of one pixel: factors of the formula, and quantities of its last sample.

    Attributes:
        slow: slow index of the pixel, in the raw image of many panels.
        fast: fast index, likewise.
        scene: the scene that was evaluated.
        samples: factors of every sample, in shapes (1, K, S, O): K samples, S sources, O orientations.
        photons: value of the pixel.
        polar: polarization factor that weighed it, where one weighs all samples; else that of the first.
        omega: solid angle in steradian, likewise.
        capture: fraction of photons captured in the sensor, likewise.
    """

    slow: int
    fast: int
    scene: Scene
    samples: Samples
    photons: float
    polar: float
    omega: float
    capture: float

    @property
    def position(self) -> list[float]:
        """Position in metres of the last sample."""
        return self.samples.position[0, -1].tolist()

    @property
    def stol(self) -> float:
        """sin(theta)/lambda in 1/m of the last sample."""
        return sin_theta_over_lambda(self.samples.q[0, -1, -1]).item()

    @property
    def hkl(self) -> list[float]:
        """Real Miller indices of the last sample."""
        return [index[0, -1, -1, -1].item() for index in (self.samples.h, self.samples.k, self.samples.l)]

    @property
    def hkl0(self) -> list[int]:
        """Nearest integer Miller indices of the last sample."""
        return [int(fraction(torch.tensor(index, dtype=torch.float64))[0]) for index in self.hkl]

    @property
    def F_cell(self) -> float:
        """Structure factor of the last sample, in electrons."""
        return self.samples.F_cell[0, -1, -1, -1].item()

    @property
    def F_latt(self) -> float:
        """Lattice factor of the last sample."""
        return self.samples.F_latt[0, -1, -1, -1].item()

    @property
    def direct_vectors(self) -> Tensor:
        """Direct vectors (3, 3) in Angstrom of the last sample, one a row."""
        lattice = self.scene.lattice
        vectors = [vectors[..., -1, :].reshape(-1, 3)[-1] for vectors in (lattice.a, lattice.b, lattice.c)]
        in_angstrom: Tensor = m_to_angstrom(torch.stack(vectors))
        return in_angstrom


def trace_pixel(simulator: Simulator, slow: int, fast: int) -> PixelTrace:
    """Evaluate one pixel and keep every intermediate quantity, outside any graph.

    Args:
        simulator: the simulator, whose mode counts.
        slow: slow index of the pixel, in the raw image of many panels.
        fast: fast index, likewise.

    Raises:
        ValueError: the pixel is not on the detector.

    Example:
        ```python
        trace_pixel(simulator, 20, 9).hkl  # real Miller indices of the last sample
        ```
    """
    limits = (simulator.detector.spixels, simulator.detector.fpixels)
    if not (0 <= slow < limits[0] and 0 <= fast < limits[1]):
        raise fail(
            "trace", "slow, fast", (slow, fast), f"a pixel with 0 <= slow < {limits[0]} and 0 <= fast < {limits[1]}", ""
        )
    with torch.no_grad():
        scene, place = _of_panel(simulator, slow, fast)
        where = [torch.tensor([index], device=simulator.device) for index in place]
        found = samples(scene, *where)
        weighing = scene.weighing
        return PixelTrace(
            slow,
            fast,
            scene,
            found,
            photons=float(photons(scene, *where)[0]),
            polar=float(select(found.polar, weighing.polar, found.resolved).flatten()[0]),
            omega=float(select(found.omega[..., None], weighing.omega, None).flatten()[0]),
            capture=float(select_capture(found.capture, weighing.capture, scene.panel).flatten()[0]),
        )


def _of_panel(simulator: Simulator, slow: int, fast: int) -> tuple[Scene, tuple[int, int]]:
    """The scene of the panel that holds a pixel of the raw image, and the indices (slow, fast) of that pixel in it."""
    for number, slab in enumerate(simulator.detector.slabs):
        if 0 <= slow - slab.slow < slab.height and 0 <= fast - slab.fast < slab.width:
            return simulator.scenes()[number], (slow - slab.slow, fast - slab.fast)
    raise fail("trace", "slow, fast", (slow, fast), "a pixel of a panel", "There is none at that place.")
