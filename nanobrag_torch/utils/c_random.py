"""The C program's generator and the random rotations drawn from it, under their established names."""

import torch
from torch import Tensor

from nanobrag_torch.models.orientation import DEFAULT_MOSAIC_SEED
from nanobrag_torch.physics import mosaic
from nanobrag_torch.physics.random import CRandom, rotation_draws
from nanobrag_torch.utils.tensor_utils import as_tensor_preserving_grad


class CLCG:
    """One stream of the C program's generator, independent of all others.

    ``seed`` is the number that users give; the C program stores it negated, and either sign starts the same stream.
    None is the seed of the mosaic domains. Raises ``ValueError`` for a seed that the generator cannot hold.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.stream = CRandom.of_option(DEFAULT_MOSAIC_SEED if seed is None else seed)

    def ran1(self) -> float:
        """The next uniform deviate in (0, 1), a float32 value."""
        return self.stream.draw()


def mosaic_rotation_umat(
    mosaicity_rad: float | Tensor,
    seed: int | None = None,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Tensor:
    """A random rotation, drawn from the start of a stream and connected to its largest angle.

    Args:
        mosaicity_rad: Largest angle, radians.
        seed: Seed of the stream; None is that of the mosaic domains.
        dtype: Precision; None is that of a tensor angle, else torch's default.
        device: Device of the matrix.

    Returns:
        Rotation matrix (3, 3).
    """
    if dtype is None:
        dtype = mosaicity_rad.dtype if isinstance(mosaicity_rad, Tensor) else torch.get_default_dtype()
    draws = torch.as_tensor(rotation_draws(CLCG(seed).stream, 1), device=device)
    angle = as_tensor_preserving_grad(mosaicity_rad, device, torch.float64)
    return mosaic.rotations(draws, angle)[0].to(dtype)


def umat2misset(umat: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The angles about x, y and z in radians, 0-d tensors, whose rotation Rz Ry Rx is ``umat`` (3, 3)."""
    x, y, z = mosaic.misset_angles(as_tensor_preserving_grad(umat))
    return x, y, z
