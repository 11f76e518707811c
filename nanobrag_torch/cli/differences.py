"""Where C's rules and correct physics part in this run: one warning each, so that nobody is surprised by an image."""

from collections.abc import Callable, Iterator

import numpy as np

from nanobrag_torch.cli.messages import cell_parameters
from nanobrag_torch.cli.precedence import Configuration
from nanobrag_torch.models.crystal import UnitCell
from nanobrag_torch.models.detector import Geometry
from nanobrag_torch.models.orientation import phi_angles
from nanobrag_torch.scene import Scene

#: Degrees by which an angle may be off before it is worth a warning.
ANGLE_TOLERANCE = 1e-3


def differences(conf: Configuration, scene: Scene, cell: UnitCell, geometry: Geometry) -> Iterator[str]:
    """One sentence for every habit of the C program that changes this image materially."""
    found = [rule(conf, scene, cell, geometry) for rule in RULES]
    yield from (f"{text}. -compat physical does not do this." for text in found if text is not None)


def _bent_cell(conf: Configuration, scene: Scene, cell: UnitCell, geometry: Geometry) -> str | None:
    c = conf.crystal
    wanted = np.array([float(angle) for angle in (c.cell_alpha, c.cell_beta, c.cell_gamma)])
    got = np.array(cell_parameters(cell.direct.cpu().numpy(), cell.stars.cpu().numpy(), float(cell.volume))[3:])
    if conf.compat.cell_construction == "exact" or c.has_matrix or np.abs(got - wanted).max() < ANGLE_TOLERANCE:
        return None
    return "C's cell construction gives the angles {:g} {:g} {:g} instead of {:g} {:g} {:g}".format(*got, *wanted)


def _last_layer(conf: Configuration, scene: Scene, cell: UnitCell, geometry: Geometry) -> str | None:
    if scene.weighing.capture != "last_layer" or scene.panel.layers < 2:
        return None
    return f"the capture fraction of the last of {scene.panel.layers} sensor layers weighs all of them, as in C"


def _running_products(conf: Configuration, scene: Scene, cell: UnitCell, geometry: Geometry) -> str | None:
    if not scene.weighing.running or scene.samples_per_pixel < 2:
        return None
    return (
        f"-oversample_* multiply the running total of {scene.samples_per_pixel} samples a pixel, as in C: "
        "the first samples all but vanish"
    )


def _stale_phi(conf: Configuration, scene: Scene, cell: UnitCell, geometry: Geometry) -> str | None:
    phi = phi_angles(conf.crystal, scene.panel.origin.device).tolist()
    if not conf.compat.phi_zero_carryover or 0 not in phi or len(set(phi)) < 2:
        return None
    return f"the step at phi = 0 keeps the orientation of the step before it in this sweep of {len(phi)} steps, as in C"


def _equal_weights(conf: Configuration, scene: Scene, cell: UnitCell, geometry: Geometry) -> str | None:
    if conf.sources is None or conf.compat.source_weights == "use" or np.ptp(conf.sources.weights) == 0:
        return None
    return "the weights of the source list do not count, as in C"


def _squared_fluence(conf: Configuration, scene: Scene, cell: UnitCell, geometry: Geometry) -> str | None:
    if conf.compat.background_model != "c" or not scene.has_background:
        return None
    return "the scattering of water grows with the square of the fluence and is divided by the steps, as in C"


Rule = Callable[[Configuration, Scene, UnitCell, Geometry], str | None]
RULES: tuple[Rule, ...] = (_bent_cell, _last_layer, _running_products, _stale_phi, _equal_weights, _squared_fluence)
