import builtins
import csv
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from finished import finished
from samples import VERDICT

from nanobrag_torch.workbook.commands import main


def test_a_missing_package_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without_typer(name: str, *rest: Any) -> Any:
        if name == "typer":
            raise ModuleNotFoundError("No module named 'typer'", name="typer")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_typer)
    for module in [name for name in sys.modules if name.startswith("nanobrag_torch.workbook.commands.app")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.delattr("nanobrag_torch.workbook.commands.app", raising=False)
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == main.BLOCKED
    assert "the package 'typer' is missing" in capsys.readouterr().err


def test_everything_is_utf8_whatever_the_system_says(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    finished(tmp_path / "reports", VERDICT.model_copy(update={"title": "1 Å"}), initiative="größe")
    words = ["-c", "from nanobrag_torch.workbook.commands.main import main; main()", "ledger", "--format", "csv"]
    odd = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, env=os.environ | odd, capture_output=True)
    (row,) = csv.DictReader(io.StringIO(done.stdout.decode()))
    assert (row["initiative"], row["title"]) == ("größe", "1 Å"), done.stderr.decode(errors="replace")
