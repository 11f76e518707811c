"""Lit samples alone against all samples: images, gradients and sensitivities, over scenes of every kind."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_scenes import F64, Case, simulator

from nanobrag_torch.kernel.engine import render
from nanobrag_torch.kernel.numba_engine import engine, entries, inputs
from nanobrag_torch.kernel.numba_engine.inputs import _farthest as farthest
from nanobrag_torch.kernel.sensitivities import sensitivities
from nanobrag_torch.physics.lattice_factor import domain_matrix

#: Shape, look-up, cutoff and preset; None is the default of the shape.
KINDS = [
    ("gauss", "nearest", None, "physical"),
    ("gauss", "nearest", 1e-16, "c"),
    ("gauss", "nearest", 1e-6, "legacy_torch"),
    ("gauss_star", "tricubic", None, "physical"),
    ("tophat", "nearest", None, "physical"),
    ("square", "nearest", 1e-4, "physical"),
    ("round", "nearest", 1e-6, "c"),
]


@st.composite
def scenes(draw, shape, lookup, cutoff, compat):
    """Detectors that are tilted, near, behind or one pixel, wide beams, huge and tiny cells, tables with gaps."""
    edges = st.one_of(st.floats(5.0, 100.0), st.floats(500.0, 3000.0))
    sides = st.one_of(st.just(1), st.integers(2, 21))
    domains, sweep = draw(st.sampled_from([1, 2, 9])), draw(st.booleans())
    cells = st.one_of(st.integers(1, 8), st.floats(10.0, 100.0))
    slow, fast = draw(sides), draw(sides)
    made = simulator(
        shape,
        lookup,
        compat,
        crystal={
            "cell_a": draw(edges), "cell_b": draw(edges), "cell_c": draw(edges),
            "misset_deg": tuple(draw(st.floats(-170.0, 170.0)) for _ in range(3)),
            "N_cells": tuple(draw(cells) for _ in range(3)),
            "fudge": draw(st.sampled_from([1.0, 0.2, 3.0])),
            "mosaic_domains": domains, "mosaic_spread_deg": 2.0 if domains > 1 else 0.0,
            "osc_range_deg": 3.0 if sweep else 0.0, "phi_steps": 4 if sweep else 1,
            "cutoff": cutoff,
        },
        detector={
            "spixels": slow, "fpixels": fast, "pixel_size_mm": draw(st.sampled_from([0.05, 0.5, 3.0])),
            "distance_mm": draw(st.sampled_from([8.0, 60.0, 300.0])),
            "oversample": draw(st.sampled_from([1, 1, 2, 5])),
            "detector_rotx_deg": draw(st.floats(-80.0, 80.0)),
            "detector_twotheta_deg": draw(st.sampled_from([0.0, 35.0, 165.0])),
        },
        beam={
            "wavelength_A": draw(st.floats(0.5, 4.0)),
            "water_size_um": draw(st.sampled_from([0.0, 2.0])),
            "dispersion_pct": draw(st.sampled_from([0.0, 8.0])), "dispersion_steps": draw(st.sampled_from([None, 11])),
            "hdiv_range_mrad": draw(st.sampled_from([None, 300.0])), "hdiv_steps": draw(st.sampled_from([None, 3])),
        },
    )  # fmt: skip
    if lookup != "constant":
        made.crystal.hkl_data[::2, :, ::3] = 0.0
    mask = torch.ones(slow, fast)
    if slow * fast > 1 and draw(st.booleans()):
        mask.reshape(-1)[::3] = 0.0
        made.detector.config.mask_array = mask
    return made


def for_scenes(kind, examples, check):
    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(scenes(*kind))
    def run(made):
        check(Case.of(made))

    run()


def with_cutoff(case: Case, cutoff: float) -> Case:
    return replace(case, scene=replace(case.scene, lattice=replace(case.scene.lattice, cutoff=cutoff)))


def on_a_peak(case: Case) -> torch.Tensor:
    """Photons (n,) if every sample were on a peak; the solid angle of a pixel seen from behind is negative."""
    lattice = case.scene.lattice
    lattice = replace(lattice, shape="gauss_star", fudge=torch.zeros_like(lattice.fudge), cutoff=0.0)
    lattice = replace(
        lattice,
        cells=lattice.cells * float(domain_matrix(lattice.cells, lattice.offdiagonal).det() / lattice.cells.prod()),
    )
    return render(replace(case.scene, lattice=lattice), case.pixels).detach().abs()


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_of_lit_samples_lacks_the_cutoffs_part_of_a_peak_at_most(kind):
    seen = []

    def check(case):
        cutoff = case.scene.lattice.cutoff
        assert cutoff == (kind[2] or 1e-16)
        lit, dense = case.image("numba").detach(), with_cutoff(case, 0.0).image("numba").detach()
        bound = cutoff * on_a_peak(case) + 1e-12 * dense.abs().max()
        assert ((lit - dense).abs() <= bound).all()
        seen.append(float(lit.abs().max()) > 0)

    for_scenes(kind, 8, check)
    assert any(seen)


@pytest.mark.parametrize(("shape", "twotheta"), [("gauss", 0.0), ("tophat", 35.0), ("gauss_star", 165.0)])
def test_on_a_curved_panel_lit_samples_lack_the_same_part(shape, twotheta):
    """The tiles, to which a curved panel goes, count the same samples as the loops."""
    crystal = {"N_cells": (12, 9, 10), "misset_deg": (31.0, -70.0, 15.0), "mosaic_domains": 2, "mosaic_spread_deg": 2.0}
    detector = {
        "spixels": 12, "fpixels": 15, "pixel_size_mm": 2.0, "distance_mm": 40.0, "oversample": 2,
        "detector_twotheta_deg": twotheta, "curved_detector": True,
    }  # fmt: skip
    case = Case.of(simulator(shape, "nearest", crystal=crystal, detector=detector))
    lit, dense = case.image("auto").detach(), with_cutoff(case, 0.0).image("auto").detach()
    assert lit.abs().max() > 0 and int((lit == 0).sum()) > 0
    assert ((lit - dense).abs() <= case.scene.lattice.cutoff * on_a_peak(case) + 1e-12 * dense.abs().max()).all()
    assert torch.allclose(lit, case.image("formula").detach(), rtol=1e-9, atol=1e-12 * float(lit.abs().max()))


def visiting_all(monkeypatch):
    """Make spots endless for the choice of visits, not for what counts."""
    everywhere = np.full((3, 3), np.inf)
    for shape in inputs.BODIES:
        monkeypatch.setitem(inputs.BODIES, shape, lambda *_: everywhere)


def results(case: Case) -> list[torch.Tensor]:
    """Image, gradients to every leaf, and sensitivities to crystal, detector and beam."""
    image = case.image("numba")
    leaves = [case.scene.lattice.a, case.scene.lattice.cells, case.scene.panel.origin, case.scene.fluence]
    moved = sensitivities(case.scene, case.pixels, leaves)
    return [image, *case.gradients(image, case.weights()).values(), moved]


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[4]])
def test_what_is_passed_over_changes_no_bit_of_image_gradient_or_sensitivity(kind, monkeypatch):
    monkeypatch.setattr(inputs, "CROWDED", np.inf)
    fewest = itertools.cycle([2, inputs.FEWEST])

    def check(case):
        # Whether or not clusters of orientations are looked at first.
        monkeypatch.setattr(inputs, "FEWEST", next(fewest))
        found = results(case)
        with monkeypatch.context() as patch:
            visiting_all(patch)
            wanted = results(case)
        for one, two in zip(found, wanted, strict=True):
            assert torch.equal(one, two)

    for_scenes(kind, 6, check)


@pytest.mark.parametrize("kind", [KINDS[0], KINDS[3], KINDS[5]])
@pytest.mark.parametrize("engine", ["torch", "formula"])
def test_every_engine_counts_the_same_samples(kind, engine):
    def check(case):
        lit, other = case.image("numba").detach(), case.image(engine).detach()
        # A remainder's rounding may put a sample on the other side of the cutoff.
        bound = case.scene.lattice.cutoff * on_a_peak(case) * 1e-6 + 1e-10 * other.abs().max()
        assert ((lit - other).abs() <= bound).all()

    for_scenes(kind, 4, check)


def test_sub_pixels_of_lit_pixels_alone_are_those_of_all_pixels(monkeypatch):
    crystal = {"cell_a": 48.0, "cell_b": 48.0, "cell_c": 48.0, "N_cells": (20, 20, 20)}
    detector = {"spixels": 24, "fpixels": 40, "pixel_size_mm": 0.25, "distance_mm": 80.0, "oversample": -1}
    made = simulator("gauss", "nearest", crystal=crystal, detector=detector)
    made.detector.config.mask_array = torch.ones(24, 40)
    made.detector.config.mask_array[5, ::2] = 0.0
    case, photons, evaluated = Case.of(made), entries.PHOTONS, []
    leaves = [case.scene.panel.pixel_size, case.scene.panel.origin, case.scene.lattice.a]

    def results(case):
        image = case.image("numba")
        moved = sensitivities(case.scene, case.pixels, leaves)
        return [image.detach(), *case.gradients(image, case.weights()).values(), moved]

    def counted(inputs, positions, *others):
        evaluated.append(len(positions))
        photons(inputs, positions, *others)

    with monkeypatch.context() as patch:
        patch.setattr(entries, "PHOTONS", counted)
        lit = results(case)
    samples = len(case.pixels) * case.scene.samples_per_pixel
    assert case.scene.samples_per_pixel == 81 and 81 < sum(evaluated) < samples / 8
    dense = results(with_cutoff(case, 0.0))
    assert min(float(found.abs().max()) for found in (dense[0], *dense[-1])) > 0
    for one, all_samples in zip(lit, dense, strict=True):
        assert (one - all_samples).abs().max() <= 1e-9 * all_samples.abs().max()


def test_many_orientations_in_clusters_light_the_same_pixels(monkeypatch):
    """Steps of a rotation with domains, which clusters hold together, and no block is lit by most of them."""
    crystal = {
        "cell_a": 79.0, "cell_b": 79.0, "cell_c": 37.0, "N_cells": (40, 40, 40), "misset_deg": (10.0, 20.0, 30.0),
        "mosaic_domains": 30, "mosaic_spread_deg": 0.2, "osc_range_deg": 1.0, "phi_steps": 11,
    }  # fmt: skip
    made = simulator(
        "gauss", "nearest", crystal=crystal, detector={"spixels": 60, "fpixels": 90, "pixel_size_mm": 0.172}
    )
    monkeypatch.setattr(inputs, "CROWDED", np.inf)
    case, records = Case.of(made), []
    record = inputs.visits_record
    monkeypatch.setattr(engine, "visits_record", lambda *given: records.append(record(*given)) or records[-1])
    clustered = results(case)
    monkeypatch.setattr(inputs, "FEWEST", np.inf)
    for one, two in zip(clustered, results(case), strict=True):
        assert torch.equal(one, two)
    assert clustered[0].max() > 0 and clustered[-1].abs().amax(1).min() > 0
    counted = [visits.clusters for visits in records]
    assert set(counted[: len(counted) // 2]) == {21} and set(counted[len(counted) // 2 :]) == {0}


@pytest.mark.parametrize("in_order", [True, False])
def test_many_wavelengths_light_the_same_pixels_whether_or_not_the_first_and_the_last_bound_them(in_order, monkeypatch):
    """More sources than are chosen for together, on more strips than one, most of whose blocks none of them lights."""
    crystal = {
        "cell_a": 93.0,
        "cell_b": 93.0,
        "cell_c": 130.0,
        "N_cells": (30, 30, 30),
        "misset_deg": (10.0, 20.0, 30.0),
    }
    wavelengths = 1.3 * torch.linspace(0.99, 1.01, 20, dtype=F64)
    if not in_order:
        wavelengths = wavelengths[torch.randperm(20, generator=torch.Generator().manual_seed(1))]
    made = simulator(
        "gauss",
        "nearest",
        crystal=crystal,
        detector={"spixels": 60, "fpixels": 90, "pixel_size_mm": 0.172, "distance_mm": 80.0},
        beam={"spectrum": (wavelengths, torch.ones(20, dtype=F64))},
    )
    monkeypatch.setattr(inputs, "CROWDED", np.inf)
    case, records = Case.of(made), []
    record = inputs.visits_record
    monkeypatch.setattr(engine, "visits_record", lambda *given: records.append(record(*given)) or records[-1])
    lit = results(case)
    assert {visits.in_order for visits in records} == {in_order}
    visiting_all(monkeypatch)
    for one, two in zip(lit, results(case), strict=True):
        assert torch.equal(one, two)
    assert lit[0].max() > 0 and (lit[0] == 0).double().mean() > 0.5 and lit[-1].abs().amax(1).min() > 0


def test_beyond_the_last_structure_factor_nothing_is_sought_and_nothing_lost(monkeypatch):
    monkeypatch.setattr(inputs, "CROWDED", np.inf)
    crystal = {"default_F": 0.0, "N_cells": (9, 9, 9), "mosaic_domains": 25, "mosaic_spread_deg": 3.0}
    detector = {"spixels": 64, "fpixels": 64, "pixel_size_mm": 0.8}
    made = simulator("gauss", "nearest", crystal=crystal, detector=detector)
    made.crystal.hkl_data[:2], made.crystal.hkl_data[:, -3:] = 0.0, 0.0
    case = Case.of(made)
    lit = case.image("numba").detach()
    seen = []
    monkeypatch.setattr(inputs, "_farthest", lambda *given: seen.append(farthest(*given)) or np.inf)
    assert torch.equal(lit, case.image("numba").detach()) and lit.max() > 0
    # In the direction of the longest of the vectors that are left, and no farther than a spot's width beyond it.
    amplitudes, stars = case.scene.amplitudes, case.scene.lattice.stars
    hkl = amplitudes.table.nonzero() + torch.tensor(amplitudes.minimum)
    longest = torch.linalg.vector_norm(hkl.to(F64) @ stars, dim=-1).max().item() * 1e10
    assert longest < np.sqrt(seen[0]) < 1.5 * longest


def large_crystal() -> Case:
    """About one sample in a hundred is lit."""
    crystal = {"N_cells": (25, 21, 20), "mosaic_domains": 4, "mosaic_spread_deg": 0.5}
    detector = {"spixels": 32, "fpixels": 32, "pixel_size_mm": 0.4, "distance_mm": 40.0}
    return Case.of(simulator("gauss", "nearest", crystal=crystal, detector=detector))


def test_gradcheck_passes_where_one_sample_in_a_hundred_is_lit():
    case = large_crystal()
    scene, image = case.scene, case.image("numba").detach()
    bright = image.topk(3).indices
    dim = ((image > 0) & (image < 1e-3 * image.max())).nonzero().flatten()[:3]
    picked = torch.cat([bright, dim])

    def photons(scale, cells):
        lattice = replace(scene.lattice, a=scene.lattice.a.detach() * scale, cells=cells)
        return render(replace(scene, lattice=lattice), case.pixels, "numba")[picked] / image.max()

    one = torch.ones((), dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(photons, (one, scene.lattice.cells.detach().clone().requires_grad_()), eps=1e-7)


def test_a_dark_image_is_zero_and_has_zero_gradients():
    crystal = {"N_cells": (300, 300, 300), "misset_deg": (11.0, 23.0, 31.0)}
    case = Case.of(simulator("gauss", "nearest", crystal=crystal, detector={"spixels": 1, "fpixels": 1}))
    image = case.image("numba")
    assert image.tolist() == [0.0]
    assert all(float(found.abs().max()) == 0 for found in case.gradients(image, torch.ones_like(image)).values())
