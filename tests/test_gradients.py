"""Gradients through the whole simulation, held to verified values, finite differences and exact identities.

No check here can pass on a dark image: each one first asserts that loss and gradients are not zero.
"""

import pytest
import torch
from scenarios import R2_VALUES, Experiment, leaf, r1, r2

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig, CrystalConfig, CrystalShape, DetectorConfig, DetectorConvention
from nanobrag_torch.kernel.formula import photons
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator

R1_LOSS = {"legacy_torch": 983760.6858088, "c": 983757.2693771, "physical": 983759.1042071}
R1_GRADIENTS = {
    "legacy_torch": (7782.451446, -2947.380604, -2947.380604, 1.605602, 5278.155636, -5278.155636),
    "c": (7783.696014, -2946.120900, -2946.120900, 0.911511, 5302.523891, -5302.523891),
    "physical": (7783.073445, -2946.993894, -2946.993894, 1.295683, 5287.956691, -5287.956691),
}
#: Sum of the absolute contributions of all pixels to an angle's gradient in R1: what an error is measured against.
R1_SCALE = 4.0e6

#: The verified values of R2 take the rotation angles of mosaic domains in double precision.
C_DOUBLE = Compat.of("c").with_changes(mosaic_angle="double")
R2_LOSS = 12497.541174927113
R2_WEIGHTED_LOSS = 31417.858882828456
#: d(sum of the image) and d(weighted sum) of R2 in mode c, confirmed by Richardson differences to 1e-9.
R2_GRADIENTS = {
    "cell_a": (99.69068604872, 634.1571485199),
    "cell_b": (226.1168872356, 347.3754462518),
    "cell_c": (-173.3036291502, -880.4216195399),
    "cell_alpha": (-363.7688441838, -1349.635699890),
    "cell_beta": (425.0598317280, 1997.046853744),
    "cell_gamma": (218.2552694038, 171.0719698481),
    "misset_x": (611.7091785381, 1696.250836022),
    "misset_y": (507.3530437551, 2411.979009239),
    "misset_z": (-231.8446302137, 328.1504081405),
    "phi": (-231.8446302137, 328.1504081405),
    "mosaic_spread": (200.2127743565, 1049.744309163),
    "wavelength": (-9470.372378741, 7056.909662061),
    "distance": (-380.2399388792, -642.7874591718),
    "Xbeam": (3047.389759838, 7455.632174080),
    "Ybeam": (916.5836029341, 612.4898207569),
    "rotx": (-171.7008441134, -189.7467437972),
    "roty": (-15.38912243212, -33.57392246612),
    "rotz": (52.27721623234, 91.92354037847),
    "twotheta": (-52.27721623234, -91.92354037847),
    "kahn": (0.9272359057353, 2.281694765176),
    "fluence": (9.924038098272e-26, 2.494826975604e-25),
    "F": (249.9508234985, 628.3571776566),
}
#: The same for other modes, where the notes give them.
R2_OTHER_MODES = {
    "c_exact_cell": (
        C_DOUBLE.with_changes(cell_construction="exact"),
        12504.26340085403,
        {
            "cell_a": 99.08941692329, "cell_b": 228.3869776633, "cell_c": -174.3967078075,
            "cell_alpha": -365.6016519341, "cell_beta": 425.1376703056, "cell_gamma": 221.2155323555,
            "misset_x": 613.6921906939, "misset_y": 508.4547693037, "misset_z": -234.9423849404,
            "mosaic_spread": 199.9606426898, "wavelength": -9511.513695015, "distance": -380.7518307433,
        },
    ),
    "physical_c_cell": (
        Compat.of("physical").with_changes(cell_construction="c"),
        12499.4402588827,
        {
            "cell_a": 99.62016109828, "cell_b": 226.0969858907, "cell_c": -173.2088063649,
            "cell_alpha": -363.6328836235, "cell_beta": 424.8867026359, "cell_gamma": 218.3497455325,
            "misset_x": 611.5633616734, "misset_y": 507.1894099036, "misset_z": -231.9805012153,
            "wavelength": -9472.377575296, "distance": -380.3258220809,
            "Xbeam": 3046.686968835, "Ybeam": 917.5469334310,
        },
    ),
}  # fmt: skip


def assert_alive(loss: torch.Tensor, gradients: dict[str, torch.Tensor]) -> None:
    """A loss and gradients that carry a signal: finite, and not one of them zero."""
    assert torch.isfinite(loss) and loss.item() != 0.0
    dead = [name for name, g in gradients.items() if not torch.isfinite(g).all() or not (g != 0).all()]
    assert not dead, f"zero or non-finite gradients: {dead}"


def richardson(loss_of, value: float, step: float) -> tuple[float, float]:
    """Central difference extrapolated from two steps, and its error estimate."""

    def central(h: float) -> float:
        return (loss_of(value + h) - loss_of(value - h)) / (2 * h)

    coarse, fine = central(step), central(step / 2)
    best = (4 * fine - coarse) / 3
    return best, abs(fine - best)


class TestAdvancedGradients:
    def test_gradient_flow_simulation(self):
        """All six cell gradients of a crystal with structure factors flow through image and sum."""
        experiment = r1("physical")
        loss = experiment.image().sum()
        gradients = experiment.gradients(loss)
        assert_alive(loss, gradients)
        assert loss.item() == pytest.approx(R1_LOSS["physical"], rel=1e-10)
        for got, want in zip(gradients.values(), R1_GRADIENTS["physical"], strict=True):
            assert got.item() == pytest.approx(want, abs=1e-12 * R1_SCALE)

    def test_without_structure_factors_the_image_is_dark_and_zero_gradients_are_right(self):
        dark = r1(default_F=0.0, pixels=64)
        loss = dark.image().sum()
        gradients = dark.gradients(loss)
        assert loss.item() == 0.0
        assert all(g.item() == 0.0 for g in gradients.values())
        lit = r1(default_F=1.0, pixels=64)
        loss = lit.image().sum()
        assert_alive(loss, lit.gradients(loss))

    @pytest.mark.parametrize("mode", ["legacy_torch", "c"])
    def test_the_cubic_experiment_agrees_in_the_other_modes(self, mode):
        experiment = r1(mode)
        loss = experiment.image().sum()
        gradients = experiment.gradients(loss)
        assert_alive(loss, gradients)
        assert loss.item() == pytest.approx(R1_LOSS[mode], rel=1e-10)
        for got, want in zip(gradients.values(), R1_GRADIENTS[mode], strict=True):
            assert got.item() == pytest.approx(want, abs=1e-12 * R1_SCALE)

    def test_single_precision_is_coarser_but_not_wrong(self):
        experiment = r1("physical", torch.float32)
        loss = experiment.image().sum()
        gradients = experiment.gradients(loss)
        assert_alive(loss, gradients)
        assert loss.item() == pytest.approx(R1_LOSS["physical"], rel=1e-6)
        for got, want in zip(gradients.values(), R1_GRADIENTS["physical"], strict=True):
            assert got.item() == pytest.approx(want, abs=1e-8 * R1_SCALE)


def weighted(image: torch.Tensor) -> torch.Tensor:
    slow, fast = torch.meshgrid(*(torch.arange(n, dtype=image.dtype) for n in image.shape), indexing="ij")
    return (image * (1 + 2 * slow / image.shape[0] + fast / image.shape[1])).sum()


class TestEverythingTilted:
    """R2: triclinic, misset, phi, mosaic, rotated detector; 22 parameters."""

    @pytest.mark.parametrize("index", [0, 1], ids=["sum", "weighted_sum"])
    def test_all_parameters_agree_with_the_verified_gradients(self, index):
        experiment = r2(C_DOUBLE)
        loss = (torch.sum, weighted)[index](experiment.image())
        gradients = experiment.gradients(loss)
        assert_alive(loss, gradients)
        assert loss.item() == pytest.approx((R2_LOSS, R2_WEIGHTED_LOSS)[index], rel=1e-12)
        for name, want in R2_GRADIENTS.items():
            assert gradients[name].item() == pytest.approx(want[index], rel=2e-10), name

    @pytest.mark.parametrize("case", R2_OTHER_MODES)
    def test_other_modes_agree_with_the_verified_gradients(self, case):
        compat, loss_want, wanted = R2_OTHER_MODES[case]
        experiment = r2(compat)
        loss = experiment.image().sum()
        gradients = experiment.gradients(loss)
        assert_alive(loss, gradients)
        assert loss.item() == pytest.approx(loss_want, rel=1e-12)
        for name, want in wanted.items():
            assert gradients[name].item() == pytest.approx(want, rel=2e-10), name

    def test_a_rotation_and_its_degenerate_partner_have_the_same_gradient(self):
        experiment = r2("c")
        g = experiment.gradients(weighted(experiment.image()))
        assert g["phi"].item() != 0 and g["rotz"].item() != 0
        assert g["misset_z"].item() == pytest.approx(g["phi"].item(), rel=1e-12)
        assert g["rotz"].item() == pytest.approx(-g["twotheta"].item(), rel=1e-12)

    def test_single_precision_gradients_stay_close_to_double(self):
        double, single = r2("physical"), r2("physical", torch.float32)
        want, got = (e.gradients(weighted(e.image())) for e in (double, single))
        for name in R2_VALUES:
            scale = max(abs(want[name].item()), 1e-3 * abs(want["wavelength"].item()) if name != "fluence" else 0)
            assert got[name].item() == pytest.approx(want[name].item(), abs=3e-5 * scale), name


def r3(cells: int) -> tuple[Experiment, torch.Tensor]:
    """R3: R2's cell untilted, with amplitudes that jump between neighbouring reflections."""
    b = leaf(80.0)
    config = CrystalConfig(70.0, b, 90.0, 75.0, 85.0, 95.0, N_cells=(cells,) * 3)
    crystal = Crystal(config, dtype=torch.float64)
    index = torch.arange(-15, 16)
    h, k, l = torch.meshgrid(index, index, index, indexing="ij")
    crystal.hkl_data = (50 + 10 * torch.remainder(3 * h + 5 * k + 7 * l, 11)).to(torch.float64)
    crystal.hkl_metadata = {"h_min": -15, "k_min": -15, "l_min": -15}
    crystal.interpolate = False
    detector = DetectorConfig(
        spixels=32, fpixels=32, pixel_size_mm=0.3, beam_center_s=4.95, beam_center_f=4.95, oversample=2
    )
    simulator = Simulator(crystal, Detector(detector), dtype=torch.float64, compat="c")
    return Experiment(simulator, {"cell_b": b}), b


@pytest.mark.parametrize(
    ("cells", "loss_want", "gradient_want"),
    [
        (5, 16480.934027956806, -75.31476697554612),
        (3, 3266.557057567732, 14.8963563039),
        (6, 30554.215152290453, -231.6422192810),
        (2, 919.1026373525585, 1.8124274435),
    ],
)
def test_amplitudes_that_jump_have_the_gradient_that_holds_almost_everywhere(cells, loss_want, gradient_want):
    experiment, _ = r3(cells)
    loss = experiment.image().sum()
    gradients = experiment.gradients(loss)
    assert_alive(loss, gradients)
    assert loss.item() == pytest.approx(loss_want, rel=1e-11)
    assert gradients["cell_b"].item() == pytest.approx(gradient_want, rel=1e-9)


@pytest.fixture(scope="module")
def tilted() -> tuple[float, dict[str, float]]:
    """Weighted loss and gradients of R2 in physical mode."""
    experiment = r2("physical")
    loss = weighted(experiment.image())
    gradients = experiment.gradients(loss)
    assert_alive(loss, gradients)
    return loss.item(), {name: g.item() for name, g in gradients.items()}


class TestExactIdentities:
    """differentiability.md section 11: relations that hold for any correct gradient."""

    def test_the_loss_is_linear_in_fluence(self, tilted):
        loss, g = tilted
        assert R2_VALUES["fluence"] * g["fluence"] == pytest.approx(loss, rel=1e-12)

    def test_the_loss_is_quadratic_in_the_amplitude(self, tilted):
        loss, g = tilted
        assert R2_VALUES["F"] * g["F"] == pytest.approx(2 * loss, rel=1e-12)

    @pytest.mark.parametrize("shape", [CrystalShape.SQUARE, CrystalShape.ROUND])
    def test_scaling_wavelength_and_cell_together_changes_nothing(self, shape):
        experiment = r2("physical", shape=shape)
        g = experiment.gradients(weighted(experiment.image()))
        terms = [R2_VALUES[n] * g[n].item() for n in ("wavelength", "cell_a", "cell_b", "cell_c")]
        assert min(abs(term) for term in terms) > 0
        assert sum(terms) == pytest.approx(0, abs=1e-10 * max(abs(term) for term in terms))

    def test_the_polarization_factor_enters_linearly(self, tilted):
        _, g = tilted
        losses = []
        for kahn in (0.0, 1.0):
            experiment = r2("physical")
            experiment.simulator.beam_config.polarization_factor = kahn
            losses.append(weighted(experiment.image()).item())
        assert losses[1] - losses[0] == pytest.approx(g["kahn"], rel=1e-9)

    def test_scaling_every_detector_length_changes_nothing(self):
        lengths = {"distance_mm": 100.0, "pixel_size_mm": 0.3, "beam_center_s": 4.7, "beam_center_f": 5.1}
        p = {name: leaf(value) for name, value in lengths.items()}
        detector = DetectorConfig(
            **p, spixels=32, fpixels=32, oversample=1, detector_convention=DetectorConvention.DENZO
        )
        crystal = Crystal(CrystalConfig(70.0, 80.0, 90.0, 75.0, 85.0, 95.0, N_cells=(5, 5, 5), default_F=10.0))
        experiment = Experiment(Simulator(crystal, Detector(detector), dtype=torch.float64), p)
        loss = weighted(experiment.image())
        gradients = experiment.gradients(loss)
        assert_alive(loss, gradients)
        terms = [lengths[name] * g.item() for name, g in gradients.items()]
        assert sum(terms) == pytest.approx(0, abs=1e-10 * max(abs(term) for term in terms))


def one_parameter(field: str, value: float, **others) -> tuple[Simulator, torch.Tensor]:
    """A small, bright scene in which one quantity, "crystal.fudge" say, is a leaf."""
    p = leaf(value)
    owner, name = field.split(".")
    configs = {
        "crystal": {
            "cell_a": 70.0, "cell_b": 80.0, "cell_c": 90.0, "cell_alpha": 75.0, "cell_beta": 85.0, "cell_gamma": 95.0,
            "N_cells": (5, 4, 6), "default_F": 100.0, "misset_deg": (3.0, 5.0, 7.0),
        },
        "detector": {"spixels": 12, "fpixels": 14, "pixel_size_mm": 0.7, "oversample": 2},
        "beam": {},
    }  # fmt: skip
    for key, other in others.items():
        group, field_name = key.split("__")
        configs[group][field_name] = other
    configs[owner][name] = p
    crystal = Crystal(CrystalConfig(**configs["crystal"]), dtype=torch.float64)
    detector = Detector(DetectorConfig(**configs["detector"]), dtype=torch.float64)
    beam = BeamConfig(**configs["beam"])
    return Simulator(crystal, detector, beam_config=beam, dtype=torch.float64), p


@pytest.mark.parametrize(
    ("field", "value", "step", "others"),
    [
        ("crystal.phi_start_deg", 0.0, 2e-3, {}),
        ("crystal.osc_range_deg", 1.0, 2e-3, {"crystal__phi_steps": 3}),
        ("crystal.mosaic_spread_deg", 0.4, 2e-3, {"crystal__mosaic_domains": 5}),
        ("crystal.fudge", 1.2, 1e-3, {"crystal__shape": CrystalShape.ROUND}),
        ("crystal.fudge", 0.01, 1e-5, {"crystal__shape": CrystalShape.GAUSS}),
        ("crystal.cell_b", 80.0, 2e-3, {"crystal__shape": CrystalShape.ROUND}),
        ("crystal.cell_b", 80.0, 2e-3, {"crystal__shape": CrystalShape.GAUSS, "crystal__fudge": 0.01}),
        ("detector.pixel_size_mm", 0.7, 1e-4, {}),
        ("detector.distance_mm", 100.0, 2e-3, {}),
        ("detector.close_distance_mm", 95.0, 2e-3, {"detector__detector_rotx_deg": 3.0}),
        ("detector.detector_rotx_deg", 0.0, 2e-3, {}),
        ("detector.detector_twotheta_deg", 0.0, 2e-3, {}),
        (
            "detector.detector_abs_um",
            300.0,
            0.3,
            {"detector__detector_thick_um": 450.0, "detector__detector_thicksteps": 3},
        ),
        (
            "detector.detector_thick_um",
            450.0,
            0.3,
            {"detector__detector_abs_um": 300.0, "detector__detector_thicksteps": 3},
        ),
        ("beam.wavelength_A", 1.0, 4e-5, {}),
        ("beam.polarization_factor", 0.0, 1e-3, {}),
        ("beam.water_size_um", 20.0, 1e-2, {}),
        ("beam.hdiv_range_mrad", 4.0, 1e-2, {"beam__hdiv_steps": 3}),
        ("beam.dispersion_pct", 2.0, 1e-2, {"beam__dispersion_steps": 3}),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_gradient_agrees_with_its_finite_difference(field, value, step, others):
    simulator, p = one_parameter(field, value, **others)
    image = simulator.run()
    (gradient,) = torch.autograd.grad(weighted(image), p)
    assert_alive(image.sum(), {field: gradient})

    def loss_of(x: float) -> float:
        with torch.no_grad():
            return weighted(one_parameter(field, x, **others)[0].run()).item()

    difference, error = richardson(loss_of, value, step)
    responses = [
        weighted(one_parameter(field, value + s * step, **others)[0].run().detach().abs()).item() for s in (-1, 1)
    ]
    noise = 1e-13 * max(responses) / step
    assert gradient.item() == pytest.approx(difference, abs=3 * error + 10 * noise), (error, noise)


def test_real_valued_numbers_of_cells_have_a_gradient():
    p = [leaf(n) for n in (5.0, 4.0, 6.0)]
    simulator, _ = one_parameter("crystal.fudge", 1.0, crystal__N_cells=tuple(p))
    loss = weighted(simulator.run())
    gradients = torch.autograd.grad(loss, p)
    assert_alive(loss, dict(zip("abc", gradients, strict=True)))
    for i in range(3):

        def loss_of(x: float, i: int = i) -> float:
            cells = [n.item() for n in p]
            cells[i] = x
            return weighted(one_parameter("crystal.fudge", 1.0, crystal__N_cells=tuple(cells))[0].run().detach()).item()

        difference, error = richardson(loss_of, p[i].item(), 1e-3)
        assert gradients[i].item() == pytest.approx(difference, abs=3 * error + 1e-9 * abs(loss.item()))


def test_an_amplitude_table_has_a_gradient_in_every_entry_that_is_hit():
    index = torch.arange(-12, 13)
    h, k, l = torch.meshgrid(index, index, index, indexing="ij")
    table = (40.0 + torch.remainder(2 * h + 3 * k + 5 * l, 7)).to(torch.float64).requires_grad_(True)
    simulator, _ = one_parameter("crystal.fudge", 1.0)
    simulator.crystal.hkl_data = table
    simulator.crystal.hkl_metadata = {"h_min": -12, "k_min": -12, "l_min": -12}
    loss = weighted(simulator.run())
    (gradient,) = torch.autograd.grad(loss, table)
    assert loss.item() > 0 and int((gradient != 0).sum()) > 10
    assert (table * gradient).sum().item() == pytest.approx(2 * loss.item(), rel=1e-12)


def test_interpolated_amplitudes_carry_the_gradient_of_the_cell():
    """One cell along each axis leaves the lattice factor flat: all the signal is in F(h)."""
    index = torch.arange(-12, 13, dtype=torch.float64)
    h, k, l = torch.meshgrid(index, index, index, indexing="ij")
    table = 50 + 3 * torch.sin(0.5 * h) + 2 * torch.cos(0.7 * k) + torch.sin(0.3 * l)

    def simulate(value: float) -> tuple[torch.Tensor, torch.Tensor]:
        simulator, p = one_parameter("crystal.cell_a", value, crystal__N_cells=(1, 1, 1))
        simulator.crystal.hkl_data, simulator.crystal.hkl_metadata = table, {"h_min": -12, "k_min": -12, "l_min": -12}
        assert simulator.crystal.interpolate
        return weighted(simulator.run()), p

    loss, p = simulate(70.0)
    (gradient,) = torch.autograd.grad(loss, p)
    assert_alive(loss, {"cell_a": gradient})
    difference, error = richardson(lambda x: simulate(x)[0].item(), 70.0, 1e-4)
    assert gradient.item() == pytest.approx(difference, rel=1e-5, abs=3 * error)


class TestReuse:
    """A simulator is an instrument that is used again, not a value that is consumed."""

    def test_a_second_run_with_gradients_gives_the_same_answer(self):
        experiment = r2("physical", pixels=16)
        first, second = (experiment.gradients(experiment.image().sum()) for _ in range(2))
        assert first["distance"].item() != 0
        assert all(torch.equal(first[name], second[name]) for name in first)

    def test_a_config_tensor_that_is_replaced_between_runs_is_seen(self):
        experiment = r2("physical", pixels=16)
        before = experiment.image().sum().item()
        config = experiment.simulator.crystal.config
        config.cell_a = leaf(71.0)
        loss = experiment.image().sum()
        (gradient,) = torch.autograd.grad(loss, config.cell_a)
        assert loss.item() != before and gradient.item() != 0

    def test_a_leaf_that_is_updated_in_place_is_seen(self):
        experiment = r2("physical", pixels=16)
        before = experiment.image().sum().item()
        with torch.no_grad():
            experiment.parameters["distance"].add_(1.0)
        loss = experiment.image().sum()
        assert_alive(loss, experiment.gradients(loss))
        assert loss.item() != before

    def test_a_default_beam_centre_follows_a_pixel_size_tensor_through_two_backward_passes(self):
        simulator, p = one_parameter("detector.pixel_size_mm", 0.7)
        first, second = (torch.autograd.grad(weighted(simulator.run()), p)[0] for _ in range(2))
        assert first.item() != 0 and torch.equal(first, second)


def test_gradients_pass_torchs_own_check_to_second_order():
    values = [leaf(v) for v in (70.0, 95.0, 1.0)]

    def loss_of(a: torch.Tensor, gamma: torch.Tensor, wavelength: torch.Tensor) -> torch.Tensor:
        config = CrystalConfig(
            a, 80.0, 90.0, 75.0, 85.0, gamma, N_cells=(3, 2, 4), default_F=3.0, misset_deg=(3.0, 5.0, 7.0)
        )
        detector = DetectorConfig(spixels=2, fpixels=3, pixel_size_mm=2.0, oversample=1)
        beam = BeamConfig(wavelength_A=wavelength)
        return Simulator(
            Crystal(config, dtype=torch.float64), Detector(detector), beam_config=beam, dtype=torch.float64
        ).run()

    assert loss_of(*values).sum().item() > 1.0
    assert all(g.abs().item() > 1e-6 for g in torch.autograd.grad(loss_of(*values).sum(), values))
    assert torch.autograd.gradcheck(loss_of, values, eps=1e-6, rtol=1e-4, atol=1e-6)
    assert torch.autograd.gradgradcheck(loss_of, values, eps=1e-6, rtol=1e-3, atol=1e-4)


def test_forward_mode_agrees_with_reverse_mode():
    simulator, p = one_parameter("crystal.cell_a", 70.0)
    (reverse,) = torch.autograd.grad(simulator.run().sum(), p)

    def image_sum(a: torch.Tensor) -> torch.Tensor:
        simulator.crystal.config.cell_a = a
        return simulator.run().sum()

    _, forward = torch.func.jvp(
        image_sum, (torch.tensor(70.0, dtype=torch.float64),), (torch.ones((), dtype=torch.float64),)
    )
    assert reverse.item() != 0
    assert forward.item() == pytest.approx(reverse.item(), rel=1e-11)


def spot_of_a_gaussian(engine="auto", compat="physical", beam=None, **given):
    """One Gaussian spot of an orthorhombic crystal on a few pixels."""
    cell = {"cell_a": 55.0, "cell_b": 65.0, "cell_c": 75.0, "misset_deg": (0.0, 0.0, -49.0), "default_F": 100.0}
    crystal = CrystalConfig(**cell | {"N_cells": (12, 12, 11), "shape": CrystalShape.GAUSS} | given)
    panel = {"spixels": 8, "fpixels": 8, "pixel_size_mm": 0.15, "distance_mm": 100.0, "oversample": 1}
    centre = {"beam_center_f": 0.6, "beam_center_s": 3.0}
    detector = Detector(DetectorConfig(**panel, **centre), dtype=torch.float64)
    return Simulator(
        Crystal(crystal, dtype=torch.float64), detector, beam_config=BeamConfig(**(beam or {})), dtype=torch.float64,
        compat=compat, engine=engine,
    )  # fmt: skip


def information(simulator, leaves):
    """Fisher matrix of Poisson counts, in relative units of the leaves."""
    image = simulator.run().detach().reshape(-1)
    rows = torch.stack([moved.reshape(-1) for moved in simulator.sensitivities(leaves).values()])
    rows = rows * torch.stack([leaf.detach() for leaf in leaves.values()])[:, None]
    return (rows / (image + 1e-9 * image.max())) @ rows.T


def test_numbers_of_cells_of_a_gaussian_are_determined_one_by_one_but_not_with_the_radius_of_c():
    leaves = {name: leaf(n) for name, n in zip(("Na", "Nb", "Nc"), (12.0, 12.0, 11.0), strict=True)}
    c_radius = Compat.of("physical").with_changes(spot_radius="c")
    regular, singular = (
        torch.linalg.eigvalsh(information(spot_of_a_gaussian(compat=compat, N_cells=tuple(leaves.values())), leaves))
        for compat in ("physical", c_radius)
    )
    assert regular[0] > 1e-4 * regular[-1] > 0
    assert singular[:2].abs().max() < 1e-12 * singular[-1]


@pytest.mark.parametrize("shape", ["gauss", "gauss_star"])
@pytest.mark.parametrize("engine", ["numba", "torch", "formula"])
def test_gradients_of_a_gaussian_spot_pass_gradcheck_in_every_engine(engine, shape):
    def image(na, nb, nc, a, b, gamma, fudge, *offdiagonal):
        made = spot_of_a_gaussian(
            engine, N_cells=(na, nb, nc), cell_a=a, cell_b=b, cell_gamma=gamma, fudge=fudge, shape=shape,
            N_offdiagonal=offdiagonal or (0.0, 0.0, 0.0),
        )  # fmt: skip
        return made.run()

    values = [leaf(value) for value in (12.0, 12.0, 11.0, 55.0, 65.0, 90.5, 1.1)]
    if shape == "gauss":
        values += [leaf(value) for value in (2.0, -1.0, 0.5)]
    assert image(*values).max() > 1e-3
    assert torch.autograd.gradcheck(image, values, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("engine", ["numba", "torch", "formula"])
def test_widths_of_a_gaussian_mosaicity_pass_gradcheck_in_every_engine_and_have_sensitivities(engine):
    def made(*eta):
        mosaicity = {"mosaic_model": "gaussian", "mosaic_domains": 6, "mosaic_eta_deg": eta}
        return spot_of_a_gaussian(engine, **mosaicity)

    eta = [leaf(value) for value in (0.5, 0.7, 0.9)]
    image = made(*eta).run()
    gradients = torch.autograd.grad(image.sum(), eta)
    assert image.max() > 1 and all(gradient != 0 for gradient in gradients)
    assert torch.autograd.gradcheck(lambda *eta: made(*eta).run(), eta, rtol=1e-6, atol=1e-6)
    moved = made(*eta).sensitivities(dict(zip("abc", eta, strict=True)))
    for one, gradient in zip(moved.values(), gradients, strict=True):
        assert one.sum().item() == pytest.approx(gradient.item(), abs=1e-10 * one.abs().sum().item())


@pytest.mark.parametrize("compat", ["physical", "c"])
def test_the_image_of_a_spectrum_is_the_weighted_mean_of_those_of_its_channels(compat):
    wavelengths, weights = (0.98, 1.0, 1.03), (1.0, 5.0, 2.0)
    divergence = {"hdiv_range_mrad": 3.0, "hdiv_steps": 2, "water_size_um": 0.05}
    shape = {"shape": CrystalShape.SQUARE}
    images = [
        spot_of_a_gaussian(compat=compat, beam=divergence | {"wavelength_A": w}, **shape).run() for w in wavelengths
    ]
    dark = [
        spot_of_a_gaussian(compat=compat, beam=divergence | {"wavelength_A": w}, default_F=0.0, **shape).run()
        for w in wavelengths
    ]
    spots = sum(w * (image - water) for w, image, water in zip(weights, images, dark, strict=True)) / sum(weights)
    want = spots + (sum(dark) / 3 if compat == "physical" else dark[0] / 3)  # water [B10]: C divides by the steps
    found = spot_of_a_gaussian(compat=compat, beam=divergence | {"spectrum": (wavelengths, weights)}, **shape).run()
    assert (images[0] - images[1]).abs().max() > 0.1 * want.max()
    assert torch.allclose(found, want, rtol=1e-11)


@pytest.mark.parametrize("engine", ["numba", "torch", "formula"])
def test_wavelengths_and_weights_of_a_spectrum_pass_gradcheck_in_every_engine_and_have_sensitivities(engine):
    def made(wavelengths, weights):
        return spot_of_a_gaussian(
            engine, beam={"spectrum": (wavelengths, weights), "vdiv_steps": 2, "vdiv_range_mrad": 2.0}
        )

    given = [torch.tensor(values, dtype=torch.float64, requires_grad=True) for values in ((0.99, 1.01), (1.0, 3.0))]
    image = made(*given).run()
    gradients = torch.autograd.grad(image.sum(), given)
    assert image.max() > 1 and all(bool((gradient != 0).all()) for gradient in gradients)
    assert abs((gradients[1] * given[1]).sum().item()) < 1e-10 * image.sum().item()  # weights of any scale
    assert torch.autograd.gradcheck(lambda *given: made(*given).run(), given, rtol=1e-6, atol=1e-6)
    moved = made(*given).sensitivities(dict(zip("lw", given, strict=True)))
    for one, gradient in zip(moved.values(), gradients, strict=True):
        assert torch.allclose(one.sum((-1, -2)), gradient, rtol=0, atol=1e-10 * one.abs().sum().item())


def with_a_table_for_each_channel(engine, tables, weights=(1.0, 3.0, 2.0), lookup="nearest", **given):
    """The spot -1 1 0 of a grating in a beam of three channels and two directions; amplitudes (3, n, n, n)."""
    beam = {"spectrum": ([0.98, 1.0, 1.02], weights), "vdiv_steps": 2, "vdiv_range_mrad": 2.0}
    made = spot_of_a_gaussian(engine, beam=beam | given.pop("beam", {}), shape=CrystalShape.SQUARE, **given)
    half = tables.shape[-1] // 2
    made.crystal.hkl_data = tables
    made.crystal.hkl_metadata = {"h_min": -1 - half, "k_min": 1 - half, "l_min": -half}
    made.crystal.interpolate = lookup == "tricubic"
    return made


def tables_of_channels(size=3):
    """Those that the spot meets are one of each by the nearest, and 5 x 5 x 5 of each by cubic interpolation."""
    generator = torch.Generator().manual_seed(5)
    return 50 + 50 * torch.rand((3, size, size, size), generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("engine", "lookup"),
    [("numba", "nearest"), ("numba", "tricubic"), ("torch", "tricubic"), ("formula", "nearest")],
)
def test_each_channel_of_a_spectrum_may_have_its_own_structure_factors(engine, lookup):
    tables = tables_of_channels({"nearest": 3, "tricubic": 5}[lookup]).requires_grad_()
    made = with_a_table_for_each_channel(engine, tables, lookup=lookup)
    image = made.run()
    each = []
    for channel in range(3):
        only = torch.zeros(3, dtype=torch.float64)
        only[channel] = 1.0
        each.append(with_a_table_for_each_channel(engine, tables[channel], only, lookup).run())
    want = sum(weight * single for weight, single in zip((1.0, 3.0, 2.0), each, strict=True)) / 6
    assert torch.allclose(image, want, rtol=1e-12) and (each[0] - each[1]).abs().max() > 0.1 * image.max()
    (found,), (wanted,) = (torch.autograd.grad(value.square().sum(), tables) for value in (image, want))
    assert all(bool(table.abs().max() > 0) for table in found)
    assert torch.allclose(found, wanted, rtol=1e-10, atol=1e-12 * wanted.abs().max().item())
    moved = made.sensitivities({"F": tables})["F"]
    assert torch.allclose(
        (2 * image.detach() * moved).sum((-1, -2)), found, rtol=1e-9, atol=1e-11 * found.abs().max().item()
    )


def test_the_formula_reads_the_table_of_each_channel_itself():
    made = with_a_table_for_each_channel("auto", tables_of_channels())
    assert torch.allclose(photons(made.scene(), *made.pixels().lists("cpu")).reshape(8, 8), made.run(), rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beam": {"spectrum": ([1.0], [1.0])}}, "3 tables, and the beam has 1 channels"),
        ({"beam": {"spectrum": None}}, "3 tables, and the beam has no spectrum"),
        ({"compat": "c", "beam": {"water_size_um": 1.0}}, "water is divided by the steps"),
        ({"compat": "c", "osc_range_deg": 1.0, "phi_steps": 2}, "first evaluation has an orientation of its own"),
    ],
)
def test_tables_that_are_not_those_of_the_channels_or_depend_on_each_other_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        with_a_table_for_each_channel("auto", tables_of_channels(), **change).run()
