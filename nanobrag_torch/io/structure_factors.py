"""Structure factors from whatever file holds them: one function that looks at the content and asks the right reader."""

import gzip
import os
import re
import zlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch

from nanobrag_torch.io.fdump import read_fdump
from nanobrag_torch.io.files import read_bytes
from nanobrag_torch.io.hkl import read_hkl_file
from nanobrag_torch.io.mtz import read_mtz, read_reflection_cif
from nanobrag_torch.io.reflections import StructureFactors
from nanobrag_torch.io.structure import read_structure


class Kind(NamedTuple):
    """A kind of file: its name, the sign by which its content is known, its reader, and the options of that."""

    name: str
    sign: re.Pattern[bytes]
    read: Callable[..., StructureFactors]
    options: tuple[str, ...]

    @property
    def has_cell(self) -> bool:
        """Whether such a file says which unit cell its reflections belong to, and so their resolution."""
        return "dmin" in self.options

    @property
    def calculates(self) -> bool:
        """Whether amplitudes are calculated from such a file, and not read from it."""
        return "bulk_solvent" in self.options


def _text(path: str | os.PathLike, **options: Any) -> StructureFactors:
    return StructureFactors(*read_hkl_file(path, **options))


def _dump(path: str | os.PathLike, **options: Any) -> StructureFactors:
    return StructureFactors(*read_fdump(path, **options))


#: What a file is, by the first of these signs that its content shows, and which options make sense for it.
_KINDS = (
    Kind("MTZ file", re.compile(rb"\AMTZ "), read_mtz, ("dmin", "columns", "default_F")),
    Kind("dump of structure factors", re.compile(rb"\A-?\d+(?: -?\d+){5}\n\f"), _dump, ()),
    Kind(
        "coordinate file",
        re.compile(rb"^(?:[ \t]*_atom_site\.|CRYST1|ATOM  |HETATM)", re.MULTILINE | re.IGNORECASE),
        read_structure,
        ("dmin", "bulk_solvent", "default_F"),
    ),
    Kind(
        "mmCIF reflection file",
        re.compile(rb"^[ \t]*data_", re.MULTILINE | re.IGNORECASE),
        read_reflection_cif,
        ("dmin", "columns", "default_F"),
    ),
    Kind("text file of structure factors", re.compile(rb""), _text, ("default_F",)),
)


def load_structure_factors(
    path: str | os.PathLike,
    *,
    dmin: float | None = None,
    columns: Sequence[str] | str | None = None,
    bulk_solvent: bool = False,
    default_F: float | torch.Tensor = 0.0,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
) -> StructureFactors:
    """Amplitudes from an MTZ, mmCIF, PDB, dump or text file, told apart by their content.

    ``dmin`` cuts reflections at that resolution in Angstrom and is required for coordinates; ``columns`` chooses from
    a reflection file (:func:`~nanobrag_torch.io.mtz.read_mtz`); ``bulk_solvent`` is for coordinates
    (:func:`~nanobrag_torch.io.structure.read_structure`); ``default_F`` is the amplitude of reflections not listed.
    Files with symmetry are expanded to P1 with both Friedel mates; text files and dumps are taken to be so already.

    Raises ``ValueError`` for a file that cannot be understood or an option that its kind does not have, ``OSError``
    where there is no file, ``ImportError`` where a package is missing.
    """
    kind = kind_of(path)
    given = {"dmin": dmin, "columns": columns, "bulk_solvent": bulk_solvent or None}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    for name in options:
        if name not in kind.options:
            allowed = ", ".join(kind.options) or "none of dmin, columns, bulk_solvent, default_F"
            raise ValueError(f"{path}: {name} means nothing for a {kind.name}, which has {allowed}. Leave it out.")
    if "default_F" in kind.options:
        options["default_F"] = default_F
    return kind.read(path, device=device, dtype=dtype, **options)


def kind_of(path: str | os.PathLike) -> Kind:
    """The kind of a file of structure factors, by its content.

    Raises ``OSError`` where there is no file, ``ValueError`` where it cannot be decompressed.
    """
    content = read_bytes(path, "file of structure factors")
    if content.startswith(b"\x1f\x8b"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: cannot be decompressed ({error}). Check that it is whole.") from None
    return next(kind for kind in _KINDS if kind.sign.search(content))
