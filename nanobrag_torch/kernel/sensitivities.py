"""Images of the derivative with respect to parameters: forward sensitivities, for Fisher information and diagnosis."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nanobrag_torch.kernel import formula_tiles as tiles
from nanobrag_torch.kernel.channels import by_channel
from nanobrag_torch.kernel.engine import obstacle
from nanobrag_torch.kernel.jvp import tangents_of
from nanobrag_torch.kernel.pixels import Pixels
from nanobrag_torch.kernel.sequential import ends_for_good
from nanobrag_torch.scene import Scene


def sensitivities(scene: Scene, pixels: Pixels, parameters: Sequence[Tensor], engine: str = "auto") -> Tensor:
    """Derivatives of photons with respect to parameters, as images.

    The compiled loops need one sweep for all parameters; scenes that they cannot render are differentiated by the
    formula.

    Args:
        scene: A scene that was made from the parameters.
        pixels: The n pixels.
        parameters: Tensors that require a gradient, m elements in all.
        engine: One of ``ENGINES``.

    Returns:
        Derivatives (m, n); zeros for a parameter that the scene does not depend on.
    """
    parts = by_channel(scene)
    if parts[0] is not scene:
        return torch.stack([sensitivities(part, pixels, parameters, engine) for part in parts]).mean(0)
    if engine in ("auto", "numba") and obstacle(scene) is None:
        from nanobrag_torch.kernel.numba_engine import engine as function

        if scene.first_lattice is None and not ends_for_good(scene):
            return function.sensitivities(scene, pixels, parameters)
    (moved,) = tangents_of([tiles.render(scene, *pixels.lists(scene.panel.origin.device))], parameters)
    return moved
