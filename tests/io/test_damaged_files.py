"""Damaged files: a reader answers any bytes with a value, or with an error that names the file and a remedy."""

import logging
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gemmi
import numpy as np
import pytest
from exposures import exposure_of
from hypothesis import given, settings
from hypothesis import strategies as st

from nanobrag_torch.conventions import DetectorConvention
from nanobrag_torch.data import EXAMPLE_STRUCTURE
from nanobrag_torch.io import reflections, structure
from nanobrag_torch.io.cbf import read_cbf, write_cbf
from nanobrag_torch.io.crystfel_reflections import parse_crystfel
from nanobrag_torch.io.fdump import read_fdump, write_fdump
from nanobrag_torch.io.hkl import read_hkl_file
from nanobrag_torch.io.mtz import read_mtz, read_reflection_cif
from nanobrag_torch.io.nexus import read_nexus, write_nexus
from nanobrag_torch.io.scalepack import parse_scalepack
from nanobrag_torch.io.shelx import parse_shelx
from nanobrag_torch.io.small_molecule import read_small_molecule
from nanobrag_torch.io.structure import read_structure
from nanobrag_torch.io.structure_factors import load_structure_factors
from nanobrag_torch.io.xds import read_xds


def of_content(parse):
    """A parser of bytes as a reader of files."""
    return lambda path: parse(path.read_bytes(), path)


FILES = Path(__file__).parent / "files"
SHELX = b"   1   2   3  100.00    1.00\n  -1   0   3  140.00    2.00\n   0   0   0    0.00    0.00\n"
SCALEPACK = (
    b"    1\n -987\n    12.000    15.000    19.000    90.000    90.000    90.000 p212121\n"
    b"   1   2   3   400.0     5.0   361.0     5.0\n   0   0   2   144.0     5.0\n"
)
CRYSTFEL = (
    b"CrystFEL reflection list version 2.0\nSymmetry: mmm\n   h    k    l          I    phase   sigma(I)   nmeas\n"
    b"   1    2    3     400.00        -       5.00      12\nEnd of reflections\n"
)
TEXT = b"-1 0 2 10.5 0.3\n0 0 0 7\n# more\n1 2 -1 3.25e1\n"
READERS: dict[str, Callable] = {
    "text": read_hkl_file,
    "text as C reads it": partial(read_hkl_file, strict=True),
    "dump": read_fdump,
    "mtz": read_mtz,
    "mmcif reflections": read_reflection_cif,
    "pdb": partial(read_structure, dmin=6.0),
    "mmcif model": partial(read_structure, dmin=6.0),
    "nexus": read_nexus,
    "cbf": read_cbf,
    "xds": read_xds,
    "scalepack": of_content(parse_scalepack),
    "crystfel": of_content(parse_crystfel),
    "shelx": of_content(parse_shelx),
    "small molecule": partial(read_small_molecule, dmin=3.0),
    "fcf": read_reflection_cif,
}
#: Every message has one of these words, which begin what it tells the user to do.
REMEDIES = ("check", "each line needs", "delete", "give", "merge", "name others", "add", "mend", "resolution: dmin=")

#: The same cases every time: this is a test of the readers, not of today's luck.
examine = settings(max_examples=150, deadline=None, derandomize=True)


@pytest.fixture(scope="module", autouse=True)
def small_grids():
    """A damaged index may ask for a large grid: keep what is granted small, so that the tests stay so too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reflections, "LARGEST_GRID", 2**20)
        patch.setattr(structure, "LARGEST_GRID", 2**20)
        logging.getLogger("fabio").setLevel(logging.CRITICAL)
        yield
        logging.getLogger("fabio").setLevel(logging.NOTSET)


def small_mtz(path):
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup("P 21")
    mtz.set_cell_for_all(gemmi.UnitCell(30, 40, 50, 90, 100, 90))
    mtz.add_dataset("test")
    mtz.add_column("FP", "F")
    mtz.add_column("SIGFP", "Q")
    mtz.set_data(np.array([[1, 2, 3, 10, 1], [0, 2, 0, 20, 1], [-4, 1, 5, 30, 1]], dtype=np.float32))
    mtz.write_to_file(str(path))
    return mtz


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A small valid file of each kind, as bytes."""
    folder = tmp_path_factory.mktemp("originals")
    lines = EXAMPLE_STRUCTURE.read_bytes().splitlines(True)
    model = b"".join([line for line in lines if line.startswith((b"CRYST1", b"SCALE", b"ATOM"))][:16])
    (folder / "text").write_bytes(TEXT)
    write_fdump(*read_hkl_file(folder / "text"), folder / "dump")
    mtz = small_mtz(folder / "mtz")
    exposure = exposure_of(DetectorConvention.MOSFLM).single(0)
    write_nexus(folder / "nexus", exposure)
    write_cbf(folder / "cbf", exposure)
    return {
        "text": TEXT,
        "text as C reads it": TEXT,
        "dump": (folder / "dump").read_bytes(),
        "mtz": (folder / "mtz").read_bytes(),
        "mmcif reflections": gemmi.MtzToCif().write_cif_to_string(mtz).encode(),
        "pdb": model,
        "mmcif model": gemmi.read_pdb_string(model.decode()).make_mmcif_document().as_string().encode(),
        "nexus": (folder / "nexus").read_bytes(),
        "cbf": (folder / "cbf").read_bytes(),
        "xds": (FILES / "bang.hkl").read_bytes(),
        "scalepack": SCALEPACK,
        "crystfel": CRYSTFEL,
        "shelx": SHELX,
        "small molecule": (FILES / "smol.cif").read_bytes(),
        "fcf": (FILES / "fcf.fcf").read_bytes(),
    }


def answers(read, path, content) -> bool:
    """True where the reader gave a value; an error that does not name the file and a remedy fails the test."""
    path.write_bytes(content)
    try:
        with warnings.catch_warnings(action="ignore"):
            read(path)
    except (ValueError, OSError) as error:
        assert str(path) in str(error)
        assert any(remedy in str(error).lower() for remedy in REMEDIES), str(error)
        return False
    return True


@st.composite
def edits(draw):
    """Changes of a file: place (a part of the length), new bytes, and the part that is kept."""
    places = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 20), st.binary(max_size=8))
    return draw(st.lists(places, min_size=1, max_size=6)), draw(st.floats(0.2, 1) | st.just(1.0))


def edited(content: bytes, changes) -> bytes:
    places, kept = changes
    damaged = bytearray(content)
    for part, removed, inserted in places:
        start = int(part * len(damaged))
        damaged[start : start + removed] = inserted
    return bytes(damaged[: int(kept * len(damaged))])


@pytest.mark.parametrize("kind", READERS)
def test_an_undamaged_file_is_read(originals, kind, tmp_path):
    assert answers(READERS[kind], tmp_path / "file", originals[kind])


@pytest.mark.parametrize("kind", READERS)
def test_a_damaged_file_is_read_or_refused_by_name(originals, kind, tmp_path):
    @examine
    @given(edits())
    def check(changes):
        answers(READERS[kind], tmp_path / "file", edited(originals[kind], changes))

    check()


@pytest.mark.parametrize("kind", READERS)
def test_a_cut_file_is_read_or_refused_by_name(originals, kind, tmp_path):
    content = originals[kind]
    for length in {*range(0, len(content), max(1, len(content) // 97)), len(content) - 1}:
        answers(READERS[kind], tmp_path / "file", content[:length])


@pytest.mark.parametrize("kind", READERS)
def test_bytes_of_no_format_are_refused_by_name(kind, tmp_path):
    @examine
    @given(st.binary(max_size=300))
    def check(content):
        answers(READERS[kind], tmp_path / "file", content)

    check()
    assert not answers(READERS[kind], tmp_path / "file", b"\x00\x01\x02 nothing that anyone reads \xff\xfe")


NUMBERS = st.text("0123456789 .-+eE#\n\t", max_size=80)


@pytest.mark.parametrize("strict", [False, True], ids=["by lines", "as C reads it"])
def test_any_text_of_numbers_is_read_or_refused_by_name(strict, tmp_path):
    @settings(examine, max_examples=500)
    @given(NUMBERS)
    def check(text):
        answers(partial(read_hkl_file, strict=strict), tmp_path / "file", text.encode())

    check()


def test_any_damaged_file_is_answered_where_the_content_decides_what_it_is(originals, tmp_path):
    @examine
    @given(st.sampled_from(sorted(originals)), edits())
    def check(kind, changes):
        answers(load_structure_factors, tmp_path / "file", edited(originals[kind], changes))

    check()
