"""Tiles of torch operations against the readable formula: values and gradients for every tensor of a scene."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
import random_scenes
import torch
from hypothesis import assume
from hypothesis import strategies as st
from random_scenes import F64, Case, assert_agreement, for_lit_cases, simulator
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nanobrag_torch.kernel import tables
from nanobrag_torch.kernel.engine import TILE_OBSTACLES, obstacle, render
from nanobrag_torch.kernel.pixel_plan import PixelPlan
from nanobrag_torch.kernel.torch_engine import image as forward
from nanobrag_torch.kernel.torch_engine import reverse
from nanobrag_torch.kernel.torch_engine.chunks import Chunks
from nanobrag_torch.kernel.torch_engine.orientations import Orientations
from nanobrag_torch.kernel.torch_engine.rays import Instrument
from nanobrag_torch.scene import with_tensors

F32 = torch.float32
#: Every shape and every look-up, in both precisions where both are in use; shapes know nothing of look-ups.
KINDS = [
    ("square", "constant", F64),
    ("square", "nearest", F32),
    ("round", "nearest", F64),
    ("round", "constant", F32),
    ("gauss", "tricubic", F64),
    ("gauss", "nearest", F32),
    ("gauss_star", "nearest", F64),
    ("tophat", "constant", F64),
    ("square", "tricubic", F32),
]
SENSOR = {"detector_thick_um": 400.0, "detector_abs_um": 300.0, "detector_thicksteps": 3}
RICH = {
    "crystal": {"mosaic_domains": 3, "mosaic_spread_deg": 1.0},
    "detector": {"oversample": 2, **SENSOR},
    "beam": {
        "dmin": 2.5,
        "water_size_um": 2.0,
        # Oblique, so that no component of the polarization is zero.
        "source_directions": torch.tensor([[-1.0, 0.2, 0.1], [-1.0, -0.1, 0.15]], dtype=F64),
        "source_weights": torch.tensor([1.0, 2.5], dtype=F64),
        "source_wavelengths": torch.tensor([1.0, 1.1], dtype=F64) * 1e-10,
    },
}


def by_hand(case: Case) -> Case:
    """The same case, which the hand-written reverse pass can evaluate."""
    assert obstacle(case.scene, TILE_OBSTACLES) is None
    return case


@pytest.mark.parametrize(("shape", "lookup", "dtype"), KINDS)
def test_tiles_agree_with_the_formula_in_image_and_gradient(shape, lookup, dtype, monkeypatch):
    def check(case, budget):
        assume(obstacle(case.scene, TILE_OBSTACLES) is None)
        monkeypatch.setattr(random_scenes, "render", partial(render, memory_budget=budget))
        assert_agreement(case, "torch")

    for_lit_cases((shape, lookup, dtype), 15, check, st.sampled_from([1, 5_000, 20_000, 1 << 30]))


@pytest.mark.parametrize("compat", ["physical", "c", "legacy_torch"])
@pytest.mark.parametrize("shape", ["square", "gauss"])
def test_tiles_agree_with_the_formula_where_everything_is_switched_on(compat, shape):
    case = by_hand(Case.of(simulator(shape, "nearest", compat, **RICH)))
    assert case.scene.samples_per_pixel == 12 * 2 * 3
    assert_agreement(case, "torch")


@pytest.mark.parametrize("omega", ["first", "last", "per_sample"])
@pytest.mark.parametrize("polar", ["first", "last", "per_sample"])
@pytest.mark.parametrize("capture", ["last_layer", "per_layer"])
@pytest.mark.parametrize("dmin", [0.0, 2.5])
def test_every_way_of_weighing_agrees_with_the_formula(omega, polar, capture, dmin):
    case = Case.of(simulator(**RICH | {"beam": RICH["beam"] | {"dmin": dmin}}))
    weighing = replace(case.scene.weighing, omega=omega, polar=polar, capture=capture)
    assert_agreement(by_hand(replace(case, scene=replace(case.scene, weighing=weighing))), "torch")


@pytest.mark.parametrize("polar", ["first", "last", "per_sample"])
def test_pixels_without_a_resolved_sample_agree_with_the_formula(polar):
    """Where one sample decides the polarization and there is none, the factor is zero and has no slope."""
    beam = {"dmin": 4.0, "water_size_um": 2.0, "dispersion_pct": 3.0, "dispersion_steps": 2}
    case = Case.of(simulator(detector={"spixels": 6, "fpixels": 6, "oversample": 2}, beam=beam))
    case = by_hand(replace(case, scene=replace(case.scene, weighing=replace(case.scene.weighing, polar=polar))))
    dark = case.image("torch") == 0
    assert (0 < int(dark.sum()) < 36) if polar != "per_sample" else not dark.any()
    assert_agreement(case, "torch")


@pytest.mark.parametrize("cells", [1, 2, 10, 1000, 7.3])
def test_a_grating_of_any_size_agrees_with_the_formula(cells):
    assert_agreement(by_hand(Case.of(simulator(crystal={"N_cells": (cells, cells, 2)}))), "torch")


def chunked(budget: int | None = None, tile: int | None = None) -> list[torch.Tensor]:
    """Image and gradients of a scene with 72 samples in each of 30 pixels."""
    case = by_hand(
        Case.of(simulator("gauss", "tricubic", **RICH | {"detector": {"spixels": 5, "fpixels": 6, **RICH["detector"]}}))
    )
    budgets = {} if budget is None else {"memory_budget": budget}
    image = render(case.scene, case.pixels, "torch", tile, **budgets)
    return [image, *case.gradients(image, case.weights()).values()]


@pytest.fixture(scope="module")
def whole() -> list[torch.Tensor]:
    """The same where nothing is divided."""
    return chunked()


@pytest.mark.parametrize(
    ("budget", "tile"), [(1, None), (9_000, None), (40_000, None), (100_000, None), (None, 1), (None, 7), (None, 30)]
)
def test_chunks_of_pixels_samples_sources_and_orientations_change_nothing(budget, tile, whole):
    parts = chunked(budget, tile)
    assert whole[0].max() > 0
    for one, two in zip(whole, parts, strict=True):
        assert torch.allclose(one, two, rtol=1e-9, atol=1e-11 * one.abs().max().item())


def test_no_pixels_give_an_empty_image_and_zero_gradients():
    case = by_hand(Case.of(simulator(lookup="nearest")))
    empty = replace(case, pixels=case.pixels.between(3, 3))
    image = empty.image("torch")
    assert image.shape == (0,)
    for name, gradient in empty.gradients(image, image.detach()).items():
        assert gradient.shape == dict(zip(case.names, case.leaves, strict=True))[name].shape
        assert not gradient.any()


@pytest.mark.parametrize("dtype", [F64, F32])
def test_a_cotangent_of_zero_gives_zero_and_costs_no_samples(dtype, monkeypatch):
    case = by_hand(Case.of(simulator(dtype=dtype, detector={"spixels": 20, "fpixels": 10})))
    seen = []
    genuine = reverse.pull_back
    monkeypatch.setattr(reverse, "pull_back", lambda *given: seen.append(len(given[2])) or genuine(*given))
    image = render(case.scene, case.pixels, "torch", tile=10)
    assert all(not gradient.any() for gradient in case.gradients(image, torch.zeros_like(image)).values())
    assert seen == []
    one = torch.zeros_like(image)
    one[57] = 2.0
    assert case.gradients(image, one)["lattice.a"].abs().max() > 0
    assert seen == [10]


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_float32_has_room_for_cotangents_of_any_size(scale):
    case = by_hand(Case.of(simulator(dtype=F32)))
    image = case.image("torch")
    weights = case.weights()
    for name, gradient in case.gradients(image, weights).items():
        found = case.gradients(image, weights * scale)[name] / scale
        assert torch.isfinite(found).all()
        assert torch.allclose(found, gradient, rtol=1e-4, atol=1e-5 * gradient.abs().max().item()), name


def test_a_cotangent_that_is_no_number_stays_one():
    case = by_hand(Case.of(simulator()))
    image = case.image("torch")
    weights = case.weights()
    weights[3] = torch.nan
    assert case.gradients(image, weights)["lattice.a"].isnan().all()


@pytest.mark.parametrize("shape", ["square", "round", "gauss"])
def test_every_shape_agrees_on_and_beside_a_peak(shape):
    """The middle one of 25 tiny pixels lies on the beam exactly: its three indices are zero."""
    made = simulator(shape, detector={"spixels": 5, "fpixels": 5})
    size = 2.0**-20
    found = []
    for name in ("torch", "formula"):
        case = Case.of(made)
        panel = replace(
            case.scene.panel,
            pixel_size=torch.tensor(size, dtype=F64),
            origin=torch.tensor([2.0**-6, -2.5 * size, -2.5 * size], dtype=F64),
            fast=torch.tensor([0.0, 1.0, 0.0], dtype=F64),
            slow=torch.tensor([0.0, 0.0, 1.0], dtype=F64),
        )
        sources = replace(case.scene.sources, directions=torch.tensor([[1.0, 0.0, 0.0]], dtype=F64))
        centred = replace(case, scene=replace(case.scene, panel=panel, sources=sources))
        image = centred.image(name)
        assert image.argmax() == 12
        gradients = centred.gradients(image, case.weights())
        peak = torch.zeros_like(image)
        peak[12] = 1.0
        assert not centred.gradients(image, peak)["lattice.a"].any()
        found.append([image, *gradients.values()])
    for one, two in zip(*found, strict=True):
        assert torch.isfinite(one).all()
        assert torch.allclose(one, two, rtol=1e-9, atol=1e-10 * two.abs().max().item())


def scaled(case: Case):
    """Photons as a function of a in Angstrom, cells, wavelengths, origin in centimetres; and its arguments."""
    scene = case.scene

    def photons(a, cells, wavelengths, origin):
        lattice = replace(scene.lattice, a=a * 1e-10, cells=cells)
        sources = replace(scene.sources, wavelengths=wavelengths * 1e-10)
        panel = replace(scene.panel, origin=origin * 1e-2)
        return render(replace(scene, lattice=lattice, sources=sources, panel=panel), case.pixels, "torch") * 1e3

    lattice = scene.lattice
    values = (lattice.a * 1e10, lattice.cells, scene.sources.wavelengths * 1e10, scene.panel.origin * 1e2)
    return photons, tuple(value.detach().clone().requires_grad_() for value in values)


@pytest.mark.parametrize(("shape", "lookup"), [("square", "tricubic"), ("gauss", "constant")])
def test_gradient_checks_of_first_and_second_order(shape, lookup):
    case = by_hand(Case.of(simulator(shape, lookup, detector={"spixels": 1, "fpixels": 2})))
    photons, inputs = scaled(replace(case, scene=with_tensors(case.scene, [t.detach() for t in case.leaves])))
    assert photons(*inputs).max() > 1e-3
    assert torch.autograd.gradcheck(photons, inputs, atol=1e-7, rtol=1e-5)
    torch.manual_seed(3)  # of the cotangents
    assert torch.autograd.gradgradcheck(photons, inputs, atol=0.1, rtol=1e-4)  # of second derivatives up to 2e6


def test_second_derivatives_are_those_of_the_formula():
    found = []
    for name in ("torch", "formula"):
        case = Case.of(simulator("gauss", detector={"spixels": 2, "fpixels": 2}))
        (slope,) = torch.autograd.grad((case.image(name) ** 2).sum(), case.scene.lattice.cells, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), case.scene.lattice.cells)[0])
    assert found[1].abs().min() > 0
    assert torch.allclose(*found, rtol=1e-9)


def test_only_the_tensors_that_ask_have_a_gradient():
    case = by_hand(Case.of(simulator("square", "nearest")))
    for chosen in case.names:
        asked = [
            leaf.detach().requires_grad_(name == chosen) for name, leaf in zip(case.names, case.leaves, strict=True)
        ]
        image = render(with_tensors(case.scene, asked), case.pixels, "torch")
        alone = torch.autograd.grad(image.sum(), asked[case.names.index(chosen)])[0]
        among = case.gradients(case.image("torch"), torch.ones_like(image))[chosen]
        assert torch.equal(alone, among), chosen
    assert not render(with_tensors(case.scene, [t.detach() for t in case.leaves]), case.pixels, "torch").requires_grad


def test_the_graph_keeps_the_scene_alone():
    case = by_hand(Case.of(simulator(detector={"spixels": 40, "fpixels": 40})))
    kept = Counter()
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.update([t.numel()]) or t, lambda t: t):
        case.image("torch")
    assert max(kept) == max(leaf.numel() for leaf in case.leaves) < 1600
    assert sum(kept.values()) == len(case.leaves)


@pytest.mark.parametrize(
    ("reason", "made"),
    [
        ("B05", {"compat": "c", "detector": {"oversample": 2, **SENSOR}, "weighing": {"running": ("omega",)}}),
        ("curved", {"detector": {"curved_detector": True}}),
        ("B11", {"beam": {"dmin": 9.0, "water_size_um": 2.0}, "weighing": {"dmin_zeroes_background": True}}),
    ],
)
def test_what_the_reverse_pass_cannot_do_is_differentiated_by_autograd(reason, made):
    changes = dict(made)
    weighing = changes.pop("weighing", {})
    case = Case.of(simulator(**changes))
    case = replace(case, scene=replace(case.scene, weighing=replace(case.scene.weighing, **weighing)))
    assert reason in obstacle(case.scene, TILE_OBSTACLES)
    assert_agreement(case, "torch")


def test_functional_transforms_and_forward_mode_go_to_autograd():
    case = Case.of(simulator(detector={"spixels": 1, "fpixels": 1}))
    still = with_tensors(case.scene, [t.detach() for t in case.leaves])

    def photons(scale):
        sources = replace(still.sources, wavelengths=still.sources.wavelengths * scale)
        return render(replace(still, sources=sources), case.pixels, "torch")[0]

    one = torch.ones((), dtype=F64)
    leaf = one.clone().requires_grad_()
    (slope,) = torch.autograd.grad(photons(leaf), leaf)
    assert slope != 0
    assert torch.func.grad(photons)(one).item() == pytest.approx(slope.item(), rel=1e-10)
    assert torch.func.jvp(photons, (one,), (one,))[1].item() == pytest.approx(slope.item(), rel=1e-10)


def test_progress_reaches_the_end_and_an_exception_in_it_ends_the_run():
    made, seen = simulator(detector={"spixels": 10, "fpixels": 10}), []
    render(made.scene(), made.pixels(), "torch", 30, lambda done, total: seen.append((done, total)))
    assert seen == [(30, 100), (60, 100), (90, 100), (100, 100)]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        render(made.scene(), made.pixels(), "torch", 30, stop)


def test_tiles_and_their_gradient_need_no_numba(tmp_path):
    """In a process of its own, in which numba cannot be imported and nothing is kept that it has compiled."""
    program = """
import sys; sys.modules["numba"] = None; sys.path.insert(0, "tests")
from random_scenes import Case, simulator
case = Case.of(simulator(lookup="nearest"))
image = case.image("torch")
assert case.gradients(image, case.weights())["lattice.a"].abs().max() > 0
assert not any(name.startswith("nanobrag_torch.kernel.numba_engine") for name in sys.modules)
"""
    nothing_kept = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=nothing_kept, check=True, timeout=100)


class Devices(TorchDispatchMode):
    """Notes the devices of all tensors that operations make."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        self.seen.update(leaf.device.type for leaf in tree_leaves(made) if isinstance(leaf, torch.Tensor))
        return made


#: Every shape and every look-up in both presets; shapes know nothing of look-ups. ``--cases full`` has all pairs.
ON_ANOTHER_DEVICE = {
    ("square", "constant"), ("round", "nearest"), ("gauss", "tricubic"), ("tophat", "nearest"),
}  # fmt: skip


@pytest.mark.parametrize("compat", ["physical", "c"])
@pytest.mark.parametrize("lookup", ["constant", "nearest", "tricubic"])
@pytest.mark.parametrize("shape", ["square", "round", "gauss", "tophat"])
def test_no_tensor_is_made_on_another_device_and_no_number_leaves_it(compat, lookup, shape, request):
    """On a device without numbers, where ``item`` and ``tolist`` raise and operands on another device do too."""
    if request.config.getoption("--cases", "few") == "few" and (shape, lookup) not in ON_ANOTHER_DEVICE:
        pytest.skip("one of the pairs of --cases full")
    case = Case.of(simulator(shape, lookup, compat, **RICH))
    amplitudes = replace(case.scene.amplitudes, fallback="per_sample")
    scene = with_tensors(replace(case.scene, amplitudes=amplitudes), [leaf.detach().to("meta") for leaf in case.leaves])
    chunks = Chunks(pixels=12, samples=5, sources=1, orientations=2)
    slow, fast = (torch.empty(12, dtype=torch.int64, device="meta") for _ in range(2))
    with torch.no_grad(), Devices() as devices:
        made = tables.tables(scene)
        instrument = Instrument(made.panel, made.sources, PixelPlan.of(scene))
        orientations = Orientations.of(scene, made, chunks.orientations)
        image = forward.photons(instrument, orientations, slow, fast, chunks)
        bars = tables.Tables(*(torch.zeros_like(table) for table in made))
        everything = tables.WantedTables(rays=True, vectors=True, shape=True, lookup=True)
        reverse.pull_back(instrument, orientations, slow, fast, image, everything, bars, chunks)
    assert devices.seen["meta"] > 300 and set(devices.seen) == {"meta"}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [F64, F32])
@pytest.mark.parametrize(("shape", "lookup"), [("square", "constant"), ("round", "nearest"), ("gauss", "tricubic")])
def test_a_gpu_gives_the_numbers_of_the_cpu(shape, lookup, dtype):
    made = simulator(shape, lookup, "physical", dtype, **RICH)
    results = []
    for device in ("cpu", "cuda"):
        case = Case.of(made)
        leaves = [leaf.detach().to(device).requires_grad_() for leaf in case.leaves]
        moved = replace(case, scene=with_tensors(case.scene, leaves), leaves=leaves)
        image = render(moved.scene, moved.pixels, "torch", memory_budget=30_000)
        assert image.device.type == device
        gradients = moved.gradients(image, case.weights().to(device))
        results.append([image.cpu(), *(gradient.cpu() for gradient in gradients.values())])
    tolerance = 1e-9 if dtype == F64 else 1e-4
    assert results[0][0].max() > 0
    for one, two in zip(*results, strict=True):
        assert torch.allclose(one, two, rtol=tolerance, atol=tolerance * one.abs().max().item())
