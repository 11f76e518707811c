"""Reverse pass: from cotangents of the pixels to those of the tables, evaluating every sample anew.

With L the sum over pixels of cotangent times photons, each function adds dL/d(its inputs) to the rows whose name starts
with B and to the cotangents of the tables. The sum over orientations has a module of its own, ``reverse_orientations``.
"""

import math

from numba import njit

from nanobrag_torch.kernel.numba_engine.blocks import new_block, release_block
from nanobrag_torch.kernel.numba_engine.jit_options import EXACT, INLINED, LANES, SUMMED
from nanobrag_torch.kernel.numba_engine.rays import (
    CAPTURE,
    DISTANCE,
    DX,
    DY,
    DZ,
    OMEGA,
    POLAR,
    QX,
    QY,
    QZ,
    RESOLVED,
    SHARED_WITH,
    SIZE_F,
    SIZE_S,
    TERM,
    cast_rays,
    choose_pixels,
    fill,
    is_zero,
    scatter,
    weigh_capture,
    weigh_pixels,
    weigh_polarization,
    weigh_solid_angle,
)
from nanobrag_torch.kernel.numba_engine.reverse_orientations import (
    BCAPTURE,
    BDX,
    BDY,
    BDZ,
    BOMEGA,
    BPIXEL,
    BPOLAR,
    BQX,
    BQY,
    BQZ,
    BTERM,
    REVERSE_ROWS,
    WORK_ROWS,
    pull_back_orientations,
)
from nanobrag_torch.kernel.numba_engine.visits import (
    block_is_dark,
    choose,
    is_dark,
    look,
    sources_at_once,
    strip_is_dark,
)
from nanobrag_torch.kernel.tables import (
    ALONG_FAST,
    ALONG_SLOW,
    BACKGROUND,
    DEPTH,
    DIRECTION,
    FORM,
    LAYER_STEP,
    NORMAL,
    OMEGA_2,
    OMEGA_3,
    ORIGIN,
    PIXEL_SIZE,
    SCALE,
    WAVELENGTH,
    WEIGHT,
)

#: Rows that are free when a ray is pulled back, by what they hold then: cotangents of the distance (until those of the
#: position take its place), of the position, and a copy of BPOLAR.
BDISTANCE = BPOSITION_X = BQX
BPOSITION_Y, BPOSITION_Z, KEPT_BPOLAR = BQY, BQZ, TERM


@njit(**INLINED)
def _pull_back_pixels(inputs, block, rays, wanted, bars):
    panel, plan, sources, rows = inputs.panel, inputs.plan, inputs.sources, block.rows
    visits, survey = inputs.visits, block.survey
    if block_is_dark(visits, panel, plan, sources, rows, survey):
        return
    weigh_pixels(panel, plan, sources, rows)
    fill(rows, BOMEGA, BPOLAR, 0.0)
    for sample in range(plan.layers * plan.oversample * plan.oversample):
        cast_rays(panel, plan, sample, rows)
        fill(rows, BDX, BDZ, 0.0)
        if plan.omega_at < 0:
            weigh_solid_angle(panel, rows)
            fill(rows, BOMEGA, BOMEGA, 0.0)
        if plan.capture_at < 0:
            weigh_capture(panel, plan, sample, rows)
            fill(rows, BCAPTURE, BCAPTURE, 0.0)
        look(visits, panel, rows, survey)
        at_once = sources_at_once(visits, sources)
        for first in range(0, sources.shape[0], at_once):
            last = min(first + at_once, sources.shape[0])
            count = choose(visits, sources, first, last, survey)
            if is_dark(visits, count):
                continue
            for source in range(first, last):
                scatter(sources, source, plan, rows)
                if plan.polar_first == 0:
                    weigh_polarization(sources, source, rows)
                weight = panel.scale * sources[source, WEIGHT]
                for lane in range(LANES):
                    factor = rows[OMEGA + lane] * rows[CAPTURE + lane] * rows[POLAR + lane]
                    rows[BTERM + lane] = weight * rows[BPIXEL + lane] * factor * rows[RESOLVED + lane]
                if count == 0 or is_zero(rows, RESOLVED):
                    fill(rows, TERM, TERM, 0.0)
                    fill(rows, BQX, BQZ, 0.0)
                else:
                    pull_back_orientations(inputs, block, count, rays, wanted, bars)
                if rays:
                    _pull_back_factors(panel, plan, sources, source, rows, bars)
                    _pull_back_scattering(sources, source, rows, bars.sources)
        if rays:
            _pull_back_rays(panel, plan, sample, plan.omega_at < 0, plan.capture_at < 0, rows, bars)
    if rays:
        _pull_back_shared(panel, plan, sources, rows, bars)


@njit(**SUMMED)
def _pull_back_factors(panel, plan, sources, source, rows, bars):
    """From the pixel to solid angle, capture and polarization, and to weight, scale and background."""
    weight, scale = sources[source, WEIGHT], panel.scale
    total_weight = total_scale = total_background = 0.0
    for lane in range(LANES):
        omega, capture, polar = rows[OMEGA + lane], rows[CAPTURE + lane], rows[POLAR + lane]
        diffraction = rows[RESOLVED + lane] * rows[TERM + lane]
        intensity = weight * diffraction + panel.background
        bar = scale * rows[BPIXEL + lane]
        rows[BOMEGA + lane] += bar * capture * polar * intensity
        rows[BCAPTURE + lane] += bar * omega * polar * intensity
        rows[BPOLAR + lane] += bar * omega * capture * intensity
        factor = omega * capture * polar
        total_weight += bar * factor * diffraction
        total_background += bar * factor
        total_scale += rows[BPIXEL + lane] * factor * intensity
    bars.sources[source, WEIGHT] += total_weight
    bars.panel[SCALE] += total_scale
    bars.panel[BACKGROUND] += total_background
    if plan.polar_first == 0:
        _pull_back_polarization(sources, source, rows, bars.sources)
        fill(rows, BPOLAR, BPOLAR, 0.0)


@njit(**SUMMED)
def _pull_back_polarization(sources, source, rows, found):
    """From BPOLAR to the direction and to the form of the source."""
    xx, yy, zz = sources[source, FORM], sources[source, FORM + 1], sources[source, FORM + 2]
    xy, xz, yz = sources[source, FORM + 3], sources[source, FORM + 4], sources[source, FORM + 5]
    total_xx = total_yy = total_zz = total_xy = total_xz = total_yz = 0.0
    for lane in range(LANES):
        x, y, z, bar = rows[DX + lane], rows[DY + lane], rows[DZ + lane], 0.5 * rows[BPOLAR + lane]
        rows[BDX + lane] += bar * (2.0 * xx * x + xy * y + xz * z)
        rows[BDY + lane] += bar * (2.0 * yy * y + xy * x + yz * z)
        rows[BDZ + lane] += bar * (2.0 * zz * z + xz * x + yz * y)
        total_xx += bar * x * x
        total_yy += bar * y * y
        total_zz += bar * z * z
        total_xy += bar * x * y
        total_xz += bar * x * z
        total_yz += bar * y * z
    found[source, FORM] += total_xx
    found[source, FORM + 1] += total_yy
    found[source, FORM + 2] += total_zz
    found[source, FORM + 3] += total_xy
    found[source, FORM + 4] += total_xz
    found[source, FORM + 5] += total_yz


@njit(**SUMMED)
def _pull_back_scattering(sources, source, rows, found):
    """From BQX, BQY, BQZ, the cotangents of q = (d - i)/wavelength, to all three."""
    wavelength = sources[source, WAVELENGTH]
    total_x = total_y = total_z = total = 0.0
    for lane in range(LANES):
        x, y, z = rows[BQX + lane], rows[BQY + lane], rows[BQZ + lane]
        total += x * rows[QX + lane] + y * rows[QY + lane] + z * rows[QZ + lane]
        x, y, z = x / wavelength, y / wavelength, z / wavelength
        rows[BDX + lane] += x
        rows[BDY + lane] += y
        rows[BDZ + lane] += z
        total_x += x
        total_y += y
        total_z += z
    found[source, DIRECTION] -= total_x
    found[source, DIRECTION + 1] -= total_y
    found[source, DIRECTION + 2] -= total_z
    found[source, WAVELENGTH] -= total / wavelength


@njit(**EXACT)
def _pull_back_shared(panel, plan, sources, rows, bars):
    """From the factors that one sample of each pixel decides to that sample's rays."""
    if plan.omega_at < 0 and plan.capture_at < 0 and plan.polar_first == 0:
        return
    count = sources.shape[0]
    for sample in range(plan.layers * plan.oversample * plan.oversample):
        with_omega, with_capture = sample == plan.omega_at, sample == plan.capture_at
        with_polar = False
        for lane in range(LANES):
            with_polar |= plan.polar_first != 0 and math.floor(rows[SHARED_WITH + lane] / count) == sample
        if not (with_omega or with_capture or with_polar):
            continue
        cast_rays(panel, plan, sample, rows)
        fill(rows, BDX, BDZ, 0.0)
        if with_polar:
            _pull_back_shared_polarization(sources, sample, rows, bars)
        _pull_back_rays(panel, plan, sample, with_omega, with_capture, rows, bars)


@njit(**EXACT)
def _pull_back_shared_polarization(sources, sample, rows, bars):
    """The polarization of deciding samples: BPOLAR is kept while each source sees only the lanes that it decides."""
    count = sources.shape[0]
    for lane in range(LANES):
        rows[KEPT_BPOLAR + lane] = rows[BPOLAR + lane]
    for source in range(count):
        for lane in range(LANES):
            decides = rows[SHARED_WITH + lane] == sample * count + source
            rows[BPOLAR + lane] = rows[KEPT_BPOLAR + lane] if decides else 0.0
        _pull_back_polarization(sources, source, rows, bars.sources)
    for lane in range(LANES):
        rows[BPOLAR + lane] = rows[KEPT_BPOLAR + lane]


@njit(**SUMMED)
def _pull_back_rays(panel, plan, sample, with_omega, with_capture, rows, bars):
    """From BDX, BDY, BDZ and, where asked, BOMEGA and BCAPTURE of one sample to the panel."""
    fill(rows, BDISTANCE, BDISTANCE, 0.0)
    if with_omega:
        _pull_back_solid_angle(panel.omega_3, panel.omega_2, rows, bars.panel)
    if with_capture and plan.has_sensor:
        _pull_back_capture(panel, plan, sample, rows, bars)
    for lane in range(LANES):
        x, y, z = rows[DX + lane], rows[DY + lane], rows[DZ + lane]
        bx, by, bz, distance = rows[BDX + lane], rows[BDY + lane], rows[BDZ + lane], rows[DISTANCE + lane]
        radial = rows[BDISTANCE + lane] - (bx * x + by * y + bz * z) / distance
        rows[BPOSITION_X + lane] = bx / distance + radial * x
        rows[BPOSITION_Y + lane] = by / distance + radial * y
        rows[BPOSITION_Z + lane] = bz / distance + radial * z
    layer, found = sample // (plan.oversample * plan.oversample), bars.panel
    for axis in range(3):
        row = BPOSITION_X + axis * LANES
        total = fast = slow = 0.0
        for lane in range(LANES):
            total += rows[row + lane]
            fast += rows[row + lane] * rows[SIZE_F + lane]
            slow += rows[row + lane] * rows[SIZE_S + lane]
        found[ORIGIN + axis] += total
        found[ALONG_FAST + axis] += fast
        found[ALONG_SLOW + axis] += slow
        found[NORMAL + axis] += total * layer * panel.layer_step
        found[PIXEL_SIZE] += (fast * panel.fast[axis] + slow * panel.slow[axis]) / panel.pixel_size
        found[LAYER_STEP] += total * layer * panel.normal[axis]


@njit(**SUMMED)
def _pull_back_solid_angle(omega_3, omega_2, rows, found):
    """From BOMEGA to BDISTANCE and to the two strengths."""
    total_3 = total_2 = 0.0
    for lane in range(LANES):
        distance = rows[DISTANCE + lane]
        share = rows[BOMEGA + lane] / (distance * distance)
        total_3 += share / distance
        total_2 += share
        rows[BDISTANCE + lane] -= share * (3.0 * omega_3 / distance + 2.0 * omega_2) / distance
    found[OMEGA_3] += total_3
    found[OMEGA_2] += total_2


@njit(**SUMMED)
def _pull_back_capture(panel, plan, sample, rows, bars):
    """From BCAPTURE to the direction, the normal and the depth."""
    layer = sample // (plan.oversample * plan.oversample)
    nx, ny, nz = panel.normal
    total = total_x = total_y = total_z = 0.0
    for lane in range(LANES):
        x, y, z = rows[DX + lane], rows[DY + lane], rows[DZ + lane]
        cosine = x * nx + y * ny + z * nz
        path = panel.depth / cosine
        slope = (layer + 1) * math.exp(-(layer + 1) * path) - layer * math.exp(-layer * path)
        share = rows[BCAPTURE + lane] * slope / cosine
        along = -share * path
        rows[BDX + lane] += along * nx
        rows[BDY + lane] += along * ny
        rows[BDZ + lane] += along * nz
        total += share
        total_x += along * x
        total_y += along * y
        total_z += along * z
    bars.panel[DEPTH] += total
    bars.panel[NORMAL] += total_x
    bars.panel[NORMAL + 1] += total_y
    bars.panel[NORMAL + 2] += total_z


def _pull_back(rays):
    def pull_back(inputs, positions, grid, cotangent, wanted, bars):
        """Reverse pass of ``image.photons``, in the precision of the cotangents.

        Args:
            inputs: Tables of the scene.
            positions: Positions (n,) of the pixels along the rows of a window.
            grid: Corner (slow, fast) and width of the window.
            cotangent: Cotangents (n,) of the photons.
            wanted: Tables whose cotangents are wanted.
            bars: Cotangents of the tables, which are added to.
        """
        block = new_block(inputs.visits, REVERSE_ROWS, WORK_ROWS, cotangent.dtype)
        rows = block.rows
        panel, plan, sources, visits = inputs.panel, inputs.plan, inputs.sources, inputs.visits
        for start in range(0, len(cotangent), LANES):
            if strip_is_dark(visits, panel, plan, sources, positions, grid, start, block):
                continue
            choose_pixels(positions, grid, start, rows)
            fill(rows, BPIXEL, BPIXEL, 0.0)
            for lane in range(min(LANES, len(cotangent) - start)):
                rows[BPIXEL + lane] = cotangent[start + lane]
            if is_zero(rows, BPIXEL):
                continue
            _pull_back_pixels(inputs, block, rays, wanted, bars)
        release_block(inputs.visits, block)

    return pull_back


#: With cotangents of panel and sources, and without, which leaves code out and compiles in half the time.
pull_back_all, pull_back_crystal = _pull_back(True), _pull_back(False)
