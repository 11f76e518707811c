import sys
from pathlib import Path

import pytest

from nanobrag_torch.workbook.brief import script as brief_script
from nanobrag_torch.workbook.errors import InputError


def block(body: str) -> str:
    return f"python - <<'PY' > reports/a/b/$STAMP/gradients.json\n{body}\nPY"


def test_values_are_read_from_literals_names_tables_and_tensors() -> None:
    script = brief_script.read_script(
        block(
            "size = 64\n"
            "table = {'cell_a': torch.tensor(70.5, requires_grad=True)}\n"
            "config = CrystalConfig(cell_a=table['cell_a'], cell_b=80, N_cells=(3, 4, 5), default_F=-0.0)\n"
            "detector = DetectorConfig(spixels=size, fpixels=64)\n"
            "beam = BeamConfig(wavelength_A=1.25)"
        )
    )
    assert script.parameters["cell_a"] == 70.5 and script.parameters["cell_b"] == 80
    assert script.parameters["N_cells"] == [3, 4, 5]
    assert script.parameters["detector_pixels"] == 64 and script.parameters["wavelength_A"] == 1.25
    assert script.target == "reports/a/b/$STAMP/gradients.json"


def test_what_a_script_leaves_out_has_the_value_of_the_configs() -> None:
    from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig

    configs = {"CrystalConfig": CrystalConfig(), "DetectorConfig": DetectorConfig(), "BeamConfig": BeamConfig()}
    for owner, fields in brief_script.PARAMETERS.items():
        for field, parameter in fields.items():
            value = getattr(configs[owner], field)
            assert brief_script.DEFAULTS[parameter] == (list(value) if isinstance(value, tuple) else value)


def test_a_script_is_never_run(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    brief_script.read_script(block(f"open({str(trace)!r}, 'w')\nimport nothing_of_that_name\nraise SystemExit(3)"))
    assert not trace.exists() and "nothing_of_that_name" not in sys.modules


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("x = (", "Python"),
        ("CrystalConfig(cell_a=compute())", "literal values"),
        ("CrystalConfig(water=3)", "no parameter for it"),
        ("CrystalConfig(cell_a=1)\nCrystalConfig(cell_a=2)", "one value for cell_a"),
        ("a = a\nCrystalConfig(cell_a=a)", "literal values"),
        ("CrystalConfig(cell_a=" + "(" * 3000 + "1" + ")" * 3000 + ")", "Python"),
    ],
)
def test_a_script_that_cannot_be_read_says_why(body: str, said: str) -> None:
    with pytest.raises(InputError, match="How-To Map, script") as error:
        brief_script.read_script(block(body))
    assert said in str(error.value)


@pytest.mark.parametrize(
    "text", ["python - <<'PY' > x\nno end", "python - <<'PY' > x\nPY\nrm -rf /", "python - <<PY\nPY"]
)
def test_a_block_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="How-To Map, script"):
        brief_script.read_script(text)
