"""Models of a run, before its first pixel."""

import pytest

from nanobrag_torch.cli.parse import parse
from nanobrag_torch.cli.precedence import configure, settings_of
from nanobrag_torch.cli.prepare import NO_COMPILATION, prepare

WORDS = ["-cell", "70", "80", "90", "75", "85", "95", "-default_F", "100", "-N", "5", "-detpixels", "8", "-pixel", "1"]


@pytest.mark.parametrize(("value", "engine"), [(None, "auto"), ("0", "auto"), ("1", "torch")])
def test_a_user_who_disables_compilation_gets_torch_operations(monkeypatch, value, engine):
    monkeypatch.delenv(NO_COMPILATION, raising=False)
    if value is not None:
        monkeypatch.setenv(NO_COMPILATION, value)
    assert prepare(configure(settings_of(parse(WORDS)))).simulator.engine == engine
