"""Healthy models of other kinds, drawn at random: networks, curve fits, optics, splines, differential equations."""

import math
import random
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

Model = tuple[Callable[[dict[str, Tensor]], Tensor], dict[str, Tensor]]
ACTIVATIONS = (nn.Tanh, nn.GELU, nn.SiLU, nn.Softplus, nn.ELU)


def network(r: random.Random, dtype: torch.dtype) -> Model:
    """A small perceptron under a mean square."""
    width = r.randint(2, 6)
    net = nn.Sequential(nn.Linear(2, width), r.choice(ACTIVATIONS)(), nn.Linear(width, 1)).to(dtype)
    x, y = torch.randn(12, 2, dtype=dtype), torch.randn(12, 1, dtype=dtype)
    return lambda p: ((functional_call(net, p, (x,)) - y) ** 2).mean(), dict(net.named_parameters())


def convolution(r: random.Random, dtype: torch.dtype) -> Model:
    """A convolution of data that are bound to their precision, under a cross entropy."""
    net = nn.Sequential(nn.Conv1d(1, 2, 3), r.choice(ACTIVATIONS)(), nn.Flatten(), nn.Linear(12, 3)).to(dtype)
    x, y = torch.randn(5, 1, 8, dtype=dtype), torch.randint(0, 3, (5,))
    return lambda p: nn.functional.cross_entropy(functional_call(net, p, (x,)), y), dict(net.named_parameters())


def curve(r: random.Random, dtype: torch.dtype) -> Model:
    """A decay on a background, fitted to data."""
    t = torch.linspace(0, 5, 40, dtype=dtype)
    data = 2 * torch.exp(-t / 1.7) + 0.1
    values = {"a": r.uniform(0.5, 3), "tau": r.uniform(0.5, 3), "c": 0.0}
    return lambda p: ((p["a"] * torch.exp(-t / p["tau"]) + p["c"] - data) ** 2).sum(), tensors(values, dtype)


def optics(r: random.Random, dtype: torch.dtype) -> Model:
    """A far field behind two slits, in metres."""
    angle = torch.linspace(-2e-3, 2e-3, 51, dtype=dtype)
    values = {"wavelength": r.uniform(4e-7, 7e-7), "separation": r.uniform(1e-4, 3e-4), "width": r.uniform(2e-5, 6e-5)}

    def loss(p: dict[str, Tensor]) -> Tensor:
        phase = math.pi * angle / p["wavelength"]
        field = torch.cos(phase * p["separation"]) * torch.sinc(phase * p["width"] / math.pi)
        return (field**2 * (1 + 100 * angle)).sum()

    return loss, tensors(values, dtype)


def spline(r: random.Random, dtype: torch.dtype) -> Model:
    """A Hermite spline through knots, at places whose interval is found by whole numbers."""
    knots = torch.tensor([r.uniform(-1, 1) for _ in range(6)], dtype=dtype)
    places = torch.tensor([r.uniform(1.05, 3.95) for _ in range(8)], dtype=dtype)

    def loss(p: dict[str, Tensor]) -> Tensor:
        x = places + p["shift"]
        i = torch.floor(x.detach()).long()
        u, y = x - i, p["knots"]
        m = (y[2:] - y[:-2]) / 2
        low, high = y[i] + u * m[i - 1], y[i + 1] - (1 - u) * m[i]
        return ((low + u**2 * (3 - 2 * u) * (high - low)) ** 2).sum()

    return loss, {"knots": knots, "shift": torch.tensor(0.01, dtype=dtype)}


def pendulum(r: random.Random, dtype: torch.dtype) -> Model:
    """A damped pendulum by Runge and Kutta's method."""
    values = {"k": r.uniform(1, 5), "c": r.uniform(0.1, 0.5), "x0": r.uniform(0.3, 1)}

    def loss(p: dict[str, Tensor]) -> Tensor:
        def slope(s: Tensor) -> Tensor:
            return torch.stack([s[1], -p["k"] * torch.sin(s[0]) - p["c"] * s[1]])

        state, h = torch.stack([p["x0"], torch.zeros_like(p["x0"])]), 0.1
        for _ in range(8):
            one = slope(state)
            two = slope(state + h / 2 * one)
            three = slope(state + h / 2 * two)
            state = state + h / 6 * (one + 2 * two + 2 * three + slope(state + h * three))
        return (state**2).sum()

    return loss, tensors(values, dtype)


KINDS = (network, convolution, curve, optics, spline, pendulum)


def tensors(values: dict[str, float], dtype: torch.dtype) -> dict[str, Tensor]:
    """Parameters of these values."""
    return {name: torch.tensor(value, dtype=dtype) for name, value in values.items()}


def draw_model(seed: int) -> Model:
    """A healthy model: all kinds in turn, in single and in double precision."""
    torch.manual_seed(seed)
    kind, dtype = KINDS[seed % len(KINDS)], (torch.float32, torch.float64)[seed // len(KINDS) % 2]
    return kind(random.Random(seed), dtype)
