"""Triton's kernels against the readable formula: interpreted on tiny images, and compiled where there is a GPU."""

from dataclasses import replace

import pytest
import torch
from random_scenes import F64, Case, assert_agreement, simulator

pytest.importorskip("triton", reason="needs Triton")

from nanobrag_torch.kernel.engine import KERNEL_OBSTACLES, obstacle, render
from nanobrag_torch.kernel.tables import Tables, WantedTables, tables
from nanobrag_torch.kernel.torch_engine.orientations import Orientations
from nanobrag_torch.kernel.triton_engine import orientations as kernels
from nanobrag_torch.kernel.triton_engine.orientations import KernelSum
from nanobrag_torch.scene import with_tensors

F32 = torch.float32
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
#: Every shape and every look-up but interpolation, of whose 64 nodes a sample each is slow to interpret; on a GPU and
#: with ``--cases full`` each in both precisions.
KINDS = [
    ("square", "constant", F64), ("round", "nearest", F64), ("gauss_star", "constant", F64),
    ("gauss", "constant", F32), ("tophat", "nearest", F32),
    *(
        pytest.param(*kind, marks=() if DEVICE == "cuda" else pytest.mark.full)
        for kind in (
            ("gauss", "nearest", F64), ("tophat", "constant", F64), ("square", "nearest", F32),
            ("round", "constant", F32), ("gauss_star", "nearest", F32),
        )
    ),
]  # fmt: skip
SMALL = {
    "crystal": {"mosaic_domains": 3, "mosaic_spread_deg": 1.0},
    "detector": {"spixels": 2, "fpixels": 2, "oversample": 2, "detector_thick_um": 400.0, "detector_abs_um": 300.0},
    "beam": {"dmin": 2.5, "water_size_um": 2.0, "dispersion_pct": 3.0, "dispersion_steps": 2},
}


def on_device(case: Case) -> Case:
    """The same case with its tensors on the device of the kernels."""
    leaves = [leaf.detach().to(DEVICE).requires_grad_() for leaf in case.leaves]
    return replace(case, scene=with_tensors(case.scene, leaves), leaves=leaves)


def agree(case: Case, monkeypatch: pytest.MonkeyPatch, programs: int = 2) -> None:
    """The kernels give the formula's numbers where so many programs share the rays and the orientations."""
    monkeypatch.setattr(kernels, "PROGRAMS", programs)
    if DEVICE == "cpu":
        assert_agreement(case, "triton")
        return
    ours, wanted = (on_device(case), "triton"), (replace(case, scene=replace(case.scene, dtype=F64)), "formula")
    found = []
    for each, engine in (ours, wanted):
        image = each.image(engine)
        weights = case.weights().to(image)
        found.append([image, *each.gradients(image, weights).values()])
    tolerance = 1e-8 if case.scene.dtype == F64 else 1e-3
    for one, two in zip(*found, strict=True):
        assert (one.cpu() - two).abs().max() <= tolerance * two.abs().max()


@pytest.mark.parametrize(("shape", "lookup", "dtype"), KINDS)
def test_kernels_agree_with_the_formula_in_image_and_gradient(shape, lookup, dtype, monkeypatch):
    agree(Case.of(simulator(shape, lookup, "physical", dtype, **SMALL)), monkeypatch)


def test_interpolation_agrees_with_the_formula_within_the_table_and_beside_it(monkeypatch):
    made = simulator("gauss", "tricubic", crystal={"N_cells": (1, 1, 1)}, detector={"spixels": 2, "fpixels": 2})
    made.crystal.hkl_data = made.crystal.hkl_data[8:17, 8:17, 8:17].clone()
    made.crystal.hkl_metadata = {"h_min": -4, "k_min": -4, "l_min": -4}
    case = Case.of(made)
    agree(replace(case, scene=replace(case.scene, amplitudes=replace(case.scene.amplitudes, fallback="per_sample"))),
          monkeypatch)  # fmt: skip


def sum_of(dtype: torch.dtype, rays: int, maker: type[KernelSum] | type[Orientations]):
    """A sum over twelve orientations of GAUSS spots, its tables, and scattering vectors (3, rays)."""
    made = simulator("gauss", "nearest", dtype=dtype, crystal={"mosaic_domains": 12, "mosaic_spread_deg": 5.0})
    scene = on_device(Case.of(made)).scene
    found = tables(scene)
    generator = torch.Generator().manual_seed(4)
    q = (4e8 * torch.randn((3, rays), generator=generator, dtype=F64)).to(DEVICE)
    return (KernelSum.of(scene, found) if maker is KernelSum else Orientations.of(scene, found, 12)), found, q


EVERYTHING = WantedTables(rays=True, vectors=True, shape=True, lookup=True)


@pytest.mark.parametrize("programs", [1, 5, 4096])
@pytest.mark.parametrize("rays", [1, 200])
def test_rays_and_orientations_are_shared_by_any_number_of_programs(programs, rays, monkeypatch):
    """The last block of rays and the last part of the orientations are cut short here."""
    monkeypatch.setattr(kernels, "PROGRAMS", programs)
    results = []
    for maker in (KernelSum, Orientations):
        adding, found, q = sum_of(F64, rays, maker)
        bars = Tables(*(torch.zeros_like(table) for table in found))
        bar = torch.linspace(-1.0, 2.0, rays, dtype=F64, device=DEVICE)
        sums, (again, bar_q) = adding.sums(q), adding.pull_back(q, bar, EVERYTHING, bars)
        results.append([sums, again, bar_q, bars.vectors, bars.shape, bars.lookup])
    assert results[1][0].max() > 0
    for one, two in zip(*results, strict=True):
        assert (one - two).abs().max() <= 1e-11 * two.abs().max()


def test_sums_are_equal_bit_by_bit_from_run_to_run(monkeypatch):
    monkeypatch.setattr(kernels, "PROGRAMS", 6)
    runs = []
    for _ in range(2):
        adding, found, q = sum_of(F32, 300, KernelSum)
        bars = Tables(*(torch.zeros_like(table) for table in found))
        again, bar_q = adding.pull_back(q, torch.ones_like(q[0]), EVERYTHING, bars)
        runs.append([again, bar_q, bars.vectors, bars.shape])
    assert all(torch.equal(one, two) for one, two in zip(*runs, strict=True))
    assert runs[0][0].max() > 0


def test_the_sum_of_rays_that_are_not_asked_for_is_zero():
    adding, found, q = sum_of(F64, 8, KernelSum)
    bars = Tables(*(torch.zeros_like(table) for table in found))
    total, bar_q = adding.pull_back(q, torch.ones_like(q[0]), EVERYTHING._replace(rays=False), bars)
    assert not total.any() and not bar_q.any()
    assert bars.vectors.any()


def test_kernels_refuse_a_curved_detector_and_name_the_reason():
    made = simulator(detector={"curved_detector": True})
    scene = on_device(Case.of(made)).scene
    assert obstacle(scene, KERNEL_OBSTACLES) == "the detector is curved"
    with pytest.raises(ValueError, match="curved"):
        render(scene, made.pixels(), "triton")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [F64, F32])
def test_auto_takes_the_kernels_on_a_gpu(dtype, monkeypatch):
    case = on_device(Case.of(simulator("gauss", "nearest", "physical", dtype, **SMALL)))
    assert torch.equal(case.image("auto"), case.image("triton"))
