"""Small scenes of every kind, with all their tensors as leaves, for the comparison of one engine with another."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig, CrystalConfig, CrystalShape, DetectorConfig
from nanobrag_torch.kernel.engine import render
from nanobrag_torch.kernel.pixels import Pixels
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.scene import Scene, tensors_of, with_tensors
from nanobrag_torch.simulator import Simulator

F64 = torch.float64

#: Image error against the maximum, gradient error against the sum of the absolute contributions of the pixels.
TOLERANCES = {F64: (1e-12, 1e-10), torch.float32: (2e-6, 2e-5)}
#: Photons that one cell with the largest structure factor scatters into a steradian, about.
STRONGEST = 1e4


@dataclass(frozen=True)
class Case:
    """A scene whose tensors are leaves, their names, and the pixels to render."""

    scene: Scene
    names: list[str]
    leaves: list[Tensor]
    pixels: Pixels

    @classmethod
    def of(cls, simulator: Simulator) -> "Case":
        """The scene of a simulator, cut off from its configs."""
        scene = simulator.scene()
        leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors_of(scene)]
        return cls(with_tensors(scene, leaves), list(_names(scene)), leaves, simulator.pixels())

    def image(self, engine: str) -> Tensor:
        """Photons (n,)."""
        return render(self.scene, self.pixels, engine)

    def weights(self) -> Tensor:
        """A cotangent (n,) of both signs."""
        return torch.linspace(-1.0, 1.3, len(self.pixels), dtype=self.scene.dtype).cos() * 2 - 1

    def gradients(self, image: Tensor, weights: Tensor) -> dict[str, Tensor]:
        """Cotangents of all tensors, by name."""
        found = torch.autograd.grad(
            image, self.leaves, weights, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        return dict(zip(self.names, found, strict=True))

    def contributions(self, image: Tensor, weights: Tensor) -> dict[str, float]:
        """The largest sum, over the elements of each tensor, of the absolute contributions of the pixels.

        It is never less than that of a tensor to which the image is proportional: a contribution that cancels within
        one pixel leaves nothing but rounding.
        """
        total = {name: torch.zeros_like(leaf) for name, leaf in zip(self.names, self.leaves, strict=True)}
        for number in range(len(image)):
            only = torch.zeros_like(weights)
            only[number] = weights[number]
            for name, gradient in self.gradients(image, only).items():
                total[name] += gradient.abs()
        bright = float((image.detach() * weights).abs().sum())
        sizes = (float(leaf.detach().abs().max()) or 1.0 for leaf in self.leaves)
        return {
            name: max(float(sums.max()), bright / size) for (name, sums), size in zip(total.items(), sizes, strict=True)
        }


def _names(record: Any, prefix: str = "") -> Any:
    for item in fields(record):
        value = getattr(record, item.name)
        if isinstance(value, Tensor):
            yield prefix + item.name
        elif is_dataclass(value):
            yield from _names(value, f"{prefix}{item.name}.")


def assert_agreement(case: Case, engine: str = "numba", reference: str = "formula") -> None:
    """An engine gives the image and the gradients for all tensors of the reference in float64, and neither is dark.

    The phase pi N delta of a grating is rounded to N/2 times the precision: away from all peaks of a large crystal,
    where the image has no other scale than itself, neither engine is more certain than some N roundings. Likewise the
    exponent of a Gaussian is rounded to its size, which is the number of e-folds by which its tail lies below a peak.
    """
    cells = case.scene.lattice.cells.detach()
    exact = replace(case, scene=replace(case.scene, dtype=F64))
    image, want = case.image(engine), exact.image(reference)
    assert want.abs().max() > 0
    tail = 0.0
    if case.scene.lattice.shape.startswith("gauss"):
        tail = math.log(STRONGEST * max(1.0, float(cells.prod())) ** 2 / float(want.detach().abs().max()))
    large = max(1.0, float(cells.max()) / 20, tail / 10)
    image_tolerance, gradient_tolerance = (large * tolerance for tolerance in TOLERANCES[case.scene.dtype])
    assert (image - want).abs().max() <= image_tolerance * want.abs().max()
    weights = exact.weights()
    gradients, wanted = case.gradients(image, weights.to(image.dtype)), case.gradients(want, weights)
    for name, scale in case.contributions(want, weights).items():
        error = float((gradients[name] - wanted[name]).abs().max())
        assert error <= gradient_tolerance * scale, f"{name}: {error:.2e} of {scale:.2e}"


def table(half: int = 12, seed: int = 1) -> tuple[Tensor, dict[str, int]]:
    """Random structure factors for indices from -half to half."""
    size = 2 * half + 1
    generator = torch.Generator().manual_seed(seed)
    values = 20 + 80 * torch.rand((size, size, size), generator=generator, dtype=F64)
    return values, {"h_min": -half, "k_min": -half, "l_min": -half}


def simulator(
    shape: str = "square",
    lookup: str = "constant",
    compat: str | Compat = "physical",
    dtype: torch.dtype = F64,
    crystal: dict[str, Any] | None = None,
    detector: dict[str, Any] | None = None,
    beam: dict[str, Any] | None = None,
) -> Simulator:
    """A triclinic crystal on a close, small detector; the dictionaries change its configs."""
    config = CrystalConfig(
        **{
            "cell_a": 40.0, "cell_b": 50.0, "cell_c": 60.0, "cell_alpha": 75.0, "cell_beta": 85.0, "cell_gamma": 95.0,
            "misset_deg": (10.0, 20.0, 30.0), "N_cells": (5, 3, 4), "default_F": 70.0, "shape": CrystalShape(shape),
            "fudge": 0.2 if shape == "tophat" else 1.1,
        }
        | (crystal or {})
    )  # fmt: skip
    made = Crystal(config, dtype=F64)
    if lookup != "constant":
        made.hkl_data, made.hkl_metadata = table()
        made.interpolate = lookup == "tricubic"
    panel = {"spixels": 3, "fpixels": 4, "pixel_size_mm": 2.0, "distance_mm": 20.0, "oversample": 1}
    return Simulator(
        made,
        Detector(DetectorConfig(**panel | (detector or {}))),
        beam_config=BeamConfig(**{"polarization_factor": 0.7} | (beam or {})),
        dtype=dtype,
        compat=compat,
    )


def for_lit_cases(kind: tuple[str, str, torch.dtype], examples: int, check: Callable[..., None], *others: Any) -> None:
    """Call ``check`` with cases of a kind (shape, look-up, precision) that are not dark, and ``others``, drawn."""

    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.tuples(simulators(*kind), *others))
    def run(drawn: tuple[Any, ...]) -> None:
        made, *values = drawn
        case = Case.of(made)
        assume(case.image("formula").abs().max() > 1e-30)
        check(case, *values)

    run()


@st.composite
def simulators(draw: st.DrawFn, shape: str, lookup: str, dtype: torch.dtype) -> Simulator:
    """Simulators with everything else at random."""
    cells = st.one_of(st.integers(1, 12), st.floats(1.0, 12.0), st.just(1000 if dtype == F64 else 3))
    sweep = draw(st.booleans())
    domains = draw(st.integers(1, 3))
    sensor = draw(st.booleans())
    crystal = {
        "N_cells": (draw(cells), draw(cells), draw(st.integers(1, 9))),
        "misset_deg": tuple(draw(st.floats(-170.0, 170.0)) for _ in range(3)),
        "mosaic_domains": domains,
        "mosaic_spread_deg": 1.0 if domains > 1 else 0.0,
        "phi_start_deg": draw(st.sampled_from([0.0, 5.0])),
        "osc_range_deg": 2.0 if sweep else 0.0,
        "phi_steps": 3 if sweep else 1,
    }
    compat = draw(st.sampled_from(["physical", "c", "legacy_torch"]))
    if shape in ("gauss", "tophat") and compat == "physical":
        crystal["N_offdiagonal"] = draw(st.sampled_from([(0.0, 0.0, 0.0), (0.4, -0.3, 0.2)]))
    detector = {
        "spixels": draw(st.integers(1, 4)),
        "fpixels": draw(st.integers(1, 5)),
        "oversample": draw(st.integers(1, 2)),
        "detector_rotx_deg": draw(st.floats(-15.0, 15.0)),
        "detector_twotheta_deg": draw(st.sampled_from([0.0, 12.0])),
        "point_pixel": draw(st.booleans()),
        "detector_thick_um": 400.0 if sensor else 0.0,
        "detector_abs_um": 300.0 if sensor else None,
        "detector_thicksteps": 3 if sensor else 1,
    }
    beam = {
        "wavelength_A": draw(st.floats(0.8, 3.0)),
        "polarization_factor": draw(st.floats(-1.0, 1.0)),
        "nopolar": draw(st.booleans()),
        "water_size_um": draw(st.sampled_from([0.0, 2.0])),
        "dmin": draw(st.sampled_from([0.0, 2.5])),
        "dispersion_pct": draw(st.sampled_from([0.0, 3.0])),
        "dispersion_steps": draw(st.sampled_from([None, 2])),
        "hdiv_range_mrad": draw(st.sampled_from([None, 6.0])),
        "hdiv_steps": draw(st.sampled_from([None, 2])),
    }
    return simulator(shape, lookup, compat, dtype, crystal, detector, beam)
