"""Reports: their contents and cost, their messages about bad input, and that they survive being written down."""

import json
import math
import re

import jsonschema
import pytest
import torch
from doctor.cases import CELL_A, F64, X, impossible_cell, leaf, scene, simulated, symmetric
from test_scenario import r2_scenario

from nanobrag_torch.doctor import DoctorError, GradientReport, diagnose, report_schema

CELL = ("crystal.cell_a", "crystal.cell_b", "crystal.cell_c")
#: Three sets that no image tells apart, and one that it does.
DEGENERATE = (
    *CELL, "beam.wavelength_A", "crystal.misset_deg[2]", "crystal.phi_start_deg", "detector.detector_rotz_deg",
    "detector.detector_twotheta_deg", "crystal.misset_deg[0]",
)  # fmt: skip


def plain(p):
    return (torch.sin(p["x"] * X) * p["y"]).sum()


@pytest.mark.parametrize(
    "examined",
    [(scene(CELL),), (scene(crystal={"default_F": 0.0}),), (impossible_cell(),), (plain, {"x": 1.5, "y": 2.0})],
    ids=["healthy", "dark", "impossible", "foreign"],
)
def test_a_report_survives_being_written_and_read(examined):
    report = diagnose(*examined)
    back = GradientReport.from_json(report.to_json())
    assert back.to_json() == report.to_json()
    if not math.isnan(report.loss):
        assert back["crystal.cell_a" if CELL_A in report.codes else "x"].finite_difference.steps
    assert report._repr_html_().count("<tr>") > len(report.parameters)


def test_a_printed_report_is_a_table_in_words():
    lines = str(diagnose(simulated(float), {"x": 70.0})).splitlines()
    assert lines[0].startswith("Gradients of ") and lines[0].endswith("[S1]")
    heads = lines.index(next(line for line in lines if line.startswith("parameter ")))
    assert re.split("  +", lines[heads + 2])[:3] == ["x", "70", "–"]
    assert re.search(r"\[S1\], at cases\.py:\d+$", lines[heads + 2]) and "GradientReport" not in "".join(lines)
    assert lines[-2] == "What to do:" and lines[-1].startswith("  S1: ")


def test_a_printed_report_of_sound_gradients_asks_for_nothing():
    said = str(diagnose(plain, {"x": 1.5, "y": 2.0}))
    assert said.count("healthy") == 3 and "What to do" not in said


def interrupting(at):
    """A listener that is the keyboard's interruption as soon as work on ``at`` begins."""

    def listen(done, expected, step):
        if step == at:
            raise KeyboardInterrupt

    return listen


@pytest.mark.parametrize(("at", "examined"), [("b", 1), ("stages", 3)])
def test_an_interruption_keeps_what_was_examined_where_it_is_asked_to(at, examined):
    report = diagnose(scene(CELL), progress=interrupting(at), interruptible=True)
    severities = [p.verdict.severity for p in report.parameters]
    assert severities == ["healthy"] * examined + ["unexamined"] * (3 - examined)
    assert not report.cost.complete and report.stages == ()
    if examined < 3:
        assert report.verdict.title == "the examination was interrupted"


def test_an_interruption_is_raised_where_nothing_else_was_asked_for():
    with pytest.raises(KeyboardInterrupt):
        diagnose(scene(CELL), progress=interrupting("b"))
    with pytest.raises(KeyboardInterrupt):
        diagnose(scene(CELL), progress=interrupting("graph"), interruptible=True)


def test_the_schema_describes_the_report():
    document = report_schema()
    jsonschema.Draft202012Validator.check_schema(document)
    report = diagnose(scene(CELL)).to_json()
    jsonschema.Draft202012Validator(document).validate(json.loads(report))


def test_a_report_that_is_damaged_is_refused_with_its_place():
    with pytest.raises(ValueError, match=r"GradientReport: line 1 is not JSON"):
        GradientReport.from_json("{")
    damaged = {**json.loads(diagnose(scene()).to_json()), "loss": "much"}
    with pytest.raises(ValueError, match=r"GradientReport\.loss = 'much': must be float"):
        GradientReport.from_json(json.dumps(damaged))
    with pytest.raises(ValueError, match=r"missing \['subject'"):
        GradientReport.from_json("{}")


def test_three_derivatives_agree_in_a_healthy_scenario():
    report = diagnose(scene(CELL))
    assert report.verdict.severity == "healthy"
    for p in report.parameters:
        assert p.agreement == "agrees"
        assert p.gradient != 0
        assert p.forward_derivative == pytest.approx(p.gradient, rel=1e-10)
        assert p.finite_difference.derivative == pytest.approx(p.gradient, abs=1e-8 * p.magnitude)
        assert p.cancellation == pytest.approx(abs(p.gradient) / p.magnitude)
        assert p.single == pytest.approx(p.gradient, rel=1e-2)


def test_a_dark_image_says_which_factor_is_zero_and_what_revives_it():
    report = diagnose(scene(crystal={"default_F": 0.0}, beam={"fluence": 0.0}))
    assert [revival.factor for revival in report.revivals] == ["structure factor F", "fluence"]
    assert report.verdict.code == "Z1"
    assert report.verdict.stage == "structure factor"
    assert report.image.lit == 0


def test_the_line_that_severs_the_graph_is_named():
    verdict = diagnose(simulated(float), {"x": 70.0})["x"].verdict
    assert verdict.code == "S1"
    assert verdict.source.startswith("cases.py:")
    assert verdict.evidence["operation"] == "__float__"


def test_an_option_that_makes_a_parameter_inert_is_named():
    verdict = diagnose(scene(("crystal.fudge",)))["crystal.fudge"].verdict
    assert verdict.evidence["because"] == "a parallelepiped has no fudge factor"


def test_the_signal_is_followed_through_every_stage():
    strip = {stage.name: stage for stage in diagnose(scene(CELL)).stages}
    assert list(strip) == [
        "cell", "vectors", "scattering", "hkl", "lattice", "structure factor", "intensity", "image", "loss",
    ]  # fmt: skip
    assert all(stage.signal > 0 for stage in strip.values())
    # The loss is quadratic in the lattice factor, linear in the intensity.
    assert strip["lattice"].signal == pytest.approx(2 * strip["loss"].signal, rel=1e-9)
    assert strip["intensity"].signal == pytest.approx(strip["loss"].signal, rel=1e-9)


def test_the_signal_ends_at_the_factor_that_is_zero():
    strip = {stage.name: stage for stage in diagnose(scene(crystal={"default_F": 0.0})).stages}
    assert strip["structure factor"].zero_values == strip["structure factor"].elements
    assert strip["lattice"].adjoint == 0
    assert strip["lattice"].value > 0


def test_parameters_that_no_image_tells_apart_are_tied_together():
    fisher = diagnose(r2_scenario(names=DEGENERATE)).fisher
    found = {frozenset(null.components): null.known for null in fisher.null_directions}
    assert fisher.rank == len(DEGENERATE) - 3
    assert fisher.condition == math.inf
    assert found[frozenset({"crystal.misset_deg[2]", "crystal.phi_start_deg"})].startswith("misset z and φ₀")
    assert found[frozenset({"detector.detector_rotz_deg", "detector.detector_twotheta_deg"})].startswith(
        "the z rotation"
    )
    scaled = fisher.null_directions[-1].components
    assert scaled["crystal.cell_a"] / scaled["beam.wavelength_A"] == pytest.approx(70)


def test_information_of_independent_parameters_gives_standard_errors():
    fisher = diagnose(scene(CELL)).fisher
    matrix = torch.tensor(fisher.matrix, dtype=F64)
    inverse = torch.linalg.inv(matrix)
    assert fisher.rank == 3
    assert fisher.standard_errors == pytest.approx(torch.sqrt(torch.diagonal(inverse)).tolist(), rel=1e-6)
    assert [row[i] for i, row in enumerate(fisher.correlations)] == pytest.approx([1, 1, 1])


def test_work_is_announced_and_bounded():
    calls = []
    report = diagnose(scene(CELL), evaluations=30, progress=lambda *told: calls.append(told))
    assert calls[0] == (0, report.cost.expected, "graph")
    assert report.cost.evaluations <= 30
    assert not report.cost.complete
    assert report.codes[CELL[-1]] == "unexamined"
    assert report.verdict.code == "unexamined"
    with pytest.raises(DoctorError, match=r"evaluations = 2.*An uneventful diagnosis takes \d+"):
        diagnose(scene(CELL), evaluations=2)


def test_a_large_tensor_is_examined_along_a_direction():
    weights = torch.linspace(0.1, 1, 40, dtype=F64)
    report = diagnose(lambda p: torch.sin(p["w"] * X).sum(), {"w": weights})
    assert [p.name for p in report.parameters] == ["w (along a random direction)"]
    assert report.verdict.code == "healthy"
    small = diagnose(lambda p: torch.sin(p["w"] * X[:3]).sum(), {"w": weights[:3]})
    assert [p.name for p in small.parameters] == ["w[0]", "w[1]", "w[2]"]


def test_a_near_cancellation_is_healthy_with_a_warning():
    scenario = symmetric().changed(names=("crystal.misset_deg[0]",), crystal={"misset_deg": (1e-5, 0.0, 0.0)})
    found = diagnose(scenario)["crystal.misset_deg[0]"]
    assert (found.verdict.code, found.verdict.severity) == ("healthy", "warning")
    assert found.cancellation < 1e-3


@pytest.mark.parametrize(
    ("function", "params", "message"),
    [
        (lambda p: p["x"] * X, {"x": 1.0}, r"returned a tensor of shape \(40,\).*loss=torch\.sum"),
        (lambda p: float(p["x"]), {"x": 1.0}, r"returned float: the loss must be a tensor"),
        (lambda p: p["z"], {"x": 1.0}, r"raised KeyError: 'z'"),
        (lambda p: (p["x"] > 0).sum(), {"x": 1.0}, r"returned torch\.int64: the loss must be a real floating-point"),
        (plain, {"x": torch.tensor(3)}, r"params\['x'\] has dtype torch\.int64.*An integer has no gradient"),
        (plain, {"x": "3"}, r"params\['x'\] is a str: must be a tensor or a number"),
        (plain, {}, r"must be a dict of one tensor"),
        (plain, {"x": torch.empty(0)}, r"has no values"),
        (plain, {"x": torch.empty(2, device="meta")}, r"has no values"),
        ("loss", {"x": 1.0}, r"str: must be a Scenario, a module or a function"),
        (scene(), {"x": 1.0}, r"params with a scenario: must be left out"),
    ],
)
def test_what_cannot_be_examined_is_refused(function, params, message):
    with pytest.raises(DoctorError, match=message):
        diagnose(function, params)


def test_a_loss_that_is_not_a_number_gets_a_verdict():
    report = diagnose(lambda p: torch.log(-p["x"].abs()).sum(), {"x": 1.5})
    assert report["x"].verdict.code == "N5"
    assert report["x"].verdict.evidence["operation"] == "log"


def test_a_loss_that_depends_on_nothing_gets_a_verdict():
    assert diagnose(lambda p: X.sum(), {"x": 1.5})["x"].verdict.code == "Z4"


def test_backward_that_raises_is_told_in_one_sentence():
    def in_place(p):
        y = torch.exp(p["x"] * X)
        z = (y * y).sum()
        y += 1
        return z

    with pytest.raises(DoctorError, match=r"backward raised: one of the variables needed"):
        diagnose(in_place, {"x": 1.5})


def test_side_effects_do_not_reach_the_given_tensors():
    x = leaf(1.5)

    def loss(p):
        p["x"].data.add_(0.0)
        return (p["x"] * X).sum()

    diagnose(loss, {"x": x})
    assert x.grad is None
    assert x == 1.5
