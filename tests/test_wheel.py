"""The wheel: what it holds, and that an investigation of one's own runs from it in an empty folder.

``make tour`` tries every command in an environment that was made from nothing; here the wheel is installed beside the
packages of this environment, which takes seconds.
"""

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from wheel_tour import Tour

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    words = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-build-isolation",
        "--no-deps",
        "-w",
        str(folder),
        ".",
    ]
    subprocess.run(words, cwd=ROOT, check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Programs of an environment in which the wheel is installed; the packages that it needs are those of this one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python3.*/site-packages")
    (site / "outer.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [
        str(python),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--ignore-installed",
        str(wheel),
    ]
    subprocess.run(install, check=True)
    where = [str(python), "-c", "import nanobrag_torch; print(nanobrag_torch.__file__)"]
    found = subprocess.run(where, cwd=folder, capture_output=True, text=True, check=True).stdout
    assert Path(found).is_relative_to(folder), found
    return folder / "bin"


def test_it_holds_notebooks_plans_scaffold_and_templates_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shipped = {
        path.relative_to(ROOT).as_posix()
        for folder in ("notebooks", "plans")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and not any(part.startswith((".", "__")) for part in path.parts)
    }
    assert shipped and {f"nanobrag_torch/shipped/{name}" for name in shipped} <= names
    for needed in (
        "py.typed",
        "data/1orc.pdb",
        "workbook/templates/report.html.j2",
        "workbook/scaffold/plans/first-look.md",
    ):
        assert f"nanobrag_torch/{needed}" in names
    assert not any(name.startswith(("tests/", "docs/", "benchmarks/")) or "__pycache__" in name for name in names)


def test_an_investigation_of_ones_own_runs_in_an_empty_folder(programs: Path, tmp_path: Path) -> None:
    tour = Tour(programs, tmp_path)
    tour.step("ledger", code=2, says="nanobrag-workbook init")
    tour.step("notebooks", says="doctor/scenario")
    tour.step("init", "--name", "spot-width", says="plans/spot-width.md")
    tour.step("plan", "run", "spot-width", says="reports/index.html")
    tour.step("verify", "reports", says="every file is as the manifest says")
