"""Point spread of a detector: the part of a pixel's photons that its neighbours record (docs/physics.md, Detector).

Both laws are integrated over pixels in closed form. Lengths are in pixels.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import conv1d

#: Full width at half maximum of a Gaussian of standard deviation 1.
GAUSSIAN_WIDTH = 2 * math.sqrt(2 * math.log(2))
#: The length g of the fibre law, in units of its full width at half maximum: 1 / (2 sqrt(2^(2/3) - 1)).
FIBRE_LENGTH = 1 / (2 * math.sqrt(2 ** (2 / 3) - 1))
#: Below this width a Gaussian spreads nothing, to the last digit, and nor do its derivatives.
_NARROW = 0.01
#: Standard deviations beyond which nothing of a Gaussian is left in double precision.
_GAUSSIAN_REACH = 8.5


def gaussian_fractions(fwhm: Tensor, reach: int) -> Tensor:
    """Parts (2 reach + 1,) of a row that fall on the pixels -reach ... reach, of a Gaussian at the centre of pixel 0.

    At ``fwhm`` = 0 all falls on pixel 0, and every derivative is zero.
    """
    narrow = fwhm.detach() < _NARROW
    sigma = torch.where(narrow, torch.ones_like(fwhm), fwhm) / GAUSSIAN_WIDTH
    edges = torch.arange(-reach, reach + 2, dtype=fwhm.dtype, device=fwhm.device) - 0.5
    below = torch.erf(edges / (sigma * math.sqrt(2))) / 2
    alone = torch.zeros(2 * reach + 1, dtype=fwhm.dtype, device=fwhm.device)
    alone[reach] = 1
    return torch.where(narrow, alone, below[1:] - below[:-1])


def fibre_fractions(fwhm: Tensor, slow: Tensor, fast: Tensor) -> Tensor:
    """Parts (S, F) that fall on the pixels at whole distances ``slow`` (S,) and ``fast`` (F,) of the lit one.

    The density g / (2 pi) (g^2 + r^2)^(-3/2) of fibre-optic tapers has the integral atan(x y / (g sqrt(g^2 + x^2 +
    y^2))) / (2 pi) over a rectangle. The angle is taken between both terms, so that ``fwhm`` = 0 has its value and its
    one-sided derivative: edges of pixels have no coordinate 0.
    """
    g = FIBRE_LENGTH * fwhm
    halves = torch.tensor([-0.5, 0.5], dtype=fwhm.dtype, device=fwhm.device)
    y, x = ((steps.to(fwhm.dtype)[:, None] + halves) for steps in (slow, fast))
    y, x = y[:, None, :, None], x[None, :, None, :]
    angle = torch.atan2(x * y, g * torch.sqrt(g * g + x * x + y * y)) / (2 * math.pi)
    return angle[..., 1, 1] - angle[..., 0, 1] - angle[..., 1, 0] + angle[..., 0, 0]


def _gaussian(image: Tensor, fwhm: Tensor) -> Tensor:
    """Rows, then columns; nothing that a double can hold is cut off."""
    for _ in range(2):
        width = float(fwhm.detach())
        reach = min(math.ceil(_GAUSSIAN_REACH * width / GAUSSIAN_WIDTH + 0.5), image.shape[1] - 1)
        fractions = gaussian_fractions(fwhm, reach)
        image = conv1d(image[:, None], fractions[None, None], padding=reach)[:, 0].T
    return image


def _fibre(image: Tensor, fwhm: Tensor) -> Tensor:
    """Every pixel onto every other, by Fourier transforms of twice the image's size: the law has long tails."""
    sizes = [2 * length for length in image.shape]
    steps = [torch.fft.fftfreq(size, 1 / size, dtype=image.dtype, device=image.device) for size in sizes]
    kernel = fibre_fractions(fwhm, *steps)
    product = torch.fft.rfft2(image, s=sizes) * torch.fft.rfft2(kernel)
    spread_out: Tensor = torch.fft.irfft2(product, s=sizes)
    return spread_out[: image.shape[0], : image.shape[1]]


#: Laws by name: what an image (slow, fast) of float64 becomes, of the width at half maximum (0-d) in pixels.
POINT_SPREADS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "none": lambda image, fwhm: image,
    "gaussian": _gaussian,
    "fibre": _fibre,
}


def spread(image: Tensor, law: str, fwhm: Tensor) -> Tensor:
    """Image (slow, fast) behind a point spread.

    What falls beyond the edges is lost, and nothing comes from there.

    Args:
        image: Photons (slow, fast), float64.
        law: A key of :data:`POINT_SPREADS`.
        fwhm: Full width at half maximum, pixels, 0-d; it may carry a gradient.

    Returns:
        Photons (slow, fast).
    """
    return POINT_SPREADS[law](image, fwhm)
