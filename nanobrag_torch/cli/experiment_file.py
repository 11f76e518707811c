"""Options ``-expt``, ``-geom``, ``-stream`` and ``-nexus``: an experiment of another program entered into settings."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.config import DetectorConfig
from nanobrag_torch.conventions import DetectorConvention, DetectorPivot
from nanobrag_torch.experiments import Experiment
from nanobrag_torch.experiments.configs import flat_detector
from nanobrag_torch.io.crystfel import read_geometry, read_stream
from nanobrag_torch.io.description import Description, PanelDescription
from nanobrag_torch.io.dials import read_experiments
from nanobrag_torch.io.nexus_geometry import read_nexus_geometry


def enter_experiment(asked: Settings, settings: Settings) -> None:
    """Enter the experiment that the options ask for into ``settings``, which other options may change afterwards.

    Raises ``OSError`` or ``ValueError`` for what cannot be read, ``CommandError`` where there is no such experiment.
    """
    if asked.experiment_file is None:
        return
    description = _chosen(asked)
    spectrum = (
        ((1.0,), (1.0,)) if asked.spectrum_file is not None else None
    )  # the file of -spectrumfile takes its place
    count = 1 if description.scan is None else description.scan.images
    if not 0 <= asked.experiment_image < count:
        path, image = asked.experiment_file, asked.experiment_image
        raise CommandError(f"-expt_image {image}: {path} has {count} image{'s' * (count > 1)}. Count from 0.")
    experiment = Experiment.of(description, asked.experiment_image, spectrum)
    settings.experiment = experiment
    _enter_detector(experiment, settings)
    _enter_beam(experiment, settings, asked.spectrum_file is None)
    _enter_crystal(experiment, settings)


#: Options that only some kinds of files have a use for, by their settings.
_OF_KINDS = {
    "geometry_values": ("-geom_value", ("geom", "stream")), "experiment_without": ("-expt_without", ("expt", "geom")),
}  # fmt: skip


def check_with_experiment(s: Settings) -> None:
    """Raise ``CommandError`` for an option that does not go together with what an experiment file says.

    A crystal of a file that names no axis turns about none unless ``-spindle_axis`` gives it one. ``-lambda`` moves a
    bandwidth along; a spectrum of the file stays what it is.
    """
    path, description = s.experiment_file, s.experiment.description
    turns = any(name in s.given and getattr(s, name) for name in ("osc_deg", "phi_deg", "phistep_deg"))
    if turns and description.is_still and "spindle_axis" not in s.given:
        x, y, z = description.beam.direction
        raise CommandError(
            f"-phi, -osc: {path} has no axis that turns the crystal. Give -spindle_axis X Y Z in the frame of the "
            f"file, in which the beam is {x:g} {y:g} {z:g}."
        )
    if "wavelength_A" not in s.given or s.spectrum is None:
        return
    if description.beam.spectrum is not None:
        raise CommandError(f"-lambda {s.wavelength_A:g}: {path} has a spectrum. Leave it out, or give -spectrumfile.")
    centre = float(s.experiment.beam.central_wavelength())
    s.spectrum = (s.spectrum[0] * (s.wavelength_A / centre), s.spectrum[1])


def _chosen(asked: Settings) -> Description:
    """The description that the options choose from their file."""
    path, index = str(asked.experiment_file), asked.experiment_index
    for name, (option, kinds) in _OF_KINDS.items():
        if getattr(asked, name) and asked.experiment_kind not in kinds:
            files = " and ".join(f"-{kind}" for kind in kinds)
            raise CommandError(f"{option}: has a meaning for {files} alone, not for {path}. Leave it out.")
    found = [] if index < 0 else list(islice(_descriptions(asked, path), index, index + 1))
    if not found:
        raise CommandError(f"-expt_index {index}: {path} has fewer experiments. Count from 0.")
    return found[0]


def _descriptions(asked: Settings, path: str) -> Iterator[Description]:
    values, without = dict(asked.geometry_values), asked.experiment_without
    kind = asked.experiment_kind
    if kind == "expt":
        yield from read_experiments(path, without)
    elif kind == "geom":
        yield read_geometry(path, values, without)
    elif kind == "stream":
        yield from read_stream(path, values).experiments()
    else:
        yield read_nexus_geometry(path)


def _enter_detector(experiment: Experiment, s: Settings) -> None:
    beam = experiment.description.beam
    assert beam is not None
    flat = experiment.detector
    if not isinstance(flat, DetectorConfig):
        s.panels = flat
        flat = _farthest(experiment.description.panels, beam.direction)
    s.convention, s.pivot = DetectorConvention.CUSTOM, DetectorPivot.SAMPLE
    s.fdet_vector, s.sdet_vector, s.odet_vector, s.beam_vector = (
        _floats(getattr(flat, f"custom_{name}_vector")) for name in ("fdet", "sdet", "odet", "beam")
    )
    s.pixel_size_mm, s.fpixels, s.spixels = float(flat.pixel_size_mm), flat.fpixels, flat.spixels
    s.distance_mm = float(flat.distance_mm)
    s.close_distance_mm = None if flat.close_distance_mm is None else float(flat.close_distance_mm)
    s.beam_center_x_mm = None if flat.near_point_f_mm is None else float(flat.near_point_f_mm)
    s.beam_center_y_mm = None if flat.near_point_s_mm is None else float(flat.near_point_s_mm)
    s.detector_thick_um = float(flat.detector_thick_um)
    s.detector_abs_um = None if flat.detector_abs_um is None else float(flat.detector_abs_um)
    s.detector_thicksteps = flat.detector_thicksteps
    s.mask_pixels = flat.mask_array


def _farthest(panels: tuple[PanelDescription, ...], beam: Any) -> DetectorConfig:
    """The panel that reaches furthest from the beam, for what is asked of a detector as a whole."""

    def cosine(panel: PanelDescription) -> float:
        corners = panel.positions((0, panel.size[0], 0, panel.size[0]), (0, 0, panel.size[1], panel.size[1]))
        return float(((corners @ beam) / (corners**2).sum(-1) ** 0.5).min())

    panel = min(panels, key=cosine)
    return flat_detector(panel, beam)


def _enter_beam(experiment: Experiment, s: Settings, with_spectrum: bool) -> None:
    beam = experiment.beam
    s.wavelength_A = float(beam.central_wavelength())
    s.spectrum = beam.spectrum if with_spectrum else None
    s.polarization_factor = float(beam.polarization_factor)
    s.polar_vector = _floats(beam.polarization_axis)
    s.hdiv_range_mrad = None if beam.hdiv_range_mrad is None else float(beam.hdiv_range_mrad)
    s.vdiv_range_mrad = None if beam.vdiv_range_mrad is None else float(beam.vdiv_range_mrad)
    s.flux = beam.flux
    s.exposure = beam.exposure or s.exposure


def _enter_crystal(experiment: Experiment, s: Settings) -> None:
    crystal = experiment.crystal
    if crystal is None:
        return
    s.stars = (crystal.mosflm_a_star, crystal.mosflm_b_star, crystal.mosflm_c_star)
    if crystal.spindle_axis is not None:
        s.spindle_axis = _floats(crystal.spindle_axis)
        s.phi_deg, s.osc_deg, s.phisteps = float(crystal.phi_start_deg), float(crystal.osc_range_deg), crystal.phi_steps
    s.Na, s.Nb, s.Nc = (int(count) for count in crystal.N_cells)
    etas: Any = crystal.mosaic_eta_deg
    if crystal.mosaic_model == "gaussian":
        s.mosaic_eta_deg, s.mosaic_domains = _floats(etas), crystal.mosaic_domains
    elif crystal.mosaic_domains > 1:
        s.mosaic_spread_deg, s.mosaic_domains = float(crystal.mosaic_spread_deg), crystal.mosaic_domains


def _floats(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z
