"""Four numbers at a time against numpy, and the bounds that they are kept within where bounds are checked."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from nanobrag_torch.kernel.numba_engine import simd


@njit
def _moved(array, out, factor, start):
    quad = simd.add(simd.scaled(factor, simd.load(array, start)), factor, simd.load(array, start + np.uint64(4)))
    simd.store(out, start, quad)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("start", [0, 3, 7])
def test_four_numbers_are_loaded_scaled_added_and_stored_at_any_place(dtype, start):
    array = np.random.default_rng(start).normal(size=16).astype(dtype)
    out = np.zeros(16)
    _moved(array, out, 0.3, np.uint64(start))
    wide = array.astype(np.float64)
    expected = np.zeros(16)
    expected[start : start + 4] = 0.3 * wide[start : start + 4] + 0.3 * wide[start + 4 : start + 8]
    assert np.allclose(out, expected, rtol=1e-15, atol=1e-16)


OUTSIDE = """
import numpy as np
from numba import njit
from nanobrag_torch.kernel.numba_engine.lookups import Tricubic
from nanobrag_torch.kernel.numba_engine.tricubic import plane

@njit
def first(lookup, entry):
    return plane(lookup, entry)[0][0]

lookup = Tricubic(np.arange(65.0), 7.0, (0.0, 0.0, 0.0), (4.0, 4.0, 4.0), (1.0, 1.0, 1.0), (2.0, 2.0, 2.0))
print(first(lookup, np.uint64(49)))
try:
    print(first(lookup, np.uint64(50)))
except IndexError as error:
    print("refused")
"""


def test_nodes_beyond_the_table_are_refused_when_bounds_are_checked(tmp_path):
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    finished = subprocess.run([sys.executable, "-c", OUTSIDE], env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.split() == ["49.0", "refused"]
