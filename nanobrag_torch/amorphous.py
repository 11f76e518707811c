"""Scattering of amorphous materials in the beam, such as air and water, as an image to be added to the crystal's.

It is computed from the scene of a simulator, with the same detector, sources and polarization, each sample with its own
factors in every mode (docs/physics.md, Amorphous materials).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nanobrag_torch.config import Scalar
from nanobrag_torch.kernel.geometry import sample_positions
from nanobrag_torch.kernel.pixels import Pixels
from nanobrag_torch.kernel.weights import sample_captures, sample_polarizations, sample_solid_angles
from nanobrag_torch.models.as_tensor import scalar, vector
from nanobrag_torch.physics.background import amorphous_amplitude, molecules
from nanobrag_torch.physics.scattering import scattering_vector
from nanobrag_torch.scene import Scene
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.slabs import assembled
from nanobrag_torch.units import R_E_SQUARED, angstrom_to_m, mm_to_m
from nanobrag_torch.validation import check_range, fail, number_of

#: Bytes that a sample of a source takes here at once, and those of a piece of the image.
_BYTES_PER_SAMPLE = 60 * 8


@dataclass(frozen=True)
class Material:
    """An amorphous material that fills the beam over some length at the crystal.

    Attributes:
        stol: sin(theta)/lambda (n,), growing, 1/Angstrom.
        amplitude: Amplitude (n,) of a molecule, electrons: the square root of its scattering, neighbours included.
        thickness_mm: Length along the beam.
        density_g_cm3: Density, g/cm^3.
        molar_mass: Mass of a molecule, g/mol.
        beamsize_mm: Edge of the beam; None is ``BeamConfig.beamsize_mm``.

    Raises:
        ValueError: A value that no material has.
    """

    stol: Any
    amplitude: Any
    thickness_mm: Scalar
    density_g_cm3: Scalar = 1.0
    molar_mass: Scalar = 18.0
    beamsize_mm: Scalar | None = None

    def __post_init__(self) -> None:
        me = type(self).__name__
        for name in ("thickness_mm", "density_g_cm3"):
            check_range(me, name, getattr(self, name), 0)
        check_range(me, "molar_mass", self.molar_mass, 0, low_open=True, unit="g/mol")
        check_range(me, "beamsize_mm", self.beamsize_mm, 0, low_open=True, unit="mm", optional=True)
        nodes, values = (torch.as_tensor(each).detach() for each in (self.stol, self.amplitude))
        if nodes.ndim != 1 or nodes.shape != values.shape or len(nodes) < 2:
            shapes = f"of shapes {tuple(nodes.shape)} and {tuple(values.shape)}"
            raise fail(me, "stol, amplitude", shapes, "of equal shapes (n,), n at least 2", "")
        if not bool(torch.isfinite(nodes).all() & torch.isfinite(values).all() & (nodes.diff() > 0).all()):
            raise fail(me, "stol, amplitude", nodes.tolist(), "finite, and stol growing", "Sort the table.")


#: Rough amplitudes of a water molecule in liquid water and of a nitrogen molecule in air over sin(theta)/lambda, as the
#: descendants of nanoBragg (cctbx, simtbx) publish them.
_WATER = (
    (0.0, 2.57), (0.0365, 2.58), (0.07, 2.8), (0.12, 5.0), (0.162, 8.0), (0.18, 7.32), (0.2, 6.75), (0.216, 6.75),
    (0.236, 6.5), (0.28, 4.5), (0.3, 4.3), (0.345, 4.36), (0.436, 3.77), (0.5, 3.17),
)  # fmt: skip
_AIR = ((0.0, 14.1), (0.045, 13.5), (0.174, 8.35), (0.35, 4.78), (0.5, 4.22))


def _material(table: Sequence[tuple[float, float]], density: float, mass: float) -> Material:
    stol, amplitude = torch.tensor(table, dtype=torch.float64).T
    return Material(stol, amplitude, 0.0, density, mass)


#: Materials by name, of no thickness yet.
MATERIALS = {"water": _material(_WATER, 1.0, 18.0), "air": _material(_AIR, 1.2e-3, 28.0)}


def material(name: str, thickness_mm: Scalar, beamsize_mm: Scalar | None = None) -> Material:
    """Water or air at room temperature.

    Args:
        name: "water" or "air".
        thickness_mm: Length along the beam; it may carry a gradient.
        beamsize_mm: Edge of the beam, mm; None is that of the beam's config.

    Raises:
        ValueError: There is no such material.
    """
    if name not in MATERIALS:
        raise fail("material", "name", name, f"one of {', '.join(MATERIALS)}", "Give a table, as a Material.")
    return replace(MATERIALS[name], thickness_mm=thickness_mm, beamsize_mm=beamsize_mm)


def background_image(simulator: Simulator, materials: Material | Sequence[Material]) -> Tensor:
    """Photons that amorphous materials scatter into the pixels, to be added to the simulator's image.

    Thickness, density, amplitudes, wavelengths, fluence and everything of the detector's place carry gradients.

    Args:
        simulator: Simulator whose detector, beam, region of interest and mask count.
        materials: One material or several.

    Returns:
        Image (spixels, fpixels) in photons, of the simulator's precision, of many panels the raw image; pixels that are
        not rendered are zero.

    Raises:
        ValueError: The beam has no size.

    Example:
        ```python
        air, water = material("air", thickness_mm=20.0), material("water", thickness_mm=0.05)
        simulator.beam_config.beamsize_mm = 0.1
        image = simulator.run() + background_image(simulator, [air, water])
        ```
    """
    given = [materials] if isinstance(materials, Material) else list(materials)
    scenes = simulator.scenes()
    tables = [(*_table(each, scenes[0]), _amount(each, simulator, scenes[0])) for each in given]
    images = [
        pixels.image(torch.cat(list(_pieces(simulator, scene, tables, pixels))).to(simulator.dtype))
        for scene, pixels in zip(scenes, simulator.panel_pixels(), strict=True)
    ]
    return assembled(images, simulator.detector.slabs)


def _pieces(
    simulator: Simulator, scene: Scene, tables: Sequence[tuple[Tensor, Tensor, Tensor]], pixels: Pixels
) -> Iterator[Tensor]:
    """Photons of the pixels of a panel, as many at a time as the memory budget holds."""
    slow, fast = pixels.lists(scene.panel.origin.device)
    per_pixel = scene.panel.samples * scene.sources.count * _BYTES_PER_SAMPLE
    piece = max(1, simulator.memory_budget // per_pixel)
    for start in range(0, max(1, len(slow)), piece):  # a panel outside the region of interest has one piece of none
        chosen = slow[start : start + piece], fast[start : start + piece]
        if torch.is_grad_enabled():
            yield checkpoint(_photons, scene, tables, *chosen, use_reentrant=False)
        else:
            yield _photons(scene, tables, *chosen)


def _photons(scene: Scene, tables: Sequence[tuple[Tensor, Tensor, Tensor]], slow: Tensor, fast: Tensor) -> Tensor:
    """Photons (P,) of all materials: r_e^2 fluence N <sum over layers of F |F| omega polarization capture>."""
    panel, sources = scene.panel, scene.sources
    position = sample_positions(panel, slow, fast)
    distance = torch.sqrt((position * position).sum(-1))
    diffracted = position / distance[..., None]
    weight = sample_solid_angles(panel, distance) * sample_captures(panel, False, diffracted)
    weight = weight[..., None] * sample_polarizations(scene.polarization, diffracted, sources.directions)
    weight = weight * sources.weights / (panel.oversample**2 * sources.count)
    q = scattering_vector(diffracted, sources.directions, sources.wavelengths)
    stol_squared = angstrom_to_m(angstrom_to_m((q * q).sum(-1) / 4))
    scattered = torch.zeros_like(weight)
    for stol, amplitude, amount in tables:
        found = amorphous_amplitude(stol_squared, stol, amplitude)
        scattered = scattered + amount * found * found.abs()
    return (scattered * weight).sum((1, 2))


def _table(each: Material, scene: Scene) -> tuple[Tensor, Tensor]:
    device = scene.panel.origin.device
    return vector(each.stol, device), vector(each.amplitude, device)


def _amount(each: Material, simulator: Simulator, scene: Scene) -> Tensor:
    """r_e^2 times the fluence times the number of molecules in the beam."""
    device = scene.panel.origin.device
    beamsize = simulator.beam_config.beamsize_mm if each.beamsize_mm is None else each.beamsize_mm
    if not (number_of(beamsize) or 0.0) > 0:
        raise fail(
            "background_image", "BeamConfig.beamsize_mm", beamsize, "greater than 0 mm: it bounds the material",
            "Give the beam a size, or the material a beamsize_mm.",
        )  # fmt: skip
    edge, thickness = (mm_to_m(scalar(length, device)) for length in (beamsize, each.thickness_mm))
    count = molecules(edge * edge * thickness, scalar(each.density_g_cm3, device), scalar(each.molar_mass, device))
    return R_E_SQUARED * scene.fluence * count
