"""The experiment as a module: frozen it is the config path, refinable it moves as documented and finds its way back."""

import math

import pytest
import torch

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig, DetectorPivot
from nanobrag_torch.experiment import (
    BeamStageAParams,
    CrystalStageAParams,
    DetectorStageAParams,
    ExperimentModel,
)
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator

F64 = torch.float64
#: Where a table of 13 x 13 x 13 amplitudes begins that holds every reflection of the small detector below.
BOX = {"h_min": -6, "k_min": -6, "l_min": -6}


def configs(**crystal):
    cell = {"cell_a": 70.0, "cell_b": 80.0, "cell_c": 90.0, "cell_alpha": 75.0, "cell_beta": 85.0, "cell_gamma": 95.0}
    return (
        CrystalConfig(**cell | {"N_cells": (5, 5, 5), "default_F": 100.0, "misset_deg": (10.0, 20.0, 30.0)} | crystal),
        DetectorConfig(spixels=6, fpixels=7, pixel_size_mm=1.0, detector_rotx_deg=2.0, oversample=2),
        BeamConfig(polarization_factor=0.9),
    )


def image_of(crystal, detector, beam, dtype=F64):
    return Simulator(
        Crystal(crystal, dtype=dtype), Detector(detector, dtype=dtype), beam_config=beam, dtype=dtype
    ).run()


@pytest.mark.parametrize("param_init", ["frozen", "stage_a"])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_at_its_start_the_model_gives_exactly_the_image_of_the_configs(param_init, dtype):
    expected = image_of(*configs(), dtype=dtype)
    assert expected.max() > 0
    image = ExperimentModel(*configs(), dtype=dtype, param_init=param_init)()
    assert image.dtype == dtype
    assert torch.equal(image.detach(), expected)


def test_a_frozen_model_has_no_parameters_and_a_refinable_one_all_fifteen():
    assert list(ExperimentModel(*configs()).parameters()) == []
    model = ExperimentModel(*configs(), param_init="stage_a")
    names = {name for name, _ in model.named_parameters()}
    assert len(names) == 15
    assert {"crystal_params.delta_misset_raw", "detector_params.delta_log_distance_mm"} < names
    assert all(bool((parameter == 0).all()) for parameter in model.parameters())


def test_every_raw_parameter_moves_the_image():
    model = ExperimentModel(*configs(), dtype=F64, param_init="stage_a")
    (model() ** 2).sum().backward()
    assert all(bool((parameter.grad != 0).all()) for parameter in model.parameters())


def test_the_gradient_of_a_raw_parameter_is_that_of_a_finite_difference():
    model = ExperimentModel(*configs(), dtype=F64, param_init="stage_a")
    model().sum().backward()
    step = 1e-5
    for parameter in (model.crystal_params.delta_gamma_raw, model.detector_params.delta_beam_f_raw):
        sums = []
        for sign in (1, -1):
            parameter.data.fill_(sign * step)
            sums.append(model().sum().item())
        parameter.data.zero_()
        assert parameter.grad.item() == pytest.approx((sums[0] - sums[1]) / (2 * step), rel=1e-5)


def test_raw_parameters_become_cell_and_misset_as_documented():
    params = CrystalStageAParams(configs()[0], None, F64, "stage_a", max_angle_delta_deg=4.0, max_misset_delta_deg=2.0)
    with torch.no_grad():
        params.delta_log_b.fill_(0.1)
        params.delta_beta_raw.fill_(0.5)
        params.delta_misset_raw.copy_(torch.tensor([0.0, 1.0, -100.0]))
    config = params.build_config()
    assert config.cell_a.item() == 70
    assert config.cell_b.item() == pytest.approx(80 * math.exp(0.1))
    assert config.cell_beta.item() == pytest.approx(85 + 4 * math.tanh(0.5))
    assert config.misset_deg.tolist() == pytest.approx([10, 20 + 2 * math.tanh(1), 28])


def test_raw_parameters_become_place_and_tilt_as_documented():
    base = DetectorConfig(spixels=20, fpixels=30, pixel_size_mm=0.2, distance_mm=150.0, detector_twotheta_deg=3.0)
    params = DetectorStageAParams(base, None, F64, "stage_a", max_tilt_delta_deg=2.0, beam_shift_pixels=3.0)
    with torch.no_grad():
        params.delta_log_distance_mm.fill_(-0.05)
        params.delta_roty_raw.fill_(0.3)
        params.delta_twotheta_raw.fill_(-0.4)
        params.delta_beam_f_raw.fill_(0.7)
    config = params.build_config()
    assert config.distance_mm.item() == pytest.approx(150 * math.exp(-0.05))
    assert config.detector_rotx_deg.item() == 0
    assert config.detector_roty_deg.item() == pytest.approx(2 * math.tanh(0.3))
    assert config.detector_twotheta_deg.item() == pytest.approx(3 - 2 * math.tanh(0.4))
    assert config.beam_center_s.item() == base.beam_center_s
    assert config.beam_center_f.item() == pytest.approx(base.beam_center_f + 3 * 0.2 * math.tanh(0.7))
    assert base.distance_mm == 150.0


def test_a_close_distance_is_scaled_with_the_distance_that_it_overrides():
    base = DetectorConfig(close_distance_mm=80.0, detector_pivot=DetectorPivot.SAMPLE)
    params = DetectorStageAParams(base, None, F64, "stage_a")
    with torch.no_grad():
        params.delta_log_distance_mm.fill_(0.1)
    assert params.build_config().close_distance_mm.item() == pytest.approx(80 * math.exp(0.1))


def test_the_fluence_is_scaled_even_where_the_config_derived_it_from_a_flux():
    params = BeamStageAParams(BeamConfig(flux=1e12, exposure=0.1, beamsize_mm=0.1), None, F64, "stage_a")
    with torch.no_grad():
        params.delta_log_fluence.fill_(math.log(2))
    assert params.build_config().fluence.item() == pytest.approx(2 * 1e19)


def test_a_config_tensor_keeps_its_own_gradient_beside_the_raw_parameter():
    length = torch.tensor(70.0, dtype=F64, requires_grad=True)
    model = ExperimentModel(*configs(cell_a=length), dtype=F64, param_init="stage_a")
    model().sum().backward()
    assert length.grad.item() * 70 == pytest.approx(model.crystal_params.delta_log_a.grad.item(), rel=1e-10)


def test_structure_factors_take_part_and_may_be_exchanged():
    table = torch.full((13, 13, 13), 50.0, dtype=F64)
    model = ExperimentModel(*configs(), dtype=F64, hkl_data=table, hkl_metadata=BOX)
    low = model()
    model.set_structure_factors(2 * table, BOX)
    assert low.max() > 0
    torch.testing.assert_close(model(), 4 * low)
    model.set_structure_factors(None, None)
    assert torch.equal(model(), image_of(*configs()))


def test_structure_factors_stay_connected():
    table = torch.full((13, 13, 13), 50.0, dtype=F64, requires_grad=True)
    model = ExperimentModel(*configs(), dtype=F64, hkl_data=table, hkl_metadata=BOX)
    image = model()
    image.sum().backward()
    # Intensity goes with the square of the factors, so their logarithmic derivative is two.
    assert (table.grad * table.detach()).sum().item() == pytest.approx(2 * image.sum().item(), rel=1e-6)


def test_an_optimiser_finds_a_displaced_cell_again():
    target = image_of(*configs())
    model = ExperimentModel(*configs(cell_a=70.02), dtype=F64, param_init="stage_a")
    optimiser = torch.optim.LBFGS(
        [model.crystal_params.delta_log_a], max_iter=50, tolerance_grad=1e-12, tolerance_change=1e-14,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def loss():
        optimiser.zero_grad()
        value = ((model() - target) ** 2).sum() / (target**2).sum()
        value.backward()
        return value

    optimiser.step(loss)
    assert model.crystal_params.build_config().cell_a.item() == pytest.approx(70.0, abs=1e-5)


def test_parameters_survive_saving_and_loading():
    model, other = (ExperimentModel(*configs(), dtype=F64, param_init="stage_a") for _ in range(2))
    with torch.no_grad():
        model.crystal_params.delta_log_c.fill_(0.01)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(), model())
    assert not torch.equal(other().detach(), image_of(*configs()))


def test_a_change_of_precision_reaches_the_image():
    model = ExperimentModel(*configs(), param_init="stage_a").double()
    assert model.dtype == F64
    assert model().dtype == F64


@pytest.mark.parametrize(
    ("crystal", "message"),
    [
        (
            {"mosflm_a_star": (0.01, 0, 0), "mosflm_b_star": (0, 0.01, 0), "mosflm_c_star": (0, 0, 0.01)},
            "mosflm_a_star.*must be None where the cell is refined",
        ),
        ({"misset_random": True, "misset_seed": 1}, "misset_random = True: must be False where the misset is refined"),
    ],
)
def test_a_crystal_whose_raw_parameters_would_do_nothing_is_refused(crystal, message):
    with pytest.raises(ValueError, match=message):
        ExperimentModel(*configs(**crystal), param_init="stage_a")


def test_a_detector_with_an_explicit_origin_is_refused_and_so_is_an_unknown_start():
    with pytest.raises(ValueError, match=r"pix0_override_m.*give those instead"):
        DetectorStageAParams(DetectorConfig(pix0_override_m=(0.1, 0.0, 0.0)), None, F64, "stage_a")
    with pytest.raises(ValueError, match="param_init = 'stage_b': must be one of frozen, stage_a"):
        ExperimentModel(*configs(), param_init="stage_b")


def test_the_established_names_open_the_same_door():
    import nanobrag_torch.models.experiment as door
    from nanobrag_torch import experiment, models

    assert models.ExperimentModel is ExperimentModel
    for name in door.__all__:
        assert getattr(door, name) is getattr(experiment, name)
    with pytest.raises(AttributeError, match="no attribute 'Experiment'"):
        door.Experiment  # noqa: B018


def test_sub_pixels_are_counted_at_the_base_configs_so_that_a_loss_does_not_jump():
    made = ExperimentModel(
        CrystalConfig(100.0, 100.0, 100.0, N_cells=(5, 5, 5), default_F=100.0),
        DetectorConfig(spixels=8, fpixels=8, distance_mm=100.0, pixel_size_mm=0.1, oversample=-1),
        BeamConfig(wavelength_A=1.5),
        dtype=torch.float64,
        param_init="stage_a",
    )
    assert made.oversample() == 1
    with torch.no_grad():
        made.crystal_params.delta_log_a += 0.01
    assert made.simulator().oversample() == 2
    assert torch.equal(made(), made(oversample=1))
    assert not torch.allclose(made(), made(oversample=2), rtol=1e-3)
