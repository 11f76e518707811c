"""The sum over orientations as Triton kernels, for GPUs: a sample lives in registers from its index to its photon.

Everything that is not a sum over orientations is ``torch_engine``'s. The kernels take the operations of the compiled
loops (``numba_engine``): the index in float64, in the order of the formula and without contraction; everything after
its remainder in the precision of the evaluation. Triton contracts nothing here, so that a multiply-add is one only
where it says ``tl.fma``.
"""
