import os
import subprocess
import sys

import pytest

from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.machine import environment


def in_a_new_process(code: str, **variables: str) -> str:
    variables = {name: value for name, value in os.environ.items() if name not in environment.GUARDS} | variables
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=120)
    return done.stdout + done.stderr


def test_the_guards_can_be_set_before_torch_is_imported() -> None:
    out = in_a_new_process(
        "import sys\n"
        "from nanobrag_torch.workbook import environment\n"
        "assert 'torch' not in sys.modules\n"
        "print(environment.guard())"
    )
    assert "'CUDA_VISIBLE_DEVICES': '-1'" in out and "'NANOBRAGG_DISABLE_COMPILE': '1'" in out


def test_guards_that_come_too_late_are_an_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert sys.modules["torch"] is torch
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    with pytest.raises(Blocked, match="torch was imported before CUDA_VISIBLE_DEVICES"):
        environment.guard()
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_a_guard_that_is_already_set_is_kept() -> None:
    out = in_a_new_process(
        "from nanobrag_torch.workbook import environment\nprint(environment.guard())", NANOBRAGG_DISABLE_COMPILE="0"
    )
    assert "'NANOBRAGG_DISABLE_COMPILE': '0'" in out


def test_a_kernel_gets_exactly_the_guards_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NANOBRAGG_DISABLE_COMPILE", "0")
    monkeypatch.setenv("PYTEST_ADDOPTS", "--pdb")
    monkeypatch.setenv("KEPT", "yes")
    seen = environment.of_kernel({"CUDA_VISIBLE_DEVICES": "-1"})
    assert seen["CUDA_VISIBLE_DEVICES"] == "-1" and seen["KEPT"] == "yes"
    assert "NANOBRAGG_DISABLE_COMPILE" not in seen and "PYTEST_ADDOPTS" not in seen


def test_gpus_stay_visible_for_a_run_on_one() -> None:
    assert "CUDA_VISIBLE_DEVICES" in environment.usual_guards("cpu")
    assert "CUDA_VISIBLE_DEVICES" not in environment.usual_guards("cuda")


@pytest.mark.parametrize(("value", "engine"), [("1", "torch"), ("0", "auto")])
def test_disabling_compilation_selects_torch_operations(
    value: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NANOBRAGG_DISABLE_COMPILE", value)
    assert environment.observe("cpu", "float64", seed=0).engine == engine


def test_an_observation_records_the_threads_that_torch_was_told() -> None:
    import torch

    assert environment.observe("cpu", "float64", seed=0).threads == torch.get_num_threads()


def test_an_observation_seeds_torch_and_says_so() -> None:
    import torch

    record = environment.observe("cpu", "float64", seed=7)
    first = torch.rand(3)
    environment.observe("cpu", "float64", seed=7)
    assert torch.equal(first, torch.rand(3)) and record.seeds == {"torch": 7}
    assert record.versions["torch"].partition("+")[0] == torch.__version__.partition("+")[0]


def test_a_device_that_is_not_there_is_an_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(Blocked, match="no CUDA device"):
        environment.observe("cuda", "float64", seed=0)


@pytest.mark.parametrize(("name", "value"), [("PATH", "/tmp"), ("CUDA_VISIBLE_DEVICES", "all")])
def test_an_unknown_guard_or_value_is_refused(name: str, value: str) -> None:
    with pytest.raises(InputError, match=name):
        environment.check_guard("test", name, value)


def test_guards_that_are_missing_are_set_and_others_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in environment.GUARDS:
        monkeypatch.setenv(name, "0")
        monkeypatch.delenv(name)
    monkeypatch.setenv("NANOBRAGG_DISABLE_COMPILE", "0")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    held = environment.guard("cuda")
    assert held == {"KMP_DUPLICATE_LIB_OK": "TRUE", "NANOBRAGG_DISABLE_COMPILE": "0"}
    assert os.environ["KMP_DUPLICATE_LIB_OK"] == "TRUE" and "CUDA_VISIBLE_DEVICES" not in os.environ


def test_only_packages_that_are_installed_have_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "VERSIONED", ("numpy", "there-is-no-such-package"))
    assert set(environment.observe("cpu", "float64", seed=0).versions) == {"numpy"}
