"""Structure factors from any file that holds them: the content decides which reader is asked."""

import gzip
import os
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, NamedTuple

import torch

from nanobrag_torch.io import crystfel_reflections, scalepack, shelx, xds
from nanobrag_torch.io.anomalous import Anomalous
from nanobrag_torch.io.fdump import SIGN, parse_fdump
from nanobrag_torch.io.files import read_bytes, read_stream
from nanobrag_torch.io.hkl import parse_hkl, parse_records
from nanobrag_torch.io.mtz import read_mtz
from nanobrag_torch.io.reflection_cif import read_reflection_cif
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.small_molecule import read_small_molecule
from nanobrag_torch.io.structure import read_structure
from nanobrag_torch.io.symmetry import structure_factors_of_list


class Kind(NamedTuple):
    """A kind of file: its name, the pattern by which its content is known, its reader, and the reader's options."""

    name: str
    sign: re.Pattern[bytes]
    read: Callable[..., StructureFactors]
    options: tuple[str, ...]

    @property
    def has_cell(self) -> bool:
        """True where such a file names the unit cell of its reflections, and so their resolution."""
        return "dmin" in self.options

    @property
    def calculates(self) -> bool:
        """True where amplitudes are calculated from such a file, not read from it."""
        return "anomalous" in self.options


@dataclass(frozen=True)
class StructureFactorFile:
    """A file of structure factors of a known kind, read once; ``content`` is decompressed where it was compressed."""

    path: str | os.PathLike[str]
    kind: Kind
    content: bytes

    def read(
        self,
        *,
        dmin: float | None = None,
        columns: Sequence[str] | str | None = None,
        values: str | None = None,
        space_group: str | None = None,
        bulk_solvent: bool = False,
        anomalous: Anomalous | None = None,
        default_F: float | torch.Tensor = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        strict: bool = False,
    ) -> StructureFactors:
        """The amplitudes of the file.

        Args:
            dmin: Resolution in Angstrom beyond which reflections are left out; required for coordinates.
            columns: Columns of a reflection file (see :func:`~nanobrag_torch.io.mtz.read_mtz`).
            values: "amplitudes" or "intensities" in a text file or SHELX list; None is amplitudes in the first, and
                intensities, with a warning, in the second.
            space_group: Symbol of the group by which a text file or SHELX list is expanded; None takes it as it is.
            bulk_solvent: Fill the space between the atoms of coordinates with flat solvent.
            anomalous: Wavelength in Angstrom at which the atoms of coordinates scatter anomalously, or f' and f'' in
                electrons by element; None makes Friedel mates equal.
            default_F: Amplitude in electrons of reflections that are not listed.
            device: Device of the grid.
            dtype: Precision of the grid.
            strict: Read text as the C program does [B27]; other kinds of file have nothing like it.

        Returns:
            The grid, its metadata and, where the file knows them, cell, space group and orientation.

        Raises:
            ValueError: The file cannot be understood, or has no such option.
            OSError: The file has gone.
            ImportError: A package that reads it is missing.
        """
        given = {
            "dmin": dmin, "columns": columns, "values": values, "space_group": space_group,
            "bulk_solvent": bulk_solvent or None, "anomalous": anomalous,
        }  # fmt: skip
        options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        for name in options:
            if name not in self.kind.options:
                allowed = ", ".join(self.kind.options) or f"none of {', '.join(given)}, default_F"
                raise ValueError(
                    f"{self.path}: {name} means nothing for a {self.kind.name}, which has {allowed}. Leave it out."
                )
        if "default_F" in self.kind.options:
            options["default_F"] = default_F
        if strict and self.kind.read in (_text, _shelx):
            grid, metadata = parse_hkl(self.content, self.path, default_F, device, dtype, strict=True)
            return StructureFactors(grid, metadata)
        return self.kind.read(self, device=device, dtype=dtype, **options)


def _text(file: StructureFactorFile, values: str = "amplitudes", **options: Any) -> StructureFactors:
    return structure_factors_of_list(*parse_records(file.content, file.path), str(file.path), values=values, **options)


def _by_content(parse: Callable[..., StructureFactors]) -> Callable[..., StructureFactors]:
    """A reader of what has been read already."""
    return lambda file, **options: parse(file.content, file.path, **options)


_shelx = _by_content(shelx.parse_shelx)


def _dump(file: StructureFactorFile, **options: Any) -> StructureFactors:
    return StructureFactors(*parse_fdump(file.content, file.path, **options))


def _by_gemmi(read: Callable[..., StructureFactors]) -> Callable[..., StructureFactors]:
    """A reader that opens the file itself: gemmi reads files, not their content."""
    return lambda file, **options: read(file.path, **options)


def _line(pattern: bytes) -> re.Pattern[bytes]:
    """A line that begins with ``pattern``, in any case, behind blanks."""
    return re.compile(rb"^[ \t]*(?:" + pattern + rb")", re.MULTILINE | re.IGNORECASE)


_OF_TABLES = ("dmin", "columns", "default_F")
_OF_MODELS = ("dmin", "bulk_solvent", "anomalous", "default_F")
_OF_LISTS = ("values", "space_group", "default_F")

#: Kinds of file with the options that make sense for each; the first whose sign the content shows is meant, whatever
#: the name of the file is.
KINDS = (
    Kind("MTZ file", re.compile(rb"\AMTZ "), _by_gemmi(read_mtz), _OF_TABLES),
    Kind("dump of structure factors", SIGN, _dump, ()),
    Kind("XDS_ASCII file", xds.SIGN, _by_gemmi(xds.read_xds), ("dmin", "default_F")),
    Kind("CrystFEL reflection list", crystfel_reflections.SIGN, _by_content(crystfel_reflections.parse_crystfel),
         ("default_F",)),
    Kind("Scalepack file", scalepack.SIGN, _by_content(scalepack.parse_scalepack), ("dmin", "default_F")),
    Kind("unmerged Scalepack file", scalepack.UNMERGED, _by_content(scalepack.refuse_unmerged), ("dmin", "default_F")),
    Kind("coordinate file", re.compile(rb"^(?:[ \t]*_atom_site\.|CRYST1|ATOM  |HETATM)", re.MULTILINE | re.IGNORECASE),
         _by_gemmi(read_structure), _OF_MODELS),
    Kind("small-molecule CIF", _line(rb"_atom_site_fract_x"), _by_gemmi(read_small_molecule),
         ("dmin", "anomalous", "default_F")),
    Kind("CIF reflection file", _line(rb"_refln_index_h"), _by_gemmi(read_reflection_cif), _OF_TABLES),
    Kind("mmCIF reflection file", _line(rb"data_"), _by_gemmi(read_reflection_cif), _OF_TABLES),
    Kind("SHELX reflection list", shelx.SIGN, _shelx, _OF_LISTS),
    Kind("text file of structure factors", re.compile(rb""), _text, _OF_LISTS),
)  # fmt: skip


def open_structure_factors(path: str | os.PathLike[str]) -> StructureFactorFile:
    """Read a file of structure factors and find its kind; its amplitudes follow by ``read``.

    Raises ``OSError`` where there is no file, ``ValueError`` where it cannot be decompressed.
    """
    content = read_bytes(path, "file of structure factors")
    if content.startswith(b"\x1f\x8b"):
        try:
            with gzip.open(BytesIO(content)) as file:
                content = read_stream(file, path)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: cannot be decompressed ({error}). Check that it is whole.") from None
    return StructureFactorFile(path, next(kind for kind in KINDS if kind.sign.search(content)), content)


def kind_of(path: str | os.PathLike[str]) -> Kind:
    """The kind of a file of structure factors, by its content. Raises as :func:`open_structure_factors`."""
    return open_structure_factors(path).kind


def load_structure_factors(
    path: str | os.PathLike[str],
    *,
    dmin: float | None = None,
    columns: Sequence[str] | str | None = None,
    values: str | None = None,
    space_group: str | None = None,
    bulk_solvent: bool = False,
    anomalous: Anomalous | None = None,
    default_F: float | torch.Tensor = 0.0,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> StructureFactors:
    """Amplitudes from reflections or coordinates of any known kind of file (:data:`KINDS`), told apart by content.

    Files with symmetry are expanded to P1 with both Friedel mates; text files, SHELX lists and dumps are taken to be so
    already, unless a ``space_group`` says otherwise.

    Args:
        path: File to read, also gzipped.
        dmin: Resolution in Angstrom beyond which reflections are left out; required for coordinates.
        columns: Columns of a reflection file (see :func:`~nanobrag_torch.io.mtz.read_mtz`).
        values: "amplitudes" or "intensities" in a text file or SHELX list; None is amplitudes in the first, and
            intensities, with a warning, in the second.
        space_group: Symbol of the group by which a text file or SHELX list is expanded; None takes it as it is.
        bulk_solvent: Fill the space between the atoms of coordinates with flat solvent.
        anomalous: Wavelength in Angstrom at which the atoms of coordinates scatter anomalously, or f' and f'' in
            electrons by element; None makes Friedel mates equal.
        default_F: Amplitude in electrons of reflections that are not listed.
        device: Device of the grid.
        dtype: Precision of the grid.

    Returns:
        The grid (h_range, k_range, l_range), its metadata and, where the file knows them, cell and orientation.

    Raises:
        ValueError: The file cannot be understood, or an option means nothing for its kind.
        OSError: There is no such file.
        ImportError: A package that reads it is missing.

    Example:
        ```python
        from nanobrag_torch.data import EXAMPLE_STRUCTURE

        factors = load_structure_factors(EXAMPLE_STRUCTURE, dmin=2.0, bulk_solvent=True)
        crystal.hkl_data, crystal.hkl_metadata = factors.grid, factors.metadata
        ```
    """
    return open_structure_factors(path).read(
        dmin=dmin,
        columns=columns,
        values=values,
        space_group=space_group,
        bulk_solvent=bulk_solvent,
        anomalous=anomalous,
        default_F=default_F,
        device=device,
        dtype=dtype,
    )
