"""The doctor needs torch alone, and stands in nobody's way."""

import subprocess
import sys
from pathlib import Path

import nanobrag_torch.doctor

#: Prints the modules that the plugin, the entries and a diagnosis of a foreign model load.
LOADED = """
import sys
import nanobrag_torch.doctor
import nanobrag_torch.doctor.pytest_plugin
print("simulator" if "nanobrag_torch.simulator" in sys.modules else "")
from nanobrag_torch.doctor import diagnose
diagnose(lambda p: p["x"] ** 2, {"x": 1.0})
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"numba", "scipy", "matplotlib", "pandas", "fabio"}))
"""


def test_the_doctor_and_its_plugin_load_neither_the_simulator_nor_a_compiler():
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_no_module_of_the_doctor_bears_the_name_of_one_of_the_standard_library():
    modules = {path.stem for path in Path(nanobrag_torch.doctor.__file__).parent.glob("*.py")}
    assert "diagnosis" in modules
    assert not modules & set(sys.stdlib_module_names)
