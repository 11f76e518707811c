"""Signatures of reports: the manifest, which has the checksum of every other file, signed with an SSH key."""

import subprocess
from pathlib import Path

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.report.contents import SIGNATURE

#: Purpose of the signature, so that one that was made for something else is not taken for it.
_NAMESPACE = "nanobrag-report"
#: Longest that somebody may take to type a passphrase, in seconds.
_PATIENCE_S = 300


def sign(folder: Path, key: Path) -> Path:
    """Sign the report in a folder with a private SSH key, and return the path of the signature.

    Raises:
        InputError: the key cannot be used.
    """
    done = _ssh_keygen(["sign", "-f", str(key), "-n", _NAMESPACE], files.read(folder / Manifest.file))
    if done.returncode or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise InputError.of("sign", "key", str(key), "a private SSH key", f"ssh-keygen says: {_said(done)}.")
    files.write(folder / SIGNATURE, done.stdout)
    return folder / SIGNATURE


def signer(folder: Path, signers: Path) -> str:
    """Name of whoever signed the report in a folder, of those whose keys stand in ``signers``, an allowed_signers file.

    Raises:
        InputError: there is no such file.
        Unreadable: it is not signed, or by nobody whom the file names.
    """
    try:
        files.read(signers)
    except files.Unreadable as error:
        given, allowed = str(signers), "a file as of ssh-keygen -Y: a name and a public key in each line"
        raise InputError.of("verify", "signers", given, allowed, f"It cannot be read: {error}.") from None
    signature = folder / SIGNATURE
    files.read(signature)
    manifest = files.read(folder / Manifest.file)
    known = ["-s", str(signature), "-f", str(signers)]
    found = _ssh_keygen(["find-principals", *known], b"")
    for name in found.stdout.decode(errors="replace").splitlines():
        if _ssh_keygen(["verify", "-I", name, "-n", _NAMESPACE, *known], manifest).returncode == 0:
            return name
    raise files.Unreadable("it is the signature of something else" if found.stdout else "nobody who is named signed it")


def _ssh_keygen(words: list[str], given: bytes) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", *words], input=given, capture_output=True, timeout=_PATIENCE_S, check=False
        )
    except FileNotFoundError:
        raise Blocked("ssh-keygen is not installed: signatures are made and checked with OpenSSH.") from None
    except subprocess.TimeoutExpired:
        raise Blocked(f"ssh-keygen has not answered for {_PATIENCE_S} s.") from None


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    return (done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1].rstrip(".")
