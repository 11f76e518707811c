"""The command ``serve``: an address until Ctrl-C, and a reason where there is none."""

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from finished import finished

from nanobrag_torch.workbook.commands.app import run_command


def test_reports_are_served_at_the_address_that_is_printed_until_ctrl_c(tmp_path: Path):
    finished(tmp_path / "reports")
    call = "from nanobrag_torch.workbook.commands.app import run_command; run_command(['serve'])"
    with subprocess.Popen([sys.executable, "-c", call], stdout=subprocess.PIPE, text=True, cwd=tmp_path) as serving:
        assert serving.stdout is not None
        address = serving.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        assert b"20260115T080000Z" in urllib.request.urlopen(address, timeout=30).read()
        serving.send_signal(signal.SIGINT)
        assert serving.wait(timeout=30) == 0


@pytest.mark.parametrize("there", [True, False])
def test_a_taken_port_and_a_missing_folder_are_named(tmp_path: Path, monkeypatch, capsys, there: bool):
    monkeypatch.chdir(tmp_path)
    if there:
        finished(tmp_path / "reports")
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(SystemExit) as ended:
        run_command(["serve", "--port", str(taken.getsockname()[1])])
    assert ended.value.code == 2
    assert ("a port that nobody listens at" if there else "a folder of reports") in capsys.readouterr().err
