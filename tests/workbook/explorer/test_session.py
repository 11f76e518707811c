"""An exploration without widgets: staged answers, errors in words, the last good state."""

import queue
import threading

import pytest
import torch
from explored import small

from nanobrag_torch.doctor import diagnose
from nanobrag_torch.doctor.finite_difference import agreement
from nanobrag_torch.trace import trace_pixel
from nanobrag_torch.workbook.explorer.session import Session
from nanobrag_torch.workbook.explorer.subjects import ExploredFunction, ExploredScenario

SCENARIO = small("crystal.cell_a", "beam.wavelength_A")


class Heard:
    """A session, and what it told."""

    def __init__(self, explored):
        self.told: queue.Queue[str] = queue.Queue()
        self.session = Session(explored, self.told.put)

    def until(self, last: str) -> list[str]:
        """Words told up to one."""
        words = [self.told.get(timeout=60)]
        while words[-1] != last:
            words.append(self.told.get(timeout=60))
        return words


@pytest.fixture(scope="module")
def heard():
    made = Heard(ExploredScenario(SCENARIO))
    made.session.ask()
    made.until("done")
    yield made
    made.session.close()


@pytest.fixture(autouse=True)
def afresh(heard):
    yield
    heard.session.wanted_sensitivity = ""
    heard.session.reset()
    heard.until("done")


def test_the_image_is_told_first_then_gradients_then_the_verdict(heard: Heard):
    heard.session.move("crystal.cell_a", 70.5)
    assert heard.until("done") == ["picture", "gradients", "verdict", "done"]
    seen = heard.session.seen
    moved = SCENARIO.at({"crystal.cell_a": 70.5})
    assert float(moved()) == pytest.approx(seen.picture.loss, rel=1e-12)
    assert torch.allclose(seen.picture.image, moved.image(), rtol=1e-12, atol=0)
    for name, gradient in seen.gradients.values.items():
        assert gradient != 0 and agreement(gradient, seen.verdict[name].finite_difference) == "agrees"
    assert seen.verdict.verdict.severity in ("healthy", "warning")


def test_the_quick_verdicts_are_those_of_the_full_diagnosis(heard: Heard):
    full = diagnose(SCENARIO)
    quick = heard.session.seen.verdict
    assert quick.codes == full.codes
    assert quick.stages == () and full.stages != ()
    assert full["crystal.cell_a"].forward_derivative is not None
    assert quick["crystal.cell_a"].forward_derivative is None


def test_an_impossible_cell_becomes_words_and_the_last_good_state_is_one_step_away(heard: Heard):
    heard.session.move("crystal.cell_beta", 175.0)
    assert heard.until("error") == ["error"]
    assert "angles that span a volume" in heard.session.reason
    assert heard.session.good.state.values["crystal.cell_beta"] == 85
    heard.session.back()
    heard.until("done")
    assert heard.session.reason == "" and heard.session.history.now.values["crystal.cell_beta"] == 85
    heard.session.undo()
    heard.until("error")


def test_a_value_beyond_the_bounds_of_its_quantity_is_refused_and_nothing_moves(heard: Heard):
    with pytest.raises(ValueError, match=r"crystal.cell_a = -1.0: must be between 0.001 and inf Å"):
        heard.session.move("crystal.cell_a", -1.0)
    assert heard.session.history.now.values["crystal.cell_a"] == 70


def test_a_dark_image_has_its_cause_and_remedy(heard: Heard):
    heard.session.move("crystal.default_F", 0.0)
    heard.until("done")
    verdict = heard.session.seen.verdict.verdict
    assert verdict.code == "Z1" and "default_F" in str(heard.session.seen.verdict.revivals)


def test_the_pinned_state_stays_while_others_are_seen(heard: Heard):
    heard.session.pin()
    pinned = heard.session.pinned.picture.loss
    heard.session.move("crystal.cell_a", 71.0)
    heard.until("done")
    assert heard.session.pinned.picture.loss == pinned != heard.session.seen.picture.loss
    heard.session.pin()
    assert heard.session.pinned is None


def test_a_sensitivity_image_is_the_difference_of_two_images(heard: Heard):
    heard.session.wanted_sensitivity = "crystal.cell_a"
    heard.session.ask()
    assert "sensitivity" in heard.until("done")
    step = 1e-4
    above, below = (SCENARIO.at({"crystal.cell_a": 70 + sign * step}).image() for sign in (1, -1))
    found = heard.session.seen.sensitivity.image
    assert found.abs().max() > 0
    assert torch.allclose(found, (above - below) / (2 * step), rtol=1e-4, atol=1e-5 * float(found.abs().max()))


def test_without_a_tick_there_is_an_image_and_no_gradient(heard: Heard):
    for name in SCENARIO.names:
        heard.session.tick(name, False)
    assert heard.until("done")[-2:] == ["picture", "done"]
    assert heard.session.seen.gradients is None


def test_a_pixel_has_its_miller_indices_and_resolution(heard: Heard):
    words = heard.session.explored.place(heard.session.history.now.values, 8, 2)
    traced = trace_pixel(SCENARIO.simulator(), 8, 2)
    assert words == "hkl " + ", ".join(f"{index:.2f}" for index in traced.hkl) + f"; {0.5e10 / traced.stol:.3f} Å"


def test_any_function_is_explored_with_the_doctors_verdict():
    rosenbrock = ExploredFunction.of(
        lambda p: (1 - p["x"]) ** 2 + 100 * (p["y"] - p["x"] ** 2) ** 2, {"x": 2, "y": 1.0}
    )
    heard = Heard(rosenbrock)
    heard.session.ask()
    assert heard.until("done") == ["picture", "gradients", "verdict", "done"]
    assert heard.session.seen.picture.loss == 901.0 and heard.session.seen.picture.image is None
    assert heard.session.seen.gradients.values == {"x": 2402.0, "y": -600.0}
    assert heard.session.seen.verdict.codes == {"x": "healthy", "y": "healthy"}
    heard.session.close()


def test_a_function_that_cuts_the_graph_is_accused():
    heard = Heard(ExploredFunction.of(lambda p: p["x"] * float(p["y"]), {"x": 2.0, "y": 3.0}))
    heard.session.ask()
    heard.until("done")
    assert heard.session.seen.gradients.values == {"x": 3.0, "y": None}
    assert heard.session.seen.verdict["y"].verdict.code == "S1"
    heard.session.close()


def test_a_function_that_hangs_is_given_up_and_the_next_move_is_served():
    hangs, go_on = threading.Event(), threading.Event()

    def hangs_at_three(p):
        if float(p["x"].detach()) == 3.0:
            hangs.set()
            assert go_on.wait(60)
        return p["x"] ** 2

    heard = Heard(ExploredFunction.of(hangs_at_three, {"x": 3.0}))
    heard.session.ask()
    assert hangs.wait(60)
    heard.session.give_up()
    assert heard.until("error") == ["error"] and "given up" in heard.session.reason
    heard.session.move("x", 2.0)
    assert heard.until("done")[0] == "picture"
    assert heard.session.seen.picture.loss == 4.0 and heard.session.reason == ""
    go_on.set()
    heard.session.close()


def test_the_image_of_a_function_and_its_sensitivity_are_seen():
    def spot(p):
        x = torch.linspace(-1, 1, 5, dtype=torch.float64)
        return p["height"] * torch.exp(-(x[:, None] ** 2) - x**2)

    explored = ExploredFunction.of(spot, {"height": 2.0}, torch.sum)
    image, loss = explored.evaluate({"height": torch.tensor(2.0)})
    assert image.shape == (5, 5) and float(loss) == pytest.approx(float(image.sum()))
    assert torch.allclose(explored.sensitivity({"height": 2.0}, "height"), image / 2)


@pytest.mark.parametrize("value", [torch.ones(3), True, 1j])
def test_a_parameter_that_no_slider_can_move_is_refused(value: object):
    with pytest.raises(ValueError, match=r"params\['x'\]: must be one real number"):
        ExploredFunction.of(lambda p: p["x"], {"x": value})
