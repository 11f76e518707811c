"""Triton kernels: sums of F^2 S^2 over orientations, and their reverse pass by rays and by orientations.

A program has ``BLOCK`` rays, whose scattering vectors ``q`` (3, rays) are float64. It loops over orientations or, in
``pull_back_crystal``, over blocks of rays. No two programs write to one place except to cotangents of the table of
structure factors: sums are equal bit by bit from run to run.
"""

import triton
import triton.language as tl

from nanobrag_torch.kernel.triton_engine.lookups import return_interpolated, return_nearest, square_slopes
from nanobrag_torch.kernel.triton_engine.shapes import interference, interference_slopes, parameter_slopes

#: Sums over rays that ``pull_back_crystal`` makes for each orientation: nine of the direct vectors, seven of the
#: parameters of the shape, one of a constant F^2.
VECTOR_SUMS, SHAPE_SUMS = 9, 7
CRYSTAL_SUMS = VECTOR_SUMS + SHAPE_SUMS + 1
#: Arguments that change from call to call: code of their own for some of them would be compiled time and again.
COUNTS = ("rays", "orientations", "at_once")
ROW_OF_SUMS = tl.constexpr(CRYSTAL_SUMS)


@triton.jit
def load_rays(q, ray, rays):
    """Scattering vectors x, y, z of some rays; zero beyond the last."""
    inside = ray < rays
    x = tl.load(q + ray, mask=inside, other=0.0)
    y = tl.load(q + rays + ray, mask=inside, other=0.0)
    z = tl.load(q + 2 * rays + ray, mask=inside, other=0.0)
    return x, y, z


@triton.jit
def reduce_index(vector, x, y, z):
    """Miller index along a direct vector, the nearest integer (halves go down), and the vector's components."""
    vx, vy, vz = tl.load(vector), tl.load(vector + 1), tl.load(vector + 2)
    index = vx * x + vy * y + vz * z
    return index, tl.ceil(index - 0.5), vx, vy, vz


@triton.jit(do_not_specialize=COUNTS)
def sum_orientations(
    q, rays, vectors, orientations, at_once, parameters, least, table, default, grid, sums,
    SHAPE: tl.constexpr, LOOKUP: tl.constexpr, CUT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write sums (parts, rays) of F^2 S^2 over ``at_once`` orientations each."""
    DTYPE: tl.constexpr = parameters.dtype.element_ty
    ray = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    part = tl.program_id(1)
    x, y, z = load_rays(q, ray, rays)
    total = tl.zeros([BLOCK], tl.float64)
    for orientation in range(part * at_once, tl.minimum((part + 1) * at_once, orientations)):
        vector = vectors + 9 * orientation
        h, h0, _, _, _ = reduce_index(vector, x, y, z)
        k, k0, _, _, _ = reduce_index(vector + 3, x, y, z)
        l, l0, _, _, _ = reduce_index(vector + 6, x, y, z)
        square = interference(SHAPE, parameters, (h - h0).to(DTYPE), (k - k0).to(DTYPE), (l - l0).to(DTYPE))
        if CUT:
            square = tl.where(square < tl.load(least), 0.0, square)
        cell, _, _, _, _ = square_slopes(LOOKUP, table, default, grid, h, k, l, h0, k0, l0, square != 0, DTYPE)
        total += square.to(tl.float64) * cell.to(tl.float64)
    tl.store(sums + part * rays + ray, total, mask=ray < rays)


@triton.jit
def slopes_of_indices(
    h, k, l, h0, k0, l0, parameters, least, table, default, grid,
    SHAPE: tl.constexpr, LOOKUP: tl.constexpr, CUT: tl.constexpr, DTYPE: tl.constexpr,
):  # fmt: skip
    """S^2, F^2, slopes of their product against h, k, l, and that of F^2 against the table, in float64."""
    square, gh, gk, gl = interference_slopes(
        SHAPE, parameters, (h - h0).to(DTYPE), (k - k0).to(DTYPE), (l - l0).to(DTYPE)
    )
    if CUT:
        dark = square < tl.load(least)
        square = tl.where(dark, 0.0, square)
    cell, steep_h, steep_k, steep_l, growth = square_slopes(
        LOOKUP, table, default, grid, h, k, l, h0, k0, l0, square != 0, DTYPE
    )
    share = cell
    if CUT:
        share = tl.where(dark, 0.0, cell)
    square, share = square.to(tl.float64), share.to(tl.float64)
    return (
        square,
        cell.to(tl.float64),
        tl.fma(gh.to(tl.float64), share, steep_h.to(tl.float64) * square),
        tl.fma(gk.to(tl.float64), share, steep_k.to(tl.float64) * square),
        tl.fma(gl.to(tl.float64), share, steep_l.to(tl.float64) * square),
        growth.to(tl.float64),
    )


@triton.jit(do_not_specialize=COUNTS)
def pull_back_rays(
    q, rays, vectors, orientations, at_once, parameters, least, table, default, grid, sums,
    SHAPE: tl.constexpr, LOOKUP: tl.constexpr, CUT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write sums (parts, 4, rays) over ``at_once`` orientations each: of F^2 S^2 and of its slopes against q."""
    DTYPE: tl.constexpr = parameters.dtype.element_ty
    ray = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    part = tl.program_id(1)
    x, y, z = load_rays(q, ray, rays)
    total = tl.zeros([BLOCK], tl.float64)
    along_x, along_y, along_z = total, total, total
    for orientation in range(part * at_once, tl.minimum((part + 1) * at_once, orientations)):
        vector = vectors + 9 * orientation
        h, h0, ax, ay, az = reduce_index(vector, x, y, z)
        k, k0, bx, by, bz = reduce_index(vector + 3, x, y, z)
        l, l0, cx, cy, cz = reduce_index(vector + 6, x, y, z)
        square, cell, gh, gk, gl, _ = slopes_of_indices(
            h, k, l, h0, k0, l0, parameters, least, table, default, grid, SHAPE, LOOKUP, CUT, DTYPE
        )
        total = tl.fma(square, cell, total)
        along_x = tl.fma(gh, ax, tl.fma(gk, bx, tl.fma(gl, cx, along_x)))
        along_y = tl.fma(gh, ay, tl.fma(gk, by, tl.fma(gl, cy, along_y)))
        along_z = tl.fma(gh, az, tl.fma(gk, bz, tl.fma(gl, cz, along_z)))
    row = sums + 4 * part * rays + ray
    inside = ray < rays
    tl.store(row, total, mask=inside)
    tl.store(row + rays, along_x, mask=inside)
    tl.store(row + 2 * rays, along_y, mask=inside)
    tl.store(row + 3 * rays, along_z, mask=inside)


@triton.jit(do_not_specialize=COUNTS)
def pull_back_crystal(
    q, bar, rays, vectors, orientations, at_once, parameters, least, table, default, grid, sums, bar_table, bar_default,
    SHAPE: tl.constexpr, LOOKUP: tl.constexpr, CUT: tl.constexpr, RETURN: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write sums (parts, orientations, ``CRYSTAL_SUMS``) over ``at_once`` rays each, of ``bar`` times slopes.

    Where ``RETURN`` is true, cotangents of structure factors are added to ``bar_table`` and ``bar_default``.
    """
    DTYPE: tl.constexpr = parameters.dtype.element_ty
    orientation, part = tl.program_id(0), tl.program_id(1)
    vector = vectors + 9 * orientation
    none = tl.zeros([BLOCK], tl.float64)
    hx, hy, hz, kx, ky, kz, lx, ly, lz = none, none, none, none, none, none, none, none, none
    s0, s1, s2, s3, s4, s5, s6, constant = none, none, none, none, none, none, none, none
    begin = part.to(tl.int64) * at_once
    for start in range(begin, tl.minimum(begin + at_once, rays), BLOCK):
        ray = start + tl.arange(0, BLOCK)
        x, y, z = load_rays(q, ray, rays)
        own = tl.load(bar + ray, mask=ray < rays, other=0.0)
        h, h0, _, _, _ = reduce_index(vector, x, y, z)
        k, k0, _, _, _ = reduce_index(vector + 3, x, y, z)
        l, l0, _, _, _ = reduce_index(vector + 6, x, y, z)
        square, cell, gh, gk, gl, growth = slopes_of_indices(
            h, k, l, h0, k0, l0, parameters, least, table, default, grid, SHAPE, LOOKUP, CUT, DTYPE
        )
        gh, gk, gl = gh * own, gk * own, gl * own
        hx, hy, hz = tl.fma(gh, x, hx), tl.fma(gh, y, hy), tl.fma(gh, z, hz)
        kx, ky, kz = tl.fma(gk, x, kx), tl.fma(gk, y, ky), tl.fma(gk, z, kz)
        lx, ly, lz = tl.fma(gl, x, lx), tl.fma(gl, y, ly), tl.fma(gl, z, lz)
        lit = square != 0
        p0, p1, p2, p3, p4, p5, p6 = parameter_slopes(
            SHAPE, parameters, square.to(DTYPE), (h - h0).to(DTYPE), (k - k0).to(DTYPE), (l - l0).to(DTYPE)
        )
        share = tl.where(lit, own * cell, 0.0)
        s0, s1 = tl.fma(share, p0.to(tl.float64), s0), tl.fma(share, p1.to(tl.float64), s1)
        s2, s3 = tl.fma(share, p2.to(tl.float64), s2), tl.fma(share, p3.to(tl.float64), s3)
        s4, s5 = tl.fma(share, p4.to(tl.float64), s4), tl.fma(share, p5.to(tl.float64), s5)
        s6 = tl.fma(share, p6.to(tl.float64), s6)
        found = own * square
        constant += found
        if RETURN:
            found *= growth
            if LOOKUP == "nearest":
                return_nearest(bar_table, grid, h0, k0, l0, found, found != 0)
            elif LOOKUP == "tricubic":
                return_interpolated(bar_table, bar_default, grid, h, k, l, h0, k0, l0, found, found != 0, DTYPE)
    row = sums + (part.to(tl.int64) * orientations + orientation) * ROW_OF_SUMS
    tl.store(row + 0, tl.sum(hx))
    tl.store(row + 1, tl.sum(hy))
    tl.store(row + 2, tl.sum(hz))
    tl.store(row + 3, tl.sum(kx))
    tl.store(row + 4, tl.sum(ky))
    tl.store(row + 5, tl.sum(kz))
    tl.store(row + 6, tl.sum(lx))
    tl.store(row + 7, tl.sum(ly))
    tl.store(row + 8, tl.sum(lz))
    tl.store(row + 9, tl.sum(s0))
    tl.store(row + 10, tl.sum(s1))
    tl.store(row + 11, tl.sum(s2))
    tl.store(row + 12, tl.sum(s3))
    tl.store(row + 13, tl.sum(s4))
    tl.store(row + 14, tl.sum(s5))
    tl.store(row + 15, tl.sum(s6))
    tl.store(row + 16, tl.sum(constant))
