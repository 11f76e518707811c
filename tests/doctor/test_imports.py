"""The doctor needs torch alone, and stands in nobody's way."""

import subprocess
import sys
from pathlib import Path

import pytest

import nanobrag_torch.doctor

HOME = Path(nanobrag_torch.doctor.__file__).parent
#: Prints the packages, and the modules of this one, that a whole diagnosis of a foreign model loads.
LOADED = """
import sys
import torch
import nanobrag_torch.doctor.pytest_plugin
from nanobrag_torch.doctor import DoctorError, diagnose, diagnose_step
diagnose(lambda p: p["x"] ** 2, {"x": 1.0})
diagnose(lambda p: p["x"][0].detach() * p["y"], {"x": torch.tensor([1.0]), "y": 2.0}, order=2, loss=torch.sum)
ours = sorted(name for name in sys.modules if name.startswith("nanobrag_torch.") and ".doctor" not in name)
heavy = {"numba", "scipy", "matplotlib", "pandas", "fabio", "h5py", "pydantic"}
print(*ours, *sorted({name.partition(".")[0] for name in sys.modules} & heavy))
"""


def test_a_diagnosis_of_a_function_loads_neither_the_simulator_nor_a_compiler():
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["nanobrag_torch.eager", "nanobrag_torch.lazy"]


def test_no_module_of_the_doctor_bears_the_name_of_one_of_the_standard_library():
    modules = {path.stem for path in HOME.glob("*.py")}
    assert "diagnosis" in modules
    assert not modules & set(sys.stdlib_module_names)


@pytest.mark.parametrize("path", sorted(HOME.glob("*.py")), ids=lambda path: path.stem)
def test_no_module_of_the_doctor_relies_on_the_name_of_its_package(path):
    assert "import nanobrag_torch" not in path.read_text() and "from nanobrag_torch" not in path.read_text()
