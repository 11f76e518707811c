"""Compiled functions whose machine code is kept: found again without numba, made anew where it does not fit."""

import os
import shutil
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from nanobrag_torch import compiled
from nanobrag_torch.physics.random import CRandom

#: Deviates of the C program for -seed 1.
FIRST = [0.415999353, 0.0919648930, 0.756410480]
DRAWS = "from nanobrag_torch.physics.random import CRandom; print(*CRandom(-1).draws(3))"
WITHOUT_NUMBA = 'import sys; sys.modules["numba"] = None; '


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """Folder in which a process has left the machine code of uniform deviates."""
    folder = tmp_path_factory.mktemp("kept")
    assert drawn(folder) == np.float32(FIRST).tolist()
    return folder


def drawn(folder: Path, program: str = DRAWS, **environment: str) -> list[float]:
    """What a process draws that keeps its code in ``folder``."""
    settings = os.environ | {"NUMBA_CACHE_DIR": str(folder)} | environment
    done = subprocess.run([sys.executable, "-c", program], env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [float(word) for word in done.stdout.split()]


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.code"))


def test_code_that_is_kept_runs_where_numba_cannot_be_imported(kept):
    assert len(files(kept)) == 1
    assert drawn(kept, WITHOUT_NUMBA + DRAWS) == np.float32(FIRST).tolist()


def test_code_is_not_used_where_it_was_compiled_by_other_settings(kept, tmp_path):
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    drawn(tmp_path, NUMBA_OPT="1")
    assert len(files(tmp_path)) == 2


def test_code_is_used_whatever_the_number_of_threads_that_a_scheduler_sets(kept):
    assert drawn(kept, WITHOUT_NUMBA + DRAWS, NUMBA_NUM_THREADS="1") == np.float32(FIRST).tolist()


def test_code_that_calls_more_than_the_c_library_runs_and_is_not_kept(tmp_path, monkeypatch):
    numba = pytest.importorskip("numba")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setitem(compiled.OPTIONS, "_nrt", True)  # numba's own memory
    module = types.ModuleType("calls_numba")
    exec("import numpy as np\ndef summed(out):\n    out[0] = np.arange(out[0]).sum()\n", vars(module))
    monkeypatch.setitem(sys.modules, "nanobrag_torch.calls_numba", module)
    monkeypatch.setattr(compiled.Compiled, "fingerprint", lambda self: "0")
    out = np.array([5.0])
    compiled.Compiled("nanobrag_torch.calls_numba:summed")(out)
    assert out[0] == 10.0
    assert not files(tmp_path)
    assert numba.njit(lambda x: x + 1.0)(1.0) == 2.0


def test_a_file_that_is_cut_short_is_made_anew(kept, tmp_path):
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    assert drawn(tmp_path) == np.float32(FIRST).tolist()
    assert len(file.read_bytes()) == len(whole)


def test_code_of_other_sources_is_removed_when_new_code_is_kept(tmp_path, kept):
    (file,) = files(kept)
    stale = tmp_path / file.relative_to(kept).parent / "uniform-00000000-0123456789abcdef.code"
    unfinished = stale.with_name("uniform-00000000-fedcba9876543210.4711")
    other = stale.with_name("poisson-00000000-0123456789abcdef.code")
    stale.parent.mkdir()
    for path in (stale, unfinished, other):
        path.touch()
    drawn(tmp_path)
    assert {path.name for path in stale.parent.iterdir()} == {file.name, other.name}


def test_processes_that_start_at_once_keep_one_code_and_remove_what_is_stale(tmp_path, kept):
    (file,) = files(kept)
    folder = tmp_path / file.relative_to(kept).parent
    folder.mkdir()
    for number in range(50):
        (folder / f"uniform-{number:08x}-0123456789abcdef.code").touch()
    command, settings = [sys.executable, "-c", DRAWS], os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    processes = [
        subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        out, errors = process.communicate()
        assert process.returncode == 0, errors
        assert [float(word) for word in out.split()] == np.float32(FIRST).tolist()
    assert [path.name for path in folder.iterdir()] == [file.name]
    assert file.read_bytes()[32:].partition(b"\0")[0] in (folder / file.name).read_bytes()


def test_a_process_waits_for_the_code_that_another_compiles(tmp_path, kept):
    (file,) = files(kept)
    folder = tmp_path / file.relative_to(kept).parent
    folder.mkdir()
    settings = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    with FileLock(folder / file.with_suffix(compiled.LOCK).name):
        waiting = subprocess.Popen(
            [sys.executable, "-c", WITHOUT_NUMBA + "print('begun', flush=True); " + DRAWS],
            env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert waiting.stdout.readline() == "begun\n"
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(2.0)
        shutil.copy(file, folder)
    out, errors = waiting.communicate()
    assert waiting.returncode == 0, errors
    assert [float(word) for word in out.split()] == np.float32(FIRST).tolist()
    assert files(tmp_path) == [folder / file.name]


def test_what_numba_kept_for_earlier_versions_is_removed_from_the_package_and_what_may_not_be_removed_stays(
    tmp_path, monkeypatch
):
    package = tmp_path / "package"
    kernels, own = package / "kernel" / "__pycache__", package / "__pycache__"
    kernels.mkdir(parents=True)
    for name in ("photons-77.py311.nbi", "photons-77.py311.1.nbc", "image.cpython-311.pyc"):
        (kernels / name).touch()
    monkeypatch.setattr(compiled, "PACKAGE", package)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    held = own / "uniform-00000000-held.code"
    held.mkdir(parents=True)  # as little to be removed as the file of somebody else
    compiled.Compiled("nanobrag_torch.physics.deviates:uniform")._keep("uniform-11111111-22222222", b"code")
    assert [path.name for path in kernels.iterdir()] == ["image.cpython-311.pyc"]
    assert {path.name for path in own.iterdir()} == {held.name, "uniform-11111111-22222222.code"}


def test_a_folder_that_cannot_be_written_to_costs_time_alone(tmp_path):
    (tmp_path / "file").touch()
    assert drawn(tmp_path / "file" / "below") == np.float32(FIRST).tolist()


def test_one_row_is_the_same_to_compiled_code_as_several():
    types = []
    for rows in (1, 2):
        types.append([])
        compiled._flatten(np.zeros((rows, 3)), types[-1], [])
    assert types[0] == types[1]
    compiled._flatten(np.zeros((3, 2)).T, turned := [], [])
    assert turned != types[0]


def test_what_is_neither_number_nor_array_is_refused():
    with pytest.raises(TypeError, match="str: a compiled function takes numbers, arrays and tuples of them"):
        compiled.Compiled("nanobrag_torch.physics.deviates:uniform")("words")


def test_an_exception_within_is_one_of_the_caller(tmp_path):
    """An empty table of the generator: its first address is beyond it."""
    program = (
        "import numpy as np; from nanobrag_torch.physics.random import _uniform\n"
        "try: _uniform(np.array([-1]), np.zeros(0, np.int64), np.zeros(1))\n"
        "except RuntimeError as error: print(1 + ('an index left its array' in str(error)))"
    )
    assert drawn(tmp_path, program, NUMBA_BOUNDSCHECK="1") == [2.0]


def test_streams_give_the_same_deviates_for_any_layout_of_the_means():
    means = np.linspace(0.5, 30, 12, dtype=np.float32).reshape(3, 4)
    assert CRandom(-3).poissons(means[:, ::2]).tolist() == CRandom(-3).poissons(means[:, ::2].copy()).tolist()
