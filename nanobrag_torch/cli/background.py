"""Amorphous materials of a run: water and air by name, and the table of ``-stol``."""

from collections.abc import Iterator

from nanobrag_torch.amorphous import Material, material
from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.io.stol import read_stol


def materials_of(s: Settings) -> list[Material]:
    """The materials that the options put into the beam.

    Raises ``CommandError`` or ``ValueError`` for what cannot scatter, ``OSError`` where a table cannot be read.
    """
    found = list(_materials(s))
    if found and not s.beamsize_mm > 0:
        raise CommandError(f"-beamsize {s.beamsize_mm:g}: bounds water, air and -stol. Give the beam a size.")
    return found


def _materials(s: Settings) -> Iterator[Material]:
    for option in ("-solvent_thick", "-air_thick", "-stol_thick"):
        thickness = getattr(s, f"{option[1:]}_mm")
        if thickness < 0:
            raise CommandError(f"{option} {thickness:g}: must be at least 0 mm. Give the length along the beam.")
    for name, thickness in (("water", s.solvent_thick_mm), ("air", s.air_thick_mm)):
        if thickness > 0:
            yield material(name, thickness, s.beamsize_mm or None)
    if s.stol_thick_mm > 0:
        if s.stol_file is None:
            raise CommandError(f"-stol_thick {s.stol_thick_mm:g}: has no table. Give -stol, -4stol or -Q as well.")
        if not s.stol_mass > 0:
            raise CommandError(f"-stol_MW {s.stol_mass:g}: must be above 0 g/mol. Give the molar mass of the table.")
        if s.stol_density < 0:
            raise CommandError(f"-stol_density {s.stol_density:g}: must be at least 0 g/cm^3. Give that of the table.")
        stol, amplitude = read_stol(s.stol_file, s.stol_scale)
        yield Material(stol, amplitude, s.stol_thick_mm, s.stol_density, s.stol_mass, s.beamsize_mm or None)
