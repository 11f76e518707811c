"""How much of the signal arrives at every step of the physics, from the loss back to the parameters."""

import torch
from torch import Tensor

from nanobrag_torch.doctor.records import Stage
from nanobrag_torch.doctor.subject import Subject
from nanobrag_torch.kernel.formula import combine, samples

#: Samples looked at: of a larger image every n-th pixel is taken.
MOST_SAMPLES = 1 << 18
#: Samples held at once.
TILE = 1 << 16


def stages(subject: Subject, image: Tensor, weights: Tensor, loss: float) -> tuple[Stage, ...]:
    """Values and adjoints of a scenario's intermediate quantities, in the order of the physics, the loss last.

    ``image`` and ``weights`` (spixels, fpixels) are the image and the derivative of the loss by it. Of an image with
    more than 262144 samples an even choice of pixels is looked at.
    """
    assert subject.scenario is not None
    leaves = subject.leaves()
    simulator = subject.scenario.simulator(leaves)
    scene = simulator.scene(oversample=subject.scenario.oversample())
    slow, fast = simulator.rendered_pixels()
    stride = max(1, -(-len(slow) * scene.samples_per_pixel // MOST_SAMPLES))
    slow, fast = slow[::stride], fast[::stride]
    lattice = scene.lattice
    found: dict[str, list[tuple[Tensor, Tensor]]] = {}
    whole = {"cell": list(leaves.values()), "vectors": [lattice.a, lattice.b, lattice.c]}
    sums = {name: [torch.zeros_like(t) for t in tensors] for name, tensors in whole.items()}
    per_tile = max(1, TILE // scene.samples_per_pixel)
    for start in range(0, len(slow), per_tile):
        part = slice(start, start + per_tile)
        s = samples(scene, slow[part], fast[part])
        intensity = combine(scene, s)
        parts = {
            "scattering": [s.q], "hkl": [s.h, s.k, s.l], "lattice": [s.F_latt], "structure factor": [s.F_cell],
            "intensity": [intensity],
        }  # fmt: skip
        inputs = [t for group in (whole, parts) for tensors in group.values() for t in tensors]
        adjoints = iter(_adjoints(intensity, weights[slow[part], fast[part]].to(intensity), inputs))
        for name, tensors in whole.items():
            sums[name] = [total + next(adjoints) for total, _ in zip(sums[name], tensors, strict=True)]
        for name, tensors in parts.items():
            found.setdefault(name, []).extend((t.detach(), next(adjoints)) for t in tensors)
    first = [_stage(name, list(zip(whole[name], sums[name], strict=True))) for name in whole]
    rest = [_stage(name, found[name]) for name in found]
    last = Stage("loss", 1, abs(loss), 1.0, abs(loss), int(loss == 0), 0)
    return (*first, *rest, _stage("image", [(image, weights)]), last)


def _adjoints(output: Tensor, weights: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    if not output.requires_grad:
        return [torch.zeros_like(tensor) for tensor in inputs]
    wanted = [tensor for tensor in inputs if tensor.requires_grad]
    got = iter(torch.autograd.grad(output, wanted, weights, allow_unused=True, retain_graph=True))
    adjoints = []
    for tensor in inputs:
        adjoint = next(got) if tensor.requires_grad else None
        adjoints.append(torch.zeros_like(tensor) if adjoint is None else adjoint)
    return adjoints


def _stage(name: str, pairs: list[tuple[Tensor, Tensor]]) -> Stage:
    value = torch.cat([v.detach().reshape(-1).double() for v, _ in pairs])
    adjoint = torch.cat([a.reshape(-1).double() for _, a in pairs])
    return Stage(
        name=name,
        elements=value.numel(),
        value=float(value.abs().max()),
        adjoint=float(adjoint.abs().max()),
        signal=float((value * adjoint).abs().sum()),
        zero_values=int((value == 0).sum()),
        zero_adjoints=int((adjoint == 0).sum()),
    )
