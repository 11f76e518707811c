import interrupting
import pytest
import torch

from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook.cells import figures, probe
from nanobrag_torch.workbook.cells.probe import Case

CELL = ("cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta", "cell_gamma")


def scenario(default_F: float, loss: str = "sum", dtype: str = "float64", pixels: int = 24) -> Scenario:
    return probe.scenario(
        cell=(70.0, 80.0, 90.0, 75.0, 85.0, 95.0),
        N_cells=(3, 4, 5),
        default_F=default_F,
        mosaic_spread_deg=0.0,
        mosaic_domains=1,
        detector_pixels=pixels,
        pixel_size_mm=0.3,
        distance_mm=100.0,
        wavelength_A=1.0,
        loss=loss,
        compat="physical",
        dtype=dtype,
        device="cpu",
    )


@pytest.fixture(scope="module")
def lit() -> Case:
    return probe.examine("control", scenario(100.0, loss="weighted_sum"))


def test_a_dark_case_has_exactly_zero_everywhere_and_no_missing_gradient() -> None:
    case = probe.examine("as found", scenario(0.0))
    assert case.evidence.dark and case.evidence.loss == 0.0 and case.evidence.pixels == 576
    assert case.gradients.gradients == dict.fromkeys(CELL, 0.0)
    assert [row.agreement for row in case.evidence.derivatives] == ["zero"] * 6
    assert all(row.finite_difference == row.error_bar == row.magnitude == 0.0 for row in case.evidence.derivatives)


def test_a_lit_case_has_gradients_that_agree_with_finite_differences(lit: Case) -> None:
    for row in lit.evidence.derivatives:
        assert row.agreement == "agrees" and row.gradient != 0.0
        assert row.distance is not None and row.distance < 1e-9
        assert row.gradient == pytest.approx(row.finite_difference, rel=1e-6)


def test_the_gradients_are_those_of_the_readable_formula(lit: Case) -> None:
    scenario = lit.scenario.changed(engine="formula")
    leaves = scenario.leaves()
    scenario(leaves).backward()
    expected = [leaf.grad.item() for leaf in leaves.values() if leaf.grad is not None]
    assert list(lit.gradients.gradients.values()) == pytest.approx(expected, rel=1e-9)
    assert lit.evidence.loss == pytest.approx(scenario().item(), rel=1e-12)


def test_the_sensitivity_images_add_up_to_the_gradient(lit: Case) -> None:
    size = lit.image.shape[0]
    steps = torch.arange(size, dtype=torch.float64) / size
    slow, fast = torch.meshgrid(steps, steps, indexing="ij")
    weight = 1 + 2 * slow + fast
    for row in lit.evidence.derivatives:
        contributions = weight * lit.sensitivities[row.parameter]
        assert contributions.sum().item() == pytest.approx(row.gradient, rel=1e-5)
        assert contributions.abs().sum().item() == pytest.approx(row.magnitude, rel=1e-12)


def test_a_gradient_that_is_wrong_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    right = torch.autograd.grad

    def wrong(*arguments: object, **options: object) -> tuple[torch.Tensor, ...]:
        gradients = right(*arguments, **options)  # type: ignore[arg-type]
        return tuple(g * 1.01 if g.dim() == 0 else g for g in gradients)

    monkeypatch.setattr(torch.autograd, "grad", wrong)
    case = probe.examine("control", scenario(100.0, loss="weighted_sum"))
    assert [row.agreement for row in case.evidence.derivatives] == ["disagrees"] * 6


def test_a_graph_that_is_cut_has_missing_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Scenario.image
    monkeypatch.setattr(Scenario, "image", lambda self, values=None: whole(self, values).detach())
    case = probe.examine("control", scenario(100.0))
    assert not case.evidence.dark
    assert case.gradients.gradients == dict.fromkeys(CELL)
    assert [row.agreement for row in case.evidence.derivatives] == ["missing"] * 6


def test_the_beam_centre_is_counted_in_pixels(lit: Case) -> None:
    assert lit.beam_centre == pytest.approx((13.0, 13.0))


def test_an_interruption_keeps_the_derivatives_that_were_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupting.before_step(monkeypatch, 2)
    case = probe.examine("control", scenario(100.0))
    assert [row.parameter for row in case.evidence.derivatives] == list(CELL[:2]) == list(case.sensitivities)
    assert case.evidence.unchecked == CELL[2:]
    for drawing in (figures.sensitivities(case), figures.gradients(case.evidence, case.evidence)):
        assert drawing.rendered("png").startswith(b"\x89PNG")
