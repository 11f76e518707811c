"""Structure factors that come with their unit cell: MTZ, mmCIF and PDB files, to the resolution of the detector."""

from dataclasses import dataclass

import torch

from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig, DetectorConfig
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.structure import FINEST
from nanobrag_torch.io.structure_factors import Kind, kind_of, load_structure_factors
from nanobrag_torch.models.beam import Beam
from nanobrag_torch.models.detector import Detector
from nanobrag_torch.units import m_to_angstrom, mm_to_m

#: A pixel shows the reflection nearest to it, which may lie a little beyond the pixel's own resolution.
MARGIN = 0.95
#: Resolution in Angstrom to which amplitudes are asked for at least: a detector far downstream needs no fewer.
WIDEST = 20.0


@dataclass(frozen=True)
class Structure:
    """What was read from a file of a ``kind`` that knows its cell, to ``dmin`` Angstrom."""

    kind: Kind
    factors: StructureFactors
    dmin: float


def brings_cell(settings: Settings) -> bool:
    """Whether the file of structure factors says which unit cell it belongs to.

    Raises ``OSError`` or ``ValueError`` where it cannot be read.
    """
    return settings.hkl_file is not None and kind_of(settings.hkl_file).has_cell


def load_structure(s: Settings, detector: DetectorConfig, beam: BeamConfig, compat: Compat) -> Structure | None:
    """The structure behind ``-hkl``; None where there is none, or it is a list of indices alone.

    Raises ``CommandError``, ``ValueError``, ``OSError`` or ``ImportError`` for what cannot be read, and for options
    that mean nothing for such a file.
    """
    if s.hkl_file is None or not brings_cell(s):
        _check_nothing_asked(s)
        return None
    kind = kind_of(s.hkl_file)
    dmin = min(MARGIN * max(finest_resolution(detector, beam, compat), s.dmin), WIDEST)
    if kind.calculates and dmin < FINEST:
        raise CommandError(
            f"{s.hkl_file}: the detector asks for amplitudes to {dmin:.3g} A; those of a model reach {FINEST:g} A. "
            f"Give -dmin {FINEST / MARGIN:.2g} or more."
        )
    factors = load_structure_factors(
        s.hkl_file,
        dmin=dmin,
        columns=s.hkl_columns.split(",") if s.hkl_columns else None,
        bulk_solvent=s.bulk_solvent,
        default_F=s.default_F,
        dtype=torch.float64,
    )
    if s.hkl_orientation:
        _check_orientation(s, factors)
    return Structure(kind, factors, dmin)


def _check_nothing_asked(s: Settings) -> None:
    for name in ("hkl_columns", "bulk_solvent", "hkl_orientation"):
        if getattr(s, name):
            raise CommandError(f"-{name} means something for -hkl with MTZ, mmCIF or PDB files alone. Leave it out.")


def _check_orientation(s: Settings, factors: StructureFactors) -> None:
    if s.matrix_file is not None:
        raise CommandError(f"-mat {s.matrix_file} and -hkl_orientation both orient the crystal. Give one of them.")
    if factors.stars is None:
        raise CommandError(
            f"-hkl_orientation: {s.hkl_file} has no orientation; coordinates have one, and mmCIF reflections with "
            "_diffrn_orient_matrix.UB. Give -mat or -misset."
        )


def finest_resolution(detector: DetectorConfig, beam: BeamConfig, compat: Compat) -> float:
    """d in Angstrom of the corner that lies furthest from the beam, for the source that reaches furthest."""
    place = Detector(detector, compat=compat).geometry(compat)
    axis = Beam(beam).polarization(place.polarization).axis
    sources = Beam(beam).sources(place.beam, axis, compat)
    edge = mm_to_m(float(detector.pixel_size_mm))
    corners = torch.stack(
        [place.origin + f * edge * place.fast + s * edge * place.slow
         for f in (0, detector.fpixels) for s in (0, detector.spixels)]
    )  # fmt: skip
    outgoing = corners / corners.norm(dim=-1, keepdim=True)
    scattering = (outgoing[:, None] - sources.directions).norm(dim=-1) / sources.wavelengths
    return m_to_angstrom(1 / float(scattering.max()))
