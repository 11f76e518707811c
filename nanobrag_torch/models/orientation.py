"""Orientations of a crystal: the sweep in phi and the mosaic domains, from a config and frozen random draws."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import CrystalConfig
from nanobrag_torch.memory import check_memory
from nanobrag_torch.models.as_tensor import scalar, vector
from nanobrag_torch.physics import mosaic
from nanobrag_torch.physics.random import CRandom, GeneratorState, rotation_draws
from nanobrag_torch.physics.rotation import about_axis
from nanobrag_torch.physics.safe import unit
from nanobrag_torch.units import degrees_to_radians

#: The stream of mosaic domains where no seed is given.
DEFAULT_MOSAIC_SEED = 12345678
Z_AXIS = (0.0, 0.0, 1.0)


@dataclass(frozen=True)
class Draws:
    """Deviates of a random misset (1, 3), if one is asked for, and of the mosaic domains (n, 3), and the generator's
    state behind them, with which the noise stream goes on."""

    misset: Tensor | None
    mosaic: Tensor
    state: GeneratorState


def check_orientations(config: CrystalConfig, device: torch.device) -> None:
    """Raise ``ValueError`` for more phi steps and mosaic domains than memory holds."""
    counts = (config.phi_steps, config.mosaic_domains)
    names = "phi_steps, mosaic_domains"
    remedy = "Take fewer of either: every domain turns with every step."
    check_memory("orientation", math.prod(counts), "CrystalConfig", names, counts, remedy, device)


def random_draws(config: CrystalConfig, compat: Compat, device: torch.device) -> Draws:
    """Draw as the C program does: the misset first, if it is random, then every mosaic domain, a single one too.

    ``compat`` says what a negative seed is [B31]. Raises ``ValueError`` where a random misset has no seed, or no memory
    holds the domains.
    """
    check_orientations(config, device)
    state = GeneratorState()

    def draw(seed: int, count: int) -> Tensor:
        stream = CRandom.of_option(seed, state, compat.negative_seeds == "continue")
        return torch.from_numpy(rotation_draws(stream, count)).to(device)

    misset = None
    if config.misset_random:
        if config.misset_seed is None:
            raise ValueError(
                "CrystalConfig.misset_seed = None: must be an integer where misset_random is set. "
                "Give a seed, so that the orientation can be found again."
            )
        misset = draw(config.misset_seed, 1)
    seed = DEFAULT_MOSAIC_SEED if config.mosaic_seed is None else config.mosaic_seed
    return Draws(misset, draw(seed, config.mosaic_domains), state)


def misset_angles(config: CrystalConfig, compat: Compat, device: torch.device) -> Tensor:
    """Misset angles (3,) in radians: as given, or drawn with rotations of up to ``compat.misset_random_cap`` [B20].

    A drawn angle is rounded as in the C program in every mode: it wraps around many times, so that single precision
    decides its fourth digit and a seed would name another orientation.
    """
    if not config.misset_random:
        return degrees_to_radians(vector(config.misset_deg, device))
    draws = random_draws(config, compat, device).misset
    assert draws is not None
    return mosaic.misset_angles(mosaic.rotations(draws, scalar(compat.misset_random_cap, device), single=True)[0])


def phi_angles(config: CrystalConfig, device: torch.device) -> Tensor:
    """The angles (phi_steps,) of the sweep in radians: starts of intervals, not their middles.

    Raises ``ValueError`` where no memory holds the orientations.
    """
    check_orientations(config, device)
    index = torch.arange(config.phi_steps, dtype=torch.float64, device=device)
    step = config.phi_step_deg if config.phi_step_deg is not None else config.osc_range_deg / config.phi_steps
    return degrees_to_radians(scalar(config.phi_start_deg, device) + scalar(step, device) * index)


def mosaic_rotations(config: CrystalConfig, compat: Compat, device: torch.device) -> Tensor:
    """Rotations (mosaic_domains, 3, 3) of C's model, the first of which is the identity."""
    if config.mosaic_domains == 1:
        return torch.eye(3, dtype=torch.float64, device=device)[None]
    spread = degrees_to_radians(scalar(config.mosaic_spread_deg, device))
    return mosaic.domain_rotations(random_draws(config, compat, device).mosaic, spread, compat.mosaic_angle == "single")


def gaussian_rotations(config: CrystalConfig, stars: Tensor) -> Tensor:
    """Rotations (mosaic_domains, 3, 3) of the gaussian model before phi, for reciprocal vectors (3, 3) with misset."""
    seed = DEFAULT_MOSAIC_SEED if config.mosaic_seed is None else config.mosaic_seed
    points = mosaic.even_normals(config.mosaic_domains, seed, stars.device)
    deviations = degrees_to_radians(vector(config.mosaic_eta_deg, stars.device))
    return mosaic.gaussian_rotations(points, deviations, mosaic.crystal_axes(stars))


def orientations(
    vectors: Tensor,
    stars: Tensor,
    config: CrystalConfig,
    compat: Compat,
    spindle: Tensor | None = None,
    stale: bool = False,
) -> Tensor:
    """Vectors in every orientation of the crystal.

    Phi turns first, and C's mosaic domains turn what results. Domains of the gaussian model belong to the crystal: phi
    turns them with it.

    Args:
        vectors: Rows (3, 3), in any unit.
        stars: Reciprocal vectors (3, 3) with misset, one a row: axes of a gaussian mosaicity.
        config: Sweep and mosaic domains.
        compat: Precision of the domains' angles.
        spindle: Axis (3,) of phi where the config names none; None is z.
        stale: Follow the C program at phi = 0 [B02].

    Returns:
        The rows (3, phi_steps, mosaic_domains, 3), in the unit that went in.
    """
    axis = vector(config.spindle_axis, vectors.device) if config.spindle_axis is not None else spindle
    axis = unit(axis if axis is not None else vector(Z_AXIS, vectors.device))
    phi = phi_angles(config, vectors.device)
    gaussian = config.mosaic_model == "gaussian" and config.mosaic_domains > 1
    turned = torch.einsum("mij,vj->vmi", gaussian_rotations(config, stars), vectors) if gaussian else vectors[:, None]
    swept = about_axis(turned[:, None], axis, phi[:, None])
    if stale:
        swept = swept[:, stale_order(phi.detach().tolist())]
    if gaussian or config.mosaic_domains == 1:
        return swept
    swept = swept[:, :, 0]
    return torch.einsum("mij,vpj->vpmi", mosaic_rotations(config, compat, vectors.device), swept)


def stale_order(phi: list[float]) -> list[int]:
    """For each phi step, the step whose orientation the C program really uses: at phi = 0 the one before it [B02]."""
    order, previous = [], next((i for i in reversed(range(len(phi))) if phi[i] != 0), 0)
    for i, angle in enumerate(phi):
        previous = i if angle != 0 else previous
        order.append(previous)
    return order
