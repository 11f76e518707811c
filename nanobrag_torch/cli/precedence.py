"""Precedence of defaults, headers and options: settings resolved into the configs of a run."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch

from nanobrag_torch.amorphous import Material
from nanobrag_torch.cli.background import materials_of
from nanobrag_torch.cli.camera import Camera, camera_of, detector_config, panels_config, read_mask
from nanobrag_torch.cli.errors import NO_CELL, CommandError, MissingInputError
from nanobrag_torch.cli.parse import settings_of
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.cli.structure import Structure, load_structure
from nanobrag_torch.compat import Compat
from nanobrag_torch.config import (
    WIDEST_SPREAD,
    BeamConfig,
    CrystalConfig,
    DetectorConfig,
    DetectorConvention,
    NoiseConfig,
    check_axis,
)
from nanobrag_torch.conventions import CONVENTIONS
from nanobrag_torch.io.mosflm import read_mosflm_matrix
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.source import SourceTable, read_source_table
from nanobrag_torch.io.spectrum import Spectrum, read_spectrum
from nanobrag_torch.models.crystal import THIN
from nanobrag_torch.models.unit_cell import unit_cell_of
from nanobrag_torch.panels import PanelledDetectorConfig
from nanobrag_torch.sampling import mosaic_domains, phi_sweep, rounded_up
from nanobrag_torch.units import angstrom_to_m, mm_to_m, um_to_m

__all__ = ["SOURCE_DISTANCE", "Configuration", "configure", "settings_of"]

DTYPES = {"float32": torch.float32, "float64": torch.float64}

#: Ranges, steps and numbers of steps of the beam; a negative one counts as not given.
SPREADS = (
    "hdiv_range_mrad", "vdiv_range_mrad", "hdiv_step_mrad", "vdiv_step_mrad", "hdiv_steps", "vdiv_steps",
    "dispersion_steps",
)  # fmt: skip

#: Distance in metres of a generated source from the crystal.
SOURCE_DISTANCE = 10.0


@dataclass(frozen=True)
class Configuration(Mapping[str, Any]):
    """Inputs of one run, resolved and read; the notices are C's lines about what it changed.

    It answers to the names of the configs' fields, of its own and of the settings: ``configuration["distance_mm"]``,
    ``"hkl_file" in configuration``, ``configuration.get("roi")``. The first that has the name counts.
    """

    settings: Settings
    crystal: CrystalConfig
    detector: DetectorConfig
    beam: BeamConfig
    noise: NoiseConfig
    compat: Compat
    camera: Camera
    sources: SourceTable | None
    spectrum: Spectrum | None
    structure: Structure | None
    materials: list[Material]
    notices: tuple[str, ...]
    mosaic_notice: str | None
    mask_notice: str | None = None
    #: Several panels of an experiment file, of which ``detector`` is the one farthest from the beam.
    panels: PanelledDetectorConfig | None = None

    def __getitem__(self, name: str) -> Any:
        return getattr(self._owners[name], name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._owners)

    def __len__(self) -> int:
        return len(self._owners)

    @cached_property
    def _owners(self) -> dict[str, Any]:
        """For every name the record that has it."""
        records = (self.crystal, self.detector, self.beam, self.noise, self, self.settings)
        named = {field.name: record for record in reversed(records) for field in fields(record)}
        return named | dict.fromkeys(("hkl_data", "hkl_metadata"), self)

    @property
    def hkl_data(self) -> torch.Tensor | None:
        """Amplitudes (h_range, k_range, l_range) in electrons, as ``Crystal.hkl_data``; None where none were read."""
        return None if self.structure is None else self.structure.factors.grid

    @property
    def hkl_metadata(self) -> dict[str, int] | None:
        """Place of the amplitudes, as for ``Crystal.hkl_metadata``."""
        return None if self.structure is None else self.structure.factors.metadata

    @property
    def rendered(self) -> DetectorConfig | PanelledDetectorConfig:
        """The detector that is rendered: all its panels where there are several."""
        return self.detector if self.panels is None else self.panels

    @property
    def dtype(self) -> torch.dtype:
        """The simulator's precision."""
        return DTYPES[self.settings.dtype]

    @property
    def reads_dump(self) -> bool:
        """True where the structure factors come from the dump of an earlier run."""
        return self.structure is not None and self.settings.hkl_file is None

    @property
    def roi(self) -> tuple[int, int, int, int]:
        """xmin, xmax, ymin, ymax as the C program reports them: by default up to one past the last pixel."""
        full = (0, self.rendered.fpixels, 0, self.rendered.spixels)
        return tuple(d if given < 0 else given for given, d in zip(self.settings.roi, full, strict=True))  # type: ignore[return-value]


def configure(settings: Settings) -> Configuration:
    """Resolve ``settings`` into configs; matrix, mask, source list and structure factors are read here, once each.

    Raises ``MissingInputError`` where there is no cell, ``CommandError``, ``ValueError``, ``OSError`` or
    ``ImportError`` for what cannot be simulated.
    """
    if settings.dtype not in DTYPES:
        raise CommandError(f"-dtype {settings.dtype}: allowed are {', '.join(DTYPES)}.")
    compat = Compat.of(settings.compat)
    if settings.strict_c:
        compat = compat.with_changes(name=f"{compat.name}+strict_c", strict_c_files=True)
    camera = camera_of(settings)
    sources = _sources(settings)
    spectrum = None if settings.spectrum_file is None else read_spectrum(settings.spectrum_file)
    if spectrum is None and settings.spectrum is not None:
        wavelengths, weights = (channel.numpy() for channel in settings.spectrum)
        spectrum = Spectrum(wavelengths, weights, "A", "header")
    beam = _beam(settings, sources, spectrum)
    if spectrum is not None:
        settings = replace(settings, wavelength_A=float(beam.central_wavelength()))
    mask, mask_notice = read_mask(settings, camera, compat)
    detector = detector_config(settings, camera, mask)
    materials = materials_of(settings)
    structure = load_structure(settings, detector, beam, compat)
    samples, notices = _clipped_sample(settings)
    crystal, mosaic_notice = _crystal(settings, structure, samples, compat)
    return Configuration(
        settings=settings,
        crystal=crystal,
        detector=detector,
        beam=beam,
        noise=_noise(settings),
        compat=compat,
        camera=camera,
        sources=sources,
        spectrum=spectrum,
        structure=structure,
        materials=materials,
        notices=tuple(notices),
        mosaic_notice=mosaic_notice,
        mask_notice=mask_notice,
        panels=panels_config(settings, detector),
    )


def _sources(s: Settings) -> SourceTable | None:
    """The source list; sources without a position lie upstream on the beam."""
    if s.source_file is None:
        return None
    custom = s.convention is DetectorConvention.CUSTOM
    beam = np.array(s.beam_vector if custom and s.beam_vector is not None else CONVENTIONS[s.convention].beam)
    check_axis("DetectorConfig", "custom_beam_vector", beam.tolist())
    x, y, z = (-SOURCE_DISTANCE * beam / np.linalg.norm(beam)).tolist()
    return read_source_table(s.source_file, (x, y, z), angstrom_to_m(s.wavelength_A))


def _beam(s: Settings, sources: SourceTable | None, spectrum: Spectrum | None) -> BeamConfig:
    if s.flux != 0 and s.exposure > 0 and s.beamsize_mm == 0:
        raise CommandError(f"-flux {s.flux:g} into -beamsize 0: the fluence would be infinite. Give the beam a size.")
    listed: dict[str, Any] = {}
    if sources is not None:
        lengths = np.linalg.norm(sources.positions, axis=1, keepdims=True)
        listed = {
            "source_directions": torch.tensor(sources.positions / lengths),
            "source_weights": torch.tensor(sources.weights),
            "source_wavelengths": torch.tensor(sources.wavelengths),
            "N_source_points": len(sources.weights),
        }
    return BeamConfig(
        wavelength_A=s.wavelength_A,
        polarization_factor=s.polarization_factor,
        nopolar=s.nopolar,
        polarization_axis=s.polar_vector if s.convention is DetectorConvention.CUSTOM else None,
        flux=s.flux,
        exposure=s.exposure,
        beamsize_mm=s.beamsize_mm,
        fluence=s.fluence,
        dmin=s.dmin,
        water_size_um=s.water_size_um,
        **{name: _unless_negative(getattr(s, name)) for name in SPREADS},
        dispersion_pct=max(s.dispersion_pct, 0.0),
        round_div=s.round_div,
        spectrum=None if spectrum is None else (torch.tensor(spectrum.wavelengths), torch.tensor(spectrum.weights)),
        **listed,
    )


def _unless_negative(value: Any) -> Any:
    """The value, or None for a negative one, by which C marks what was not given."""
    return None if value is None or value < 0 else value


def _clipped_sample(s: Settings) -> tuple[tuple[float, float, float], list[str]]:
    """Sizes in metres along a, b, c (0: none given), the last two at most the beam's, and what C says of it."""
    x, y, z = mm_to_m(s.sample_x_mm), mm_to_m(s.sample_y_mm), mm_to_m(s.sample_z_mm)
    beam = mm_to_m(s.beamsize_mm)
    notices = [
        f"WARNING: clipping sample ({length:g} m {side}) with beam ({beam:g} m)"
        for length, side in ((y, "high"), (z, "wide"))
        if 0 <= beam < length
    ]
    return ((x, min(y, beam), min(z, beam)) if beam >= 0 else (x, y, z)), notices


def _crystal(
    s: Settings, structure: Structure | None, samples: tuple[float, float, float], compat: Compat
) -> tuple[CrystalConfig, str | None]:
    factors = structure.factors if structure is not None and structure.has_cell else None
    if s.cell is None and s.matrix_file is None and s.stars is None and factors is None:
        file = "" if structure is None else f"{s.hkl_file or s.dump_file} is a {structure.kind}: "
        raise MissingInputError(f"{file}{NO_CELL}")
    sweep = phi_sweep(s.phisteps, s.osc_deg, s.phistep_deg, compat.count_tolerance)
    gaussian = s.mosaic_eta_deg is not None
    domains, spread = mosaic_domains(s.mosaic_domains, 1.0 if gaussian else s.mosaic_spread_deg)
    a, b, c, alpha, beta, gamma = factors.cell if factors and factors.cell and s.cell is None else _cell(s.cell)
    stars = _matrix(s, factors)
    cells = (max(1, s.Na), max(1, s.Nb), max(1, s.Nc))
    a_star, b_star, c_star = stars if stars is not None else (None, None, None)
    config = CrystalConfig(
        cell_a=a,
        cell_b=b,
        cell_c=c,
        cell_alpha=alpha,
        cell_beta=beta,
        cell_gamma=gamma,
        misset_deg=s.misset_deg,
        misset_random=s.misset_random,
        misset_seed=int(time.time()) if s.misset_random and s.misset_seed is None else s.misset_seed,
        mosflm_a_star=a_star,
        mosflm_b_star=b_star,
        mosflm_c_star=c_star,
        rescale_matrix_to_cell=stars is not None and s.cell is not None,
        phi_start_deg=s.phi_deg,
        osc_range_deg=sweep.range,
        phi_step_deg=sweep.step,
        phi_steps=sweep.count,
        spindle_axis=s.spindle_axis if s.convention is DetectorConvention.CUSTOM else None,
        mosaic_spread_deg=0.0 if gaussian else spread,
        mosaic_domains=domains,
        mosaic_seed=s.mosaic_seed,
        mosaic_model="gaussian" if gaussian else "c",
        mosaic_eta_deg=s.mosaic_eta_deg or 0.0,
        N_cells=cells,
        default_F=s.default_F,
        shape=s.shape,
        fudge=s.fudge,
        N_offdiagonal=s.N_offdiagonal,
        cutoff=s.cutoff,
    )
    if any(size > 0 for size in samples):
        cells = _cells(config, cells, samples, compat)
        config = replace(config, N_cells=cells, sample_x=None, sample_y=None, sample_z=None)  # filled from the cells
    for name in ("sample_y", "sample_z"):  # as C does, before sizes became cells and with its notice
        size = getattr(config, name)
        setattr(config, name, min(size, mm_to_m(s.beamsize_mm)) if s.beamsize_mm > 0 else size)
    config.interpolate = s.interpolate
    if s.interpolate is None:
        by_rule = {"c": (s.Na, s.Nb, s.Nc), "cells": cells}[compat.interpolation_auto_rule]
        config.interpolate = min(by_rule) <= THIN
    return config, None if gaussian else _mosaic_notice(s, domains)


def _matrix(s: Settings, factors: StructureFactors | None) -> Sequence[Any] | None:
    """a*, b*, c* in 1/Angstrom from the matrix file or, when asked, from the structure; None where a cell is all."""
    if s.matrix_file is not None:
        return read_mosflm_matrix(s.matrix_file, s.wavelength_A)
    if s.stars is not None:
        stars: Sequence[Any] = s.stars
        return stars
    return factors.stars if factors and s.hkl_orientation else None


def _cell(values: tuple[float, ...] | None) -> tuple[float, ...]:
    """The six cell parameters, missing or non-positive ones filled: b and c are a, angles 90 degrees."""
    edge = 100.0 if values is None else values[0]
    defaults = (edge, edge, edge, 90.0, 90.0, 90.0)
    padded = (*(values or ()), *defaults[len(values or ()) :])
    return tuple(value if value > 0 else default for value, default in zip(padded, defaults, strict=True))


def _cells(
    config: CrystalConfig, given: tuple[int, int, int], samples: tuple[float, float, float], compat: Compat
) -> tuple[int, int, int]:
    """Numbers of cells: those that a size in metres holds, rounded up; where there is no size, the given ones."""
    direct = angstrom_to_m(unit_cell_of(config, compat).direct)
    edges = torch.sqrt((direct * direct).sum(-1)).tolist()
    na, nb, nc = (
        max(1, rounded_up(size / edge, "the number of cells", compat.count_tolerance)) if size > 0 else number
        for number, size, edge in zip(given, samples, edges, strict=True)
    )
    return na, nb, nc


def _mosaic_notice(s: Settings, domains: int) -> str | None:
    wanted, spread = s.mosaic_domains or 0, s.mosaic_spread_deg
    if domains > 1 and wanted <= 0:
        return f"WARNING: finite mosaicity with only one domain! upping to {domains} mosaic domains"
    if domains == 1 and wanted > 1:
        return f"WARNING: {wanted} mosaic domains without a mosaic spread{'' if spread is None else ' > 0'}: using one"
    return None


def _noise(s: Settings) -> NoiseConfig:
    widest = WIDEST_SPREAD * 1000 * s.pixel_size_mm
    if s.psf_fwhm_um < 0 or (s.psf != "none" and s.psf_fwhm_um > widest):
        raise CommandError(f"-psf_fwhm {s.psf_fwhm_um:g}: must be in 0 ... {widest:g} um, {WIDEST_SPREAD:g} pixels.")
    return NoiseConfig(
        seed=int(time.time()) if s.seed is None else s.seed,
        adc_offset=s.adc_offset,
        readout_noise=s.readout_noise,
        overload_value=s.overload,
        gain=s.gain,
        psf=s.psf,
        psf_fwhm_pixels=0.0 if s.psf == "none" else um_to_m(s.psf_fwhm_um) / mm_to_m(s.pixel_size_mm),
        dead_value=s.dead_value,
        generate_noise_image=s.write_noise,
        intfile_scale=s.intfile_scale,
    )
