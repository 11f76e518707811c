"""Stages of the physics: values, adjoints and the signal that arrives at each, from the loss back to the parameters."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ..kernel.cotangents import pulled_back
from ..kernel.formula import combine, samples
from ..scenario import Scenario
from ..scene import Scene, tensors_of, with_tensors
from .observation import SharedFacts
from .records import Stage

ValueAndAdjoint = tuple[Tensor, Tensor]

#: Most samples that are evaluated: of a larger image every n-th pixel is taken.
MOST_SAMPLES = 1 << 18
#: Samples evaluated at once.
TILE = 1 << 16

#: Step of the physics that a file of the simulator computes.
STAGE_OF_FILE = {
    "physics/unit_cell.py": "cell",
    "models/unit_cell.py": "cell",
    "models/crystal.py": "cell",
    "physics/rotation.py": "vectors",
    "physics/mosaic.py": "vectors",
    "models/orientation.py": "vectors",
    "physics/scattering.py": "scattering",
    "physics/sources.py": "scattering",
    "models/detector.py": "scattering",
    "models/panels.py": "scattering",
    "models/sensor.py": "intensity",
    "models/beam.py": "scattering",
    "kernel/geometry.py": "scattering",
    "kernel/torch_engine/rays.py": "scattering",
    "kernel/torch_engine/orientations.py": "hkl",
    "kernel/triton_engine/kernels.py": "hkl",
    "kernel/triton_engine/orientations.py": "hkl",
    "physics/safe.py": "lattice",
    "physics/lattice_factor.py": "lattice",
    "kernel/torch_engine/shapes.py": "lattice",
    "kernel/triton_engine/shapes.py": "lattice",
    "physics/structure_factor.py": "structure factor",
    "kernel/torch_engine/lookups.py": "structure factor",
    "kernel/triton_engine/lookups.py": "structure factor",
    "physics/solid_angle.py": "intensity",
    "physics/polarization.py": "intensity",
    "physics/absorption.py": "intensity",
    "physics/background.py": "intensity",
    "kernel/channels.py": "intensity",
    "kernel/weights.py": "intensity",
    "kernel/formula.py": "intensity",
    "kernel/formula_tiles.py": "intensity",
    "kernel/sequential.py": "intensity",
    "kernel/torch_engine/image.py": "intensity",
    "kernel/torch_engine/reverse.py": "intensity",
    "physics/noise.py": "image",
    "simulator.py": "image",
}
_OURS = "nanobrag_torch/"


def stage_of(source: str | None) -> str | None:
    """Step of the physics at a source line "nanobrag_torch/file.py:12: ...".

    A line outside the simulator belongs to the loss; one of the simulator that serves several steps to none of them.
    """
    file = (source or "").split(":")[0]
    return STAGE_OF_FILE.get(file.removeprefix(_OURS)) if file.startswith(_OURS) else "loss"


def stages(scenario: Scenario, shared: SharedFacts) -> tuple[Stage, ...]:
    """Evaluate the values and adjoints of a scenario's intermediate quantities.

    Of an image with more than 262144 samples an even choice of pixels is evaluated.

    Returns:
        One record a stage in the order of the physics, the loss last.
    """
    image, weights = shared.image, shared.weights
    assert image is not None and weights is not None
    simulator = scenario.simulator()
    scenes, pixels = simulator.scenes(oversample=scenario.oversample()), simulator.panel_pixels()
    vectors = [scenes[0].lattice.a, scenes[0].lattice.b, scenes[0].lattice.c]
    totals = [torch.zeros_like(vector) for vector in vectors]
    found: dict[str, list[ValueAndAdjoint]] = {}
    every = sum(map(len, pixels))
    for connected, part, slab in zip(scenes, pixels, simulator.detector.slabs, strict=True):
        # Every quantity of the scene is a leaf here, so that each has an adjoint, whatever the parameters are.
        scene = with_tensors(connected, [tensor.detach().requires_grad_() for tensor in tensors_of(connected)])
        leaves = [scene.lattice.a, scene.lattice.b, scene.lattice.c]
        for slow, fast in _tiles(scene, every, *part.lists(simulator.device)):
            s = samples(scene, slow, fast)
            intensity = combine(scene, s)
            parts = [
                ("scattering", s.q), ("hkl", s.h), ("hkl", s.k), ("hkl", s.l), ("lattice", s.F_latt),
                ("structure factor", s.F_cell), ("intensity", intensity),
            ]  # fmt: skip
            inputs = leaves + [tensor for _, tensor in parts]
            weight = slab.of(weights)[slow, fast].to(intensity)
            adjoints = pulled_back([intensity], [weight], inputs)
            totals = [total + adjoint for total, adjoint in zip(totals, adjoints, strict=False)]
            for (name, tensor), adjoint in zip(parts, adjoints[len(leaves) :], strict=True):
                found.setdefault(name, []).append((tensor.detach(), adjoint))
    cell = [(v, _or_zero(shared.graph.gradients[name], v)) for name, v in shared.subject.values.items()]
    rows = {"cell": cell, "vectors": list(zip(vectors, totals, strict=True)), **found, "image": [(image, weights)]}
    loss = abs(shared.loss)
    last = Stage("loss", 1, loss, 1.0, loss, int(loss == 0), 0)
    return (*(_stage(name, pairs) for name, pairs in rows.items()), last)


def _tiles(scene: Scene, every: int, slow: Tensor, fast: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Indices (pixels,) of slow and fast pixels, in parts that are evaluated at once; ``every`` counts all panels'."""
    stride = max(1, -(-every * scene.samples_per_pixel // MOST_SAMPLES))
    per_tile = max(1, TILE // scene.samples_per_pixel)
    yield from zip(torch.split(slow[::stride], per_tile), torch.split(fast[::stride], per_tile), strict=True)


def _or_zero(gradient: Tensor | None, value: Tensor) -> Tensor:
    return torch.zeros_like(value) if gradient is None else gradient


def _stage(name: str, pairs: list[ValueAndAdjoint]) -> Stage:
    value = torch.cat([v.detach().reshape(-1).double() for v, _ in pairs])
    adjoint = torch.cat([a.reshape(-1).double() for _, a in pairs])
    return Stage(
        name=name,
        elements=value.numel(),
        value=float(value.abs().max()) if value.numel() else 0.0,
        adjoint=float(adjoint.abs().max()) if adjoint.numel() else 0.0,
        signal=float((value * adjoint).abs().sum()),
        zero_values=int((value == 0).sum()),
        zero_adjoints=int((adjoint == 0).sum()),
    )
