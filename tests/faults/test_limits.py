"""A kernel that takes too much: time in a cell, time in all, memory."""

import json

import checkouts
import pytest
from faults import tally, trials

_ENDLESS = (
    "import subprocess, sys\n"
    "words = [sys.executable, '-c', 'import time; time.sleep(600)']\n"
    "subprocess.Popen(words), subprocess.Popen(words, start_new_session=True)\n"
    "while True: pass"
)
#: A child of the kernel that nothing but the mark connects with it.
_GREEDY_ELSEWHERE = (
    "import os, subprocess, sys, time\n"
    "greedy = 'his = []\\nwhile True: his.append(b\"1\" * 20_000_000)'\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    subprocess.Popen([sys.executable, '-c', greedy])\n"
    "    os._exit(0)\n"
    "os.wait()\n"
    "time.sleep(60)"
)
_SLOW = "import time; time.sleep(3)"
_GREEDY = (
    "import subprocess, sys\n"
    "mine = b'1' * 200_000_000\n"
    "subprocess.run([sys.executable, '-c', 'his = []\\nwhile True: his.append(b\"1\" * 20_000_000)'])"
)


@pytest.mark.parametrize(
    ("cells", "limit", "code", "said"),
    [
        ((_ENDLESS,), ("--timeout", "3"), "timeout", "a cell took longer than 3 s"),
        ((_SLOW,) * 9, ("--notebook-timeout", "5"), "timeout", "the notebook took longer than 5 s"),
        ((_GREEDY,), ("--memory", "0.5"), "out_of_memory", "0.50 GiB are allowed"),
        ((_GREEDY_ELSEWHERE,), ("--memory", "0.5"), "out_of_memory", "0.50 GiB are allowed"),
    ],
    ids=["an endless cell with a child", "an endless notebook", "a greedy cell with a child", "a greedy double fork"],
)
def test_a_limit_that_is_crossed_blocks_the_run_and_is_named(tmp_path, cells, limit, code, said):
    checkout = trials.checkout(tmp_path / "checkout", "print('before')", *cells, "print('after')")
    with tally.Trial("a limit that is crossed") as trial:
        exit_code, words = trials.run(trial, checkout, "run", trials.NOTEBOOK, *limit)
        assert exit_code == 3 and said in words, words
        assert trials.check(checkout, trial) == ["blocked"]
        (report,) = trials.reports(checkout)
        verdict = json.loads((report / "manifest.json").read_text())["verdict"]
        if verdict["code"] != code or limit[0] not in verdict["remedy"]:
            trial.found("unnoticed", str(verdict))
    notebook = json.loads((report / "notebook.ipynb").read_text())
    printed = [output["text"] for cell in notebook["cells"] for output in cell.get("outputs", []) if "text" in output]
    assert "".join("".join(text) for text in printed).strip() == "before"


def test_a_run_within_its_limits_is_left_alone(checkout):
    limits = ("--timeout", "60", "--notebook-timeout", "120", "--memory", "2")
    assert checkouts.run(checkout, "run", trials.NOTEBOOK, *limits).returncode == 0
    assert trials.check(checkout) == ["passed"]
