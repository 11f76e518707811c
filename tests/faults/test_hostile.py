"""Briefs and plans that want more than a run gives: shell words, ways out of the folder, environment, code."""

import shutil

import checkouts
import pytest
from faults import trials

from nanobrag_torch.workbook.commands import app as command

_PLAN = """# A plan

```toml
focus = "TRIAL-FLOW-001"
question = "Does it hold?"
branch = "main"
initiative = "trial"

[[phases]]
id = "a"
title = "The only one"
notebook = "notebooks/trial/trial.ipynb"
exit = ["verdict.status == 'passed'"]
```
"""
_OUTSIDE = '__import__("pathlib").Path("made").touch()'


@pytest.fixture
def refused(checkout, monkeypatch, capsys):
    """Runs the command in the checkout: what it says, once it is sure that it refused and did nothing."""
    monkeypatch.chdir(checkout)

    def refuse(*words: str) -> str:
        with pytest.raises(SystemExit) as end:
            command.run_command(list(words))
        assert end.value.code == 2
        assert not list(checkout.parent.rglob("made")) and not list(checkout.rglob("manifest.json"))
        assert trials.check(checkout) == []
        return capsys.readouterr().err

    return refuse


@pytest.mark.parametrize(
    ("honest", "hostile", "field"),
    [
        ("pytest -vv", "pytest -vv; touch made;", "Do Now: got ';'"),
        ("pytest -vv", "pytest -p /tmp/evil -vv", "Do Now: got '-p'"),
        ("env CUDA_VISIBLE_DEVICES=-1", "env LD_PRELOAD=./evil.so", "environment: got 'LD_PRELOAD=./evil.so'"),
        ("Artifacts: reports/", "Artifacts: reports/../../", "Artifacts: got"),
        ("Mapped tests: ", "Mapped tests: ../outside/test_evil.py ", "Mapped tests: got '../outside/test_evil.py'"),
    ],
    ids=["shell", "plugin", "environment", "artefact outside", "test outside"],
)
def test_a_hostile_brief_is_refused_before_anything_runs(checkout, refused, honest, hostile, field):
    text = checkouts.BRIEF.read_text()
    assert honest in text
    brief = checkout / "brief.txt"
    brief.write_text(text.replace(honest, hostile))
    assert field in refused("run", "--brief", "brief.txt")


@pytest.mark.parametrize(
    ("honest", "hostile"),
    [
        ("verdict.status == 'passed'", _OUTSIDE.replace('"', "'")),
        ("notebooks/trial/trial.ipynb", "notebooks/../../outside.ipynb"),
        ('initiative = "trial"', 'initiative = "../outside"'),
        ('initiative = "trial"', 'initiative = "trial"\nguards = { LD_PRELOAD = "./evil.so" }'),
        ('initiative = "trial"', 'initiative = "trial"\nmapped_tests = ["../outside/test_evil.py"]'),
        ('title = "The only one"', 'title = "The only one"\nrun = "touch made"'),
    ],
    ids=["code", "notebook outside", "report outside", "environment", "test outside", "command"],
)
def test_a_hostile_plan_is_refused_before_anything_runs(checkout, refused, honest, hostile):
    assert honest in _PLAN
    shutil.copy(checkout / trials.NOTEBOOK, checkout.parent / "outside.ipynb")
    (checkout / "plans" / "trial.md").write_text(_PLAN.replace(honest, hostile))
    assert "plans/trial.md" in refused("plan", "run", "trial")


def test_the_plan_that_is_not_hostile_runs(checkout):
    (checkout / "plans" / "trial.md").write_text(_PLAN.replace("verdict.status == 'passed'", "1 == 1"))
    done = checkouts.run(checkout, "plan", "run", "trial")
    assert done.returncode == 0, done.stderr
    assert trials.check(checkout) == ["passed"]
