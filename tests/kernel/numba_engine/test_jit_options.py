"""Options by which the loops are compiled."""

import pytest

numba = pytest.importorskip("numba")

from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED, EXACT  # noqa: E402


def test_exact_operations_stay_exact_whoever_calls_them_first():
    @numba.njit(**EXACT)
    def exact(x, y):
        return x * y + y

    @numba.njit(**CONTRACTED)
    def contracted(x, y):
        return exact(x, y) * x + y

    contracted.compile((numba.float64, numba.float64))
    (called,) = exact.signatures
    assert "fmul contract" in contracted.inspect_llvm(contracted.signatures[0])
    assert "contract" not in exact.inspect_llvm(called)
