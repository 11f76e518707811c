"""Input files with damage: each is read, or refused by name, and never a half image or one of NaN is left behind."""

import logging
import random
from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
import pytest
from exposures import exposure_of
from faults import command, tally

from nanobrag_torch.conventions import DetectorConvention
from nanobrag_torch.data import EXAMPLE_STRUCTURE
from nanobrag_torch.io.cbf import read_cbf, write_cbf
from nanobrag_torch.io.fdump import write_fdump
from nanobrag_torch.io.hkl import read_hkl_file
from nanobrag_torch.io.nexus import read_nexus, write_nexus

_CELL = "-cell 30 40 50 90 100 90"
_DETECTOR = "-detpixels_f 4 -detpixels_s 3 -pixel 8 -distance 30"
_ALWAYS = "-default_F 10 -N 3 -oversample 1 -noprogress"
#: For each kind of file the options that have it read.
OPTIONS = {
    "hkl": f"{_CELL} {_DETECTOR} -hkl",
    "mtz": f"{_DETECTOR} -hkl",
    "reflections.cif": f"{_DETECTOR} -hkl",
    "model.cif": f"{_DETECTOR} -dmin 6 -hkl",
    "pdb": f"{_DETECTOR} -dmin 6 -hkl",
    "mat": f"{_DETECTOR} -mat",
    "smv": f"{_CELL} -img",
    "mask": f"{_CELL} -mask",
    "source": f"{_CELL} {_DETECTOR} -sourcefile",
    "dump": f"{_CELL} {_DETECTOR} -dump",
}
#: Kinds that the command does not read.
READERS: dict[str, Callable] = {"cbf": read_cbf, "nxs": read_nexus}
#: Text that takes the place of some bytes.
WORDS = (
    b"nan",
    b"inf",
    b"1e308",
    b"-1e308",
    b"1e-308",
    b"99999999",
    b"-1",
    b"0",
    b"\n",
    b"\0",
    b"\xff",
    b"#",
    b'"',
    b"loop_",
)


def whole_files(folder: Path) -> dict[str, bytes]:
    """A small valid file of each kind."""
    (folder / "hkl").write_bytes(b"-1 0 2 10.5 0.3\n0 0 0 7\n# more\n1 2 -1 3.25e1\n")
    write_fdump(*read_hkl_file(folder / "hkl"), folder / "dump")
    mtz = gemmi.Mtz(with_base=True)
    mtz.spacegroup = gemmi.SpaceGroup("P 21")
    mtz.set_cell_for_all(gemmi.UnitCell(30, 40, 50, 90, 100, 90))
    mtz.add_dataset("test")
    mtz.add_column("FP", "F")
    mtz.add_column("SIGFP", "Q")
    mtz.set_data(np.array([[1, 2, 3, 10, 1], [0, 2, 0, 20, 1], [-4, 1, 5, 30, 1]], dtype=np.float32))
    mtz.write_to_file(str(folder / "mtz"))
    lines = EXAMPLE_STRUCTURE.read_bytes().splitlines(True)
    model = b"".join([line for line in lines if line.startswith((b"CRYST1", b"SCALE", b"ATOM"))][:16])
    exposure = exposure_of(DetectorConvention.MOSFLM).single(0)
    write_nexus(folder / "nxs", exposure)
    write_cbf(folder / "cbf", exposure)
    header = (
        b"{\nHEADER_BYTES=512;\nDIM=2;\nBYTE_ORDER=little_endian;\nTYPE=unsigned_short;\nSIZE1=4;\nSIZE2=3;\nPIXEL_SIZE=1;\n"
        b"DISTANCE=90;\nWAVELENGTH=1.1;\nBEAM_CENTER_X=2;\nBEAM_CENTER_Y=1.5;\nPHI=3;\nOSC_RANGE=1;\n}\f"
    )
    image = header.ljust(512) + bytes(range(24))
    read = {name: (folder / name).read_bytes() for name in ("hkl", "dump", "mtz", "nxs", "cbf")}
    return read | {
        "reflections.cif": gemmi.MtzToCif().write_cif_to_string(mtz).encode(),
        "model.cif": gemmi.read_pdb_string(model.decode()).make_mmcif_document().as_string().encode(),
        "pdb": model,
        "mat": b"0.01 0.001 0\n0 0.011 0.002\n0 0 0.012\n",
        "smv": image,
        "mask": image,
        "source": b"-10 0 0 1 1e-10\n-10,0.1;0 2 1.1e-10\n# one more\n-9 0 0.1\n",
    }


def damaged(content: bytes, draw: random.Random) -> bytes:
    """The content with some bytes changed, replaced by words, doubled or left out, and sometimes cut short."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 4, 8))):
        at = draw.randrange(len(data)) if data else 0
        length = draw.choice((1, 1, 1, 3, 10))
        match draw.randrange(5):
            case 0 if data:
                data[at] ^= 1 << draw.randrange(8)
            case 1:
                data[at : at + length] = draw.randbytes(length)
            case 2:
                data[at : at + length] = draw.choice(WORDS)
            case 3:
                data[at:at] = data[at : at + draw.choice((8, 80, 600))]
            case _:
                del data[at : at + length]
    return bytes(data[: draw.randrange(len(data) + 1)] if draw.random() < 0.2 else data)


@pytest.fixture
def originals(tmp_path, monkeypatch):
    command.confine(monkeypatch)
    logging.getLogger("fabio").setLevel(logging.CRITICAL)
    (tmp_path / "originals").mkdir()
    yield whole_files(tmp_path / "originals")
    logging.getLogger("fabio").setLevel(logging.NOTSET)


@pytest.mark.dose(few=40, full=500)
def test_a_damaged_input_is_read_or_refused_by_name(amount, originals, tmp_path):
    kinds = [*OPTIONS, *READERS]
    ends = []
    with tally.Trial("a damaged input", times=amount) as trial:
        for number in range(-len(kinds), amount):
            kind, draw = kinds[number % len(kinds)], random.Random(number)
            folder = tmp_path / str(number)
            folder.mkdir()
            content = originals[kind] if number < 0 else damaged(originals[kind], draw)
            (folder / f"given.{kind}").write_bytes(content)
            end = _examined(trial, kind, folder, draw)
            assert number >= 0 or end == "image", f"{kind} is refused where it is whole"
            ends.append(end)
    assert ends.count("error") > amount / 8 and ends.count("image") > amount / 8


def _examined(trial: tally.Trial, kind: str, folder: Path, draw: random.Random) -> str:
    if kind in OPTIONS:
        mode = draw.choice(("c", "physical"))
        words = f"{_ALWAYS} {OPTIONS[kind]} given.{kind} -compat {mode}".split()
        return command.examine(trial, words, folder, named=f"given.{kind}")
    try:
        READERS[kind](folder / f"given.{kind}")
    except (ValueError, OSError) as error:
        if f"given.{kind}" not in str(error):
            trial.found("unnoticed", f"{folder.name}: the error does not name the file: {error}")
        return "error"
    except Exception as error:
        trial.found("traceback", f"{folder.name}, {kind}: {type(error).__name__}: {error}")
        return "failing"
    return "image"
