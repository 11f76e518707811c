"""Experiments as other programs describe them, made into configs.

The laboratory frame of the configs is that of the file: beam, E vector and spindle are vectors in it.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.conventions import DetectorConvention, DetectorPivot, Vector
from nanobrag_torch.io.crystfel import read_geometry, read_stream
from nanobrag_torch.io.description import Description, PanelDescription
from nanobrag_torch.io.dials import read_experiments
from nanobrag_torch.io.frames import as_vector
from nanobrag_torch.io.mosflm import reciprocal_to_real_cell
from nanobrag_torch.io.nexus_geometry import read_nexus_geometry
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.models.panels import PanelledDetector
from nanobrag_torch.panels import PanelConfig, PanelGroup, PanelledDetectorConfig
from nanobrag_torch.simulator import Simulator
from nanobrag_torch.validation import check_count, fail

#: Layers of a sensor in which slanting rays are absorbed at different depths.
SENSOR_LAYERS = 10
#: Channels of a spectrum of a given bandwidth, and how many standard deviations it reaches to either side.
CHANNELS, REACH = 21, 3.0
#: Domains where a file gives a mosaicity, as in the C program.
DOMAINS = 10
#: Orientations within an image that turns the crystal.
PHI_STEPS = 10
#: Endings of NXmx files.
NEXUS = (".nxs", ".h5", ".hdf5", ".nx5")
#: Ending of a file's name -> its format.
KINDS = {".expt": "dials", ".json": "dials", ".geom": "geom", ".stream": "stream", **dict.fromkeys(NEXUS, "nexus")}
#: Fields of a crystal that its matrix decides.
_PLACED = (
    "mosflm_a_star", "mosflm_b_star", "mosflm_c_star", "cell_a", "cell_b", "cell_c", "cell_alpha", "cell_beta",
    "cell_gamma",
)  # fmt: skip


@dataclass
class Experiment:
    """Configs of one image of an experiment; they may be changed before they are used.

    Attributes:
        crystal: The crystal at the image, or None where the file has none. ``N_cells`` is one cell along every axis
            unless the file has a size of domains; structure factors and ``default_F`` are for you to give.
        detector: One flat panel of square pixels as a ``DetectorConfig``, all else as a ``PanelledDetectorConfig``.
        beam: The beam.
        description: All that the file says, panels with gain, pedestal and trusted range, and the whole scan.
        image: Index of the image in the scan.

    Example:
        ```python
        experiment = load_experiments("refined.expt")[0]
        experiment.crystal.N_cells = (20, 20, 20)
        image = experiment.simulator(hkl_file="model.pdb").run()
        ```
    """

    crystal: CrystalConfig | None
    detector: DetectorConfig | PanelledDetectorConfig
    beam: BeamConfig
    description: Description = field(repr=False)
    image: int = 0

    @classmethod
    def of(
        cls, description: Description, image: int = 0, spectrum: tuple[Any, Any] | None = None, **crystal: Any
    ) -> "Experiment":
        """Configs of one image of a description.

        Args:
            description: An experiment as a reader gives it.
            image: Index of the image in its scan.
            spectrum: Wavelengths in Angstrom and weights, where the file has only the range of a polychromatic beam.
            **crystal: Fields of the ``CrystalConfig`` that the file does not have, such as ``N_cells``.

        Raises:
            ValueError: The experiment has no beam or detector, the image is not in its scan, or a value is impossible.
        """
        if description.beam is None or not description.panels:
            missing = "beam" if description.beam is None else "panels"
            raise fail("Experiment", missing, None, "given", "Read a file that describes beam and detector.")
        count = 1 if description.scan is None else description.scan.images
        check_count("Experiment", "image", image, 0, "Images count from 0.", high=count - 1)
        return cls(
            crystal=None if description.crystal is None else _crystal(description, image, crystal),
            detector=_detector(description),
            beam=_beam(description, image, spectrum),
            description=description,
            image=image,
        )

    def at(self, image: int) -> "Experiment":
        """The experiment at another image of its scan; of the crystal, what the file does not have stays as it is."""
        other = Experiment.of(self.description, image, None if self.beam.spectrum is None else self.beam.spectrum)
        if self.crystal is None or other.crystal is None:
            return replace(other, crystal=self.crystal)
        moved = {name: getattr(other.crystal, name) for name in (*_PLACED, "phi_start_deg", "osc_range_deg")}
        return replace(other, crystal=replace(self.crystal, **moved), detector=self.detector, beam=self.beam)

    def simulator(
        self, hkl_file: str | Path | None = None, dtype: torch.dtype = torch.float64, **options: Any
    ) -> Simulator:
        """A simulator of the image.

        Args:
            hkl_file: Structure factors, as ``Crystal.load_hkl`` reads them; None is ``default_F`` everywhere.
            dtype: Precision.
            **options: Other arguments of ``Simulator``, such as ``device`` and ``compat``.

        Raises:
            ValueError: The experiment has no crystal, or no image can be computed from its configs.
        """
        if self.crystal is None:
            remedy = "Index the images first, or assign a CrystalConfig."
            raise fail("Experiment", "crystal", None, "given", remedy)
        shared = {name: options[name] for name in ("device", "compat") if name in options}
        crystal = Crystal(self.crystal, self.beam, dtype=dtype, **shared)
        if hkl_file is not None:
            crystal.load_hkl(hkl_file, write_cache=False)
        kind: Any = Detector if isinstance(self.detector, DetectorConfig) else PanelledDetector
        detector = kind(self.detector, dtype=dtype, **shared)
        return Simulator(crystal, detector, beam_config=self.beam, dtype=dtype, **options)


def load_experiments(filepath: str | os.PathLike[str], limit: int | None = None, **options: Any) -> list[Experiment]:
    """Experiments of a file, told by its name: ``.expt`` or ``.json``, ``.geom``, ``.stream``, ``.nxs`` or ``.h5``.

    Args:
        filepath: The file.
        limit: Most experiments that are read; None is all. A stream may hold very many: :func:`descriptions` gives
            them one after the other.
        **options: Arguments of the format's reader (``values``, ``without``) and of :meth:`Experiment.of`.

    Raises:
        OSError: The file cannot be read.
        ValueError: Its name has another ending, or its content cannot be represented.
    """
    reading = {name: options.pop(name) for name in ("values", "without") if name in options}
    found = islice(descriptions(filepath, **reading), limit)
    return [Experiment.of(each, **options) for each in found]


def descriptions(filepath: str | os.PathLike[str], **options: Any) -> Iterator[Description]:
    """Descriptions of a file, one after the other: :func:`load_experiments` without the configs."""
    kind = KINDS.get(Path(filepath).suffix.lower())
    if kind == "dials":
        yield from read_experiments(filepath, **options)
    elif kind == "geom":
        yield read_geometry(filepath, **options)
    elif kind == "stream":
        yield from read_stream(filepath, **options).experiments()
    elif kind == "nexus":
        yield read_nexus_geometry(filepath)
    else:
        known = ", ".join(KINDS)
        raise ValueError(f"{filepath}: this experiment cannot be read (its name ends in none of {known}). Give it one.")


def _crystal(description: Description, image: int, given: dict[str, Any]) -> CrystalConfig:
    crystal, goniometer, scan = description.crystal, description.goniometer, description.scan
    assert crystal is not None
    stars = crystal.stars()
    if crystal.stars_at_images is not None:
        edges = crystal.stars_at_images
        if scan is not None and len(edges) != scan.images + 1:
            allowed = f"one at each edge of {scan.images} images"
            raise fail("crystal", "stars_at_images", f"{len(edges)} matrices", allowed, "Check A_at_scan_points.")
        stars = edges[image : image + 2].mean(axis=0)
    placed: dict[str, Any] = {}
    if not description.is_still and goniometer is not None and scan is not None:
        fixed, setting = goniometer.rotations()
        stars = stars @ (setting @ fixed).T
        width = scan.width_deg
        placed = {
            "spindle_axis": goniometer.spindle(), "phi_start_deg": scan.start_deg + image * width,
            "osc_range_deg": width, "phi_steps": PHI_STEPS,
        }  # fmt: skip
    placed |= dict(zip(_PLACED[:3], (tuple(row) for row in stars.tolist()), strict=True))
    placed |= dict(zip(_PLACED[3:], reciprocal_to_real_cell(*stars), strict=True))
    if crystal.domain_size_A:
        edges_A = (placed[name] for name in ("cell_a", "cell_b", "cell_c"))
        placed["N_cells"] = tuple(max(1, round(crystal.domain_size_A / edge)) for edge in edges_A)
    if crystal.half_mosaicity_deg > 0:
        placed |= {"mosaic_spread_deg": crystal.half_mosaicity_deg, "mosaic_domains": DOMAINS}
    elif crystal.mosaicity_deg > 0:
        placed |= {"mosaic_model": "gaussian", "mosaic_eta_deg": crystal.mosaicity_deg, "mosaic_domains": DOMAINS}
    return CrystalConfig(**(placed | given))


def _beam(description: Description, image: int, spectrum: tuple[Any, Any] | None) -> BeamConfig:
    beam, scan = description.beam, description.scan
    assert beam is not None
    wavelength = beam.wavelength_A
    if spectrum is None and beam.spectrum is not None:
        spectrum = beam.spectrum
    if spectrum is None and wavelength is not None and beam.bandwidth > 0:
        steps = np.linspace(-REACH, REACH, CHANNELS)
        spectrum = (wavelength * (1 + beam.bandwidth * steps), np.exp(-(steps**2) / 2))
    if wavelength is None and spectrum is None:
        allowed = "a spectrum: a polychromatic beam of the file has no more than a range"
        raise fail("Experiment", "beam.wavelength_range_A", beam.wavelength_range_A, allowed, "Give spectrum=.")
    divergence = math.radians(beam.divergence_deg) * 1e3 or None
    return BeamConfig(
        wavelength_A=1.0 if wavelength is None else wavelength,
        spectrum=None if spectrum is None else (torch.as_tensor(spectrum[0]), torch.as_tensor(spectrum[1])),
        polarization_factor=beam.kahn_factor,
        polarization_axis=beam.polarization,
        hdiv_range_mrad=divergence,
        vdiv_range_mrad=divergence,
        flux=beam.flux * beam.transmission,
        exposure=scan.exposures_s[image] if scan is not None and scan.exposures_s else 0.0,
    )


def _detector(description: Description) -> DetectorConfig | PanelledDetectorConfig:
    assert description.beam is not None
    panels, direction = description.panels, description.beam.direction
    if len(panels) == 1 and panels[0].pixel_mm[0] == panels[0].pixel_mm[1] and _is_square(panels[0]):
        return flat_detector(panels[0], direction)
    slabs = {panel.slab for panel in panels}
    apart = len(slabs) == len(panels) and None not in slabs
    return PanelledDetectorConfig(
        panels=[_panel(panel, apart) for panel in panels],
        groups=[
            PanelGroup(group.name, group.parent or None, pivot_mm=group.origin_mm, fast=group.fast, slow=group.slow)
            for group in description.groups
        ],
        detector_convention=DetectorConvention.CUSTOM,
        beam_vector=direction,
    )


def flat_detector(panel: PanelDescription, beam: Vector) -> DetectorConfig:
    """One panel of square pixels as the config of a flat detector, exact in every mode."""
    origin, normal = np.array(panel.origin_mm), panel.normal
    close = float(origin @ normal)
    across = float(np.dot(beam, normal))
    if abs(across) < 1e-9:
        raise fail(f"panel {panel.name!r}", "fast, slow", (panel.fast, panel.slow), "across the beam", "Turn it.")
    near_f, near_s = (-float(origin @ np.array(axis)) for axis in (panel.fast, panel.slow))
    spot = close / across * np.array(beam) - origin
    return DetectorConfig(
        spixels=panel.size[1],
        fpixels=panel.size[0],
        pixel_size_mm=panel.pixel_mm[0],
        distance_mm=abs(close / across),
        close_distance_mm=close,
        near_point_f_mm=near_f,
        near_point_s_mm=near_s,
        beam_center_f=float(spot @ np.array(panel.fast)),
        beam_center_s=float(spot @ np.array(panel.slow)),
        detector_convention=DetectorConvention.CUSTOM,
        detector_pivot=DetectorPivot.SAMPLE,
        custom_fdet_vector=panel.fast,
        custom_sdet_vector=panel.slow,
        custom_odet_vector=as_vector(normal),
        custom_beam_vector=beam,
        mask_array=_mask(panel),
        **{f"detector_{name}": value for name, value in _sensor(panel).items()},
    )


def _is_square(panel: PanelDescription) -> bool:
    return abs(float(np.dot(panel.fast, panel.slow))) < 1e-12


def _panel(panel: PanelDescription, apart: bool) -> PanelConfig:
    return PanelConfig(
        name=panel.name,
        spixels=panel.size[1],
        fpixels=panel.size[0],
        pixel_size_mm=panel.pixel_mm,
        origin_mm=panel.origin_mm,
        fast=panel.fast,
        slow=panel.slow,
        group=panel.group or None,
        material=panel.material,
        mask_array=_mask(panel),
        gain=panel.gain,
        pedestal=panel.pedestal,
        trusted_range=panel.trusted,
        raw_offset=panel.slab if apart else None,
        **_sensor(panel),
    )


def _sensor(panel: PanelDescription) -> dict[str, Any]:
    """Thickness, depth and layers of a sensor; none where the file does not say how much it absorbs."""
    if not (panel.thickness_mm > 0 and panel.absorption_per_mm > 0):
        return {}
    layers = SENSOR_LAYERS if panel.parallax else 1
    return {"thick_um": 1e3 * panel.thickness_mm, "abs_um": 1e3 / panel.absorption_per_mm, "thicksteps": layers}


def _mask(panel: PanelDescription) -> torch.Tensor | None:
    good = panel.counting()
    return None if good is None else torch.from_numpy(good.astype(np.uint8))
