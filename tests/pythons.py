"""Quick tests on every Python from 3.11 to 3.13 that is found: ``python tests/pythons.py torch==2.13.0``.

Interpreters are looked for on PATH, among pyenv's versions and, where ``uv`` is installed, among those that it knows.
Each gets an environment of its own in ``build/``; one that cannot be set up is named, and ends the script with code 1.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

WANTED = ("3.11", "3.12", "3.13")
#: Tests without kernels, browsers and long runs.
QUICK = (
    "tests/physics", "tests/io", "tests/cli", "tests/models", "tests/doctor/test_finite_difference.py",
    "tests/test_gradients.py", "tests/test_packaging.py", "tests/workbook/records",
    "tests/workbook/plans/test_header.py", "tests/workbook/test_project.py",
)  # fmt: skip


def interpreters() -> dict[str, str]:
    """Version to program, of every interpreter that is found and says that it is that version."""
    places = [shutil.which(f"python{version}") for version in WANTED]
    places += [str(path) for path in sorted((Path.home() / ".pyenv" / "versions").glob("3.*/bin/python"))]
    if shutil.which("uv"):
        places += [_out("uv", "python", "find", version) for version in WANTED]
    found: dict[str, str] = {}
    for place in filter(None, places):
        version = re.match(r"3\.\d+", _out(place, "-c", "import platform; print(platform.python_version())"))
        if version and version[0] in WANTED:
            found.setdefault(version[0], place)
    return found


def tried(version: str, program: str, torch: str) -> bool:
    """True where the quick tests pass in an environment of this interpreter."""
    folder = Path("build") / f"python{version}"
    python = folder / "bin" / "python"
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    steps = [
        *([] if python.exists() else [[program, "-m", "venv", str(folder)]]),
        [*install, torch],
        [*install, "--editable", ".[io,workbook,dev]"],
        [str(python), "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *QUICK],
    ]
    return all(
        subprocess.run(step, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}).returncode == 0 for step in steps
    )


def _out(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def main() -> int:
    """Try every interpreter; 0 where all that were found pass."""
    found = interpreters()
    print(f"found: {', '.join(found) or 'none'}; not found: {', '.join(v for v in WANTED if v not in found) or 'none'}")
    results = {version: tried(version, program, sys.argv[1]) for version, program in found.items()}
    for version, passed in results.items():
        print(f"Python {version}: {'passed' if passed else 'FAILED'}")
    return 0 if results and all(results.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
