"""Signatures of reports, made and checked with ssh-keygen."""

import shutil
import subprocess
from pathlib import Path

import pytest
from finished import alter, finished

from nanobrag_torch.workbook.commands.app import run_command
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.report import signatures
from nanobrag_torch.workbook.report.export import export

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="there is no ssh-keygen")


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the keys of two people, and a file that names the first."""
    folder = tmp_path / "keys"
    folder.mkdir()
    for name in ("ada", "eve"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(words, check=True)
    (folder / "signers").write_text(f"ada@example.org {(folder / 'ada.pub').read_text()}")
    return folder


def call(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        run_command([str(word) for word in words])
    return int(ended.value.code or 0)


def test_a_report_that_was_signed_says_by_whom_and_stays_so_where_it_is_sent(keys: Path, tmp_path: Path, capsys):
    folder = finished(tmp_path / "reports")
    assert call("verify", folder, "--signers", keys / "signers") == 1
    assert "manifest.json.sig: No such file" in capsys.readouterr().err
    assert call("verify", folder, "--sign", keys / "ada") == 0
    assert call("verify", folder, "--signers", keys / "signers") == 0
    assert "signed by ada@example.org" in capsys.readouterr().out
    shutil.unpack_archive(export(folder, tmp_path / "sent.zip"), tmp_path / "sent")
    assert call("verify", tmp_path / "sent", "--signers", keys / "signers") == 0


def test_a_change_that_comes_with_its_own_digest_is_seen_by_the_signature_alone(keys: Path, tmp_path: Path, capsys):
    folder = finished(tmp_path / "reports")
    signatures.sign(folder, keys / "ada")
    alter(folder / "manifest.json", notebook="notebooks/another.ipynb")
    assert call("verify", folder) == 0
    assert call("verify", folder, "--signers", keys / "signers") == 1
    assert "manifest.json.sig: it is the signature of something else" in capsys.readouterr().err


def test_the_signature_of_somebody_else_counts_for_nothing(keys: Path, tmp_path: Path, capsys):
    folder = finished(tmp_path / "reports")
    signatures.sign(folder, keys / "eve")
    assert call("verify", folder, "--signers", keys / "signers") == 1
    assert "manifest.json.sig: nobody who is named signed it" in capsys.readouterr().err


def test_what_is_not_as_it_should_be_is_not_signed(keys: Path, tmp_path: Path):
    folder = finished(tmp_path / "reports")
    (folder / "summary.md").write_text("All is well.")
    assert call("verify", folder, "--sign", keys / "ada") == 1
    assert not (folder / "manifest.json.sig").exists()


def test_a_key_or_a_list_of_signers_that_is_none_is_wrong_input(keys: Path, tmp_path: Path, monkeypatch):
    folder = finished(tmp_path / "reports")
    with pytest.raises(InputError, match="a private SSH key"):
        signatures.sign(folder, keys / "signers")
    with pytest.raises(InputError, match=r"signers: got .*nowhere"):
        signatures.signer(folder, keys / "nowhere")
    signatures.sign(folder, keys / "ada")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Blocked, match="ssh-keygen is not installed"):
        signatures.signer(folder, keys / "signers")
