"""Images of the derivative with respect to parameters: forward sensitivities, for Fisher information and diagnosis."""

from collections.abc import Sequence

from torch import Tensor

from nanobrag_torch.kernel import formula_tiles as tiles
from nanobrag_torch.kernel.engine import obstacle
from nanobrag_torch.kernel.jvp import tangents_of
from nanobrag_torch.kernel.pixels import Pixels
from nanobrag_torch.kernel.sequential import ends_for_good
from nanobrag_torch.scene import Scene


def sensitivities(scene: Scene, pixels: Pixels, parameters: Sequence[Tensor], engine: str = "auto") -> Tensor:
    """Derivatives (m, n) of the photons in ``pixels`` with respect to the m elements of ``parameters``.

    The scene must have been made from the ``parameters``, which require a gradient; one that it does not depend on has
    zeros. The compiled loops need one sweep for all of them; what they cannot render is differentiated by the formula.
    """
    if engine in ("auto", "numba") and obstacle(scene) is None:
        from nanobrag_torch.kernel.numba_engine import engine as function

        if scene.first_lattice is None and not ends_for_good(scene):
            return function.sensitivities(scene, pixels, parameters)
    (moved,) = tangents_of([tiles.render(scene, *pixels.lists(scene.panel.origin.device))], parameters)
    return moved
