"""Briefs, plans and parameters that want more than a run gives: code, ways out of the folder, files that are none."""

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import checkouts
import pytest
from faults import readers, tally, trials

_PLAN = """# A plan

```toml
focus = "TRIAL-FLOW-001"
question = "Does it hold?"
branch = "main"
initiative = "trial"
mapped_tests = ["plans/trial/test_trial.py"]
guards = { CUDA_VISIBLE_DEVICES = "-1" }

[[phases]]
id = "a"
title = "The only one"
notebook = "notebooks/trial/trial.ipynb"
exit = ["verdict.status == 'passed'"]
```
"""
_OUTSIDE = '__import__("pathlib").Path("made").touch()'
_RUN_BRIEF, _RUN_PLAN = ("run", "--brief", "brief.txt"), ("plan", "run", "trial")


@dataclass(frozen=True)
class Hostile:
    """Words of a command that must be refused, after a file was made by somebody who means no good.

    Attributes:
        words: words of the command.
        named: text that its refusal must contain.
        path: file that is made; "" for none.
        make: makes it.
    """

    words: tuple[str, ...]
    named: str
    path: str = ""
    make: Callable[[Path], None] = lambda path: None


def _written(content: str | bytes) -> Callable[[Path], None]:
    data = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return lambda path: path.write_bytes(data)


def _replaced(text: str, honest: str, hostile: str) -> Callable[[Path], None]:
    assert honest in text
    return _written(text.replace(honest, hostile, 1))


def _briefs() -> list[Hostile]:
    brief = checkouts.BRIEF.read_text()
    shell = ("; touch made;", "| sh", "&& touch made", "> made", "`touch made`", "$(touch made)", "< /etc/passwd")
    named = [
        *(("pytest -vv", f"pytest -vv {piece}", "Do Now: got ") for piece in shell),
        ("pytest -vv", "pytest -p /tmp/evil -vv", "Do Now: got '-p'"),
        ("pytest -vv", "pytest -c evil.ini -vv", "Do Now: got '-c'"),
        ("pytest -vv", "pytest --rootdir=/ -vv", "Do Now: got '--rootdir"),
        ("pytest -vv", "python -c 'made' -vv", "Do Now: got 'python"),
        ("pytest -vv", "sh -vv", "Do Now: got 'sh"),
        ("--maxfail=1", "--maxfail=$HOME", "Do Now"),
        ("--maxfail=1", f"--maxfail={'9' * 5000}", "--maxfail"),
        *(
            ("env CUDA_VISIBLE_DEVICES=-1", f"env {name}=./evil.so", f"environment: got '{name}=./evil.so'")
            for name in ("LD_PRELOAD", "PYTHONPATH", "PYTEST_ADDOPTS", "PATH", "PYTHONSTARTUP", "BASH_ENV")
        ),
        ("CUDA_VISIBLE_DEVICES=-1", "CUDA_VISIBLE_DEVICES=$(made)", "Do Now"),
        *(
            ("Artifacts: reports/2026-01-gradient-flow", f"Artifacts: {place}", "Artifacts: got")
            for place in ("reports/..", "/etc", "reports/../..", "reports/.git", "~", "reports/a b", "reports/$HOME")
        ),
        *(
            ("Mapped tests: ", f"Mapped tests: {place} ", f"Mapped tests: got '{place}'")
            for place in ("../outside/test_evil.py", "/etc/test_evil.py", "-x.py", "a/../../test_evil.py")
        ),
        ("Mode: Evidence", "Mode: \x1b[2JEvidence", "printable text"),
        ("Mode: Evidence", "Mode: Evid\x00ence", "printable text"),
        ("Mode: Evidence", "Mode: \u202eecnedivE", "printable text"),
        ("Mode: Evidence", "Mod: Evidence", "The nearest field is 'Mode'"),
        ("Mode: Evidence", "Mode: Evidence\nMode: Evidence", "a second one"),
        ("Mode: Evidence", "Mode: " + "x" * 300_000, "brief, length"),
        ("Mode: Evidence", "Mode: " + "x" * 3_000_000, "it has more than"),
        ("N_cells=(5, 5, 5)", f"N_cells={_OUTSIDE}", "literal values"),
        ("N_cells=(5, 5, 5)", f"N_cells={'(' * 5000}5{')' * 5000}", "How-To Map, script"),
        ("N_cells=(5, 5, 5)", f"N_cells={'9' * 5000}", "How-To Map, script"),
        ("N_cells=(5, 5, 5)", "N_cells=9**9**9", "literal values"),
        ("N_cells=(5, 5, 5)", "shell='touch made'", "The notebook has no parameter for it"),
        ("N_cells=(5, 5, 5)", "N_cells=(5, 5, -5)", "N_cells: got"),
    ]
    files: list[tuple[str, Callable[[Path], None]]] = [
        ("it is a pipe", os.mkfifo),
        ("it is a link", lambda path: path.symlink_to("/dev/zero")),
        ("it is a link", lambda path: path.symlink_to(checkouts.BRIEF)),
        ("it is a folder", Path.mkdir),
        ("No such file", lambda path: None),
        ("is not UTF-8", _written(brief.replace("Mode", "M\udcffde"))),
        ("is not UTF-8", _written(brief.encode("utf-16"))),
        ("no such field", _written("")),
        ("a field such as", _written("\n" * 100_000 + "x")),
    ]
    return [
        *(Hostile(_RUN_BRIEF, said, "brief.txt", _replaced(brief, old, new)) for old, new, said in named),
        *(Hostile(_RUN_BRIEF, said, "brief.txt", make) for said, make in files),
        *(Hostile(("run", "--brief", path), "it is a ") for path in ("/dev/zero", "/dev/stdin", "/dev/null", "/")),
    ]


def _plans() -> list[Hostile]:
    quoted = _OUTSIDE.replace('"', "'")
    fields = {
        "verdict.status == 'passed'": (
            quoted, "().__class__.__bases__", "verdict.__class__ == 1", "open('made', 'w') == 1", "9**9**9 > 1",
            "'x' * 999999999 == ''", "[x for x in verdict] == 1", "x" * 501, "(" * 400 + "1" + ")" * 400,
            "verdict.kode == 'x'", "verditc.code == 'x'", "lambda: 1", "",
        ),
        "notebooks/trial/trial.ipynb": (
            "notebooks/../../outside.ipynb", "/etc/passwd", "notebooks/.hidden/x.ipynb", "notebooks/x.py",
            "notebooks/nothing.ipynb", "notebooks//x.ipynb", "notebooks/a b.ipynb", "https://x/y.ipynb",
        ),
        '"trial"': ('"../outside"', '"/tmp"', '""', '".."', '"lab"', '"a/b"', f'"{"x" * 101}"', "3", "[]", "nan"),
        "plans/trial/test_trial.py": ("../outside/test_evil.py", "-p evil", "; touch made", "/etc/x.py", "test.sh"),
        'CUDA_VISIBLE_DEVICES = "-1"': (
            'LD_PRELOAD = "./evil.so"', 'PYTHONPATH = "."', 'CUDA_VISIBLE_DEVICES = "$(made)"', 'x = { y = "z" }',
        ),
        'title = "The only one"': (
            'title = "x"\nrun = "touch made"', 'titel = "x"', 'title = ""', f'title = "{"x" * 201}"', 'title = "x" y',
            'title = "x"\ntimeout_s = 0', 'title = "x"\ntimeout_s = 999999999999', 'title = "x"\ntimeout_s = nan',
            'title = "x"\nparameters = { cell_a = 1 }', 'title = "x"\nparameters = { report_folder = "/tmp" }',
            'title = "x"\nparameters = 3', f'title = "x"\nparameters = {{ a = {"[" * 5000}{"]" * 5000} }}',
            f'title = "x"\ntimeout_s = {"9" * 5000}', 'title = "x"\nstate = "done!"', 'title = "x"\ntitle = "y"',
        ),
    }  # fmt: skip
    files: list[tuple[str, Callable[[Path], None]]] = [
        ("it is a pipe", os.mkfifo),
        ("it is a link", lambda path: path.symlink_to("/dev/zero")),
        ("it is a link", lambda path: path.symlink_to("/etc/passwd")),
        ("it is a folder", Path.mkdir),
        ("is not UTF-8", _written(_PLAN.replace("holds", "h\udcfflds") + "\udcff")),
        ("it has more than", _written("# A plan\n" + "x" * 3_000_000)),
        ("form: got", _written("")),
        ("form: got", _written(_PLAN.replace("```toml", "```yaml"))),
        ("header: got", _written(_PLAN.replace("focus", "\x00focus"))),
    ]
    names = ("../../etc/passwd", "/dev/zero", "", "tri\udcffal")
    return [
        *(
            Hostile(_RUN_PLAN, "nanobrag-workbook: ", "plans/trial.md", _replaced(_PLAN, honest, hostile))
            for honest, several in fields.items()
            for hostile in several
        ),
        *(Hostile(_RUN_PLAN, said, "plans/trial.md", make) for said, make in files),
        *(Hostile(("plan", "run", name), "plan, name") for name in names),
    ]


def _parameters() -> list[Hostile]:
    notebook = "notebooks/gradient_flow/phase_a_baseline.ipynb"
    values = (
        "nan",
        "inf",
        "-1",
        "1e999",
        "9" * 5000,
        "$(touch made)",
        _OUTSIDE,
        "",
        "0x10",
        "[1]",
        "\x1b[2J",
        "\udcff",
    )
    names = ("cell_a", "mosaic_domains", "N_cells", "dtype")
    wrong = [(name, value, name) for name, value in product(names, values)]
    wrong += [
        ("report_folder", "/tmp", "report_folder"),
        ("cell_aa", "1", "The nearest is"),
        ("__class__", "1", "parameter name"),
        ("cell a", "1", "parameter name"),
        ("", "1", "parameter name"),
        ("tri\udcffal", "1", "parameter name"),
    ]
    paths = ("/dev/zero", "/dev/stdin", "../../etc/passwd", "x\x00y.ipynb", "notebooks", "~")
    return [
        Hostile(("run", "/dev/null/x.ipynb"), "x.ipynb, file: got"),
        *(Hostile(("run", notebook, "-p", name, value), said) for name, value, said in wrong),
        *(Hostile(("run", path), "notebook, name or path") for path in paths),
        *(Hostile(("run", notebook, "--stamp", stamp), "stamp: got") for stamp in ("../x", "20261399T000000Z", "")[:2]),
    ]


#: Everything hostile, in an order that a part of it has some of each kind.
HOSTILE = random.Random(0).sample(every := [*_briefs(), *_plans(), *_parameters()], k=len(every))


@pytest.mark.dose(few=40, full=len(HOSTILE))
def test_a_hostile_brief_plan_or_parameter_is_refused_before_anything_runs(checkout, monkeypatch, amount):
    shutil.copy(checkout / trials.NOTEBOOK, checkout.parent / "outside.ipynb")
    assert len(HOSTILE) >= 150
    made = set()
    with tally.Trial("hostile briefs, plans, parameters", amount) as trial:
        for hostile in HOSTILE[:amount]:
            path = checkout / hostile.path
            if hostile.path:
                hostile.make(path)
            done = readers.call(trial, checkout, hostile.words)
            what = f"{' '.join(hostile.words)[:100]}: {done.returncode}, {done.stderr[-1000:]!r}"
            if done.returncode != 2 or hostile.named not in done.stderr:
                trial.found("unnoticed", f"not {hostile.named!r}: {what}")
            if "\x1b" in done.stderr or len(done.stderr) > 20_000:
                trial.found("unnoticed", f"the terminal is written over: {what}")
            found = {*checkout.parent.rglob("made"), *checkout.rglob("manifest.json")}
            if found - made:
                trial.found("unnoticed", f"something ran: {what}")
            made |= found
            if trials.working(checkout):
                trial.found("half folder", what)
            if hostile.path and os.path.lexists(path):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    assert trials.check(checkout) == []


def test_the_plan_that_is_not_hostile_runs(checkout):
    (checkout / "plans" / "trial.md").write_text(_PLAN.replace("verdict.status == 'passed'", "1 == 1"))
    done = checkouts.run(checkout, "plan", "run", "trial")
    assert done.returncode == 0, done.stderr
    assert trials.check(checkout) == ["passed"]
