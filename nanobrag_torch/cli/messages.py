"""Lines of the C program on standard output, from the records of the models.

Every function returns lines; numbers are formatted as ``printf`` formats them.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch.cli.flags import BANNER
from nanobrag_torch.cli.precedence import SOURCE_DISTANCE, Configuration
from nanobrag_torch.cli.prepare import Prepared
from nanobrag_torch.config import CrystalShape
from nanobrag_torch.conventions import DetectorConvention, DetectorPivot
from nanobrag_torch.models.detector import Geometry
from nanobrag_torch.models.orientation import phi_angles
from nanobrag_torch.physics.safe import unit
from nanobrag_torch.statistics import ImageStatistics
from nanobrag_torch.units import AVOGADRO, angstrom_to_m, m_to_mm, mm_to_m, um_to_m

SHAPES = {
    CrystalShape.SQUARE: "parallelpiped",
    CrystalShape.ROUND: "ellipsoidal",
    CrystalShape.GAUSS: "gaussian",
    CrystalShape.TOPHAT: "tophat-spot",
    CrystalShape.GAUSS_STAR: "gaussian-star",
}
PIVOTS = {DetectorPivot.BEAM: "direct beam spot", DetectorPivot.SAMPLE: "sample"}


def report(run: Prepared) -> Iterator[str]:
    """All lines up to the first pixel; C has none for several panels, of which there are fewer."""
    flat = (_opening, _crystal, _structure_factors, _sampling, _crystal_and_beam, _detector, _counts)
    for section in flat if run.conf.panels is None else (_experiment,):
        yield from section(run)


def _experiment(run: Prepared) -> Iterator[str]:
    """Panels of an experiment file, cell and sweep."""
    s, crystal, panels = run.settings, run.conf.crystal, run.conf.panels
    assert panels is not None
    shape = f"{panels.fpixels} x {panels.spixels} pixels"
    yield f"experiment of {s.experiment_file}: {len(tuple(panels.panels))} panels, raw image {shape}"
    edges = " x ".join(f"{edge:g}" for edge in torch.linalg.vector_norm(run.cell.direct, dim=-1).tolist())
    cells = "x".join(f"{float(count):g}" for count in crystal.N_cells)
    yield f"wavelength {s.wavelength_A:g} A, crystal {edges} A, {cells} cells"
    yield f"phi {s.phi_deg:g} deg, range {float(crystal.osc_range_deg):g} deg in {crystal.phi_steps} steps"
    oversample = run.scene.panel.oversample
    yield f"{run.scene.sources.count} sources, {oversample}x{oversample} sub-pixels, {run.hkls} structure factors"


def _opening(run: Prepared) -> Iterator[str]:
    """Lines from the ingested headers to the choice of interpolation."""
    conf, geometry, s = run.conf, run.geometry, run.settings
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
    """True where fast x slow replaces a given normal: C does it where its length is not exactly 1 [B18]."""
    normal = conf.settings.odet_vector
    custom = conf.settings.convention is DetectorConvention.CUSTOM
    return custom and normal is not None and conf.compat.odet_rule == "c" and math.hypot(*normal) != 1.0


def _crystal(run: Prepared) -> Iterator[str]:
    """Lines from the orientation matrix to the molecular weight."""
    s, cell = run.settings, run.cell
    if s.matrix_file is not None:
        yield f"reading {s.matrix_file}"
    elif run.conf.structure is not None and run.conf.structure.has_cell and s.cell is None:
        yield f"{'orientation and unit cell' if s.hkl_orientation else 'unit cell'} from {s.hkl_file}"
    elif s.hkl_orientation:
        yield f"orientation from {s.hkl_file}"
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
    cells = [float(number) for number in run.conf.crystal.N_cells]
    sizes = [float(np.linalg.norm(edge)) * number for edge, number in zip(direct, cells, strict=True)]
    yield "crystal is {:g} x {:g} x {:g} microns".format(*(size * 1e-4 for size in sizes))
    yield from _oversampling(run, max(sizes))
    weight = math.prod(angstrom_to_m(size) for size in sizes) * 1.2e6 * AVOGADRO / math.prod(cells)
    yield f"approximate MW = {weight:g}"


def _oversampling(run: Prepared, size_A: float) -> Iterator[str]:
    """The chosen number of sub-pixels, or a warning where it is too small."""
    s = run.settings
    recommended = run.simulator.recommended_oversample(run.geometry)
    if s.oversample <= 0:
        yield f"auto-selected {recommended}-fold oversampling"
    elif s.oversample < recommended:
        resolution = s.wavelength_A * float(run.geometry.distance) / mm_to_m(s.pixel_size_mm)
        yield f"WARNING: maximum dimension of sample is {size_A:g} A"
        yield f"         but reciprocal pixel size is {resolution:g} A"
        yield "         intensity may vary significantly across a pixel!"
        yield f"         recommend -oversample {recommended} to work around this"


def _structure_factors(run: Prepared) -> Iterator[str]:
    """Lines on the files that the structure factors came from."""
    s = run.settings
    structure = run.conf.structure
    if structure is not None and structure.has_cell:
        columns = f", columns {' '.join(structure.factors.columns)}" if structure.factors.columns else ""
        yield f"reading {s.hkl_file}: {structure.kind}{columns}, {structure.factors.space_group}"
        if s.anomalous or s.anomalous_table is not None:
            source = s.anomalous_table or f"Cromer and Liberman at {s.wavelength_A:g} A"
            yield f"anomalous scattering, f' and f'' of {source}"
        yield f"amplitudes to {structure.dmin:g} A, all others ={s.default_F:g}"
    elif s.hkl_file is not None:
        yield f"counting entries in {s.hkl_file}"
        if s.default_F != 0:
            yield f"initializing to default_F = {s.default_F:g}:"
            yield "done initializing:"
        yield f"re-reading {s.hkl_file}"
    if s.hkl_file is not None and s.use_dump:
        yield f"writing dump file for next time: {s.dump_file}"
    elif run.conf.reads_dump:
        yield f"reading Fs from {s.dump_file}"
    if s.stol_file is not None:
        yield f"reading {s.stol_file}"


def _sampling(run: Prepared) -> Iterator[str]:
    """Lines for every layer, phi step, direction, wavelength and source."""
    conf, scene, panel = run.conf, run.scene, run.scene.panel
    for layer in range(panel.layers):
        yield f"thick{layer} = {float(panel.layer_step) * layer * 1e6:g} um"
    for step, phi in enumerate(torch.rad2deg(phi_angles(conf.crystal, panel.origin.device)).tolist()):
        yield f"phi{step} = {phi:g}"
    if conf.spectrum is not None:
        named = {"header": "as its header says", "size": "by their size"}[conf.spectrum.evidence]
        kind = {"eV": "energies in eV", "A": "wavelengths in A"}[conf.spectrum.unit]
        yield f"reading {run.settings.spectrum_file}: {len(conf.spectrum.weights)} {kind}, {named}"
    if conf.sources is None:
        for h, v in _divergence_angles(run):
            yield f"divergence deviation: {h:g} {v:g}"
        for index, wavelength in enumerate(scene.sources.wavelengths[: run.divergence.dispersion.count].tolist()):
            yield f"lambda{index} = {wavelength:.15g}"
    yield f"  created a total of {scene.sources.count} sources:"
    positions, weights = _source_positions(run)
    for position, weight, wavelength in zip(positions, weights, scene.sources.wavelengths.tolist(), strict=True):
        yield f"{_g(position)}   {weight:g} {wavelength:g}"
    yield f"  created a total of {conf.crystal.mosaic_domains} mosaic domains"


def _divergence_angles(run: Prepared) -> list[tuple[float, float]]:
    """(horizontal, vertical) deviation in radians of every direction from which beams come."""
    horizontal, vertical = run.simulator.beam.divergence_angles(run.divergence)
    return list(zip(horizontal.tolist(), vertical.tolist(), strict=True))


def _source_positions(run: Prepared) -> tuple[Sequence[Sequence[float]], Sequence[float]]:
    """Positions in metres and weights of the sources: as listed, or on a sphere around the crystal."""
    if run.conf.sources is not None:
        return run.conf.sources.positions.tolist(), run.conf.sources.weights.tolist()
    beam, axis = run.geometry.beam, run.scene.polarization.axis
    upstream = [-SOURCE_DISTANCE * component for component in beam.tolist()]
    across, upright = axis.tolist(), unit(torch.linalg.cross(beam, axis)).tolist()
    turned = [_turned(_turned(upstream, across, v), upright, h) for h, v in _divergence_angles(run)]
    sources = run.scene.sources
    positions = [position for position in turned for _ in range(sources.count // len(turned))]
    return positions, (sources.weights / sources.count).tolist()


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


def _crystal_and_beam(run: Prepared) -> Iterator[str]:
    """Size and shape of the crystal, spectrum, polarization and fluence."""
    s, spread = run.settings, run.divergence.dispersion
    yield f"  {run.hkls} initialized hkls (all others ={s.default_F:g})"
    yield "  {} xtal: {:.0f}x{:.0f}x{:.0f} cells".format(SHAPES[s.shape], *map(float, run.conf.crystal.N_cells))
    if any(s.N_offdiagonal):
        yield "  domain matrix with Nd={:g} Ne={:g} Nf={:g} cells".format(*s.N_offdiagonal)
    yield f"  wave={angstrom_to_m(s.wavelength_A):g} meters +/- {spread.range * 100:g}% in {spread.count} steps"
    if s.nopolar:
        yield "  polarization effect disabled"
    else:
        yield f"  Kahn polarization factor: {s.polarization_factor:f}"
    if s.curved_detector:
        yield "  curved detector: all pixels same distance from origin"
    if s.point_pixel:
        yield "  pixel obliquity effect disabled"
    yield f"  incident fluence: {float(run.scene.fluence):g} photons/m^2"


def _detector(run: Prepared) -> Iterator[str]:
    """Size, place and orientation of the detector, and the directions of everything else."""
    conf, geometry, panel, s = run.conf, run.geometry, run.scene.panel, run.settings
    fast_size, slow_size = (mm_to_m(length) for length in conf.camera.size)
    yield (
        f"  distance={float(geometry.distance):g} detsize={fast_size:g}x{slow_size:g}  "
        f"pixel={mm_to_m(s.pixel_size_mm):g} meters ({conf.detector.fpixels}x{conf.detector.spixels} pixels)"
    )
    thickness = um_to_m(s.detector_thick_um) if panel.has_sensor else 0.0
    yield f"  sensor is {thickness:g} m thick in {panel.layers} layers with mu= {_attenuation(conf):g}"
    yield "  Xbeam={:g} Ybeam={:g}".format(*map(mm_to_m, conf.camera.beam_center))
    yield f"  Fbeam={float(geometry.beam_f):g} Sbeam={float(geometry.beam_s):g}"
    yield "  Xclose={:g} Yclose={:g}".format(*map(mm_to_m, conf.camera.near_point))
    yield f"  Fclose={float(geometry.close_f):g} Sclose={float(geometry.close_s):g}"
    polarization, spindle = run.scene.polarization.axis, conf.crystal.spindle_axis
    for name, direction in (
        ("DIRECTION_OF_DETECTOR_X-AXIS", geometry.fast),
        ("DIRECTION_OF_DETECTOR_Y-AXIS", geometry.slow),
        ("DIRECTION_OF_DETECTOR_Z-AXIS", geometry.normal),
        ("INCIDENT_BEAM_DIRECTION", geometry.beam),
        ("spindle ROTATION_AXIS", geometry.spindle if spindle is None else _direction(spindle)),
        ("POLARIZATION_PLANE_NORMAL", unit(torch.linalg.cross(geometry.beam, polarization))),
    ):
        yield f"  {name}= {_g(direction.tolist())}"
    yield f"  dials origin= {_g(dials_origin(geometry))}"


def _counts(run: Prepared) -> Iterator[str]:
    """Numbers of rendered pixels and of steps, and the noise."""
    conf, s, c = run.conf, run.settings, run.conf.crystal
    horizontal, vertical = run.divergence.horizontal, run.divergence.vertical
    yield "  roi: {} < x < {} && {} < y < {}".format(*conf.roi)
    yield f"  hdivrange={horizontal.range:g} hdivstep={horizontal.step:g}  radians"
    yield f"  vdivrange={vertical.range:g} vdivstep={vertical.step:g}  radians"
    yield f"  {-1 if conf.sources is not None else len(_divergence_angles(run))} divergence steps"
    yield f"  {run.scene.sources.count} sources"
    if s.mosaic_eta_deg is None:
        yield f"  {c.mosaic_domains} mosaic domains over mosaic spread of {float(c.mosaic_spread_deg):g} degrees"
    else:
        widths = _g(s.mosaic_eta_deg)
        yield f"  {c.mosaic_domains} mosaic domains with a standard deviation of {widths} degrees about each axis"
    phi, osc = float(c.phi_start_deg), float(c.osc_range_deg)
    yield f"  {c.phi_steps} phi steps from {phi:g} to {phi + osc:g} degrees"
    flags = (("thick", s.oversample_thick), ("polar", s.oversample_polar), ("omega", s.oversample_omega))
    extra = "".join(f" +{name}" for name, on in flags if on)
    yield f"  {run.scene.panel.oversample}x{run.scene.panel.oversample} pixel oversample steps{extra}"
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


def statistics(found: ImageStatistics, of_panels: bool = False) -> Iterator[str]:
    """The two lines on the image itself; of several panels the brightest pixel is counted in the raw image."""
    place = f"{found.max_I_subpixel_fast:g} {found.max_I_subpixel_slow:g}"
    pixel = f"pixel (fast {found.max_I_fast}, slow {found.max_I_slow}) of the raw image"
    yield f"max_I = {found.max_I:g}  at {pixel if of_panels else place}"
    yield f"mean= {found.mean:g} rms= {found.RMS:g} rmsd= {found.RMSD:g}"


def solid_angle(steradian: float) -> str:
    """The line on the detector's solid angle."""
    return f"solid angle subtended by detector = {steradian:g} steradian ( {100 * steradian / (4 * math.pi):g}% sphere)"


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
    x, y, z = (m_to_mm(value) for value in geometry.origin.tolist())
    return z, y, -x


def _g(values: Iterable[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _direction(values: Iterable[Any]) -> Tensor:
    return unit(torch.tensor([float(value) for value in values], dtype=torch.float64))
