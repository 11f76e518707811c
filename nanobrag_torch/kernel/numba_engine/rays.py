"""Rays of a block of pixels: positions and directions of samples, and the factors that vary within a pixel.

All functions work on ``rows``, a float64 array of one row of LANES numbers for each name below.
"""

import math

import numpy as np
from numba import njit

from nanobrag_torch.kernel.numba_engine.jit_options import CONTRACTED, EXACT, INLINED, LANES
from nanobrag_torch.kernel.tables import DIRECTION, FORM, WAVELENGTH

#: Offsets of the rows that the forward pass needs.
(
    SLOW, FAST, SIZE_F, SIZE_S, DISTANCE, DX, DY, DZ, QX, QY, QZ,
    RESOLVED, OMEGA, CAPTURE, POLAR, SHARED_WITH, TERM, TOTAL,
) = range(0, 18 * LANES, LANES)  # fmt: skip
FORWARD_ROWS = 18 * LANES


@njit(**EXACT)
def fill(rows, first, last, value):
    """Set the rows from ``first`` to ``last``, both included, to ``value``."""
    for offset in range(first, last + LANES):
        rows[offset] = value


@njit(**EXACT)
def is_zero(rows, row):
    """True if a row is zero in all lanes."""
    found = 0
    for lane in range(LANES):
        found += rows[row + lane] != 0.0
    return found == 0


@njit(**EXACT)
def choose_pixels(positions, grid, start, rows):
    """Fill SLOW and FAST with the indices of the block's pixels, the last one repeated in the lanes that are left.

    The quotient is at least half a pixel from a whole number, so that its floor is exact.

    Args:
        positions: Positions (n,) along the rows of a window.
        grid: Corner (slow, fast) and width of the window.
        start: First pixel of the block among the positions.
        rows: Rows of the block.
    """
    slow, fast, width = grid
    for lane in range(LANES):
        rows[FAST + lane] = positions[min(start + lane, len(positions) - 1)]
    for lane in range(LANES):
        position = rows[FAST + lane]
        row = np.floor((position + 0.5) / width)
        rows[SLOW + lane] = slow + row
        rows[FAST + lane] = fast + (position - row * width)


@njit(**EXACT)
def cast_rays(panel, plan, sample, rows):
    """Fill DISTANCE and the direction DX, DY, DZ of a sample, and SIZE_F, SIZE_S, its distances along fast and slow.

    The operations are those of ``kernel.geometry``, in their order.
    """
    n = plan.oversample
    layer, along = divmod(sample, n * n)
    i, j = divmod(along, n)
    size = panel.pixel_size / n
    half, depth = size / 2, layer * panel.layer_step
    (ox, oy, oz), (fx, fy, fz), (sx, sy, sz), (nx, ny, nz) = panel.origin, panel.fast, panel.slow, panel.normal
    for lane in range(LANES):
        f = size * (rows[FAST + lane] * n + j) + half
        s = size * (rows[SLOW + lane] * n + i) + half
        x = ox + f * fx + s * sx + depth * nx
        y = oy + f * fy + s * sy + depth * ny
        z = oz + f * fz + s * sz + depth * nz
        distance = math.sqrt(x * x + y * y + z * z)
        rows[SIZE_F + lane] = f
        rows[SIZE_S + lane] = s
        rows[DISTANCE + lane] = distance
        rows[DX + lane] = x / distance
        rows[DY + lane] = y / distance
        rows[DZ + lane] = z / distance


@njit(**EXACT)
def scatter(sources, source, plan, rows):
    """Fill QX, QY, QZ for a source and RESOLVED with 1 where the sample is within the resolution limit, else 0."""
    ix, iy, iz = sources[source, DIRECTION], sources[source, DIRECTION + 1], sources[source, DIRECTION + 2]
    wavelength, limit = sources[source, WAVELENGTH], plan.dmin_squared
    for lane in range(LANES):
        x = (rows[DX + lane] - ix) / wavelength
        y = (rows[DY + lane] - iy) / wavelength
        z = (rows[DZ + lane] - iz) / wavelength
        square = x * x + y * y + z * z
        rows[QX + lane] = x
        rows[QY + lane] = y
        rows[QZ + lane] = z
        rows[RESOLVED + lane] = 1.0 if square <= 0.0 or limit * square <= 1.0 else 0.0


@njit(**CONTRACTED)
def weigh_solid_angle(panel, rows):
    """Fill OMEGA."""
    for lane in range(LANES):
        distance = rows[DISTANCE + lane]
        rows[OMEGA + lane] = (panel.omega_3 / distance + panel.omega_2) / (distance * distance)


@njit(**CONTRACTED)
def weigh_capture(panel, plan, sample, rows):
    """Fill CAPTURE."""
    nx, ny, nz = panel.normal
    layer = sample // (plan.oversample * plan.oversample)
    for lane in range(LANES):
        rows[CAPTURE + lane] = plan.bare_capture
    if plan.has_sensor:
        for lane in range(LANES):
            path = panel.depth / (rows[DX + lane] * nx + rows[DY + lane] * ny + rows[DZ + lane] * nz)
            rows[CAPTURE + lane] = math.exp(-layer * path) - math.exp(-(layer + 1) * path)


@njit(**CONTRACTED)
def polarization(sources, source, x, y, z):
    """Polarization factor (1 + d M d)/2 of direction d = (x, y, z), M the form of the source."""
    xx, yy, zz = sources[source, FORM], sources[source, FORM + 1], sources[source, FORM + 2]
    xy, xz, yz = sources[source, FORM + 3], sources[source, FORM + 4], sources[source, FORM + 5]
    return 0.5 * (1.0 + x * (xx * x + xy * y + xz * z) + y * (yy * y + yz * z) + zz * z * z)


@njit(**CONTRACTED)
def weigh_polarization(sources, source, rows):
    """Fill POLAR."""
    for lane in range(LANES):
        rows[POLAR + lane] = polarization(sources, source, rows[DX + lane], rows[DY + lane], rows[DZ + lane])


@njit(**INLINED)
def weigh_pixels(panel, plan, sources, rows):
    """Fill the rows of those factors that one sample of each pixel decides.

    For polarization that is the first (or last) resolved one, whose number, sample times sources plus source, goes to
    SHARED_WITH; -1 and a factor of 0 where there is none.
    """
    if plan.omega_at >= 0:
        cast_rays(panel, plan, plan.omega_at, rows)
        weigh_solid_angle(panel, rows)
    if plan.capture_at >= 0:
        cast_rays(panel, plan, plan.capture_at, rows)
        weigh_capture(panel, plan, plan.capture_at, rows)
    if plan.polar_first == 0:
        return
    fill(rows, POLAR, POLAR, 0.0)
    fill(rows, SHARED_WITH, SHARED_WITH, -1.0)
    count = plan.layers * plan.oversample * plan.oversample * sources.shape[0]
    left = LANES
    for turn in range(count):
        if left == 0:
            break
        number = turn if plan.polar_first > 0 else count - 1 - turn
        sample, source = divmod(number, sources.shape[0])
        cast_rays(panel, plan, sample, rows)
        scatter(sources, source, plan, rows)
        for lane in range(LANES):
            if rows[SHARED_WITH + lane] < 0.0 and rows[RESOLVED + lane] > 0.0:
                rows[SHARED_WITH + lane] = number
                rows[POLAR + lane] = polarization(sources, source, rows[DX + lane], rows[DY + lane], rows[DZ + lane])
                left -= 1
