"""Structure factors of a run, read once: those of ``-hkl``, to the detector's resolution, or a dump's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig, DetectorConfig
from nanobrag_torch.io.anomalous import Anomalous, read_anomalous_table
from nanobrag_torch.io.fdump import read_fdump
from nanobrag_torch.io.files import read_bytes
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.structure import FINEST
from nanobrag_torch.io.structure_factors import open_structure_factors
from nanobrag_torch.models.beam import Beam
from nanobrag_torch.models.detector import Detector
from nanobrag_torch.units import m_to_angstrom, mm_to_m
from nanobrag_torch.validation import divisor, number_of

#: Options that mean something where the file knows the unit cell, and where it is a bare list, with the kinds of file.
OF_CELLS = dict.fromkeys(("hkl_columns",), "MTZ, CIF or PDB files") | dict.fromkeys(
    ("bulk_solvent", "hkl_orientation", "anomalous", "anomalous_table"), "models"
)
OF_LISTS = dict.fromkeys(("hkl_values", "hkl_space_group"), "text files and SHELX lists")
#: A pixel shows the reflection nearest to it, which may lie a little beyond the pixel's own resolution.
MARGIN = 0.95
#: Resolution in Angstrom to which amplitudes are asked for at least: a detector far downstream needs no fewer.
WIDEST = 20.0


@dataclass(frozen=True)
class Structure:
    """Structure factors from a ``kind`` of file, to ``dmin`` Angstrom; None where the file has no cell."""

    kind: str
    factors: StructureFactors
    dmin: float | None = None

    @property
    def has_cell(self) -> bool:
        """True where the file names the unit cell of its reflections."""
        return self.dmin is not None


def load_structure(s: Settings, detector: DetectorConfig, beam: BeamConfig, compat: Compat) -> Structure | None:
    """Read the file of ``-hkl``, else the dump of an earlier run; None where there is neither.

    Args:
        s: Options of the run.
        detector: Detector whose farthest corner decides the resolution.
        beam: Beam whose sources decide it too.
        compat: Deviations of C, for the detector's place and for reading text.

    Returns:
        Amplitudes in electrons, float64, on the CPU.

    Raises:
        CommandError: An option means nothing for such a file.
        ValueError: The file cannot be understood.
        OSError: There is no such file.
        ImportError: The package that reads it is missing.
    """
    if s.stol_file is not None and not read_bytes(s.stol_file, "table over sin(theta)/lambda").strip():
        raise CommandError(f"{s.stol_file} is empty. Leave the option out: the table is not used.")
    if s.hkl_file is None:
        _check_nothing_asked(s, OF_CELLS | OF_LISTS)
        if not (s.use_dump and Path(s.dump_file).is_file()):
            return None
        return Structure("dump", StructureFactors(*read_fdump(s.dump_file, dtype=torch.float64)))
    file = open_structure_factors(s.hkl_file)
    listed: dict[str, Any] = {"values": s.hkl_values, "space_group": s.hkl_space_group}
    if not file.kind.has_cell:
        _check_nothing_asked(s, OF_CELLS)
        strict = compat.strict_c_files
        factors = file.read(**listed, default_F=s.default_F, dtype=torch.float64, strict=strict)
        return Structure(file.kind.name, factors)
    dmin = min(MARGIN * max(finest_resolution(detector, beam, compat), s.dmin), WIDEST)
    if file.kind.calculates and dmin < FINEST:
        raise CommandError(
            f"{s.hkl_file}: the detector asks for amplitudes to {dmin:.3g} A; those of a model reach {FINEST:g} A. "
            f"Give -dmin {FINEST / MARGIN:.2g} or more."
        )
    factors = file.read(
        dmin=dmin,
        columns=s.hkl_columns.split(",") if s.hkl_columns else None,
        **listed,
        bulk_solvent=s.bulk_solvent,
        anomalous=_anomalous(s, beam),
        default_F=s.default_F,
        dtype=torch.float64,
    )
    if s.hkl_orientation:
        _check_orientation(s, factors)
    return Structure(file.kind.name, factors, dmin)


def _check_nothing_asked(s: Settings, options: Mapping[str, str]) -> None:
    """Raise ``CommandError`` where one of ``options``, name to kinds of file, was given."""
    for name, files in options.items():
        if getattr(s, name):
            raise CommandError(f"-{name} means something for -hkl with {files} alone. Leave it out.")


def _anomalous(s: Settings, beam: BeamConfig) -> Anomalous | None:
    """The table of ``-anomalous_table``, the wavelength for ``-anomalous``, else None."""
    if s.anomalous_table is not None:
        return read_anomalous_table(s.anomalous_table)
    return number_of(beam.central_wavelength()) if s.anomalous else None


def _check_orientation(s: Settings, factors: StructureFactors) -> None:
    if s.matrix_file is not None:
        raise CommandError(f"-mat {s.matrix_file} and -hkl_orientation both orient the crystal. Give one of them.")
    if factors.stars is None:
        raise CommandError(
            f"-hkl_orientation: {s.hkl_file} has no orientation; coordinates have one, and mmCIF reflections with "
            "_diffrn_orient_matrix.UB. Give -mat or -misset."
        )


def finest_resolution(detector: DetectorConfig, beam: BeamConfig, compat: Compat) -> float:
    """Resolution d in Angstrom of the corner furthest from the beam, for the source that reaches furthest."""
    place = Detector(detector, compat=compat).geometry(compat)
    incident = Beam(beam)
    sources = incident.sources(place.beam, incident.polarization(place.polarization).axis, compat)
    edge = mm_to_m(float(detector.pixel_size_mm))
    corners = torch.stack(
        [place.origin + f * edge * place.fast + s * edge * place.slow
         for f in (0, detector.fpixels) for s in (0, detector.spixels)]
    )  # fmt: skip
    outgoing = corners / corners.norm(dim=-1, keepdim=True)
    scattering = (outgoing[:, None] - sources.directions).norm(dim=-1) / sources.wavelengths
    widest = float(scattering.max())
    divisor(widest, "every pixel lies in the beam, where nothing is scattered", "Move the detector.")
    return m_to_angstrom(1 / widest)
