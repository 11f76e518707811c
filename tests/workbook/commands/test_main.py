import builtins
import sys
from typing import Any

import pytest

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
