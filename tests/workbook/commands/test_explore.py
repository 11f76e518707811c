"""``nanobrag-workbook explore``: what is refused before anything is started, and where the server listens.

The page itself is opened in ``tests/browser/test_explorer.py``.
"""

import re
import socket
from pathlib import Path

import pytest
from in_process import run_here

from nanobrag_torch.workbook.commands.explore import ADDRESS, POLICY, settings


def test_a_file_that_is_no_scenario_is_refused_in_one_line(tmp_path: Path):
    (tmp_path / "bad.json").write_text('{"crystal": {"cell_q": 1}}')
    done = run_here(tmp_path, "explore", "bad.json", "--no-browser")
    assert done.returncode == 2 and "cell_q" in done.stderr and "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1 and done.stdout == ""


def test_a_port_that_is_in_use_is_said(tmp_path: Path):
    with socket.create_server((ADDRESS, 0)) as held:
        port = held.getsockname()[1]
        done = run_here(tmp_path, "explore", "--no-browser", "--port", str(port))
    assert done.returncode == 3 and f"Port {port} is in use" in done.stderr and done.stdout == ""


def test_the_server_listens_on_this_machine_alone_and_serves_reports_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    made = settings(8899, "secret", browser=False)
    assert (made["Voila"]["ip"], made["Voila"]["token"]) == ("127.0.0.1", "secret")
    (allowed,) = made["VoilaConfiguration"]["file_allowlist"]
    inside, outside = (f"{tmp_path.as_posix()[1:]}/{name}" for name in ("reports/a/b/report.html", "secret.json"))
    assert re.fullmatch(allowed, inside) and not re.fullmatch(allowed, outside)
    assert "http" not in POLICY
