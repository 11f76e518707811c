"""What stands before and behind every command: version, help, and the words for a system that refuses."""

import pytest

from nanobrag_torch import __version__
from nanobrag_torch.__main__ import main as simulate
from nanobrag_torch.workbook.commands import app
from nanobrag_torch.workbook.parity.command import compare

CONCLUDES = "Nothing is concluded"


def ended(*words: str) -> object:
    with pytest.raises(SystemExit) as end:
        app.run_command(list(words))
    return end.value.code


def test_every_program_prints_one_version(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    assert ended("--version") in (0, None)
    with pytest.raises(SystemExit):
        compare(["--version"])
    monkeypatch.setattr("sys.argv", ["nanoBragg", "--version"])
    simulate()
    assert capsys.readouterr().out.splitlines() == [f"nanobrag_torch {__version__}"] * 3


@pytest.mark.parametrize("words", [(), ("run",), ("plan",), ("plan", "run"), ("triage", "run"), ("notebooks", "copy")])
def test_help_is_a_short_or_a_long_word_everywhere(capsys: pytest.CaptureFixture[str], words: tuple[str, ...]) -> None:
    said = []
    for option in ("-h", "--help"):
        assert ended(*words, option) in (0, None)
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] and said[0].startswith(f"Usage: nanobrag-workbook{' ' if words else ''}{' '.join(words)}")


@pytest.mark.parametrize(
    ("words", "concludes"),
    [
        (["run", "x"], True), (["triage", "run"], True), (["doctor", "x"], True), (["plan", "run", "x"], True),
        (["compare", "run", "triage"], False), (["export", "run"], False), (["plan", "copy", "run"], False),
        (["ledger"], False),
    ],
)  # fmt: skip
def test_a_system_that_refuses_is_told_in_words_of_the_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], concludes: bool
) -> None:
    def refuse(**_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(app, "app", refuse)
    assert ended(*words) == app.BLOCKED
    said = capsys.readouterr().err
    assert "No space left on device" in said and (CONCLUDES in said) == concludes
