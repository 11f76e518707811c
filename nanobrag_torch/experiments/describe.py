"""Configs made into the descriptions that other programs read."""

import numpy as np
from torch import Tensor

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.io.description import (
    BeamDescription,
    CrystalDescription,
    Description,
    GoniometerDescription,
    GroupDescription,
    PanelDescription,
    ScanDescription,
)
from nanobrag_torch.io.frames import about, as_vector
from nanobrag_torch.models import Detector
from nanobrag_torch.models.as_tensor import vector
from nanobrag_torch.models.beam import Beam
from nanobrag_torch.models.detector import Geometry
from nanobrag_torch.models.panels import PanelledDetector, PanelledGeometry
from nanobrag_torch.models.unit_cell import unit_cell_of
from nanobrag_torch.panels import PanelledDetectorConfig
from nanobrag_torch.units import m_to_mm
from nanobrag_torch.validation import fail, number_of


def describe(
    crystal: CrystalConfig | None,
    detector: DetectorConfig | PanelledDetectorConfig,
    beam: BeamConfig,
    *,
    images: int = 1,
    frame: str | None = None,
    identifier: str = "",
    compat: str | Compat = "physical",
) -> Description:
    """Configs as other programs read them.

    Args:
        crystal: Crystal with its sweep in phi, without its numbers of cells; None describes beam and detector alone.
        detector: Detector, in any convention.
        beam: Beam.
        images: Images of the scan, each as wide as the sweep of the crystal.
        frame: Frame that the vectors of the configs are in, "imgCIF" or "McStas", as those of a file are; None turns
            the laboratory of the detector convention to imgCIF's: z against the beam, x along the spindle.
        identifier: Name of the experiment.
        compat: Mode that the images are made in, where C places detector or crystal elsewhere.

    Raises:
        ValueError: A config describes nothing that can be, or has what no description can hold.
    """
    mode = Compat.of(compat)
    place, panels, groups = _detector(detector, mode)
    spindle = place.spindle
    if crystal is not None and crystal.spindle_axis is not None:
        spindle = vector(crystal.spindle_axis, spindle.device)
    spindle = spindle / spindle.norm()
    turns = crystal is not None and number_of(crystal.osc_range_deg) != 0
    found = Description(
        frame=frame or "imgCIF",
        beam=_beam(beam, place),
        panels=panels,
        groups=groups,
        goniometer=GoniometerDescription(axes=(_vector(spindle),)) if turns else None,
        scan=_scan(crystal, beam, images),
        crystal=None if crystal is None else _crystal(crystal, mode, spindle, turns),
        identifier=identifier,
    )
    return found if frame is not None else found.turned(_to_imgcif(place.beam, spindle), "imgCIF")


def _to_imgcif(beam: Tensor, spindle: Tensor) -> np.ndarray:
    """Rotation (3, 3) from the laboratory to imgCIF's frame."""
    z = -np.array(_vector(beam))
    across = np.array(_vector(spindle))
    across = across - (across @ z) * z
    if np.linalg.norm(across) < 1e-6:  # a spindle along the beam leaves x free
        across = np.eye(3)[int(np.argmin(np.abs(z)))]
        across = across - (across @ z) * z
    x = across / np.linalg.norm(across)
    return np.array([x, np.cross(z, x), z])


def _detector(
    config: DetectorConfig | PanelledDetectorConfig, mode: Compat
) -> tuple[Geometry | PanelledGeometry, tuple[PanelDescription, ...], tuple[GroupDescription, ...]]:
    if isinstance(config, DetectorConfig):
        return _flat(config, mode)
    place = PanelledDetector(config).geometry(mode)
    groups: list[GroupDescription] = []
    waiting = list(config.groups)
    while waiting:  # parents before children
        group = next(each for each in waiting if each.parent in (None, *(done.name for done in groups)))
        waiting.remove(group)
        fast, slow = (_unit(axis) for axis in (group.fast, group.slow))
        groups.append(GroupDescription(group.name, group.parent or "", _mm(group.pivot_mm), fast, slow))
    panels = []
    (ymin, ymax), (xmin, xmax) = config.roi()
    for panel, at, slab in zip(config.panels, place.panels, config.slabs(), strict=True):
        along_fast, along_slow = at.edges.tolist()
        depth = number_of(panel.thick_um if panel.abs_um is None else panel.abs_um) or 0.0
        thickness = number_of(panel.thick_um) or 0.0
        sensor = thickness > 0 and depth > 0
        panels.append(
            PanelDescription(
                name=panel.name,
                size=(panel.fpixels, panel.spixels),
                pixel_mm=(m_to_mm(along_fast), m_to_mm(along_slow)),
                origin_mm=_vector(m_to_mm(at.origin)),
                fast=_vector(at.fast),
                slow=_vector(at.slow),
                group=panel.group or "",
                thickness_mm=thickness / 1e3,
                material=panel.material,
                absorption_per_mm=1e3 / depth if sensor else 0.0,
                parallax=sensor and panel.thicksteps != 1,
                trusted=panel.trusted_range,
                gain=panel.gain,
                pedestal=panel.pedestal,
                bad=_outside(
                    (panel.fpixels, panel.spixels),
                    (xmin - slab.fast, xmax - slab.fast),
                    (ymin - slab.slow, ymax - slab.slow),
                ),
                mask=None if panel.mask_array is None else panel.mask_array.detach().cpu().numpy() != 0,
                slab=panel.raw_offset,
            )
        )
    return place, tuple(panels), tuple(groups)


def _flat(
    config: DetectorConfig, mode: Compat
) -> tuple[Geometry, tuple[PanelDescription, ...], tuple[GroupDescription, ...]]:
    if config.curved_detector:
        raise fail("DetectorConfig", "curved_detector", True, "False: other programs know flat panels", "Leave it out.")
    place = Detector(config).geometry(mode)
    depth = number_of(config.detector_thick_um if config.detector_abs_um is None else config.detector_abs_um) or 0.0
    thickness = number_of(config.detector_thick_um) or 0.0
    sensor = thickness > 0 and depth > 0
    pixel = number_of(config.pixel_size_mm) or 0.0
    slow, fast = config.roi()
    width, height = config.fpixels, config.spixels
    panel = PanelDescription(
        name="panel",
        size=(width, height),
        pixel_mm=(pixel, pixel),
        origin_mm=_vector(m_to_mm(place.origin)),
        fast=_vector(place.fast),
        slow=_vector(place.slow),
        thickness_mm=thickness / 1e3,
        material="Si" if sensor else "",
        absorption_per_mm=1e3 / depth if sensor else 0.0,
        parallax=sensor and config.detector_thicksteps != 1,
        bad=_outside((width, height), fast, slow),
        mask=None if config.mask_array is None else config.mask_array.detach().cpu().numpy() != 0,
        slab=(0, 0),
    )
    return place, (panel,), ()


def _outside(
    size: tuple[int, int], fast: tuple[int, int], slow: tuple[int, int]
) -> tuple[tuple[int, int, int, int], ...]:
    """Rectangles (fast, slow, fast end, slow end) of a panel of that size outside a region of interest.

    ``fast`` and ``slow`` are the first and the last pixel of the region, which may lie beyond the panel.
    """
    width, height = size
    xmin, ymin = (max(0, low) for low in (fast[0], slow[0]))
    xmax, ymax = min(width - 1, fast[1]), min(height - 1, slow[1])
    if xmin > xmax or ymin > ymax:
        return ((0, 0, width, height),)
    strips = ((0, 0, width, ymin), (0, ymax + 1, width, height), (0, ymin, xmin, ymax + 1),
              (xmax + 1, ymin, width, ymax + 1))  # fmt: skip
    return tuple(strip for strip in strips if strip[0] < strip[2] and strip[1] < strip[3])


def _beam(config: BeamConfig, place: Geometry | PanelledGeometry) -> BeamDescription:
    if config.source_directions is not None or config.source_wavelengths is not None:
        remedy = "Describe the beam by wavelength, spectrum and divergence."
        raise fail("BeamConfig", "source_directions", "a list of sources", "None: other programs know no list", remedy)
    wave = number_of(config.central_wavelength())
    spectrum = None
    if config.spectrum is not None:
        waves, weights = (tuple(each.detach().cpu().double().tolist()) for each in config.spectrum)
        spectrum = (waves, weights)
    axis = Beam(config).polarization(place.polarization).axis
    divergence = number_of(config.hdiv_range_mrad) or 0.0
    return BeamDescription(
        wavelength_A=wave,
        direction=_vector(place.beam),
        polarization=_vector(axis / axis.norm()),
        polarized=(1.0 + (number_of(config.polarization_factor) or 0.0)) / 2.0,
        divergence_deg=float(np.degrees(divergence / 1e3)),
        flux=config.flux,
        spectrum=spectrum,
    )


def _scan(crystal: CrystalConfig | None, beam: BeamConfig, images: int) -> ScanDescription | None:
    if crystal is None:
        return None
    width = number_of(crystal.osc_range_deg) or 0.0
    if width == 0 and images == 1:
        return None
    times = (beam.exposure,) * images if beam.exposure > 0 else ()
    return ScanDescription((1, images), number_of(crystal.phi_start_deg) or 0.0, width, times)


def _crystal(config: CrystalConfig, mode: Compat, spindle: Tensor, turns: bool) -> CrystalDescription:
    """The crystal as it is mounted where it turns; as it stands in the image where it does not."""
    direct = unit_cell_of(config, mode).direct.detach().cpu().numpy()
    phi = number_of(config.phi_start_deg) or 0.0
    if not turns and phi:
        direct = direct @ about(_vector(spindle), phi).T
    a, b, c = (as_vector(row) for row in direct)
    etas = [number_of(eta) or 0.0 for eta in config.mosaic_eta_deg]  # type: ignore[union-attr]
    spread = abs(number_of(config.mosaic_spread_deg) or 0.0)
    sizes = [number_of(count) or 1.0 for count in config.N_cells]
    edges = np.linalg.norm(direct, axis=1) * sizes
    return CrystalDescription(
        (a, b, c),
        mosaicity_deg=float(np.sqrt(np.mean(np.square(etas)))),
        half_mosaicity_deg=spread,
        domain_size_A=float(edges.prod() ** (1 / 3)),
    )


def _vector(values: Tensor) -> tuple[float, float, float]:
    return as_vector(values.detach().cpu().double().tolist())


def _unit(values: object) -> tuple[float, float, float]:
    axis = vector(values, None)  # type: ignore[arg-type]
    return _vector(axis / axis.norm())


def _mm(values: object) -> tuple[float, float, float]:
    return _vector(vector(values, None))  # type: ignore[arg-type]
