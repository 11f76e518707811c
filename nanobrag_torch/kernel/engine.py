"""Which way a scene is rendered: compiled for the CPU, in tiles of torch operations, or all at once by the formula.

All three evaluate the same sum. ``auto`` compiles whatever the compiled loops can do; the table ``OBSTACLES`` says what
they cannot, and those scenes go to the tiles. Tiles have a reverse pass written by hand; what it cannot do is in the
table ``TILE_OBSTACLES``, and autograd differentiates those scenes.
"""

import warnings
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor
from torch.autograd import forward_ad

from nanobrag_torch.kernel import differentiable
from nanobrag_torch.kernel import formula_tiles as tiles
from nanobrag_torch.kernel.memory import MEMORY_BUDGET, check_memory
from nanobrag_torch.kernel.pixels import Pixels, Progress
from nanobrag_torch.kernel.sequential import Find, render_in_order
from nanobrag_torch.kernel.torch_engine.engine import TorchTiles
from nanobrag_torch.kernel.weights import polarization_sampling
from nanobrag_torch.scene import Scene, tensors_of
from nanobrag_torch.validation import check_choice, fail

ENGINES = ("auto", "numba", "torch", "formula")

#: Largest table of structure factors whose entries the compiled loops can address.
LARGEST_TABLE = 2**31 - 1


@cache
def numba_works() -> bool:
    """Whether numba can be used on this machine; says once why not."""
    try:
        import numba  # noqa: F401
    except ImportError as error:
        warnings.warn(f"numba cannot be used ({error}): images come from torch operations, slowly.", stacklevel=2)
        return False
    return True


def is_transformed(scene: Scene) -> bool:
    """Whether some tensor is followed by ``torch.func`` or carries a forward-mode tangent."""
    if torch._C._functorch.peek_interpreter_stack() is None and forward_ad._current_level < 0:
        return False
    found = tensors_of(scene)
    return any(torch._C._functorch.is_functorch_wrapped_tensor(tensor) for tensor in found) or any(
        forward_ad.unpack_dual(tensor).tangent is not None for tensor in found
    )


def _blackens_culled_pixels(scene: Scene) -> bool:
    weighing = scene.weighing
    own = polarization_sampling(scene) == "per_sample" and scene.polarization.enabled
    return weighing.dmin_zeroes_background and own and scene.has_background and scene.dmin > 0


Obstacles = dict[str, Callable[[Scene], bool]]

#: What no reverse pass written by hand can evaluate, in words, and how to see it: all that hinders the tiles.
TILE_OBSTACLES: Obstacles = {
    "factors multiply the running total [B05]": lambda scene: bool(scene.weighing.running),
    "the detector is curved": lambda scene: scene.panel.curved != "flat",
    "culled pixels lose their background [B11]": _blackens_culled_pixels,
    "torch.func or forward-mode differentiation follows the scene": is_transformed,
}

#: What the compiled loops cannot evaluate.
OBSTACLES: Obstacles = {
    "the scene is not on the CPU": lambda scene: scene.panel.origin.device.type != "cpu",
    **TILE_OBSTACLES,
    "the table of structure factors has more than 2^31 entries": lambda scene: (
        scene.amplitudes.table is not None and scene.amplitudes.table.numel() > LARGEST_TABLE
    ),
    "numba is not available": lambda scene: not numba_works(),
}


def obstacle(scene: Scene, obstacles: Obstacles = OBSTACLES) -> str | None:
    """The first reason why the compiled loops, or whatever has these ``obstacles``, cannot render this scene."""
    return next((reason for reason, holds in obstacles.items() if holds(scene)), None)


def render(
    scene: Scene,
    pixels: Pixels,
    engine: str = "auto",
    tile: int | None = None,
    progress: Progress | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> Tensor:
    """Photons (n,) in ``pixels``, in their order.

    ``engine`` is one of ``ENGINES``; ``memory_budget`` the bytes that it may take beside image and gradient (the
    formula takes what it needs); ``tile``, where given, the pixels that torch operations evaluate at once.
    Raises ``ValueError`` for an image that no memory holds, and where "numba" is asked for a scene that it cannot do.
    """
    check_choice("Simulator", "engine", engine, ENGINES)
    check_memory(scene, len(pixels))
    reason = obstacle(scene) if engine in ("auto", "numba") else "torch operations were asked for"
    if engine == "numba" and reason is not None:
        raise fail("Simulator", "engine", engine, f"'auto' or 'torch' here, since {reason}", "")
    by: differentiable.Engine
    find: Find
    if reason is None:
        from nanobrag_torch.kernel.numba_engine.engine import CompiledLoops, first_outside

        by, find = CompiledLoops(memory_budget), first_outside
        return render_in_order(scene, pixels, partial(differentiable.photons, by), find, progress)
    if engine != "formula" and obstacle(scene, TILE_OBSTACLES) is None:
        by, find = TorchTiles(memory_budget, tile), partial(tiles.first_outside, memory_budget=memory_budget)
        return render_in_order(scene, pixels, partial(differentiable.photons, by), find, progress)
    slow, fast = pixels.lists(scene.panel.origin.device)
    tile = len(pixels) if engine == "formula" else tile or tiles.pixels_per_tile(scene, memory_budget)
    return tiles.render(scene, slow, fast, tile, progress)
