"""Running the command in-process, in a folder of its own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from nanobrag_torch.cli.run import main
from nanobrag_torch.io.floatfile import read_float_image
from nanobrag_torch.io.smv import read_smv


@dataclass(frozen=True)
class Outcome:
    """Results of one run: exit status, streams and files."""

    exit_code: int
    stdout: str
    stderr: str
    folder: Path

    def float_image(self, shape: tuple[int, int], name: str = "floatimage.bin") -> np.ndarray:
        return read_float_image(self.folder / name, shape)

    def smv(self, name: str = "intimage.img") -> np.ndarray:
        return read_smv(self.folder / name)[0].astype(int)

    def header(self, name: str = "intimage.img") -> str:
        return (self.folder / name).read_bytes().split(b"\f", 1)[0].decode() + "\f"

    def pgm(self, name: str = "image.pgm") -> tuple[str, np.ndarray]:
        content = (self.folder / name).read_bytes()
        lines = content.split(b"\n", 4)
        return b"\n".join(lines[:4]).decode() + "\n", np.frombuffer(lines[4], np.uint8).astype(int)

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


Command = Callable[..., Outcome]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``command("-cell 100 -default_F 1", files={"name": b"content"})`` runs in an empty folder and reports."""
    monkeypatch.chdir(tmp_path)

    def run(words: str | list[str], files: Mapping[str, bytes] | None = None) -> Outcome:
        for name, content in (files or {}).items():
            (tmp_path / name).write_bytes(content)
        capsys.readouterr()
        exit_code = main(words.split() if isinstance(words, str) else words)
        captured = capsys.readouterr()
        return Outcome(exit_code, captured.out, captured.err, tmp_path)

    return run
