import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from checkouts import make_checkout, start, write_notebook
from finished import finished
from in_process import run_here

from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.plans import header as plan_header
from nanobrag_torch.workbook.plans import run as plan
from nanobrag_torch.workbook.plans.progress import phase_states
from nanobrag_torch.workbook.report.archive import scan
from nanobrag_torch.workbook.report.folder import verify

PARAMETERS = 'answer: int = 1  # 0 .. 100: what is found\nreport_folder: str = ""  # where it goes'
CELL = """
import json
from pathlib import Path
folder = Path(report_folder)
(folder / "result.json").write_text(json.dumps({"answer": answer}))
"""
HEADER = """# Trial

```toml
focus = "TRIAL-001"
question = "What is found?"
branch = "main"
initiative = "trial"

[[phases]]
id = "a"
title = "First"
notebook = "notebooks/trial/trial.ipynb"
exit = ["result.answer == 1"]

[[phases]]
id = "b1"
title = "Second"
notebook = "notebooks/trial/trial.ipynb"
parameters = { answer = 2 }
exit = ["result.answer == 2"]

[[phases]]
id = "b2"
title = "Third"
notebook = "notebooks/trial/trial.ipynb"
parameters = { answer = 3 }
exit = ["result.answer == 3"]
```
"""


class Telling(list):
    """Messages that a run tells, as lines."""

    def __call__(self, what: str, text: str) -> None:
        self.append(f"{what}: {text}")


def git(project: Path, *words: str) -> None:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    subprocess.run(["git", *words], cwd=project, check=True, capture_output=True, env=os.environ | identity)


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    """A committed project with a notebook of one second and a plan of three phases; it is the working folder."""
    folder = make_checkout(tmp_path / "project")
    write_notebook(folder, CELL, parameters=PARAMETERS)
    (folder / "plans" / "trial.md").write_text(HEADER)
    (folder / ".gitignore").write_text("reports/\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Begin")
    monkeypatch.chdir(folder)
    return folder


def run(project: Path, phase: str = "", **changes) -> tuple[int, str, Telling]:
    chosen = plan_header.read("trial", project)
    session = plan.Session(chosen, chosen.phases(phase), project, project / "reports", **changes)
    told = Telling()
    code, action = plan.run_plan(session, told)
    return code, action, told


def rewrite(project: Path, *pairs: tuple[str, str]) -> None:
    path = project / "plans" / "trial.md"
    for old, new in pairs:
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))


def stamps(project: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in scan(project / "reports"):
        found.setdefault(each.phase, []).append(each.stamp)
    return found


def test_phases_run_in_order_under_one_stamp_and_are_not_repeated(project: Path):
    code, action, told = run(project)
    assert code == 0 and 'set state = "closed"' in action
    first = stamps(project)
    assert list(first) == ["phase_a", "phase_b1", "phase_b2"]
    assert len({tuple(each) for each in first.values()}) == 1
    assert any(line == "holds: result.answer == 2   [result.answer = 2]" for line in told)
    shares = [
        re.fullmatch(r"time: (\S+) s for the run itself, (\S+) s in the cells of the notebook", line) for line in told
    ]
    taken = [tuple(map(float, each.groups())) for each in shares if each]
    assert len(taken) == 3 and all(own > 0 and in_cells >= 0 for own, in_cells in taken)
    for each in scan(project / "reports"):
        assert verify(each.folder) == []
        assert each.manifest.plan == "plans/trial.md" and each.manifest.initiative == "trial"
    assert [run.manifest.parameters["answer"].source for run in scan(project / "reports")] == [
        "notebook", "plan", "plan",
    ]  # fmt: skip

    code, _, told = run(project)
    assert code == 0 and stamps(project) == first
    assert sum("done already" in line for line in told) == 3


def test_a_phase_is_not_repeated_because_its_notebook_was_opened_and_run(project: Path):
    run(project, "a")
    path = project / "notebooks" / "trial" / "trial.ipynb"
    content = json.loads(path.read_text())
    content["cells"][-1].update(execution_count=4, outputs=[{"output_type": "stream", "name": "stdout", "text": "x"}])
    content["metadata"]["language_info"] = {"name": "python"}
    path.write_text(json.dumps(content))
    code, _, told = run(project, "a")
    assert code == 0 and sum("done already" in line for line in told) == 1
    assert scan(project / "reports")[-1].manifest.repository.dirty is False


@pytest.mark.parametrize("change", ["source", "commit", "parameters", "notebook", "again"])
def test_a_phase_is_repeated_when_what_it_rests_on_has_changed(project: Path, change: str):
    run(project, "a")
    if change == "source":
        (project / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    elif change == "commit":
        git(project, "commit", "-q", "--allow-empty", "-m", "Go on")
    elif change == "parameters":
        rewrite(
            project, ('exit = ["result.answer == 1"]', 'parameters = { answer = 9 }\nexit = ["result.answer == 9"]')
        )
        git(project, "commit", "-q", "-a", "--amend", "--no-edit")
    elif change == "notebook":
        write_notebook(project, CELL + "\n1 + 1", parameters=PARAMETERS)
    run(project, "a", again=change == "again")
    assert len(stamps(project)["phase_a"]) == 2


def test_a_run_stops_at_a_criterion_that_does_not_hold_and_goes_on_there(project: Path):
    rewrite(project, ("result.answer == 2", "result.answer == 20"))
    code, action, told = run(project)
    assert code == 1 and list(stamps(project)) == ["phase_a", "phase_b1"]
    assert "DOES NOT HOLD: result.answer == 20   [result.answer = 2]" in told
    assert "phase b1 (Second) failed (result.answer == 20 does not hold: result.answer = 2)" in action
    rewrite(project, ("answer = 2 }", "answer = 20 }"))
    code, _, _ = run(project, "b")
    assert code == 0
    found = stamps(project)
    assert [len(found[name]) for name in ("phase_a", "phase_b1", "phase_b2")] == [1, 2, 1]


def test_evidence_that_is_missing_does_not_pass(project: Path):
    rewrite(project, ("result.answer == 1", "suite.gradient_guard != 1"))
    code, action, _ = run(project)
    assert code == 1 and "there is no record 'suite'; there are: result" in action


def test_a_record_or_field_that_no_run_can_leave_is_refused_before_anything_starts(project: Path):
    for wrong, said in (("resutl.answer == 3", "'resutl'"), ("result.anwser == 3", "no record has a field 'anwser'")):
        rewrite(project, ("result.answer == 3", wrong))
        with pytest.raises(InputError, match=said):
            run(project)
        rewrite(project, (wrong, "result.answer == 3"))
    assert not (project / "reports").exists()


def test_a_blocked_phase_ends_the_run_before_it_starts(project: Path):
    rewrite(project, ('title = "Second"', 'title = "Second"\nstate = "blocked"\nblocked_by = "no beam time"'))
    code, action, _ = run(project)
    assert code == 3 and list(stamps(project)) == ["phase_a"]
    assert action == "Clear the way for phase b1 (Second), which is blocked: no beam time"


def test_nothing_starts_where_a_later_phase_cannot_be_run_as_written(project: Path):
    rewrite(project, ("answer = 3 }", "answer = 300 }"))
    with pytest.raises(InputError, match=r"answer: got 300; allowed: an integer from 0 to 100"):
        run(project)
    assert stamps(project) == {}


def test_a_plan_cannot_say_where_its_notebook_writes(project: Path):
    rewrite(project, ("answer = 3 }", 'report_folder = "/elsewhere" }'))
    with pytest.raises(InputError, match="report_folder"):
        run(project)


def test_two_runs_of_one_plan_exclude_each_other(project: Path):
    chosen = plan_header.read("trial", project)
    session = plan.Session(chosen, chosen.phases("a"), project, project / "reports")
    with plan._alone(session), pytest.raises(Blocked, match="is being run by another process"):
        run(project)


def test_a_stamp_that_is_asked_for_is_used_by_every_phase(project: Path):
    run(project, "b", stamp="20260115T080000Z")
    assert stamps(project) == {name: ["20260115T080000Z"] for name in ("phase_b1", "phase_b2")}


def test_the_state_of_a_phase_follows_its_latest_run(project: Path):
    reports = project / "reports"
    chosen = plan_header.read("trial", project)
    assert [step.state for step in phase_states(chosen, scan(reports))] == ["open"] * 3
    folder = finished(reports, initiative="trial", phase="phase_a")
    (folder / "result.json").write_text('{"answer": 1}')
    states = phase_states(chosen, scan(reports))
    assert [step.state for step in states] == ["done", "open", "open"]
    assert states[0].criteria[0].because == "result.answer = 1"
    (folder / "result.json").write_text('{"answer": "one"}')
    assert phase_states(chosen, scan(reports))[0].state == "failed"


def test_the_command_runs_a_plan_and_ends_with_the_index(project: Path):
    process = start(project, "plan", "run", "trial")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.splitlines()[-1] == "reports/index.html"
    page = (project / "reports" / "index.html").read_text()
    assert len(re.findall(r'<tr data-status="passed">', page)) == 3
    assert "next" in err and "notebook" in err
    shown = run_here(project, "plan", "status", "trial")
    assert shown.returncode == 0 and shown.stdout.count("done") >= 3 and "1 of 1 hold" in shown.stdout


def test_an_interrupted_plan_is_continued_without_repeating_what_is_done(project: Path):
    rewrite(project, ("answer = 2 }", "answer = 77 }"), ("result.answer == 2", "result.answer == 77"))
    write_notebook(project, CELL, "import time\ntime.sleep(600 if answer == 77 and not Path('go').exists() else 0)",
                   parameters=PARAMETERS)  # fmt: skip
    git(project, "commit", "-q", "-a", "-m", "Slow")
    process = start(project, "plan", "run", "trial")
    for line in process.stderr:
        if "cell 3" in line and any((project / "reports/trial/phase_b1").glob(".*.running")):
            break
    process.kill()
    process.communicate(timeout=60)
    (project / ".git" / "info" / "exclude").write_text("go\n")
    (project / "go").write_text("")
    again = start(project, "plan", "run", "trial")
    _, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert "done already" in err and "finished as" in err
    found = {each: len(names) for each, names in stamps(project).items()}
    assert found == {"phase_a": 1, "phase_b1": 2, "phase_b2": 1}
    assert not list((project / "reports").rglob("*.running"))


def test_a_new_plan_is_written_and_can_be_read(project: Path):
    words = ("plan", "new", "dark-image", "--question", 'Why "dark"?', "--notebook", "notebooks/trial/trial.ipynb")
    new = run_here(project, *words)
    assert new.returncode == 0 and new.stdout.strip() == "plans/dark-image.md", new.stderr
    begun = plan_header.read("dark-image", project)
    assert begun.header.question == 'Why "dark"?' and begun.header.phases[0].notebook == "notebooks/trial/trial.ipynb"
    again = run_here(project, *words)
    assert again.returncode == 2 and "got 'dark-image'; allowed: a name that no plan has yet" in again.stderr


SWEPT = """# Sweeps

```toml
focus = "SWEEP-001"
question = "Where is the image lit?"
branch = "main"
initiative = "swept"

[[phases]]
id = "a"
title = "Amplitudes"
scenario = "plans/swept/scenario.json"
parameters = { "crystal.cell_b" = 75 }
sweep = { over = ["crystal.default_F=0,1,2"], measure = ["loss", "image"] }
exit = ["all(points.status == 'done')", "count(points.image.lit > 0) == 2", "max(points.loss) == results.greatest.loss"]
```
"""


def test_a_phase_that_is_a_sweep_is_held_against_the_columns_of_its_points_and_not_repeated(tmp_path):
    root = make_checkout(tmp_path / "project")
    (root / "plans/swept").mkdir(parents=True)
    detector = {"spixels": 4, "fpixels": 4, "oversample": 1}
    scenario = {"crystal": {"N_cells": [2, 2, 2]}, "detector": detector, "names": ["crystal.cell_a"]}
    (root / "plans/swept/scenario.json").write_text(json.dumps(scenario))
    (root / "plans/swept.md").write_text(SWEPT)
    (root / ".gitignore").write_text("reports/\n")
    for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "Begin")):
        git(root, *words)
    first = run_here(root, "plan", "run", "swept")
    assert first.returncode == 0, first.stderr
    (folder,) = (root / "reports/swept/phase_a").glob("[0-9]*")
    assert verify(folder) == []
    assert json.loads((folder / "manifest.json").read_text())["plan"] == "plans/swept.md"
    assert "done already" in run_here(root, "plan", "run", "swept").stderr
    (root / "plans/swept.md").write_text(SWEPT.replace("== 2", "== 3"))
    assert "count(points.image.lit > 0) == 3 does not hold" in run_here(root, "plan", "status", "swept").stdout


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"crystal.default_F=0,1,2"', '"crystal.defaultF=0,1,2"', "crystal.default_F"),
        ("sweep = {", "swept = {", "'sweep'"),
        ("over = [", "ever = [", "'over'"),
        ('["loss", "image"]', '["colour"]', "'gradients'"),
        ("points.status", "pints.status", "no record 'pints'"),
        ("scenario.json", "nowhere.json", "nowhere.json"),
    ],
)
def test_a_sweep_of_a_plan_that_cannot_be_is_refused_before_anything_runs(tmp_path, old, new, said):
    root = make_checkout(tmp_path / "project")
    (root / "plans/swept").mkdir(parents=True)
    (root / "plans/swept/scenario.json").write_text(json.dumps({"names": ["crystal.cell_a"]}))
    assert old in SWEPT
    (root / "plans/swept.md").write_text(SWEPT.replace(old, new, 1))
    refused = run_here(root, "plan", "run", "swept")
    assert refused.returncode == 2 and said in refused.stderr and not any(root.glob("reports/swept/phase_*"))
