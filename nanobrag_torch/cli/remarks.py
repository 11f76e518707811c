"""Warnings about an image: deviations of C that change it, and choices that were made silently."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch

from nanobrag_torch.cli.counts import RESPONSE
from nanobrag_torch.cli.errors import option_of
from nanobrag_torch.cli.messages import cell_parameters
from nanobrag_torch.cli.prepare import Prepared
from nanobrag_torch.kernel.formula import samples
from nanobrag_torch.kernel.memory import BYTES_PER_SAMPLE, MEMORY_BUDGET
from nanobrag_torch.models.detector import FLAT
from nanobrag_torch.models.orientation import phi_angles
from nanobrag_torch.physics.structure_factor import in_range
from nanobrag_torch.scene import Scene

#: Degrees by which an angle may be off before it is worth a warning.
ANGLE_TOLERANCE = 1e-3
#: Part of a cell parameter by which two cells of the same crystal may differ.
CELL_TOLERANCE = 0.01


def remarks(run: Prepared) -> Iterator[str]:
    """One sentence for everything that was chosen silently, and for every deviation of C that changes this image."""
    s = run.settings
    if run.conf.reads_dump:
        yield f"structure factors come from {s.dump_file}, left by an earlier run. -nodump ignores it."
    if s.misset_random and s.misset_seed is None:
        seed = run.conf.crystal.misset_seed
        yield f"the seed of the random misset is from the clock: -misset_seed {seed} repeats this orientation"
    if s.stol_file is not None and not s.stol_thick_mm > 0:
        yield f"the table {s.stol_file} does not count, as in C: -stol_thick puts its material into the beam"
    response = [name for name in RESPONSE if name in s.given]
    unread = run.conf.panels is not None and s.nexus_file is None
    if response and (unread or not s.write_noise):
        options = ", ".join(str(option_of(name)) for name in response)
        why = "after -nonoise no image with noise is drawn" if not s.write_noise else "it is of -nexusfile, not given"
        yield f"{options} without effect: {why}"
    if unread:
        yield "there are no SMV images of several panels; -nexusfile writes all of them as NXmx"
    if run.conf.mask_notice is not None:
        yield run.conf.mask_notice
    yield from _foreign_cell(run)
    found = [rule(run) for rule in DEVIATIONS]
    yield from (f"{text}. -compat physical does not do this." for text in found if text is not None)


def _foreign_cell(run: Prepared) -> Iterator[str]:
    """A sentence where amplitudes belong to another cell than the simulated one."""
    structure, cell = run.conf.structure, run.cell
    if structure is None or structure.factors.cell is None:
        return
    used = cell_parameters(cell.direct.cpu().numpy(), cell.stars.cpu().numpy(), float(cell.volume))
    if not np.allclose(used, structure.factors.cell, rtol=CELL_TOLERANCE):
        theirs = " ".join(f"{value:g}" for value in structure.factors.cell)
        yield f"the amplitudes of {run.settings.hkl_file} belong to another cell, {theirs}: that without -cell"


def _bent_cell(run: Prepared) -> str | None:
    c, cell = run.conf.crystal, run.cell
    wanted = np.array([float(angle) for angle in (c.cell_alpha, c.cell_beta, c.cell_gamma)])
    got = np.array(cell_parameters(cell.direct.cpu().numpy(), cell.stars.cpu().numpy(), float(cell.volume))[3:])
    exact = run.conf.compat.cell_construction == "exact"
    if exact or c.has_matrix or np.abs(got - wanted).max() < ANGLE_TOLERANCE:
        return None
    return "C's cell construction gives the angles {:g} {:g} {:g} instead of {:g} {:g} {:g}".format(*got, *wanted)


def _wrong_radius(run: Prepared) -> str | None:
    lattice = run.scene.lattice
    if lattice.spot_radius != "c" or lattice.shape not in ("gauss", "tophat"):
        return None
    wide = float(lattice.cells.prod())
    return f"the spots of this shape are those of a crystal that is {wide:g} A wide, whatever its cell, as in C"


def _edge_on(run: Prepared) -> str | None:
    geometry = run.geometry
    if run.conf.panels is not None or abs(float(geometry.close_distance)) > FLAT * float(
        torch.linalg.vector_norm(geometry.origin)
    ):
        return None
    return "the detector is seen edge-on: the crystal lies in its plane, and the image is what rounding leaves, as in C"


def _last_layer(run: Prepared) -> str | None:
    if run.scene.weighing.capture != "last_layer" or run.scene.panel.layers < 2:
        return None
    return f"the capture fraction of the last of {run.scene.panel.layers} sensor layers weighs all of them, as in C"


def _running_products(run: Prepared) -> str | None:
    samples = run.scene.samples_per_pixel
    if not run.scene.weighing.running or samples < 2:
        return None
    return f"-oversample_* multiply the running total of {samples} samples, as in C: the first ones all but vanish"


def _stale_phi(run: Prepared) -> str | None:
    phi = phi_angles(run.conf.crystal, run.scene.panel.origin.device).tolist()
    if not run.conf.compat.phi_zero_carryover or 0 not in phi or len(set(phi)) < 2:
        return None
    return f"the step at phi = 0 keeps the orientation of the step before it in this sweep of {len(phi)} steps, as in C"


def _equal_weights(run: Prepared) -> str | None:
    sources = run.conf.sources
    if sources is None or run.conf.compat.source_weights == "use" or np.ptp(sources.weights) == 0:
        return None
    return "the weights of the source list do not count, as in C"


def _squared_fluence(run: Prepared) -> str | None:
    if run.conf.compat.background_model != "c" or not run.scene.has_background:
        return None
    return "the scattering of water grows with the square of the fluence and is divided by the steps, as in C"


def _lost_interpolation(run: Prepared) -> str | None:
    """A sentence where a corner of the ROI leaves the table: indices are all but linear, so it is the first to."""
    amplitudes = run.scene.amplitudes
    if amplitudes.table is None or not amplitudes.interpolate or amplitudes.fallback != "global":
        return None
    if run.conf.panels is not None:
        return None
    (ymin, ymax), (xmin, xmax) = run.conf.detector.roi()
    device = run.scene.panel.origin.device
    slow, fast = (torch.tensor(index, device=device) for index in ((ymin, ymin, ymax, ymax), (xmin, xmax, xmin, xmax)))
    for part in _parts_by_orientation(run.scene):
        found = samples(part, slow, fast, interpolated=False)
        if not bool(in_range(amplitudes.table, amplitudes.minimum, found.h, found.k, found.l, amplitudes.margin).all()):
            break
    else:
        return None
    return "interpolation ends for the rest of the image at the first sample outside the table, as in C"


def _parts_by_orientation(scene: Scene) -> Iterator[Scene]:
    """The scene with one sample a pixel, and as many orientations at a time as take little memory."""
    panel, lattice = replace(scene.panel, oversample=1, layers=1), scene.lattice
    at_once = max(1, MEMORY_BUDGET // (4 * scene.sources.count * BYTES_PER_SAMPLE))
    for start in range(0, lattice.orientations, at_once):
        a, b, c = (vectors[..., start : start + at_once, :] for vectors in (lattice.a, lattice.b, lattice.c))
        yield replace(scene, panel=panel, lattice=replace(lattice, a=a, b=b, c=c))


Rule = Callable[[Prepared], str | None]
DEVIATIONS: tuple[Rule, ...] = (
    _bent_cell,
    _last_layer,
    _running_products,
    _stale_phi,
    _equal_weights,
    _squared_fluence,
    _lost_interpolation,
    _wrong_radius,
    _edge_on,
)
