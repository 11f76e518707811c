"""Scattering from what is not crystalline: water around the crystal, and materials by their amplitude over resolution.

See docs/physics.md, Water and Amorphous materials.
"""

import torch
from torch import Tensor

from nanobrag_torch.units import AVOGADRO, R_E_SQUARED

#: Forward amplitude of a water molecule, electrons; its mass, g/mol; the density of water, g/m^3.
WATER_F = 2.57
WATER_MASS = 18.0
WATER_DENSITY = 1e6


def water_intensity(size: Tensor) -> Tensor:
    """F^2 times the number of water molecules in a cube of edge ``size`` metres: electrons^2 per unit solid angle."""
    return WATER_F**2 * size**3 * WATER_DENSITY * AVOGADRO / WATER_MASS


def water_intensity_c(size: Tensor, fluence: Tensor) -> Tensor:
    """The C program's term, which carries r_e^2 * fluence once more than it should [B10]."""
    return R_E_SQUARED * fluence * water_intensity(size)


#: Nodes through which an amplitude is interpolated.
NODES = 4


def molecules(volume: Tensor, density: Tensor, mass: Tensor) -> Tensor:
    """Number of molecules in ``volume`` m^3 of a material of ``density`` g/cm^3 and molar ``mass`` g/mol."""
    return volume * density * 1e6 * AVOGADRO / mass


def amorphous_amplitude(stol_squared: Tensor, stol: Tensor, amplitude: Tensor) -> Tensor:
    """Amplitude of a molecule at some resolution, by Lagrange interpolation between the four nearest nodes of a table.

    Beyond the table it is that of the end. It is continuous; its slope jumps at nodes. The root of ``stol_squared`` has
    no slope at zero, in the direct beam, and is given none.

    Args:
        stol_squared: (sin(theta)/lambda)^2 of any shape, 1/Angstrom^2.
        stol: Nodes (n,), growing, 1/Angstrom.
        amplitude: Amplitudes (n,) there, electrons.

    Returns:
        Amplitudes of the shape of ``stol_squared``.
    """
    nil = stol_squared <= 0
    x = torch.where(nil, torch.zeros_like(stol_squared), torch.sqrt(torch.where(nil, 1.0, stol_squared)))
    x = torch.minimum(torch.maximum(x, stol[0]), stol[-1])
    count = min(NODES, len(stol))
    first = torch.searchsorted(stol.detach().contiguous(), x.detach().contiguous(), right=True) - count // 2
    index = first.clamp(0, len(stol) - count)[..., None] + torch.arange(count, device=x.device)
    nodes, values = stol[index], amplitude[index]
    total = torch.zeros_like(x)
    for i in range(count):
        weight = values[..., i]
        for j in range(count):
            if i != j:
                weight = weight * (x - nodes[..., j]) / (nodes[..., i] - nodes[..., j])
        total = total + weight
    return total
