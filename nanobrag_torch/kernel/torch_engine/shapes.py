"""Squared lattice factors, their slopes, and their slopes against the crystal's parameters (docs/physics.md).

Every law takes the parameters of its shape, as ``tables.shape_parameters`` forms them, and the remainders delta
(3, ...) of the Miller indices, both in the precision of the evaluation; S^2 is (...). The same laws as
``physics.lattice_factor``, whose derivatives by autograd they are tested against.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from nanobrag_torch.kernel.tables import LEAST_REMAINDER
from nanobrag_torch.physics.safe import sine_bend, sphere, sphere_slope


def _sines(cells: Tensor, delta: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """d = |delta|; x and n with N d = n + x; sin(pi x) and sin(pi d). Neither d nor x is exactly zero."""
    least = LEAST_REMAINDER[delta.dtype]
    d = delta.abs().clamp_(min=least)
    x = d * _column(cells, delta)
    n = x.round()
    # Far below the least x where n = 0, and below the rounding of x elsewhere.
    x.sub_(n).add_(least**2)
    return d, x, n, torch.sin(x * torch.pi), torch.sin(d * torch.pi)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.reshape(-1, *[1] * (like.dim() - 1))


def _square(cells: Tensor, delta: Tensor) -> Tensor:
    *_, above, below = _sines(cells, delta)
    return above.prod(0).div_(below.prod(0)).square_()


def _square_slopes(cells: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """With the bend b(x) = sin(pi x)/x - pi cos(pi x): dS/dd = [n sin(pi x)/(x d) + S b(d) - N b(x)]/sin(pi d).

    No two numbers that grow towards the pole are subtracted: the singular part has the factor n, zero on the peak.
    """
    d, x, n, above, below = _sines(cells, delta)
    inverse = below.reciprocal_()
    factors = above * inverse
    slopes = n.mul_(above).div_(x).div_(d)
    slopes += _bend(d).mul_(factors)
    slopes -= _bend(x).mul_(_column(cells, delta))
    slopes.mul_(inverse).mul_(delta.sign())
    value, others = _products(factors)
    slopes.mul_(others.mul_(2 * value))
    return value.square_(), slopes


def _square_parameters(cells: Tensor, delta: Tensor) -> Iterator[Tensor]:
    """2 S dS/dN, with dS/dN = d pi cos(pi x)/sin(pi d) along its own axis."""
    d, x, _, above, below = _sines(cells, delta)
    inverse = below.reciprocal_()
    growth = (above / x).sub_(_bend(x)).mul_(d).mul_(inverse)
    value, others = _products(above.mul_(inverse))
    return iter(growth.mul_(others).mul_(2 * value))


def _bend(x: Tensor) -> Tensor:
    square = x * x
    return sine_bend(square).mul_(square)


def _products(factors: Tensor) -> tuple[Tensor, Tensor]:
    """Product of three factors, and for each the product of the two others."""
    h, k, l = factors
    others = torch.stack([k * l, h * l, h * k])
    return h * others[0], others


def _round(parameters: Tensor, delta: Tensor) -> Tensor:
    square: Tensor = parameters[0] * sphere(_radius(parameters, delta)).square_().to(delta.dtype)
    return square


def _radius(parameters: Tensor, delta: Tensor) -> Tensor:
    """y = ka dh^2 + kb dk^2 + kc dl^2, in double: the closed form of a sphere loses digits at small y."""
    return ((delta * delta) * _column(parameters[1:], delta)).sum(0).to(torch.float64)


def _round_slopes(parameters: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    y = _radius(parameters, delta)
    value = sphere(y)
    outer = (4 * value).mul_(sphere_slope(y)).to(delta.dtype).mul_(parameters[0])
    return parameters[0] * value.square_().to(delta.dtype), outer * (delta * _column(parameters[1:], delta))


def _round_parameters(parameters: Tensor, delta: Tensor) -> Iterator[Tensor]:
    y = _radius(parameters, delta)
    value = sphere(y)
    yield (value * value).to(delta.dtype)
    outer = (2 * value).mul_(sphere_slope(y)).to(delta.dtype).mul_(parameters[0])
    yield from (outer * square for square in delta * delta)


def _form(parameters: Tensor, delta: Tensor) -> Tensor:
    """r = aa dh^2 + bb dk^2 + cc dl^2 + ab dh dk + ac dh dl + bc dk dl."""
    _, aa, bb, cc, ab, ac, bc = parameters
    h, k, l = delta
    form: Tensor = h * (aa * h + ab * k + ac * l) + k * (bb * k + bc * l) + cc * l * l
    return form


def _form_slopes(parameters: Tensor, delta: Tensor) -> Tensor:
    _, aa, bb, cc, ab, ac, bc = parameters
    h, k, l = delta
    return torch.stack(
        [2 * aa * h + ab * k + ac * l, 2 * bb * k + ab * h + bc * l, 2 * cc * l + ac * h + bc * k],
    )


def _gauss(parameters: Tensor, delta: Tensor) -> Tensor:
    return parameters[0] * torch.exp(-_form(parameters, delta))


def _gauss_slopes(parameters: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    value = _gauss(parameters, delta)
    return value, _form_slopes(parameters, delta).mul_(-value)


def _gauss_parameters(parameters: Tensor, delta: Tensor) -> Iterator[Tensor]:
    share = torch.exp(-_form(parameters, delta))
    yield share
    value = share.mul(-parameters[0])
    h, k, l = delta
    for one, two in ((h, h), (k, k), (l, l), (h, k), (h, l), (k, l)):
        yield value * (one * two)


def _tophat(parameters: Tensor, delta: Tensor) -> Tensor:
    return parameters[0] * (_form(parameters, delta) < 1)


def _tophat_slopes(parameters: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    return _tophat(parameters, delta), torch.zeros_like(delta)


def _tophat_parameters(parameters: Tensor, delta: Tensor) -> Iterator[Tensor]:
    yield (_form(parameters, delta) < 1).to(delta.dtype)


Law = Callable[[Tensor, Tensor], Tensor]
#: S^2.
SQUARES: dict[str, Law] = {
    "square": _square,
    "round": _round,
    "gauss": _gauss,
    "tophat": _tophat,
    "gauss_star": _gauss,
}
#: S^2 and its slopes (3, ...) against the remainders.
SQUARE_SLOPES: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "square": _square_slopes,
    "round": _round_slopes,
    "gauss": _gauss_slopes,
    "tophat": _tophat_slopes,
    "gauss_star": _gauss_slopes,
}
#: Slopes (...) of S^2 against the parameters, in their order; those that are left out at the end vanish.
PARAMETER_SLOPES: dict[str, Callable[[Tensor, Tensor], Iterator[Tensor]]] = {
    "square": _square_parameters,
    "round": _round_parameters,
    "gauss": _gauss_parameters,
    "tophat": _tophat_parameters,
    "gauss_star": _gauss_parameters,
}
