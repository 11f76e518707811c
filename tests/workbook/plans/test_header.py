import os
from pathlib import Path

import pytest
from checkouts import PROJECT

from nanobrag_torch.workbook.brief.document import read as read_brief
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.notebooks import parameters
from nanobrag_torch.workbook.plans import header as plan_header

HEADER = """
focus = "GRADIENT-FLOW-001"
question = "Is a zero right?"
branch = "main"
initiative = "2026-01-gradient-flow"
mapped_tests = ["tests/test_x.py::test_y"]

[guards]
CUDA_VISIBLE_DEVICES = "-1"

[[phases]]
id = "a"
title = "Baseline"
notebook = "notebooks/gradient_flow/phase_a.ipynb"
exit = ["control.lit_pixels > 0"]

[[phases]]
id = "b1"
title = "Probe"
brief = "plans/gradient-flow/brief.txt"
parameters = { mapped_test = "tests/test_x.py::test_y", floor = 1e-4 }
exit = ["verdict.status == 'passed'"]
state = "blocked"
blocked_by = "no beam time"
"""


def plan_of(header: str = HEADER, prose: str = "Why, in words.") -> plan_header.Plan:
    return plan_header.parse(f"# Gradient flow\n\n```toml{header}```\n\n{prose}\n", "plans/gradient-flow.md")


def test_a_plan_is_read_with_its_prose():
    plan = plan_of()
    assert (plan.name, plan.title, plan.prose) == ("gradient-flow", "Gradient flow", "Why, in words.")
    assert [phase.id for phase in plan.header.phases] == ["a", "b1"]
    assert plan.header.guards == {"CUDA_VISIBLE_DEVICES": "-1"}
    first, second = plan.header.phases
    assert (first.state, first.folder, first.exit) == ("open", "phase_a", ["control.lit_pixels > 0"])
    assert (second.state, second.blocked_by, second.parameters["floor"]) == ("blocked", "no beam time", 1e-4)


def test_phases_are_chosen_by_id_or_first_letter():
    plan = plan_of()
    assert [phase.id for phase in plan.phases("b")] == ["b1"]
    assert [phase.id for phase in plan.phases()] == ["a", "b1"]
    with pytest.raises(InputError, match="phase: got 'c'; allowed: a, b1"):
        plan.phases("c")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('focus = "GRADIENT-FLOW-001"', 'focus = "gradient flow"', "focus"),
        ('question = "Is a zero right?"\n', "", "question"),
        ('initiative = "2026-01-gradient-flow"', 'initiative = "../elsewhere"', "initiative"),
        ('initiative = "2026-01-gradient-flow"', 'initiative = "/etc"', "initiative"),
        ('id = "a"', 'id = "../a"', "phases.0.id"),
        ('id = "b1"', 'id = "a"', "phases in the order of their ids"),
        ("notebooks/gradient_flow/phase_a.ipynb", "notebooks/../../x.ipynb", "without '..'"),
        ("notebooks/gradient_flow/phase_a.ipynb", "/elsewhere/x.ipynb", "a path below notebooks/"),
        ("notebooks/gradient_flow/phase_a.ipynb", "notebooks/x.py", "ends in .ipynb"),
        ("plans/gradient-flow/brief.txt", "brief.txt", "a path below plans/"),
        ('brief = "plans/gradient-flow/brief.txt"\n', "", "a notebook, a brief or a scenario"),
        ("control.lit_pixels > 0", "__import__('os').system('x')", "exit criterion"),
        ('exit = ["control.lit_pixels > 0"]', "exit = []", "phases.0.exit"),
        ('"-1"', '"-1; rm -rf"', "CUDA_VISIBLE_DEVICES"),
        ("CUDA_VISIBLE_DEVICES", "LD_PRELOAD", "LD_PRELOAD"),
        ('["tests/test_x.py::test_y"]', '["; rm -rf x"]', "mapped_tests"),
        ('mapped_test = "tests/test_x.py::test_y"', 'mapped_test = "tests/test_z.py"', "none of mapped_tests"),
        ('blocked_by = "no beam time"\n', "", "blocked_by"),
        ('state = "blocked"', 'state = "cancelled"', "phases.1.state"),
        ('title = "Probe"', 'title = "Probe"\nshell = "rm"', "phases.1.shell"),
        ('title = "Probe"', "title = Probe", "header"),
        ('title = "Probe"', "title = 3", "phases.1.title"),
        ('title = "Baseline"', 'title = "Baseline"\ntimeout_s = 0', "phases.0.timeout_s"),
    ],
)
def test_a_header_that_is_wrong_or_hostile_is_refused_with_its_field(old, new, said):
    assert old in HEADER
    with pytest.raises(InputError) as raised:
        plan_of(HEADER.replace(old, new, 1))
    assert said in str(raised.value) and str(raised.value).startswith("plans/gradient-flow.md")


@pytest.mark.parametrize("text", ["", "no title\n", "# Title\nno header\n", "# Title\n```yaml\na: 1\n```\n"])
def test_a_text_without_title_or_header_is_no_plan(text):
    with pytest.raises(InputError, match="a header between"):
        plan_header.parse(text, "plans/x.md")


def test_an_unknown_plan_is_refused_with_the_known(tmp_path: Path):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "one.md").write_text("# One\n")
    with pytest.raises(InputError, match=r"got '\.\./secret'; allowed: gradient-flow, one"):
        plan_header.read("../secret", tmp_path)


def test_plans_that_cannot_be_read_are_told_beside_the_others(tmp_path: Path):
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans" / "good.md").write_text(f"# Good\n```toml{HEADER}```\n")
    (tmp_path / "plans" / "odd.md").write_bytes(b"# \xff\n")
    plans, problems = plan_header.read_all(tmp_path)
    assert [plan.name for plan in plans] == ["good"]
    assert len(problems) == 1 and "odd.md" in problems[0]


def test_the_shipped_plan_names_notebooks_parameters_and_tests_that_exist():
    plan = plan_header.read("gradient-flow", PROJECT)
    assert [phase.id for phase in plan.header.phases] == ["a", "b1", "b2", "b3", "c", "d", "e"]
    for phase in plan.header.phases:
        if phase.brief:
            assert read_brief(PROJECT / phase.brief)[0].initiative == plan.header.initiative
            continue
        if phase.scenario:
            assert (PROJECT / phase.scenario).is_file() and phase.sweep
            continue
        declared = parameters.declared(PROJECT / phase.notebook)
        resolved = parameters.resolve(declared, phase.notebook, {}, (), phase.parameters)
        assert all(resolved[name] == (value, "plan") for name, value in phase.parameters.items())
    for test in plan.header.mapped_tests:
        path, name = test.split("::", 1)
        assert f"def {name.split('::')[-1]}(" in (PROJECT / path).read_text()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("exit = [", "exti = [", "phases.0.exti: got 'exti'; allowed: id, title, notebook, .*nearest key is 'exit'"),
        ("focus =", "fokus =", "fokus: got 'fokus'; allowed: focus, question, .*nearest key is 'focus'"),
        ("[guards]", "[guard]", "guard: got 'guard'; .*nearest key is 'guards'"),
        ("parameters =", "parameter =", "phases.1.parameter: .*nearest key is 'parameters'"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest(old, new, said):
    with pytest.raises(InputError, match=said):
        plan_of(HEADER.replace(old, new, 1))


@pytest.mark.parametrize(
    "line", ["x = " + "[" * 50_000 + "]" * 50_000, "x = " + "9" * 5000, "x = {" * 5000, "focus = 1\nfocus = 2"]
)
def test_toml_that_nobody_writes_is_refused_in_one_line(line):
    with pytest.raises(InputError, match=r"plans/gradient-flow\.md, header"):
        plan_of(f"\n{line}\n{HEADER}")


@pytest.mark.timeout(10)
def test_a_plan_that_is_a_pipe_a_link_or_no_text_is_told_beside_the_others(tmp_path: Path):
    plans = tmp_path / "plans"
    plans.mkdir()
    (plans / "good.md").write_text(f"# Good\n```toml{HEADER}```\n")
    os.mkfifo(plans / "pipe.md")
    (plans / "link.md").symlink_to("/dev/zero")
    (plans / "large.md").write_bytes(b"#" * 10**7)
    (plans / "odd.md").write_bytes(b"# \xff\n")
    found, problems = plan_header.read_all(tmp_path)
    assert [plan.name for plan in found] == ["good"]
    assert [problem.partition("cannot be read: ")[2].partition(";")[0] for problem in sorted(problems)] == [
        "it has more than 800000 bytes.", "it is a link, which is not followed.", "byte 0xff in line 1 is not UTF-8.",
        "it is a pipe.",
    ]  # fmt: skip
