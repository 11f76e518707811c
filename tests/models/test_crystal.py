import pytest
import torch

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import CrystalConfig
from nanobrag_torch.models import Crystal
from nanobrag_torch.models.orientation import DEFAULT_MOSAIC_SEED, phi_angles, random_draws, stale_order

TRICLINIC = (70.0, 80.0, 90.0, 75.0, 85.0, 95.0)
C, PHYSICAL, CPU = Compat.of("c"), Compat.of("physical"), torch.device("cpu")


def test_public_vectors_are_dual_and_span_the_volume():
    crystal = Crystal(CrystalConfig(*TRICLINIC, misset_deg=(10.0, 20.0, 30.0)), dtype=torch.float64)
    direct = torch.stack([crystal.a, crystal.b, crystal.c])
    stars = torch.stack([crystal.a_star, crystal.b_star, crystal.c_star])
    assert torch.allclose(direct @ stars.T, torch.eye(3, dtype=torch.float64), atol=1e-13)
    assert crystal.volume.item() == crystal.V.item() == pytest.approx(torch.linalg.det(direct).item(), rel=1e-12)
    assert crystal.a.norm().item() == pytest.approx(70.0)


def test_public_tensors_come_in_the_asked_dtype_and_stay_connected():
    a = torch.tensor(70.0, requires_grad=True)
    crystal = Crystal(CrystalConfig(a, *TRICLINIC[1:]))
    assert crystal.a.dtype == torch.float32 and crystal.cell_a.dtype == torch.float32
    (slope,) = torch.autograd.grad(crystal.a.norm(), a)
    assert slope.item() == pytest.approx(1.0, rel=1e-6)
    assert crystal.N_cells_b.item() == 1.0


def test_rotated_vectors_run_over_phi_and_domains():
    config = CrystalConfig(
        *TRICLINIC, phi_start_deg=5.0, osc_range_deg=2.0, phi_steps=4, mosaic_spread_deg=0.5, mosaic_domains=3
    )
    crystal = Crystal(config, dtype=torch.float64)
    (a, b, c), (a_star, _, _) = crystal.get_rotated_real_vectors(config)
    assert a.shape == b.shape == c.shape == a_star.shape == (4, 3, 3)
    assert torch.allclose((a * a_star).sum(-1), torch.ones(4, 3, dtype=torch.float64), rtol=1e-12)
    assert torch.allclose(a.norm(dim=-1), torch.full((4, 3), 70.0, dtype=torch.float64))
    about_z = torch.rad2deg(torch.atan2(a[:, 0, 1], a[:, 0, 0]))
    assert (about_z[1:] - about_z[:-1]).tolist() == pytest.approx([0.5] * 3)
    same, _ = crystal.get_rotated_real_vectors_for_batch(config, [0], [1])
    assert torch.equal(same[0], a)


def test_phi_steps_are_starts_of_intervals_unless_a_step_is_given():
    device = torch.device("cpu")
    sweep = CrystalConfig(phi_start_deg=1.0, osc_range_deg=3.0, phi_steps=3)
    assert torch.rad2deg(phi_angles(sweep, device)).tolist() == pytest.approx([1.0, 2.0, 3.0])
    stepped = CrystalConfig(phi_start_deg=1.0, osc_range_deg=3.0, phi_steps=3, phi_step_deg=0.5)
    assert torch.rad2deg(phi_angles(stepped, device)).tolist() == pytest.approx([1.0, 1.5, 2.0])


@pytest.mark.parametrize(
    ("phi", "order"),
    [
        ([0.0, 1.0, 2.0], [2, 1, 2]),
        ([-1.0, 0.0, 1.0], [0, 0, 2]),
        ([1.0, 2.0], [0, 1]),
        ([0.0], [0]),
        ([0.0, 0.0], [0, 0]),
    ],
)
def test_a_zero_angle_keeps_the_orientation_before_it(phi, order):
    assert stale_order(phi) == order


def test_a_random_misset_needs_a_seed_and_is_found_again_by_it():
    with pytest.raises(ValueError, match="misset_seed = None"):
        Crystal(CrystalConfig(misset_random=True)).unit_cell()
    cells = [Crystal(CrystalConfig(misset_random=True, misset_seed=seed)).unit_cell() for seed in (7, 7, 8)]
    assert torch.equal(cells[0].direct, cells[1].direct) and not torch.allclose(cells[0].direct, cells[2].direct)


def gaussian(**given):
    return CrystalConfig(
        *TRICLINIC, misset_deg=(10.0, 20.0, 30.0), mosaic_model="gaussian", mosaic_domains=8, **given
    )  # fmt: skip


def test_gaussian_domains_have_no_mean_rotation_and_one_width_means_three():
    crystal = Crystal(gaussian(mosaic_eta_deg=0.5), dtype=torch.float64)
    (a, b, c), stars = crystal.get_rotated_real_vectors(crystal.config)
    assert a.shape == (1, 8, 3)
    for vectors, plain in zip((a, b, c), (crystal.a, crystal.b, crystal.c), strict=True):
        turned = vectors[0] - plain
        assert turned.abs().max() > 1e-3 * plain.norm()
        pairs = (turned[:4] + turned[4:]).norm(dim=-1)  # of second order in the angle
        assert (pairs < 0.05 * turned[:4].norm(dim=-1) + 1e-3 * plain.norm()).all()
        assert torch.allclose(vectors.norm(dim=-1), plain.norm(), rtol=1e-13)
    metric = torch.einsum("ipmx,jpmx->pmij", torch.stack((a, b, c)), torch.stack(stars))
    assert torch.allclose(metric, torch.eye(3, dtype=torch.float64).expand_as(metric), atol=1e-13)
    thrice = Crystal(gaussian(mosaic_eta_deg=(0.5, 0.5, 0.5)), dtype=torch.float64)
    assert torch.equal(thrice.get_rotated_real_vectors(thrice.config)[0][0], a)


def test_a_width_about_a_star_alone_leaves_a_star_where_it_is_at_every_phi():
    config = gaussian(mosaic_eta_deg=(1.0, 0.0, 0.0), osc_range_deg=60.0, phi_steps=3)
    crystal = Crystal(config, dtype=torch.float64)
    _, (a_star, b_star, _) = crystal.get_rotated_real_vectors(config)
    assert torch.allclose(a_star, a_star[:, :1].expand_as(a_star), rtol=0, atol=1e-16)
    assert (b_star - b_star[:, :1]).abs().max() > 1e-3 * b_star.norm(dim=-1).max()
    assert (a_star[1] - a_star[0]).abs().max() > 0.1 * a_star.norm(dim=-1).max()


def test_gaussian_widths_pass_gradcheck_also_at_none():
    def vectors(eta, alpha):
        crystal = Crystal(gaussian(mosaic_eta_deg=eta), dtype=torch.float64)
        crystal.config.cell_alpha = alpha
        return torch.stack(crystal.get_rotated_real_vectors(crystal.config)[0])

    for start in (0.0, 0.7):
        eta = torch.tensor([start, 2 * start, 0.3], dtype=torch.float64, requires_grad=True)
        alpha = torch.tensor(75.0, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(vectors, (eta, alpha))


def test_the_misset_draws_before_the_mosaic_domains_and_a_negative_seed_goes_on():
    fixed = random_draws(CrystalConfig(mosaic_seed=-5), C, CPU)
    after_misset = random_draws(CrystalConfig(mosaic_seed=-5, misset_random=True, misset_seed=3), C, CPU)
    assert after_misset.misset is not None and fixed.misset is None
    assert not torch.equal(fixed.mosaic, after_misset.mosaic)
    independent = random_draws(CrystalConfig(mosaic_seed=5, misset_random=True, misset_seed=3), C, CPU)
    assert torch.equal(independent.mosaic, random_draws(CrystalConfig(mosaic_seed=5), C, CPU).mosaic)


def test_a_negative_seed_has_the_domains_of_its_magnitude_and_in_c_those_of_all_others():
    def domains(seed, compat):
        return random_draws(CrystalConfig(mosaic_seed=seed, mosaic_domains=4), compat, CPU).mosaic

    physical = [domains(seed, PHYSICAL) for seed in (-42, -41, -DEFAULT_MOSAIC_SEED)]
    assert not torch.equal(physical[0], physical[1]) and not torch.equal(physical[0], physical[2])
    assert torch.equal(physical[0], domains(42, PHYSICAL)) and torch.equal(physical[2], domains(None, PHYSICAL))
    assert torch.equal(domains(-42, C), domains(-41, C)) and not torch.equal(domains(-42, C), domains(42, C))
    cells = [Crystal(CrystalConfig(misset_random=True, misset_seed=seed)).misset_deg.tolist() for seed in (-7, -8, 7)]
    assert cells[0] == cells[2] != cells[1]


def test_domains_turn_the_other_way_for_a_negative_spread_so_that_a_difference_may_reach_across_zero():
    def sum_of_squares(spread):
        config = CrystalConfig(mosaic_spread_deg=spread, mosaic_domains=6)
        (a, _, _), _ = Crystal(config, dtype=torch.float64).get_rotated_real_vectors(config)
        return (a[0, :, 1] * torch.arange(6.0)).sum()

    zero = torch.zeros((), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(sum_of_squares(zero), zero)
    assert abs(slope.item()) > 1.0
    assert slope.item() == pytest.approx((sum_of_squares(1e-3) - sum_of_squares(-1e-3)).item() / 2e-3, rel=1e-6)


def test_the_angles_of_a_random_misset_can_be_read_and_given():
    drawn = Crystal(CrystalConfig(misset_random=True, misset_seed=7), dtype=torch.float64)
    angles = drawn.misset_deg
    assert angles.shape == (3,) and angles.abs().min().item() > 0
    assert list(drawn.config.misset_deg) == pytest.approx(angles.tolist())
    given = Crystal(CrystalConfig(misset_deg=drawn.config.misset_deg), dtype=torch.float64)
    assert torch.allclose(given.a, drawn.a, rtol=1e-12)
    drawn.misset_deg = (1.0, 2.0, 3.0)
    assert drawn.misset_deg.tolist() == pytest.approx([1.0, 2.0, 3.0]) and not drawn.config.misset_random


def test_a_cell_that_a_matrix_replaces_cannot_be_assigned():
    rows = Crystal(dtype=torch.float64)
    stars = {f"mosflm_{name}_star": getattr(rows, f"{name}_star") for name in "abc"}
    with pytest.raises(ValueError, match=r"Crystal\.cell_a cannot be assigned: mosflm_a_star"):
        Crystal(CrystalConfig(**stars)).cell_a = 50.0
    rescaled = Crystal(CrystalConfig(**stars, rescale_matrix_to_cell=True))
    rescaled.cell_a = 50.0
    assert rescaled.a.norm().item() == pytest.approx(50.0)


def test_an_orientation_matrix_defines_the_lattice():
    rows = Crystal(CrystalConfig(*TRICLINIC, misset_deg=(4.0, 5.0, 6.0)), dtype=torch.float64)
    config = CrystalConfig(mosflm_a_star=rows.a_star, mosflm_b_star=rows.b_star, mosflm_c_star=rows.c_star)
    again = Crystal(config, dtype=torch.float64)
    assert torch.allclose(again.b, rows.b, rtol=1e-12)
    flat = CrystalConfig(mosflm_a_star=[1.0, 0, 0], mosflm_b_star=[2.0, 0, 0], mosflm_c_star=[0, 0, 1.0])
    with pytest.raises(ValueError, match="span a volume"):
        Crystal(flat).unit_cell()


def test_structure_factors_come_from_the_table_or_the_default():
    crystal = Crystal(CrystalConfig(default_F=3.0, N_cells=(5, 5, 5)), dtype=torch.float64)
    at = torch.tensor([0.2, 1.6, 9.0], dtype=torch.float64)
    assert crystal.get_structure_factor(at, at, at).tolist() == [3.0, 3.0, 3.0]
    crystal.hkl_data = torch.arange(27.0, dtype=torch.float64).reshape(3, 3, 3)
    crystal.hkl_metadata = {"h_min": 0, "k_min": 0, "l_min": 0}
    assert crystal.get_structure_factor(at, at, at).tolist() == [0.0, 26.0, 3.0]


def test_a_table_without_its_limits_or_with_a_nan_is_refused():
    crystal = Crystal(CrystalConfig())
    crystal.hkl_data = torch.ones(3, 3, 3)
    with pytest.raises(ValueError, match="hkl_metadata = None"):
        crystal.amplitudes()
    crystal.hkl_metadata = {"h_min": 0, "k_min": 0, "l_min": 0}
    crystal.hkl_data[1, 2, 0] = torch.nan
    with pytest.raises(ValueError, match=r"hkl_data.*nan at index \(1, 2, 0\)"):
        crystal.amplitudes()


def test_thin_crystals_are_interpolated_unless_told_otherwise():
    assert Crystal(CrystalConfig(N_cells=(5, 2, 5))).interpolate
    assert not Crystal(CrystalConfig(N_cells=(5, 3, 5))).interpolate
    assert not Crystal(CrystalConfig(N_cells=(1, 1, 1), interpolate=False)).interpolate


def test_a_dtype_in_the_place_of_a_device_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"device = torch.float64: .*Give a dtype by name"):
        Crystal().to(torch.float64)


def test_a_turn_moves_all_vectors_about_the_laboratory_axes_after_the_misset():
    crystal = Crystal(CrystalConfig(50.0, 60.0, 70.0, 80.0, 85.0, 95.0, misset_deg=(10.0, 20.0, 30.0)))
    before = crystal.unit_cell()
    turn = torch.tensor([0.01, -0.02, 0.03], dtype=torch.float64, requires_grad=True)
    crystal.turn = turn
    after = crystal.unit_cell()
    rotation = torch.linalg.solve(before.stars, after.stars).T
    assert torch.allclose(rotation @ rotation.T, torch.eye(3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(after.direct, before.direct @ rotation.T, atol=1e-9)
    assert torch.allclose(rotation[2, 1], turn[0], atol=1e-3)
    assert torch.autograd.grad(after.stars[0, 0], turn)[0].abs().max() > 0
