"""The doctor under a name of its own, beside a model whose package is called nanobrag_torch as this one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import gradient_doctor
import nanobrag_torch.doctor

#: A simulator of somebody else's, whose package bears our name and has a doctor as well.
FOREIGN = {
    "__init__.py": "from .simulator import image\n",
    "simulator.py": "def image(p):\n    scale = p['scale'].detach()\n    return p['edge'] ** 2 * scale\n",
    "doctor/__init__.py": "diagnose = None\n",
}
EXAMINE = """
report = diagnose(nanobrag_torch.image, {"edge": 2.0, "scale": 3.0})
import json, sys
print(json.dumps({
    "code": report["scale"].verdict.code,
    "source": report["scale"].verdict.source,
    "gradient": report["edge"].gradient,
    "package": nanobrag_torch.__file__,
    "others": [name for name in sys.modules if name.startswith("nanobrag_torch.")],
}))
"""
ORDERS = {
    "the model first": "import nanobrag_torch\nfrom gradient_doctor import diagnose\n",
    "the doctor first": "from gradient_doctor import diagnose\nimport nanobrag_torch\n",
}


@pytest.fixture
def foreign(tmp_path):
    for name, text in FOREIGN.items():
        path = tmp_path / "nanobrag_torch" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def run(code: str, folder: Path) -> str:
    """Output of code in a process whose first folder for imports is this one."""
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("order", ORDERS)
def test_a_model_whose_package_bears_our_name_is_examined_as_any_other(foreign, order):
    found = json.loads(run(ORDERS[order] + EXAMINE, foreign))
    assert (found["code"], found["gradient"]) == ("S1", 12.0)
    assert found["source"] == "simulator.py:2: scale = p['scale'].detach()"
    assert found["package"] == str(foreign / "nanobrag_torch" / "__init__.py")
    assert found["others"] == ["nanobrag_torch.simulator"]


def test_where_our_package_is_loaded_the_doctor_is_the_one_of_the_package():
    assert {name: getattr(gradient_doctor, name) for name in gradient_doctor.__all__} == {
        name: getattr(nanobrag_torch.doctor, name) for name in gradient_doctor.__all__
    }
    needing_the_simulator = {"Scenario", "sensitivities"}
    assert set(gradient_doctor.__all__) == set(nanobrag_torch.doctor.__all__) - needing_the_simulator
    assert set(gradient_doctor.__all__) <= set(dir(gradient_doctor))
    with pytest.raises(AttributeError, match="no attribute 'Scenario'; public names: CODES"):
        gradient_doctor.Scenario  # noqa: B018
