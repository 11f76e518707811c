"""Installation: metadata, conda environment and Makefile say the same; importing costs little."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import nanobrag_torch

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def test_the_conda_environment_asks_for_what_the_metadata_asks_for():
    # Models of other people, on which the doctor is tried, are not among conda's packages; Triton comes with torch.
    elsewhere = {"models", "triton"}
    extras = (names for extra, names in PROJECT["optional-dependencies"].items() if extra not in elsewhere)
    wanted = {*PROJECT["dependencies"], *(requirement for names in extras for requirement in names)}
    wanted = {requirement for requirement in wanted if not requirement.startswith("torch")}
    (pip,) = (entry["pip"] for entry in CONDA if isinstance(entry, dict))
    given = {requirement for requirement in CONDA if isinstance(requirement, str)} - {"pip"}
    given |= {requirement for requirement in pip if not requirement.startswith(("torch", "--editable"))}
    assert given == {f"python{PROJECT['requires-python']}", *wanted}


def test_torch_is_pinned_to_the_same_version_everywhere():
    (pip,) = (entry["pip"] for entry in CONDA if isinstance(entry, dict))
    pins = [requirement for requirement in pip if requirement.startswith("torch")]
    assert pins == re.findall(r"^TORCH := (\S+)$", (ROOT / "Makefile").read_text(), re.M) == ["torch==2.13.0"]


def test_the_version_is_stated_once():
    source = (ROOT / "nanobrag_torch" / "__init__.py").read_text()
    assert re.findall(r'^__version__ = "(.+)"$', source, re.M) == [nanobrag_torch.__version__]
    assert "version" not in PROJECT and "version" in PROJECT["dynamic"]


def test_every_name_of_the_front_door_is_that_of_its_home():
    from nanobrag_torch import config, doctor, models, panels, refine, scenario, simulator
    from nanobrag_torch.models import panels as panel_models

    homes = (config, doctor, models, panel_models, panels, refine, scenario, simulator)
    for name in set(nanobrag_torch.__all__) - {"__version__"}:
        found = getattr(nanobrag_torch, name)
        # A package that may be called, as that of refinement, is its own home.
        assert found in homes or any(getattr(home, name, None) is found for home in homes), name
    assert set(nanobrag_torch.__all__) <= set(dir(nanobrag_torch))
    with pytest.raises(AttributeError, match=r"no attribute 'Crystall'; public names: .*Crystal"):
        nanobrag_torch.Crystall  # noqa: B018


def loaded_after(code: str, modules: tuple[str, ...]) -> list[str]:
    """Those of ``modules`` that a fresh interpreter has loaded after ``code``, which may print or exit."""
    report = f"print([m for m in {modules!r} if m in sys.modules], file=sys.stderr)"
    code = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\n{report}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ast.literal_eval(run.stderr.splitlines()[-1])


def test_importing_the_package_brings_neither_torch_nor_numpy():
    assert loaded_after("import nanobrag_torch; dir(nanobrag_torch)", ("torch", "numpy", "numba")) == []
    assert loaded_after("from nanobrag_torch import Compat", ("torch", "numpy", "numba")) == []


def test_the_command_computes_an_image_with_its_noise_without_numba_once_that_has_compiled_it(tmp_path):
    words = ["-cell", "100", "-default_F", "100", "-N", "5", "-detpixels", "8", "-oversample", "1"]
    call = f"from nanobrag_torch.__main__ import main; os.chdir({str(tmp_path)!r}); sys.argv[1:] = {words}; main()"
    needless = ("numba", "scipy", "gemmi", "fabio", "h5py", "matplotlib", "pydantic", "torch._dynamo")
    loaded_after(f"import os; {call}", needless)
    assert loaded_after(f"import os; {call}", (*needless, "torch", "llvmlite")) == ["torch", "llvmlite"]
    assert (tmp_path / "noiseimage.img").is_file()


@pytest.mark.parametrize(
    "call",
    [
        "from nanobrag_torch.__main__ import main; sys.argv[1:] = ['-h']; main()",
        "from nanobrag_torch.__main__ import main; sys.argv[1:] = ['-version']; main()",
        "from nanobrag_torch.__main__ import main; sys.argv[1:] = []; main()",
        "from nanobrag_torch.__main__ import main; sys.argv[1:] = ['-cell', '100', '-nodump']; main()",
        "from nanobrag_torch.__main__ import main; sys.argv[1:] = ['-distance', 'far']; main()",
        "from nanobrag_torch.__main__ import main; sys.argv[1:] = ['-strict', '-celll', '100']; main()",
        "from nanobrag_torch.workbook.parity.command import compare; compare(['--help'])",
        "from nanobrag_torch.workbook.parity.command import compare; compare([])",
    ],
)
def test_help_and_usage_errors_wait_for_neither_torch_nor_numpy(call):
    assert loaded_after(call, ("torch", "numpy", "numba")) == []


def test_the_simulator_does_not_bring_the_packages_of_the_workbook():
    heavy = ("matplotlib", "pandas", "papermill", "IPython", "pydantic", "gemmi", "h5py")
    assert loaded_after("import nanobrag_torch.simulator", heavy) == []


def test_notebooks_are_stored_without_outputs_and_define_nothing():
    import nbformat

    paths = [path for path in (ROOT / "notebooks").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    assert paths
    for path in paths:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                assert not cell.outputs and cell.execution_count is None, path
                assert not re.search(r"^\s*(def|class) ", cell.source, re.M), path


def test_docstrings_open_with_a_noun_or_a_verb_that_a_search_would_find():
    openers = {"What", "Which", "Whether", "How", "Where", "Why", "When", "That"}
    found = []
    for path in sorted((ROOT / "nanobrag_torch").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                words = (ast.get_docstring(node) or "").split(maxsplit=1)
                if words and words[0] in openers:
                    found.append(f"{path.relative_to(ROOT)}: {getattr(node, 'name', 'module')}")
    assert not found
