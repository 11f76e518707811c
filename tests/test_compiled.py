"""Compiled functions whose machine code is kept: found again without numba, made anew where it does not fit."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

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
    other = stale.with_name("poisson-00000000-0123456789abcdef.code")
    stale.parent.mkdir()
    stale.touch()
    other.touch()
    drawn(tmp_path)
    assert {path.name for path in files(tmp_path)} == {file.name, other.name}


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
