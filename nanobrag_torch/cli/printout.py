"""Listings on request: single pixels, their traces, and the resolved configuration."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.cli.messages import vectors
from nanobrag_torch.cli.precedence import Configuration
from nanobrag_torch.trace import PixelTrace


def pixel(trace: PixelTrace, value: float, conf: Configuration) -> Iterator[str]:
    """One pixel of the image, as -printout shows it: the last sample, and what became of the pixel."""
    x, y, z = trace.position
    stol = math.sin(0.5 * math.atan2(math.hypot(y, z), x)) / conf.settings.wavelength_A
    scale = float(trace.scene.photons_per_intensity)
    once = math.prod(
        factor
        for name, factor in (("capture", trace.capture), ("polar", trace.polar), ("omega", trace.omega))
        if name not in trace.scene.weighing.running
    )
    per_step = value / (scale * trace.scene.steps * once) if once else 0.0
    yield f"{trace.fast:4d} {trace.slow:4d} : stol = {trace.stol:g} or {stol:g}"
    yield f"at {x:g} {y:g} {z:g}"
    h, k, l = trace.hkl0
    yield "hkl= {:f} {:f} {:f}".format(*trace.hkl) + f"  hkl0= {h} {k} {l}"
    yield f" F_cell={trace.F_cell:g}  F_latt={trace.F_latt:g}   I = {per_step * trace.scene.steps:g}"
    for name, number in (
        ("I/steps", per_step),
        ("polar", trace.polar),
        ("omega", trace.omega),
        ("capfrac", trace.capture),
        ("pixel", float(np.float32(value))),
    ):
        yield f"{name:<7} {number:15.10g}"
    yield "real-space cell vectors (Angstrom):"
    yield from vectors(trace.direct_vectors.cpu().numpy(), ("a", "b", "c"))


def configuration(conf: Configuration) -> Iterator[str]:
    """Every field of the resolved configs, one a line."""
    for title, record in (
        ("crystal", conf.crystal),
        ("detector", conf.rendered),
        ("beam", conf.beam),
        ("noise", conf.noise),
        ("compat", conf.compat),
    ):
        for item in fields(record):
            value = getattr(record, item.name)
            if isinstance(value, Tensor):
                value = value.tolist() if value.numel() <= 9 else f"tensor of shape {tuple(value.shape)}"
            yield f"  {title}.{item.name} = {getattr(value, 'value', value)}"


def trace(found: PixelTrace) -> Iterator[str]:
    """Every intermediate quantity of one pixel, one a line: the vectors, then each sample's factors."""
    panel, lattice = found.scene.panel, found.scene.lattice
    yield f"TRACE pixel slow= {found.slow} fast= {found.fast}"
    for name in ("origin", "fast", "slow", "normal", "beam"):
        yield f"TRACE {name} {_full(getattr(panel, name).tolist())}"
    for name in "abc":
        for orientation, edge in enumerate(getattr(lattice, name).reshape(-1, 3).tolist()):
            yield f"TRACE {name}[{orientation}] {_full(edge)}"
    yield f"TRACE steps {found.scene.steps}"
    for item in fields(found.samples):
        values = getattr(found.samples, item.name)[0].to(torch.float64)
        width = 3 if item.name in ("position", "q") else 1
        for index, row in enumerate(values.reshape(-1, width).tolist()):
            yield f"TRACE {item.name}[{index}] {_full(row)}"
    for name in ("polar", "omega", "capture", "photons"):
        yield f"TRACE {name} {_full([getattr(found, name)])}"


def _full(values: Sequence[float]) -> str:
    return " ".join(f"{value:.15g}" for value in values)
