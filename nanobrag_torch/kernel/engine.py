"""Choice of the engine that renders a scene: compiled loops, GPU kernels, tiles of torch operations, or the formula.

All of them evaluate the same sum. ``auto`` takes the compiled loops unless the table ``OBSTACLES`` has a reason against
them, then the kernels unless ``KERNEL_OBSTACLES`` has one, and the tiles otherwise. Tiles have a hand-written reverse
pass, unless ``TILE_OBSTACLES`` has a reason against it; autograd differentiates those scenes.
"""

import warnings
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor

from nanobrag_torch.compiled import check_numba
from nanobrag_torch.kernel import differentiable
from nanobrag_torch.kernel import formula_tiles as tiles
from nanobrag_torch.kernel.channels import by_channel
from nanobrag_torch.kernel.memory import MEMORY_BUDGET, check_pixels
from nanobrag_torch.kernel.operation import Operation, carry_tangents, is_transformed
from nanobrag_torch.kernel.pixels import Pixels, Progress
from nanobrag_torch.kernel.sequential import Find, render_in_order
from nanobrag_torch.kernel.torch_engine.engine import TorchTiles
from nanobrag_torch.kernel.weights import polarization_sampling
from nanobrag_torch.scene import Scene, tensors_of, with_tensors
from nanobrag_torch.validation import check_choice, fail

ENGINES = ("auto", "numba", "triton", "torch", "formula")

#: Largest table of structure factors whose entries the compiled loops and the kernels can address.
LARGEST_TABLE = 2**31 - 1


@cache
def numba_works() -> bool:
    """True if numba can be imported; otherwise one warning says why not."""
    try:
        check_numba()
    except ImportError as error:
        warnings.warn(f"numba cannot be used ({error}): images come from torch operations, slowly.", stacklevel=2)
        return False
    return True


@cache
def triton_works() -> bool:
    """True if Triton can be imported and can compile for this machine's GPU; otherwise one warning says why not.

    Interpreted Triton, which Triton's own variable TRITON_INTERPRET asks for, needs no GPU.
    """
    try:
        import triton

        if not triton.knobs.runtime.interpret:
            triton.runtime.driver.active.get_current_target()
    except (ImportError, RuntimeError, AttributeError, OSError) as error:
        warnings.warn(f"Triton cannot be used ({error}): GPU images come from torch operations, slowly.", stacklevel=2)
        return False
    return True


def _is_interpreted() -> bool:
    try:
        import triton
    except ImportError:
        return False
    return bool(triton.knobs.runtime.interpret)


def _blackens_culled_pixels(scene: Scene) -> bool:
    weighing = scene.weighing
    own = polarization_sampling(scene) == "per_sample" and scene.polarization.enabled
    return weighing.dmin_zeroes_background and own and scene.has_background and scene.dmin > 0


Obstacles = dict[str, Callable[[Scene], bool]]

#: Scenes that the hand-written reverse passes cannot handle: reason -> test.
TILE_OBSTACLES: Obstacles = {
    "factors multiply the running total [B05]": lambda scene: bool(scene.weighing.running),
    "the detector is curved": lambda scene: scene.panel.curved != "flat",
    "culled pixels lose their background [B11]": _blackens_culled_pixels,
}

_TABLE_OBSTACLES: Obstacles = {
    "the table of structure factors has more than 2^31 entries": lambda scene: (
        scene.amplitudes.table is not None and scene.amplitudes.table.numel() > LARGEST_TABLE
    ),
}

#: Scenes that the compiled loops cannot handle: reason -> test.
OBSTACLES: Obstacles = {
    "the scene is not on the CPU": lambda scene: scene.panel.origin.device.type != "cpu",
    **TILE_OBSTACLES,
    **_TABLE_OBSTACLES,
    "numba is not available": lambda scene: not numba_works(),
}

#: Scenes that the GPU kernels cannot handle: reason -> test. Where Triton is interpreted, every device will do.
KERNEL_OBSTACLES: Obstacles = {
    "the scene is not on a CUDA device": lambda scene: (
        scene.panel.origin.device.type != "cuda" and not _is_interpreted()
    ),
    **TILE_OBSTACLES,
    **_TABLE_OBSTACLES,
    "Triton is not available": lambda scene: not triton_works(),
}


def obstacle(scene: Scene, obstacles: Obstacles = OBSTACLES) -> str | None:
    """First reason among ``obstacles`` that holds for a scene, or None; by default those of the compiled loops."""
    return next((reason for reason, holds in obstacles.items() if holds(scene)), None)


def render(
    scene: Scene,
    pixels: Pixels,
    engine: str = "auto",
    tile: int | None = None,
    progress: Progress | None = None,
    memory_budget: int = MEMORY_BUDGET,
) -> Tensor:
    """Photons in pixels, connected to the tensors of the scene.

    Args:
        scene: Description of the experiment in SI units.
        pixels: The n pixels.
        engine: One of ``ENGINES``.
        tile: Pixels that torch operations evaluate at once; None for as many as the memory budget holds.
        progress: Called with (pixels done, pixels in all).
        memory_budget: Bytes beside image and gradient; the formula takes as many as it needs.

    Returns:
        Photons (n,) in the scene's dtype, in the order of the pixels.

    Raises:
        ValueError: The engine is unknown, no memory holds the image, or "numba" cannot render the scene.
    """
    check_choice("Simulator", "engine", engine, ENGINES)
    check_pixels(scene, len(pixels))
    parts = by_channel(scene)
    if parts[0] is not scene:
        images = [render(part, pixels, engine, tile, progress, memory_budget) for part in parts]
        return torch.stack(images).mean(0)
    if is_transformed():

        def plain(*tensors: Tensor) -> tuple[Tensor]:
            told = None if torch.is_grad_enabled() else progress
            return (render(with_tensors(scene, tensors), pixels, engine, tile, told, memory_budget),)

        (photons,) = Operation(plain, fast_push=partial(_moved, scene, pixels, memory_budget))(*tensors_of(scene))
        return photons
    if carry_tangents(tensors_of(scene)):
        return _by_formula(scene, pixels, tile, memory_budget, progress)
    chosen = _engine(scene, engine, tile, memory_budget)
    if chosen is None:
        return _by_formula(scene, pixels, len(pixels) if engine == "formula" else tile, memory_budget, progress)
    by, find = chosen
    return render_in_order(scene, pixels, partial(differentiable.photons, by), find, progress)


def _engine(scene: Scene, name: str, tile: int | None, memory_budget: int) -> tuple[differentiable.Engine, Find] | None:
    """Make the engine of that ``name``, and what finds pixels that leave the table; None for the formula."""
    if name in ("auto", "numba") and (reason := obstacle(scene)) is None:
        from nanobrag_torch.kernel.numba_engine.engine import CompiledLoops, first_outside

        return CompiledLoops(memory_budget), first_outside
    on_gpu = name == "triton" or (name == "auto" and scene.panel.origin.device.type == "cuda")
    if on_gpu and (reason := obstacle(scene, KERNEL_OBSTACLES)) is None:
        from nanobrag_torch.kernel.triton_engine.engine import TritonTiles

        return TritonTiles(memory_budget, tile), partial(tiles.first_outside, memory_budget=memory_budget)
    if name in ("numba", "triton"):
        raise fail("Simulator", "engine", name, f"'auto' or 'torch' here, since {reason}", "")
    if name != "formula" and obstacle(scene, TILE_OBSTACLES) is None:
        return TorchTiles(memory_budget, tile), partial(tiles.first_outside, memory_budget=memory_budget)
    return None


def _by_formula(
    scene: Scene, pixels: Pixels, tile: int | None, memory_budget: int, progress: Progress | None = None
) -> Tensor:
    """Photons by operations that autograd follows, forwards and backwards."""
    tile = tile or tiles.pixels_per_tile(scene, memory_budget)
    return tiles.render(scene, *pixels.lists(scene.panel.origin.device), tile, progress)


def _moved(scene: Scene, pixels: Pixels, memory_budget: int, *given: Tensor) -> tuple[Tensor]:
    """Tangents of the photons, from the scene's tensors and their tangents."""

    def photons(*tensors: Tensor) -> Tensor:
        return _by_formula(with_tensors(scene, tensors), pixels, None, memory_budget)

    tensors, tangents = given[: len(given) // 2], given[len(given) // 2 :]
    moved: Tensor = torch.func.jvp(photons, tensors, tangents)[1]
    return (moved,)
