"""Forward sensitivities against the reverse pass, pixel by pixel."""

import pytest
import torch
from random_scenes import F64, Case, for_lit_cases, simulator, table
from scenarios import r2

from nanobrag_torch.kernel.sensitivities import sensitivities
from nanobrag_torch.kernel.tables import tables

KINDS = [
    ("square", "nearest", F64),
    ("round", "constant", torch.float32),
    ("gauss", "tricubic", F64),
    pytest.param("gauss_star", "tricubic", F64, marks=pytest.mark.full),
    ("tophat", "nearest", F64),
]


def jacobian(case: Case) -> dict[str, torch.Tensor]:
    """Derivatives (elements, pixels) of the photons with respect to every tensor, one pixel after the other."""
    image = Case.image(case, "formula")
    rows = []
    for number in range(len(image)):
        only = torch.zeros_like(image)
        only[number] = 1.0
        rows.append(case.gradients(image, only))
    return {name: torch.stack([row[name].reshape(-1) for row in rows], dim=1) for name in case.names}


@pytest.mark.parametrize(("shape", "lookup", "dtype"), KINDS)
def test_sensitivities_to_every_tensor_of_a_scene_agree_with_the_reverse_pass(shape, lookup, dtype):
    def check(case):
        chosen = [name for name in case.names if name != "amplitudes.table"]
        leaves = [leaf for name, leaf in zip(case.names, case.leaves, strict=True) if name in chosen]
        moved = sensitivities(case.scene, case.pixels, leaves)
        want = jacobian(case)
        bright = case.image("formula").abs().max()
        tolerance = 1e-8 if dtype == F64 else 1e-4
        for name, leaf, rows in zip(chosen, leaves, moved.split([leaf.numel() for leaf in leaves]), strict=True):
            scale = want[name].abs().max() + bright / (leaf.detach().abs().max() or 1.0)
            assert (rows - want[name]).abs().max() <= tolerance * scale, name

    for_lit_cases((shape, lookup, dtype), 5, check)


def test_sensitivities_to_a_table_agree_with_the_reverse_pass():
    for lookup in ("nearest", "tricubic"):
        made = simulator(lookup=lookup, detector={"distance_mm": 80.0})
        amplitudes, made.crystal.hkl_metadata = table(3)
        made.crystal.hkl_data = amplitudes.requires_grad_()
        images = made.sensitivities({"F": amplitudes})["F"]
        assert images.shape == (7, 7, 7, 3, 4)
        image = made.run()
        total = sum(torch.autograd.grad(value, amplitudes, retain_graph=True)[0] for value in image.reshape(-1))
        assert total.abs().max() > 0
        assert torch.allclose(images.sum((-1, -2)), total, rtol=1e-10, atol=1e-12 * total.abs().max().item())


@pytest.mark.parametrize("compat", ["physical", "c"])
def test_the_sum_of_a_sensitivity_is_the_gradient_of_the_sum(compat):
    experiment = r2(compat)
    gradients = experiment.gradients(experiment.image().sum())
    images = experiment.simulator.sensitivities(experiment.parameters)
    for name, image in images.items():
        assert image.shape == (32, 32)
        assert gradients[name].item() != 0
        assert image.sum().item() == pytest.approx(gradients[name].item(), abs=1e-12 * image.abs().sum().item())


def test_scenes_for_the_formula_have_sensitivities_as_well():
    distance = torch.tensor(20.0, dtype=F64, requires_grad=True)
    made = simulator(detector={"curved_detector": True, "distance_mm": distance})
    (image,) = made.sensitivities({"distance": distance}).values()
    (gradient,) = torch.autograd.grad(made.run().sum(), distance)
    assert gradient.item() != 0
    assert image.sum().item() == pytest.approx(gradient.item(), rel=1e-10)


def test_a_parameter_that_nothing_depends_on_has_zeros_and_one_without_gradient_is_refused():
    made = simulator()
    stranger = torch.ones(2, dtype=F64, requires_grad=True)
    assert made.sensitivities({"stranger": stranger})["stranger"].abs().max() == 0
    with pytest.raises(ValueError, match=r"parameters\['x'\].*requires"):
        made.sensitivities({"x": torch.ones(())})


@pytest.mark.parametrize("shape", ["square", "round", "gauss", "tophat", "gauss_star"])
def test_as_many_parameters_of_a_shape_are_pushed_as_its_table_has(shape):
    """One more would be read from beyond the table, and be multiplied by what memory happened to hold."""
    from nanobrag_torch.kernel.numba_engine.inputs import shape_record
    from nanobrag_torch.kernel.numba_engine.shapes import parameter_count

    scene = Case.of(simulator(shape)).scene
    found = tables(scene).shape
    assert parameter_count(shape_record(scene, found.detach())) == len(found)
