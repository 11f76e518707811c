"""A case for every code of the decision table, built on purpose: on the simulator, and on small models of others."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.config import BeamConfig, CrystalConfig, CrystalShape, DetectorConfig
from nanobrag_torch.doctor import ParameterReport, diagnose
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.physics.structure_factor import tricubic
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.simulator import Simulator

F64 = torch.float64
CELL_A = "crystal.cell_a"
X = torch.linspace(0.1, 2.0, 40, dtype=F64)


@dataclass(frozen=True)
class Case:
    """Subject of a diagnosis, the parameter to look at, and the code that it must get.

    Options that a simulation gives are a function: a table of cases is read by every worker, and computes nothing.
    """

    code: str
    title: str
    examined: Any
    parameter: str
    params: dict[str, Any] | None = None
    options: dict[str, Any] | Callable[[], dict[str, Any]] = field(default_factory=dict)

    @cached_property
    def found(self) -> ParameterReport:
        """Report on the parameter; made once, for every test that asks."""
        options = self.options() if callable(self.options) else self.options
        return diagnose(self.examined, self.params, **options)[self.parameter]


def leaf(value: Any, dtype: torch.dtype = F64) -> Tensor:
    return torch.tensor(value, dtype=dtype, requires_grad=True)


def scene(names: tuple[str, ...] = ("crystal.cell_a",), **changes: Any) -> Scenario:
    """A triclinic crystal before a small, tilted detector: nothing is symmetric, nothing vanishes."""
    crystal = CrystalConfig(70.0, 80.0, 90.0, 75.0, 85.0, 95.0, (10.0, 20.0, 30.0), N_cells=(5, 5, 5), default_F=100.0)
    detector = DetectorConfig(
        spixels=16, fpixels=16, pixel_size_mm=0.6, beam_center_s=4.5, beam_center_f=4.2, detector_rotx_deg=2.0,
        oversample=1,
    )  # fmt: skip
    beam = BeamConfig(polarization_factor=0.9)
    return Scenario(crystal, detector, beam, names).changed(**changes)


def symmetric() -> Scenario:
    """A cubic crystal in line with a detector that is symmetric about the beam."""
    detector = DetectorConfig(
        spixels=16, fpixels=16, pixel_size_mm=0.6, beam_center_s=4.5, beam_center_f=4.5, oversample=1
    )
    return Scenario(CrystalConfig(N_cells=(5, 5, 5), default_F=100.0), detector, names=("crystal.misset_deg[0]",))


def table_scene(cells: int) -> Scenario:
    """Structure factors that jump from one reflection to the next."""
    index = torch.arange(-20, 21)
    h, k, l = torch.meshgrid(index, index, index, indexing="ij")
    table = 50.0 + 10.0 * ((3 * h + 5 * k + 7 * l) % 11)
    crystal = CrystalConfig(70.0, 80.0, 90.0, 75.0, 85.0, 95.0, N_cells=(cells,) * 3, interpolate=False)
    detector = DetectorConfig(
        spixels=32, fpixels=32, pixel_size_mm=0.3, beam_center_s=4.95, beam_center_f=4.95, oversample=2
    )
    return Scenario(
        crystal, detector, names=("crystal.cell_b",), compat="c", hkl_data=table.to(F64),
        hkl_metadata={"h_min": -20, "k_min": -20, "l_min": -20},
    )  # fmt: skip


def simulated(convert: Callable[[Tensor], Any], field_name: str = "cell_a") -> Callable[[dict[str, Tensor]], Tensor]:
    """Somebody's wrapper of the simulator that does something to the parameter on its way in."""

    def loss(p: dict[str, Tensor]) -> Tensor:
        base = scene()
        crystal = base.changed(crystal={field_name: convert(p["x"])}).crystal
        simulator = Simulator(
            Crystal(crystal, dtype=F64), Detector(base.detector, dtype=F64), beam_config=base.beam, dtype=F64
        )
        return simulator.run().sum()

    return loss


def grating(h: Tensor, cells: int) -> Tensor:
    """The quotient as it stands in textbooks: right in value, noisy in slope near a peak, 0/0 on it."""
    return torch.sin(math.pi * cells * h) / torch.sin(math.pi * h)


class Cached:
    """A detector that works out its pixels once, and never again."""

    def __init__(self, detach: bool) -> None:
        self.detach = detach
        self.pixels: Tensor | None = None

    def __call__(self, p: dict[str, Tensor]) -> Tensor:
        if self.pixels is None:
            self.pixels = torch.sin(X * p["distance"])
            if self.detach:
                self.pixels = self.pixels.detach()
        return (self.pixels**2).sum() * p["scale"]


class WrongSlope(torch.autograd.Function):
    """A hand-written derivative with a slip in it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.sin(x)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return slopes[0] * torch.cos(x) * 1.01


def skip_zero_angle(p: dict[str, Tensor]) -> Tensor:
    angle = p["angle"]
    phase = X if float(angle.detach()) == 0 else X + angle
    return torch.sin(phase).sum()


def switched_off(p: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return torch.sin(p["x"] * X).sum()


def cell_volume(p: dict[str, Tensor]) -> Tensor:
    alpha, beta, gamma = (torch.cos(torch.deg2rad(p[name])) for name in ("alpha", "beta", "gamma"))
    skew = 1 + 2 * alpha * beta * gamma - alpha**2 - beta**2 - gamma**2
    return 1000 * torch.sqrt(skew)


def dark_pixels() -> Tensor:
    mask = torch.ones(16, 16)
    mask[:, :8] = 0
    return mask


def rough_table() -> Tensor:
    index = torch.arange(7)
    h, k, l = torch.meshgrid(index, index, index, indexing="ij")
    return (10.0 + (3 * h + 5 * k + 7 * l) % 11).to(F64)


def impossible_cell() -> Scenario:
    scenario = scene()
    scenario.crystal.cell_alpha = scenario.crystal.cell_beta = 20.0
    return scenario


def gradient_in_mode(mode: str) -> dict[str, float]:
    scenario = scene(crystal={"misset_deg": (0.0, 0.0, 0.0)}, detector={"oversample": 2}, compat=mode)
    leaves = scenario.leaves()
    (gradient,) = torch.autograd.grad(scenario(leaves), list(leaves.values()))
    return {CELL_A: float(gradient)}


TARGET = torch.exp(-((X - 0.5) ** 2) / 1e-4)
FOREIGN_LEAF = leaf(1.5)

CASES = (
    Case("Z1", "no structure factors", scene(crystal={"default_F": 0.0}), CELL_A),
    Case("Z1", "no fluence", scene(beam={"fluence": 0.0}), CELL_A),
    Case("Z1", "foreign: amplitude zero", lambda p: 0.0 * torch.sin(p["x"] * X) ** 2, "x", {"x": 1.5},
         {"loss": torch.sum}),
    Case("Z2", "F at zero", scene(("crystal.default_F",), crystal={"default_F": 0.0}), "crystal.default_F"),
    Case("Z2", "no water", scene(("beam.water_size_um",)), "beam.water_size_um"),
    Case("Z2", "foreign: amplitude squared", lambda p: (p["x"] ** 2 * X).sum(), "x", {"x": 0.0}),
    Case("Z3", "rotation about the beam", symmetric(), "crystal.misset_deg[0]"),
    Case("Z3", "foreign: odd contributions", lambda p: torch.sin(p["x"] * torch.linspace(-1, 1, 41, dtype=F64)), "x",
         {"x": 1.5}, {"loss": torch.sum}),
    Case("Z4", "fudge of a parallelepiped", scene(("crystal.fudge",)), "crystal.fudge"),
    Case("Z4", "distance beside close distance", scene(("detector.distance_mm",), detector={"close_distance_mm": 99.0}),
         "detector.distance_mm"),
    Case("Z4", "wavelength beside a source list", scene(("beam.wavelength_A",), beam={
         "source_directions": torch.tensor([[-1.0, 0.0, 0.0]], dtype=F64),
         "source_wavelengths": torch.tensor([1e-10], dtype=F64)}), "beam.wavelength_A"),
    Case("Z4", "spread of one domain", scene(("crystal.mosaic_spread_deg",), crystal={"mosaic_spread_deg": 0.5}),
         "crystal.mosaic_spread_deg"),
    Case("Z4", "foreign: a parameter that is not used", lambda p: (p["y"] * X).sum(), "x", {"x": 1.0, "y": 2.0}),
    Case("Z5", "top-hat spots", scene(crystal={"shape": CrystalShape.TOPHAT, "fudge": 0.3}), CELL_A),
    Case("Z5", "foreign: a table by integer", lambda p: X[(p["x"] * 5).long()] ** 2, "x", {"x": 1.5}),
    Case("Z6", "resolution limit", scene(beam={"dmin": 1e5}), CELL_A),
    Case("Z7", "closed mask", scene(detector={"mask_array": torch.zeros(16, 16)}), CELL_A),
    Case("Z7", "weights of zero", scene(loss=lambda image: (image * torch.zeros_like(image)).sum()), CELL_A),
    Case("Z7", "foreign: weights beside the signal", lambda p: torch.cat([torch.sin(p["x"] * X), X]), "x", {"x": 1.5},
         {"loss": lambda image: image[40:].sum()}),
    Case("Z8", "clipped image", scene(loss=lambda image: image.clamp(max=1e-6).sum()), CELL_A),
    Case("Z8", "foreign: saturated pixels", lambda p: 10 + torch.sin(p["x"] * X), "x", {"x": 1.5},
         {"loss": lambda image: torch.minimum(image, torch.ones_like(image)).sum()}),
    Case("Z9", "perfect fit", scene(loss=lambda image: ((image - image.detach()) ** 2).sum()), CELL_A),
    Case("Z9", "foreign: hinge inactive", lambda p: 2 + torch.sin(p["x"] * X), "x", {"x": 1.5},
         {"loss": lambda image: torch.relu(1 - image.mean())}),
    Case("Z10", "spots between pixels", scene(crystal={"shape": CrystalShape.GAUSS, "fudge": 1e6}), CELL_A),
    Case("Z10", "foreign: far from the target", lambda p: torch.exp(-((X - p["x"]) ** 2) / 1e-2), "x", {"x": 1.8},
         {"loss": lambda image: (image * TARGET).sum()}),
    Case("S1", "float() on the way into the config", simulated(float), "x", {"x": 70.0}),
    Case("S1", "foreign: torch.tensor() of a tensor", lambda p: (torch.tensor(p["x"]) * X).sum(), "x", {"x": 1.5}),
    Case("S2", "half of it, as a number", simulated(lambda x: (x / 2).item() * 2), "x", {"x": 70.0}),
    Case("S2", "foreign: detached inside", lambda p: (torch.sin(p["x"] * X).detach() * p["y"]).sum(), "x",
         {"x": 1.5, "y": 1.0}),
    Case("S3", "foreign: a graph kept between calls", Cached(detach=False), "distance",
         {"distance": 1.5, "scale": 1.0}),
    Case("S3", "foreign: a value kept between calls", Cached(detach=True), "distance", {"distance": 1.5, "scale": 1.0},
         {"rebuild": lambda: Cached(detach=True)}),
    Case("S3", "foreign: an object that keeps a value, not rebuilt", Cached(detach=True), "distance",
         {"distance": 1.5, "scale": 1.0}),
    Case("S4", "clamped below its bound", simulated(lambda x: x.clamp(min=71.0)), "x", {"x": 70.0}),
    Case("S4", "foreign: clamped from below", lambda p: (p["x"].clamp(min=1.0) * X).sum(), "x", {"x": 0.9}),
    Case("S5", "misset skipped at zero", simulated(lambda x: (0.0, 0.0, x) if float(x.detach()) != 0 else
         (0.0, 0.0, 0.0), "misset_deg"), "x", {"x": 0.0}),
    Case("S5", "foreign: rotation skipped at zero", skip_zero_angle, "angle", {"angle": 0.0}),
    Case("S6", "foreign: nearest integer as the index", lambda p: (torch.round(p["x"] * X * 9) ** 2).sum(), "x",
         {"x": 1.5}),
    Case("S7", "foreign: constants in the wrong order", lambda p: (p["x"] * X.to(p["x"]) * 1e30 * 1e-30 * 1e-30).sum(),
         "x", {"x": leaf(1.5, torch.float32)}),
    Case("S8", "foreign: not a leaf", lambda p: (p["x"] * X).sum(), "x", {"x": leaf(1.0) * 2}),
    Case("S8", "foreign: another tensor of the same value", lambda p: (FOREIGN_LEAF * X).sum(), "x", {"x": 1.5}),
    Case("S9", "foreign: gradients switched off", switched_off, "x", {"x": 1.5}),
    Case("S10", "fluence", scene(("beam.fluence",)), "beam.fluence"),
    Case("S10", "foreign: a huge parameter", lambda p: (p["x"] * 1e-20 * X).sum(), "x", {"x": 1e20}),
    Case("N1", "foreign: grating on its peak", lambda p: (grating(p["x"] * (X - X[0]), 5) ** 2).sum(), "x", {"x": 1.0}),
    Case("N2", "foreign: norm at the centre", lambda p: torch.sqrt((p["x"] * (X - X[0])) ** 2).sum(), "x", {"x": 1.5}),
    Case("N3", "foreign: polarization angle on the beam", lambda p: torch.acos(torch.cos(p["x"] * (X - X[0]))).sum(),
         "x", {"x": 1.0}),
    Case("N4", "foreign: limit selected afterwards", lambda p: torch.where(X - X[0] > 0, torch.sqrt(p["x"] *
         (X - X[0])), 0.0).sum(), "x", {"x": 1.5}),
    Case("N5", "angles that span no volume", impossible_cell(), CELL_A),
    Case("N5", "foreign: cell without volume", cell_volume, "alpha", {"alpha": 20.0, "beta": 20.0, "gamma": 90.0}),
    Case("N6", "foreign: absorption seen from behind", lambda p: torch.exp(p["x"] * 1000 * X).sum(), "x", {"x": 1.5}),
    Case("N7", "logarithm of dark pixels", scene(detector={"mask_array": dark_pixels()},
         loss=lambda image: (image - 3 * torch.log(image)).sum()), CELL_A),
    Case("N7", "foreign: root of dark pixels", lambda p: (p["x"] * (X - X[0])) ** 2, "x", {"x": 1.5},
         {"loss": lambda image: torch.sqrt(image).sum()}),
    Case("N8", "foreign: an uninitialised matrix", lambda p: (p["x"] * torch.full((3,), math.nan, dtype=F64)).sum(),
         "x", {"x": 1.5}),
    Case("W1", "foreign: grating close to its peak", lambda p: grating(p["x"] * torch.tensor([3.0 + 2e-10, 7.3, 11.0 -
         1e-10, 2.2], dtype=F64), 5) ** 2, "x", {"x": 1.0}, {"loss": torch.sum}),
    Case("W2", "foreign: grating in single precision", lambda p: (grating(p["x"] * (40 * X).to(p["x"]), 15) ** 2).sum(),
         "x", {"x": leaf(1.0, torch.float32)}),
    Case("W3", "foreign: a step below rounding", lambda p: (torch.exp(p["x"] * X)).sum(), "x", {"x": 1.5},
         {"steps": {"x": 1e-14}}),
    Case("W4", "foreign: divided by a number of the image", lambda p: torch.sin(p["x"] * X).square().sum()
         / torch.sin(p["x"] * X).square().max().item(), "x", {"x": 0.4}),
    Case("W5", "values of another mode", scene(crystal={"misset_deg": (0.0, 0.0, 0.0)}, detector={"oversample": 2}),
         CELL_A, options=lambda: {"reference": gradient_in_mode("c")}),
    Case("W6", "foreign: a slip in a derivative", lambda p: WrongSlope.apply(p["x"] * X).sum(), "x", {"x": 1.5}),
    Case("D1", "nearest structure factors, odd N", table_scene(5), "crystal.cell_b"),
    Case("D1", "foreign: a step function nearby", lambda p: (p["x"] * X).sum() + (p["x"] > 1.5003), "x", {"x": 1.5}),
    Case("D2", "tricubic structure factor at an integer", lambda p: tricubic(rough_table(), (-3, -3, -3), p["x"],
         leaf(0.3).detach(), leaf(0.4).detach(), F64), "x", {"x": 0.0}),
    Case("D2", "foreign: absolute value at zero", lambda p: (p["x"].abs() * X).sum() + 3 * p["x"], "x", {"x": 0.0}),
    Case("D3", "photon noise drawn at every call", scene(loss=lambda image: (image * torch.randn_like(image)).sum()),
         CELL_A),
    Case("D3", "foreign: dropout", lambda p: torch.nn.functional.dropout(p["x"] * X, 0.5).sum(), "x", {"x": 1.5}),
)  # fmt: skip
