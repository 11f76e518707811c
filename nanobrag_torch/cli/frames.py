"""Frames of a series: for each the configuration of the single run that would make it, and what is true of it."""

import copy
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.precedence import Configuration
from nanobrag_torch.cli.prepare import Prepared
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.io.spectrum import Spectrum, read_spectra
from nanobrag_torch.models.orientation import orientations
from nanobrag_torch.series import frame_start


@dataclass(frozen=True)
class Frames:
    """Frames of a series, counted from 0; frame k draws its noise from the stream of ``-seed`` + k."""

    conf: Configuration
    count: int
    is_rotation = False

    def configuration(self, index: int) -> Configuration:
        """The configuration of the single run that makes frame ``index``."""
        s = self.conf.settings
        assert s.seed is not None
        seed = s.seed + index
        noise = replace(self.conf.noise, seed=seed)
        return replace(self.conf, noise=noise, settings=replace(s, seed=seed))

    def truth(self, run: Prepared) -> dict[str, Any]:
        """What a journal keeps of a frame."""
        return {"seed": run.settings.seed}

    def label(self, run: Prepared) -> str:
        """What tells a frame from the others."""
        raise NotImplementedError

    def wavelengths(self, records: list[dict[str, Any]]) -> list[float] | None:
        """Wavelengths in Angstrom, where frames have their own."""


@dataclass(frozen=True)
class Rotation(Frames):
    """Frames of ``-frames``: each as wide as ``-osc``, one after another."""

    is_rotation = True

    def configuration(self, index: int) -> Configuration:
        """The configuration of the single run with ``-phi`` at the frame's start.

        A crystal that an experiment file refined image by image is the one of the frame's own image, as with
        ``-expt_image``.
        """
        made, crystal = super().configuration(index), copy.copy(self.conf.crystal)
        s = self.conf.settings
        phi = frame_start(s.phi_deg, float(crystal.osc_range_deg), index)
        if _varies(s):
            at = s.experiment.at(s.experiment_image + index).crystal
            phi = at.phi_start_deg
            for name in ("mosflm_a_star", "mosflm_b_star", "mosflm_c_star"):
                setattr(crystal, name, getattr(at, name))
        crystal.phi_start_deg = phi
        return replace(made, crystal=crystal, settings=replace(made.settings, phi_deg=phi))

    def truth(self, run: Prepared) -> dict[str, Any]:
        """Seed, start and width of a frame."""
        width = float(run.conf.crystal.osc_range_deg)
        return {**super().truth(run), "phi_start_deg": run.settings.phi_deg, "phi_width_deg": width}

    def label(self, run: Prepared) -> str:
        """Start and end of a frame."""
        return f"phi {run.settings.phi_deg:g} to {run.settings.phi_deg + float(run.conf.crystal.osc_range_deg):g} deg"


@dataclass(frozen=True)
class Shots(Frames):
    """Stills of ``-shots``: each with its orientation, spectrum, fluence and cell, as far as the options ask."""

    spectra: tuple[Spectrum, ...] = ()

    def configuration(self, index: int) -> Configuration:
        """The configuration of the single run that makes a still."""
        made = super().configuration(index)
        s, crystal, beam = made.settings, copy.copy(self.conf.crystal), copy.copy(self.conf.beam)
        fluence, wavelength, cell = _factors(self.conf.settings, index)
        beam.fluence = beam.fluence * fluence
        if self.spectra:
            chosen = self.spectra[index % len(self.spectra)]
            beam.spectrum = (torch.tensor(chosen.wavelengths * wavelength), torch.tensor(chosen.weights))
        elif beam.spectrum is not None:
            beam.spectrum = (beam.spectrum[0] * wavelength, beam.spectrum[1])
        else:
            beam.wavelength_A = beam.wavelength_A * wavelength
        for name in "abc":
            setattr(crystal, f"cell_{name}", getattr(crystal, f"cell_{name}") * cell)
        if s.random_orientations:
            assert s.misset_seed is not None
            crystal.misset_random, crystal.misset_seed = True, s.misset_seed + index
        settings = replace(s, wavelength_A=float(beam.central_wavelength()))
        return replace(made, crystal=crystal, beam=beam, settings=settings)

    def truth(self, run: Prepared) -> dict[str, Any]:
        """Seeds, wavelength, fluence, cell edges and the reciprocal vectors in the laboratory at phi, 1/Angstrom."""
        edges = torch.linalg.vector_norm(run.cell.direct, dim=-1).tolist()
        stars = _turned(run).tolist()
        return {
            **super().truth(run),
            "misset_seed": run.conf.crystal.misset_seed if run.conf.crystal.misset_random else None,
            "wavelength_A": run.settings.wavelength_A,
            "fluence": float(run.conf.beam.fluence),
            **dict(zip(("a_A", "b_A", "c_A"), edges, strict=True)),
            **{f"{name}_star_{axis}": stars[i][j] for i, name in enumerate("abc") for j, axis in enumerate("xyz")},
        }

    def label(self, run: Prepared) -> str:
        """Wavelength of a still, and its misset."""
        x, y, z = torch.rad2deg(run.cell.misset).tolist()
        return f"wavelength {run.settings.wavelength_A:g} A, misset {x:.2f} {y:.2f} {z:.2f} deg"

    def wavelengths(self, records: list[dict[str, Any]]) -> list[float] | None:
        """The wavelength of each still."""
        return [record["wavelength_A"] for record in records]


def frames_of(conf: Configuration) -> Frames:
    """The frames that ``-frames`` or ``-shots`` asks for. Raises ``CommandError`` where options do not fit them."""
    s = conf.settings
    if s.frames is not None:
        if not float(conf.crystal.osc_range_deg) > 0:
            raise CommandError("-frames without a width: give -osc, the range of each frame in degrees.")
        _check_images(s)
        return Rotation(conf, s.frames)
    assert s.shots is not None
    if conf.crystal.osc_range_deg != 0:
        raise CommandError(
            f"-osc {float(conf.crystal.osc_range_deg):g} with -shots: stills do not rotate. Give -osc 0."
        )
    if s.jitter_cell_pct and conf.crystal.has_matrix:
        raise CommandError("-jitter_cell changes a unit cell, and -mat or -hkl_orientation gives a matrix. Use -cell.")
    if s.jitter_wavelength_pct and conf.sources is not None:
        raise CommandError("-jitter_lambda changes -lambda or -spectra, and -sourcefile has wavelengths of its own.")
    spectra = () if s.spectra_file is None else tuple(read_spectra(s.spectra_file))
    return Shots(conf, s.shots, spectra)


def _varies(s: Settings) -> bool:
    """True where the crystal is that of an experiment file, refined image by image."""
    found = None if s.experiment is None or s.matrix_file is not None else s.experiment.description.crystal
    return found is not None and found.stars_at_images is not None


def _check_images(s: Settings) -> None:
    """Raise ``CommandError`` for frames that are not images of a crystal refined image by image."""
    if not _varies(s):
        return
    whose = f"{s.experiment_file}: its crystal was refined image by image"
    if s.given & {"phi_deg", "osc_deg", "phistep_deg"}:
        raise CommandError(f"{whose}, so that -phi, -osc and -phistep are those of its scan. Leave them out.")
    scan = s.experiment.description.scan
    left = (1 if scan is None else scan.images) - s.experiment_image
    assert s.frames is not None
    if s.frames > left:
        raise CommandError(f"-frames {s.frames}: {whose}, and {left} are left from -expt_image on. Ask for so many.")


def _turned(run: Prepared) -> torch.Tensor:
    """Reciprocal vectors (3, 3) of a still, turned by phi about the spindle, 1/Angstrom."""
    whole = copy.copy(run.conf.crystal)
    whole.mosaic_domains = 1
    return orientations(run.cell.stars, run.cell.stars, whole, run.conf.compat, run.geometry.spindle)[:, 0, 0]


def _factors(s: Settings, index: int) -> tuple[float, float, float]:
    """Factors of fluence, wavelength and cell of a still: exponentials of normal deviates of its own stream."""
    assert s.seed is not None
    deviates = np.random.default_rng([s.seed, index]).standard_normal(3).tolist()
    spreads = (s.jitter_fluence_pct, s.jitter_wavelength_pct, s.jitter_cell_pct)
    fluence, wavelength, cell = (
        math.exp(spread / 100 * deviate) for spread, deviate in zip(spreads, deviates, strict=True)
    )
    return fluence, wavelength, cell
