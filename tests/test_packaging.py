"""What users install: the metadata, the conda environment and the Makefile say the same; importing costs little."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def test_the_conda_environment_asks_for_what_the_metadata_asks_for():
    wanted = {*PROJECT["dependencies"], *(r for extra in PROJECT["optional-dependencies"].values() for r in extra)}
    wanted = {requirement for requirement in wanted if not requirement.startswith("torch")}
    given = {requirement for requirement in CONDA if isinstance(requirement, str)} - {"pip"}
    assert given == {f"python{PROJECT['requires-python']}", *wanted}


def test_torch_is_pinned_to_the_same_version_everywhere():
    (pip,) = (entry["pip"] for entry in CONDA if isinstance(entry, dict))
    pins = [requirement for requirement in pip if requirement.startswith("torch")]
    assert pins == re.findall(r"^TORCH := (\S+)$", (ROOT / "Makefile").read_text(), re.M) == ["torch==2.13.0"]


def test_the_version_is_stated_once_for_users_and_once_for_the_metadata():
    import nanobrag_torch

    assert nanobrag_torch.__version__ == PROJECT["version"]


def test_the_simulator_does_not_bring_the_packages_of_the_workbook():
    heavy = ("matplotlib", "pandas", "papermill", "IPython", "pydantic", "gemmi", "h5py")
    code = f"import sys, nanobrag_torch.simulator; print([m for m in {heavy!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_notebooks_are_stored_without_outputs_and_define_nothing():
    import nbformat

    paths = [path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    assert paths
    for path in paths:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                assert not cell.outputs and cell.execution_count is None, path
                assert not re.search(r"^\s*(def|class) ", cell.source, re.M), path
