"""The compiled engine against the readable formula: values and gradients with respect to every tensor of a scene."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_scenes import F64, Case, assert_agreement, for_lit_cases, simulator

from nanobrag_torch.kernel.engine import ENGINES, obstacle, render
from nanobrag_torch.scene import tensors_of, with_tensors

F32 = torch.float32
#: Every shape and every look-up, and both precisions: shapes know nothing of look-ups, and each kind is compiled anew.
KINDS = [
    ("square", "constant", F64),
    ("square", "nearest", F32),
    ("square", "tricubic", F64),
    ("round", "nearest", F64),
    ("gauss", "constant", F32),
    ("gauss_star", "tricubic", F64),
    ("tophat", "nearest", F64),
    *(
        pytest.param(*kind, marks=pytest.mark.full)
        for kind in (
            ("square", "nearest", F64),
            ("square", "tricubic", F32),
            ("round", "constant", F32),
            ("gauss", "tricubic", F64),
        )
    ),
]


@pytest.mark.parametrize(("shape", "lookup", "dtype"), KINDS)
def test_the_engine_agrees_with_the_formula_in_image_and_gradient(shape, lookup, dtype, request):
    def check(case):
        assert obstacle(case.scene) is None
        assert_agreement(case)

    for_lit_cases((shape, lookup, dtype), {"few": 5, "full": 20}[request.config.getoption("--cases")], check)


@pytest.mark.parametrize("cells", [1, 2, 5, 10, 100, 1000, 7.3, 123.456])
def test_a_grating_of_any_size_agrees_with_the_formula(cells):
    assert_agreement(Case.of(simulator(crystal={"N_cells": (cells, cells, 2)})))


def along_x(case: Case, incident: tuple[float, float, float], **lattice: torch.Tensor) -> Case:
    """The same case with all rays along x, ``incident`` waves of length 1 m and no polarization."""
    nothing = torch.zeros(3, dtype=F64)
    panel = replace(case.scene.panel, origin=torch.tensor([0.02, 0.0, 0.0], dtype=F64), fast=nothing, slow=nothing)
    sources = replace(
        case.scene.sources,
        directions=torch.tensor([incident], dtype=F64),
        wavelengths=torch.ones(1, dtype=F64, requires_grad=True),
    )
    scene = replace(
        case.scene,
        panel=panel,
        sources=sources,
        polarization=replace(case.scene.polarization, enabled=False),
        lattice=replace(case.scene.lattice, **lattice),
    )
    return replace(case, scene=scene, leaves=[sources.wavelengths, scene.lattice.cells], names=["wavelengths", "cells"])


def only_pixel(**changes):
    return Case.of(simulator(detector={"spixels": 1, "fpixels": 1}, **changes))


def solid_angle(case: Case) -> float:
    panel = case.scene.panel
    return float((panel.pixel_size**2 * panel.close_distance).detach() / 0.02**3)


@pytest.mark.parametrize("engine", ["numba", "torch", "formula"])
@pytest.mark.parametrize("cells", [(5.0, 3.0, 1000.0), (1.0, 2.5, 4.0)])
def test_a_pixel_on_the_beam_has_the_full_intensity_and_no_slope(engine, cells):
    """All indices are zero there: S = N on each axis, and the slope against the wavelength vanishes."""
    case = along_x(only_pixel(crystal={"N_cells": cells}), (1.0, 0.0, 0.0))
    image = case.image(engine)
    assert image.item() == pytest.approx(70.0**2 * math.prod(cells) ** 2 * solid_angle(case), rel=1e-12)
    gradients = case.gradients(image, torch.ones(1, dtype=F64))
    assert gradients["wavelengths"].item() == 0
    assert gradients["cells"].tolist() == pytest.approx([2 * image.item() / n for n in cells], rel=1e-10)


@pytest.mark.parametrize("engine", ["numba", "torch", "formula"])
@pytest.mark.parametrize(("h", "nearest"), [(0.5, 0), (-0.5, -1), (1.5, 1), (-2.5, -3), (2.0, 2)])
def test_halves_of_an_index_look_up_the_integer_below(engine, h, nearest):
    case = only_pixel(lookup="nearest", crystal={"N_cells": (1, 1, 1)})
    axes = torch.tensor([[[h, 0.0, 0.0]], [[0.0, 1.0, 0.0]], [[0.0, 0.0, -1.0]]], dtype=F64)
    case = along_x(case, (0.0, 0.0, 1.0), a=axes[0], b=axes[1], c=axes[2])
    amplitude = case.scene.amplitudes.table[nearest + 12, 0 + 12, 1 + 12].item()
    assert case.image(engine).item() == pytest.approx(amplitude**2 * solid_angle(case), rel=1e-12)


@pytest.mark.parametrize("shape", ["square", "round", "gauss"])
@pytest.mark.parametrize("index", [1e-12, 1e-9, 1e-6, 1e-3, 0.3, 0.499999, 0.500001])
def test_slopes_keep_their_digits_beside_a_peak_and_beside_a_half(shape, index):
    """Near a whole index a quotient rule would return the difference of two large numbers."""
    case = only_pixel(shape=shape, lookup="nearest")
    slopes = {}
    for engine in ("numba", "torch", "formula"):
        a = torch.tensor([[index, 0.0, 0.0]], dtype=F64, requires_grad=True)
        across = torch.tensor([[0.0, 0.013, 0.0]], dtype=F64)
        image = along_x(case, (0.0, 0.0, 1.0), a=a, b=across, c=across).image(engine)
        slopes[engine] = torch.autograd.grad(image[0], a)[0][0, 0].item()
    assert slopes["formula"] != 0
    assert [slopes["numba"], slopes["torch"]] == pytest.approx([slopes["formula"]] * 2, rel=1e-9)


def test_the_number_of_threads_does_not_change_a_single_bit():
    simulator_ = simulator(
        lookup="nearest",
        crystal={"mosaic_domains": 5, "mosaic_spread_deg": 1.0},
        detector={"spixels": 150, "fpixels": 131, "pixel_size_mm": 0.1, "oversample": 2},
    )
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            case = Case.of(simulator_)
            image = case.image("numba")
            results.append([image, *case.gradients(image, case.weights()).values()])
    finally:
        torch.set_num_threads(before)
    assert results[0][0].max() > 0
    for other in results[1:]:
        assert all(torch.equal(one, two) for one, two in zip(results[0], other, strict=True))


@pytest.mark.parametrize("beam", [{}, {"dmin": 3.0}, {"source_weights": torch.tensor([0.0, 2.0], dtype=F64)}])
def test_what_the_loops_leave_out_was_zero(beam):
    """Blocks without a cotangent, samples beyond dmin, sources of no weight: no gradient misses them."""
    if beam.get("source_weights") is not None:
        beam = beam | {"source_directions": torch.tensor([[-1.0, 0.0, 0.0], [-1.0, 0.01, 0.0]], dtype=F64)}
    made = simulator(detector={"spixels": 30, "fpixels": 20, "pixel_size_mm": 1.5}, beam=beam)
    results = []
    for engine in ("numba", "formula"):
        case = Case.of(made)
        image = case.image(engine)
        few = torch.zeros_like(image)
        few[[3, 4, 308, 352, 599]] = torch.tensor([1.0, -2.0, 0.5, 0.7, 3.0], dtype=F64)
        results.append((image.detach(), case.gradients(image, few)))
    (image, found), (want, wanted) = results
    assert want.max() > 0
    assert torch.allclose(image, want, rtol=1e-10, atol=1e-12 * want.max().item())
    for name, gradient in wanted.items():
        assert torch.allclose(found[name], gradient, rtol=1e-8, atol=1e-9 * gradient.abs().max().item()), name
    assert wanted["lattice.a"].abs().max() > 0


@pytest.mark.parametrize("engine", ["numba", "torch", "formula"])
@pytest.mark.parametrize(("nopolar", "shares"), [(True, 1.0), (False, 0.0)])
def test_a_culled_pixel_keeps_its_background_in_mode_c_only_without_polarization(engine, nopolar, shares):
    """[B11]: C's factor is still 0 where no sample was resolved, unless polarization is off."""
    beam = {"dmin": 20.0, "water_size_um": 5.0, "nopolar": nopolar}
    made = simulator(compat="c", detector={"spixels": 3, "fpixels": 3, "oversample": 2}, beam=beam)
    scene = made.scene()
    image = render(scene, made.pixels(), engine)
    corner = render(replace(scene, dmin=0.0, amplitudes=replace(scene.amplitudes, default_F=0.0 * scene.fluence)),
                    made.pixels(), engine)  # fmt: skip
    assert corner[0] > 0
    assert image[0].item() == pytest.approx(shares * corner[0].item(), rel=1e-12)


def test_second_derivatives_and_gradient_checks_work_through_the_engine():
    case = only_pixel(lookup="tricubic")

    def photons(a, cells, table):
        lattice = replace(case.scene.lattice, a=a, cells=cells)
        scene = replace(case.scene, lattice=lattice, amplitudes=replace(case.scene.amplitudes, table=table * 1e2))
        return render(scene, case.pixels, "numba") * 1e3

    def inputs():
        lattice = case.scene.lattice
        yield (lattice.a.detach() * 1e10).requires_grad_()
        yield lattice.cells.detach().clone().requires_grad_()

    def scaled(a, cells):
        return photons(a * 1e-10, cells, case.scene.amplitudes.table.detach() / 1e2)

    assert scaled(*inputs()).item() > 1e-3
    assert torch.autograd.gradcheck(scaled, tuple(inputs()), atol=1e-7, rtol=1e-5)
    assert torch.autograd.gradgradcheck(scaled, tuple(inputs()), atol=1e-6, rtol=1e-4)


def test_forward_mode_and_functional_transforms_go_around_an_image():
    case = only_pixel()
    wavelengths = case.scene.sources.wavelengths.detach()

    def photons(scale):
        sources = replace(case.scene.sources, wavelengths=wavelengths * scale)
        scene = replace(with_tensors(case.scene, [t.detach() for t in tensors_of(case.scene)]), sources=sources)
        return render(scene, case.pixels)[0]

    one = torch.ones((), dtype=F64)
    leaf = one.clone().requires_grad_()
    (reverse,) = torch.autograd.grad(photons(leaf), leaf)
    value, forward = torch.func.jvp(photons, (one,), (one,))
    assert reverse.item() != 0 and value.item() > 0
    assert forward.item() == pytest.approx(reverse.item(), rel=1e-10)
    assert torch.func.grad(photons)(one).item() == pytest.approx(reverse.item(), rel=1e-10)
    many = torch.func.vmap(photons)(torch.tensor([1.0, 1.001], dtype=F64))
    assert many.tolist() == pytest.approx([photons(one).item(), photons(one * 1.001).item()], rel=1e-12)


@given(st.integers(1, 10**6), st.integers(0, 10**12))
@settings(deadline=None, derandomize=True)
def test_the_row_of_a_position_is_exact_in_floating_point(width, position):
    """The arithmetic by which the compiled loops find the row and column of a pixel."""
    assert math.floor((float(position) + 0.5) / width) == position // width


def test_region_and_mask_render_the_pixels_of_the_whole_image():
    mask = (torch.arange(130).reshape(13, 10) % 7 != 3).float()
    window = {"roi_xmin": 2, "roi_xmax": 8, "roi_ymin": 1, "roi_ymax": 11}
    size = {"spixels": 13, "fpixels": 10, "pixel_size_mm": 0.5}
    whole, part = simulator(detector=size).run(), simulator(detector=size | window | {"mask_array": mask}).run()
    inside = torch.zeros(13, 10)
    inside[1:12, 2:9] = mask[1:12, 2:9]
    assert whole.min() > 0 and 0 < inside.sum() < 77
    assert torch.equal(part, whole * inside)


def test_every_tensor_that_is_not_used_has_a_zero_gradient_not_none():
    scene = simulator()
    fudge = torch.tensor(1.0, dtype=F64, requires_grad=True)
    scene.crystal.config.fudge = fudge
    scene.run().sum().backward()
    assert fudge.grad is not None and fudge.grad.item() == 0


def test_a_scene_that_the_compiled_loops_cannot_render_goes_to_the_tiles_and_says_why_when_forced():
    scene = simulator(detector={"curved_detector": True})
    assert "curved" in obstacle(scene.scene())
    assert torch.equal(render(scene.scene(), scene.pixels()), render(scene.scene(), scene.pixels(), "torch"))
    with pytest.raises(ValueError, match=r"Simulator\.engine = 'numba'.*curved"):
        render(scene.scene(), scene.pixels(), "numba")
    with pytest.raises(ValueError, match=r"Simulator\.engine = 'cuda'.*" + ENGINES[0]):
        render(scene.scene(), scene.pixels(), "cuda")


@given(st.integers(1, 400), st.integers(1, 7))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_pixels_are_the_same_alone_and_in_company(count, start):
    scene = simulator(detector={"spixels": 20, "fpixels": 21, "pixel_size_mm": 0.3}).scene()
    pixels = simulator(detector={"spixels": 20, "fpixels": 21, "pixel_size_mm": 0.3}).pixels()
    whole = render(scene, pixels)
    assert whole.min() > 0
    assert torch.equal(render(scene, pixels.between(start, start + count)), whole[start : start + count])
