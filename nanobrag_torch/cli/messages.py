"""What the command says on standard output: the lines of the C program, from the records of the models (cli.md, 5).

Every function returns lines; numbers are formatted as ``printf`` formats them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.cli.precedence import SOURCE_DISTANCE, Configuration
from nanobrag_torch.config import CrystalShape
from nanobrag_torch.conventions import DetectorConvention, DetectorPivot
from nanobrag_torch.models.crystal import UnitCell
from nanobrag_torch.models.detector import Geometry
from nanobrag_torch.models.orientation import phi_angles
from nanobrag_torch.physics.safe import unit
from nanobrag_torch.scene import Scene
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.statistics import ImageStatistics
from nanobrag_torch.trace import PixelTrace
from nanobrag_torch.units import AVOGADRO, angstrom_to_m, mm_to_m, um_to_m

BANNER = "nanoBragg nanocrystal diffraction simulator - James Holton and Ken Frankel 5-17-17"

SHAPES = {
    CrystalShape.SQUARE: "parallelpiped",
    CrystalShape.ROUND: "ellipsoidal",
    CrystalShape.GAUSS: "gaussian",
    CrystalShape.TOPHAT: "tophat-spot",
}
PIVOTS = {DetectorPivot.BEAM: "direct beam spot", DetectorPivot.SAMPLE: "sample"}


def opening(conf: Configuration, geometry: Geometry) -> Iterator[str]:
    """From the ingested headers to the choice of interpolation."""
    s = conf.settings
    yield from (f"reading {name}" for name in (s.mask_file, s.image_file) if name is not None)
    yield from conf.notices
    if _redraws_normal(conf):
        yield "WARNING: auto-generating odet_vector"
    yield BANNER
    if s.detector_thick_um > 0 and s.detector_abs_um is None:
        yield f"WARNING: setting detector attenuation depth to {1 / um_to_m(s.detector_thick_um):g} m"
    if conf.mosaic_notice:
        yield conf.mosaic_notice
    yield f"{s.convention.value} convention selected."
    yield f"pivoting detector around {PIVOTS[geometry.pivot]}"
    axes = torch.stack([geometry.fast, geometry.slow, geometry.normal])
    yield f"XDS incident beam: {_g((axes @ geometry.beam).tolist())}"
    if s.interpolate is None:
        kind = "tricubic interpolation of structure factors" if conf.crystal.interpolate else "no interpolation"
        yield f"auto-selected {kind}"


def _redraws_normal(conf: Configuration) -> bool:
    """Whether a given normal is replaced by fast x slow: C does it where its length is not exactly 1 [B18]."""
    normal = conf.settings.odet_vector
    custom = conf.settings.convention is DetectorConvention.CUSTOM
    return custom and normal is not None and conf.compat.odet_rule == "c" and math.hypot(*normal) != 1.0


def crystal(conf: Configuration, cell: UnitCell, simulator: Simulator, geometry: Geometry) -> Iterator[str]:
    """From the orientation matrix to the molecular weight."""
    s = conf.settings
    if s.matrix_file is not None:
        yield f"reading {s.matrix_file}"
    if s.misset_random:
        yield "random orientation misset angles: {:f} {:f} {:f} deg".format(*torch.rad2deg(cell.misset).tolist())
    direct, stars = cell.direct.cpu().numpy(), cell.stars.cpu().numpy()
    volume = float(cell.volume)
    yield f"Unit Cell: {_g(cell_parameters(direct, stars, volume))}"
    yield f"Recp Cell: {_g(cell_parameters(stars, direct, 1 / volume))}"
    yield f"volume = {volume:g} A^3"
    yield "real-space cell vectors (Angstrom):"
    yield from vectors(direct, ("a", "b", "c"))
    yield "reciprocal-space cell vectors (Angstrom^-1):"
    yield from vectors(stars, ("a_star", "b_star", "c_star"))
    cells = [float(number) for number in conf.crystal.N_cells]
    sizes = [float(np.linalg.norm(edge)) * number for edge, number in zip(direct, cells, strict=True)]
    yield "crystal is {:g} x {:g} x {:g} microns".format(*(size * 1e-4 for size in sizes))
    yield from oversampling(conf, simulator, geometry, max(sizes))
    weight = math.prod(angstrom_to_m(size) for size in sizes) * 1.2e6 * AVOGADRO / math.prod(cells)
    yield f"approximate MW = {weight:g}"


def oversampling(conf: Configuration, simulator: Simulator, geometry: Geometry, size_A: float) -> Iterator[str]:
    """The chosen number of sub-pixels, or a warning where it is too small."""
    recommended = simulator.recommended_oversample(geometry)
    if conf.settings.oversample <= 0:
        yield f"auto-selected {recommended}-fold oversampling"
    elif conf.settings.oversample < recommended:
        pixel = mm_to_m(conf.settings.pixel_size_mm)
        resolution = conf.settings.wavelength_A * float(geometry.distance) / pixel
        yield f"WARNING: maximum dimension of sample is {size_A:g} A"
        yield f"         but reciprocal pixel size is {resolution:g} A"
        yield "         intensity may vary significantly across a pixel!"
        yield f"         recommend -oversample {recommended} to work around this"


def sampling(conf: Configuration, simulator: Simulator, scene: Scene, geometry: Geometry) -> Iterator[str]:
    """Every layer, phi step, direction, wavelength and source."""
    panel = scene.panel
    for layer in range(panel.layers):
        yield f"thick{layer} = {float(panel.layer_step) * layer * 1e6:g} um"
    for step, phi in enumerate(torch.rad2deg(phi_angles(conf.crystal, panel.origin.device)).tolist()):
        yield f"phi{step} = {phi:g}"
    horizontal, vertical = simulator.beam.divergence_angles()
    dispersion = simulator.beam.divergence().dispersion
    if conf.sources is None:
        for h, v in zip(horizontal.tolist(), vertical.tolist(), strict=True):
            yield f"divergence deviation: {h:g} {v:g}"
        for index, wavelength in enumerate(scene.sources.wavelengths[: dispersion.count].tolist()):
            yield f"lambda{index} = {wavelength:.15g}"
    yield f"  created a total of {scene.sources.count} sources:"
    positions, weights = _source_positions(conf, scene, geometry, horizontal, vertical)
    for position, weight, wavelength in zip(positions, weights, scene.sources.wavelengths.tolist(), strict=True):
        yield f"{_g(position)}   {weight:g} {wavelength:g}"
    yield f"  created a total of {conf.crystal.mosaic_domains} mosaic domains"


def _source_positions(
    conf: Configuration, scene: Scene, geometry: Geometry, horizontal: Tensor, vertical: Tensor
) -> tuple[Sequence[Sequence[float]], Sequence[float]]:
    """Positions in metres and weights of the sources: as listed, or on a sphere around the crystal."""
    if conf.sources is not None:
        return conf.sources.positions.tolist(), conf.sources.weights.tolist()
    upstream = [-SOURCE_DISTANCE * component for component in geometry.beam.tolist()]
    across = scene.polarization.axis.tolist()
    upright = unit(torch.linalg.cross(geometry.beam, scene.polarization.axis)).tolist()
    turned = [
        _turned(_turned(upstream, across, v), upright, h)
        for h, v in zip(horizontal.tolist(), vertical.tolist(), strict=True)
    ]
    count = scene.sources.count
    return [position for position in turned for _ in range(count // len(turned))], [1 / count] * count


def _turned(vector: Sequence[float], axis: Sequence[float], angle: float) -> list[float]:
    """Rodrigues' rotation in the C program's order of operations, so that a zero is printed with its sign."""
    (x, y, z), (u, v, w) = vector, axis
    cosine, sine = math.cos(angle), math.sin(angle)
    along = (u * x + v * y + w * z) * (1.0 - cosine)
    return [
        u * along + x * cosine + (-w * y + v * z) * sine,
        v * along + y * cosine + (w * x - u * z) * sine,
        w * along + z * cosine + (-v * x + u * y) * sine,
    ]


def parameters(
    conf: Configuration, scene: Scene, geometry: Geometry, divergence, hkls: int, directions: int
) -> Iterator[str]:
    """The table of everything that is simulated."""
    s, panel = conf.settings, scene.panel
    pixel = mm_to_m(s.pixel_size_mm)
    yield f"  {hkls} initialized hkls (all others ={s.default_F:g})"
    yield "  {} xtal: {:.0f}x{:.0f}x{:.0f} cells".format(SHAPES[s.shape], *map(float, conf.crystal.N_cells))
    spread = divergence.dispersion
    yield f"  wave={angstrom_to_m(s.wavelength_A):g} meters +/- {spread.range * 100:g}% in {spread.count} steps"
    if s.nopolar:
        yield "  polarization effect disabled"
    else:
        yield f"  Kahn polarization factor: {s.polarization_factor:f}"
    if s.curved_detector:
        yield "  curved detector: all pixels same distance from origin"
    if s.point_pixel:
        yield "  pixel obliquity effect disabled"
    yield f"  incident fluence: {float(scene.fluence):g} photons/m^2"
    fast_size, slow_size = (mm_to_m(length) for length in conf.detector_size)
    yield (
        f"  distance={float(geometry.distance):g} detsize={fast_size:g}x{slow_size:g}  pixel={pixel:g} meters "
        f"({conf.detector.fpixels}x{conf.detector.spixels} pixels)"
    )
    thickness = um_to_m(s.detector_thick_um) if panel.has_sensor else 0.0
    yield f"  sensor is {thickness:g} m thick in {panel.layers} layers with mu= {_attenuation(conf):g}"
    yield "  Xbeam={:g} Ybeam={:g}".format(*map(mm_to_m, conf.beam_center))
    yield f"  Fbeam={float(geometry.beam_f):g} Sbeam={float(geometry.beam_s):g}"
    yield "  Xclose={:g} Yclose={:g}".format(*map(mm_to_m, conf.near_point))
    yield f"  Fclose={float(geometry.close_f):g} Sclose={float(geometry.close_s):g}"
    yield f"  DIRECTION_OF_DETECTOR_X-AXIS= {_g(geometry.fast.tolist())}"
    yield f"  DIRECTION_OF_DETECTOR_Y-AXIS= {_g(geometry.slow.tolist())}"
    yield f"  DIRECTION_OF_DETECTOR_Z-AXIS= {_g(geometry.normal.tolist())}"
    yield f"  INCIDENT_BEAM_DIRECTION= {_g(geometry.beam.tolist())}"
    spindle = geometry.spindle if conf.crystal.spindle_axis is None else _unit(conf.crystal.spindle_axis)
    yield f"  spindle ROTATION_AXIS= {_g(spindle.tolist())}"
    plane_normal = unit(torch.linalg.cross(geometry.beam, scene.polarization.axis))
    yield f"  POLARIZATION_PLANE_NORMAL= {_g(plane_normal.tolist())}"
    yield f"  dials origin= {_g(dials_origin(geometry))}"
    xmin, xmax, ymin, ymax = conf.roi
    yield f"  roi: {xmin} < x < {xmax} && {ymin} < y < {ymax}"
    yield f"  hdivrange={divergence.horizontal.range:g} hdivstep={divergence.horizontal.step:g}  radians"
    yield f"  vdivrange={divergence.vertical.range:g} vdivstep={divergence.vertical.step:g}  radians"
    yield f"  {directions} divergence steps"
    yield f"  {scene.sources.count} sources"
    c = conf.crystal
    yield f"  {c.mosaic_domains} mosaic domains over mosaic spread of {float(c.mosaic_spread_deg):g} degrees"
    phi, osc = float(c.phi_start_deg), float(c.osc_range_deg)
    yield f"  {c.phi_steps} phi steps from {phi:g} to {phi + osc:g} degrees"
    flags = (("thick", s.oversample_thick), ("polar", s.oversample_polar), ("omega", s.oversample_omega))
    extra = "".join(f" +{name}" for name, on in flags if on)
    yield f"  {panel.oversample}x{panel.oversample} pixel oversample steps{extra}"
    if s.mask_file is not None:
        yield f"  skipping zero-flagged pixels in {s.mask_file}"
    if s.write_noise:
        yield ""
        yield "  noise image paramters:"
        yield f"  seed: {-(conf.noise.seed or 0)}"
        yield f"  water droplet size: {um_to_m(s.water_size_um):g} m"


def _attenuation(conf: Configuration) -> float:
    """1/m, as C prints it: -1 where there is none, 0 for an infinite depth."""
    s = conf.settings
    if s.detector_abs_um is not None:
        mu = 1 / um_to_m(s.detector_abs_um)
        return mu if mu > 1e-20 else 0.0
    return 1 / um_to_m(s.detector_thick_um) if s.detector_thick_um > 0 else -1.0


def statistics(found: ImageStatistics) -> Iterator[str]:
    """The two lines on the image itself."""
    yield f"max_I = {found.max_I:g}  at {found.max_I_subpixel_fast:g} {found.max_I_subpixel_slow:g}"
    yield f"mean= {found.mean:g} rms= {found.RMS:g} rmsd= {found.RMSD:g}"


def solid_angle(steradian: float) -> str:
    """The line on the detector's solid angle."""
    return f"solid angle subtended by detector = {steradian:g} steradian ( {100 * steradian / (4 * math.pi):g}% sphere)"


def pixel(trace: PixelTrace, value: float, conf: Configuration) -> Iterator[str]:
    """One pixel of the image, as -printout shows it: the last sample, and what became of the pixel."""
    x, y, z = trace.position
    stol = math.sin(0.5 * math.atan2(math.hypot(y, z), x)) / conf.settings.wavelength_A
    scale = float(trace.scene.photons_per_intensity)
    once = math.prod(
        factor
        for name, factor in (("capture", trace.capture), ("polar", trace.polar), ("omega", trace.omega))
        if name not in trace.scene.weighing.running
    )
    per_step = value / (scale * trace.scene.steps * once) if once else 0.0
    yield f"{trace.fast:4d} {trace.slow:4d} : stol = {trace.stol:g} or {stol:g}"
    yield f"at {_g((x, y, z))}"
    h, k, l = trace.hkl0
    yield "hkl= {:f} {:f} {:f}".format(*trace.hkl) + f"  hkl0= {h} {k} {l}"
    yield f" F_cell={trace.F_cell:g}  F_latt={trace.F_latt:g}   I = {per_step * trace.scene.steps:g}"
    for name, number in (
        ("I/steps", per_step),
        ("polar", trace.polar),
        ("omega", trace.omega),
        ("capfrac", trace.capture),
        ("pixel", float(np.float32(value))),
    ):
        yield f"{name:<7} {number:15.10g}"
    yield "real-space cell vectors (Angstrom):"
    yield from vectors(trace.direct_vectors.cpu().numpy(), ("a", "b", "c"))


def vectors(rows: np.ndarray, names: Sequence[str]) -> Iterator[str]:
    """Three vectors as columns under their names."""
    yield "     " + "  ".join(f"{name:<10}" for name in names)
    for axis, components in zip("XYZ", rows.T, strict=True):
        yield f"{axis}: " + " ".join(f"{component:11.8f}" for component in components)


def cell_parameters(rows: np.ndarray, duals: np.ndarray, volume: float) -> list[float]:
    """Lengths and angles (degrees) of a cell from its vectors and those of its dual, by C's formula."""
    lengths, dual_lengths = np.linalg.norm(rows, axis=1), np.linalg.norm(duals, axis=1)
    angles = []
    for i in range(3):
        j, k = (i + 1) % 3, (i + 2) % 3
        area = lengths[j] * lengths[k]
        sine, cosine = np.clip((dual_lengths[i] * volume / area, rows[j] @ rows[k] / area), -1.0, 1.0)
        angles.append(math.degrees(math.atan2(sine, cosine)))
    return [*lengths.tolist(), *angles]


def dials_origin(geometry: Geometry) -> tuple[float, float, float]:
    """The first pixel in the frame of DIALS, in mm."""
    x, y, z = (1000.0 * value for value in geometry.origin.tolist())
    return z, y, -x


def _g(values) -> str:
    return " ".join(f"{value:g}" for value in values)


def _unit(values) -> Tensor:
    return unit(torch.tensor([float(value) for value in values], dtype=torch.float64))


def configuration(conf: Configuration) -> Iterator[str]:
    """Every field of the resolved configs, one a line."""
    for title, record in (
        ("crystal", conf.crystal),
        ("detector", conf.detector),
        ("beam", conf.beam),
        ("noise", conf.noise),
        ("compat", conf.compat),
    ):
        for item in fields(record):
            value = getattr(record, item.name)
            if isinstance(value, Tensor):
                value = value.tolist() if value.numel() <= 9 else f"tensor of shape {tuple(value.shape)}"
            yield f"  {title}.{item.name} = {getattr(value, 'value', value)}"


def trace(found: PixelTrace) -> Iterator[str]:
    """Every intermediate quantity of one pixel, one a line: the vectors, then each sample's factors."""
    panel, lattice = found.scene.panel, found.scene.lattice
    yield f"TRACE pixel slow= {found.slow} fast= {found.fast}"
    for name in ("origin", "fast", "slow", "normal", "beam"):
        yield f"TRACE {name} {_full(getattr(panel, name).tolist())}"
    for name in "abc":
        for orientation, edge in enumerate(getattr(lattice, name).reshape(-1, 3).tolist()):
            yield f"TRACE {name}[{orientation}] {_full(edge)}"
    yield f"TRACE steps {found.scene.steps}"
    for item in fields(found.samples):
        values = getattr(found.samples, item.name)[0].to(torch.float64)
        width = 3 if item.name in ("position", "q") else 1
        for index, row in enumerate(values.reshape(-1, width).tolist()):
            yield f"TRACE {item.name}[{index}] {_full(row)}"
    for name in ("polar", "omega", "capture", "photons"):
        yield f"TRACE {name} {_full([getattr(found, name)])}"


def _full(values: Sequence[float]) -> str:
    return " ".join(f"{value:.15g}" for value in values)
