"""Singular operations in forms that are right in value and in gradient at their singular points.

The rule for all of them (docs/physics.md, Stable forms): each branch is evaluated on an input made safe *before* the
singular operation, and selected afterwards; selecting alone would let 0 * inf of the other branch into the gradient.
"""

import torch
from torch import Tensor

#: Coefficients of sin(pi x)/x in y = x^2: Chebyshev interpolation on 0 <= y <= 1/4 of an entire function without a
#: singular point. Relative errors 2e-16 and 7e-9.
SINE_QUOTIENT = {
    torch.float64: (
        3.1415926535897927, -5.1677127800497855, 2.5501640398618677, -0.599264528825224,
        0.08214587881631043, -0.0073703643265304155, 0.0004659870158043378, -2.113362735205297e-05,
    ),
    torch.float32: (
        3.1415926400772034, -5.167710076668315, 2.550077386528912, -0.5982904112834275, 0.07765591227601387,
    ),
}  # fmt: skip
#: Coefficients of ``sine_bend``: Chebyshev interpolation on 0 <= y <= 1/4 of an entire function without a singular
#: point. Relative errors 1e-14 and 1e-9.
SINE_BEND = {
    torch.float64: (
        10.335425560099848, -10.20065615947326, 3.595587173611966, -0.6571670373349463,
        0.07370367360301834, -0.00559189321527568, 0.00029587200157144255,
    ),
    torch.float32: (
        10.335425549786773, -10.200654096305698, 3.595521057583781, -0.6564241908060389, 0.07028386408774963,
    ),
}  # fmt: skip


def fraction(index: Tensor) -> tuple[Tensor, Tensor]:
    """Split a real Miller index into nearest integer and remainder.

    The integer is ceil(h - 1/2), so halves go down as in the C program, and carries no gradient; the remainder is exact
    in floating point and lies in (-1/2, 1/2].
    """
    nearest = torch.ceil(index.detach() - 0.5)
    return nearest, index - nearest


def unit(vector: Tensor) -> Tensor:
    """The vector (..., 3) divided by its length; a zero vector stays zero, with zero gradient."""
    square = (vector * vector).sum(-1, keepdim=True)
    return vector * torch.rsqrt(square.masked_fill(square == 0, torch.inf))


def grating(fractional: Tensor, cells: Tensor) -> Tensor:
    """Interference of ``cells`` unit cells: sin(N u)/sin(u) with u = pi * delta (N at the Bragg peak).

    ``fractional`` is delta = h - nearest integer. The reduction drops the sign (-1)^(n(N-1)), which vanishes on
    squaring, and makes N a real number that may carry a gradient. Near the peak a series replaces the ratio, whose
    derivative would lose all its digits there.
    """
    u = torch.pi * fractional
    nu = cells * u
    near = nu.detach().abs() < 0.05
    zero = torch.zeros_like(u)
    y = torch.where(near, u, zero) ** 2
    n2 = cells * cells
    series = cells * (
        1
        - (n2 - 1) * y / 6
        + (n2 - 1) * (3 * n2 - 7) * y**2 / 360
        - (n2 - 1) * (3 * n2**2 - 18 * n2 + 31) * y**3 / 15120
    )
    away = torch.where(near, torch.full_like(u, 0.5), u)
    ratio = torch.sin(cells * away) / torch.sin(away)
    return torch.where(near, series, ratio)


def sphere(y: Tensor) -> Tensor:
    """Transform of a solid sphere, 3 (sin x / x - cos x) / x^2, as a function of y = x^2 (1 at the centre).

    Being a function of the square it needs no root, so its gradient at the centre is finite.
    """
    near = y.detach() < 0.25
    s = torch.where(near, y, torch.zeros_like(y))
    series = 1 + s * (-1 / 10 + s * (1 / 280 + s * (-1 / 15120 + s * (1 / 1330560 - s / 172972800))))
    away = torch.where(near, torch.ones_like(y), y)
    x = torch.sqrt(away)
    closed = 3 * (torch.sin(x) / x - torch.cos(x)) / away
    return torch.where(near, series, closed)


def sphere_slope(y: Tensor) -> Tensor:
    """Derivative of ``sphere``, in the same two forms."""
    near = y < 0.25
    s = torch.where(near, y, torch.zeros_like(y))
    series = -1 / 10 + s * (2 / 280 + s * (-3 / 15120 + s * (4 / 1330560 - 5 * s / 172972800)))
    away = torch.where(near, torch.ones_like(y), y)
    x = torch.sqrt(away)
    closed = -1.5 * ((3 / (x * away) - 1 / x) * torch.sin(x) - 3 * torch.cos(x) / away) / away
    return torch.where(near, series, closed)


def sine_bend(y: Tensor) -> Tensor:
    """(sin(pi x)/x - pi cos(pi x))/x^2 at y = x^2 <= 1/4, in the precision of y and without its cancellation at zero.

    It is what the slope of sin(pi x)/x consists of, for gradients that are evaluated by hand.
    """
    *lower, highest = SINE_BEND[y.dtype]
    total = torch.full_like(y, highest)
    for coefficient in reversed(lower):
        total = total.mul_(y).add_(coefficient)
    return total
