"""The binary dump of structure factors, held against bytes that the C program wrote."""

import struct

import numpy as np
import pytest
import torch

from nanobrag_torch.io.fdump import read_fdump, write_fdump
from nanobrag_torch.io.hkl import read_hkl_file
from nanobrag_torch.io.structure_factors import load_structure_factors

C_TEXT = "0 0 0 10\n1 -1 0 2.5\n0 0 1 7\n"
C_DUMP = b"0 1 -1 0 0 1\n\f" + struct.pack(
    "=27d", 3, 3, 0, 10, 7, 0, 0, 0, 0, 2.5, 3, 0, 3, 3, *[0] * 13
)  # what C wrote for C_TEXT and default_F = 3


@pytest.fixture
def grid_and_metadata(tmp_path):
    (tmp_path / "t.hkl").write_text(C_TEXT)
    return read_hkl_file(tmp_path / "t.hkl", default_F=3.0, dtype=torch.float64)


def test_the_dump_is_byte_for_byte_that_of_the_c_program(tmp_path, grid_and_metadata):
    write_fdump(*grid_and_metadata, tmp_path / "Fdump.bin")
    assert (tmp_path / "Fdump.bin").read_bytes() == C_DUMP


def test_a_dump_of_the_c_program_is_read_without_its_padding(tmp_path, grid_and_metadata):
    (tmp_path / "Fdump.bin").write_bytes(C_DUMP)
    grid, metadata = read_fdump(tmp_path / "Fdump.bin", dtype=torch.float64)
    assert torch.equal(grid, grid_and_metadata[0])
    assert metadata == grid_and_metadata[1] | {"hkls": 8}


#: Ends of headers that the C program reads as it reads its own (tried with the program).
ENDINGS = (b"\f", b"\n", b"", b" \f", b"\r\n\f")


@pytest.mark.parametrize("header", [b"0 1 -1 0 0 1" + end for end in ENDINGS] + [b" 0 1\n-1 0\t0   1\f"])
def test_a_dump_is_read_whatever_white_space_or_none_its_header_has(tmp_path, header):
    (tmp_path / "standard.bin").write_bytes(C_DUMP)
    (tmp_path / "other.bin").write_bytes(header + C_DUMP[14:])
    wanted, place = read_fdump(tmp_path / "standard.bin", dtype=torch.float64)
    found = load_structure_factors(tmp_path / "other.bin", dtype=torch.float64)
    assert torch.equal(found.grid, wanted) and wanted.abs().sum().item() > 0
    assert found.metadata == place


@pytest.mark.parametrize("number", [int, float, np.int64, np.float32, torch.tensor])
def test_the_bounds_of_a_dump_come_back_as_written_whatever_numbers_they_were(tmp_path, grid_and_metadata, number):
    grid, metadata = grid_and_metadata
    bounds = {name: number(value) for name, value in metadata.items() if name.endswith(("min", "max"))}
    write_fdump(grid, bounds, tmp_path / "Fdump.bin")
    assert (tmp_path / "Fdump.bin").read_bytes() == C_DUMP
    assert read_fdump(tmp_path / "Fdump.bin")[1] == metadata | {"hkls": 8}


@pytest.mark.parametrize("value", [0.5, None, "0", float("nan"), float("inf")])
def test_bounds_that_are_no_integers_are_refused_by_name(tmp_path, grid_and_metadata, value):
    grid, metadata = grid_and_metadata
    with pytest.raises(ValueError, match=r"Fdump\.bin: metadata\['k_max'\].*must be an integer"):
        write_fdump(grid, metadata | {"k_max": value}, tmp_path / "Fdump.bin")
    with pytest.raises(ValueError, match=r"metadata\['h_min'\] = None"):
        write_fdump(grid, {}, tmp_path / "Fdump.bin")
    assert not (tmp_path / "Fdump.bin").exists()


def test_a_first_amplitude_that_begins_with_a_blank_byte_is_read_exactly(tmp_path):
    """The C program would skip the byte as white space and misread everything after it."""
    first = struct.unpack("=d", b"\x20\x0a\x00\x00\x00\x00\x59\x40")[0]
    grid = torch.tensor([[[first, 2.0]]], dtype=torch.float64)
    metadata = {"h_min": 0, "h_max": 0, "k_min": 0, "k_max": 0, "l_min": 4, "l_max": 5}
    metadata |= {"h_range": 1, "k_range": 1, "l_range": 2, "hkls": 2}
    write_fdump(grid, metadata, tmp_path / "Fdump.bin")
    again, again_metadata = read_fdump(tmp_path / "Fdump.bin", dtype=torch.float64)
    assert torch.equal(again, grid)
    assert again_metadata == metadata


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "must begin with six integers"),
        (b"0 1 -1 0 0" + C_DUMP[12:], "must begin with six integers"),
        (b"0 1 -1 0 0 1\n\fx" + C_DUMP[14:], "217 bytes follow its header"),
        (C_DUMP[:-1], "215 bytes follow its header"),
        (C_DUMP + b"\0", "217 bytes follow its header"),
        (b"1 0 0 0 0 0\n\f", r"bounds h, k, l = \[1, 0, 0, 0, 0, 0\]"),
        (b"0 999999999 0 999999999 0 999999999\n\f", "ask for"),
        (C_DUMP[:14] + struct.pack("=d", float("nan")) + C_DUMP[22:], "not finite"),
    ],
)
def test_a_damaged_dump_is_refused_with_what_to_do(tmp_path, content, message):
    (tmp_path / "Fdump.bin").write_bytes(content)
    with pytest.raises(ValueError, match=rf"Fdump\.bin.*{message}.*Delete the dump and read the text file again"):
        read_fdump(tmp_path / "Fdump.bin")


def test_a_missing_dump_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"dump of structure factors cannot be read.*Fdump\.bin"):
        read_fdump(tmp_path / "Fdump.bin")


def test_a_grid_that_does_not_fit_its_metadata_leaves_the_old_dump_alone(tmp_path, grid_and_metadata):
    grid, metadata = grid_and_metadata
    write_fdump(grid, metadata, tmp_path / "Fdump.bin")
    with pytest.raises(ValueError, match="the grid has shape"):
        write_fdump(grid[1:], metadata, tmp_path / "Fdump.bin")
    assert (tmp_path / "Fdump.bin").read_bytes() == C_DUMP
    assert [path.name for path in tmp_path.glob("*Fdump*")] == ["Fdump.bin"]


def test_a_dump_into_a_folder_that_does_not_exist_says_so(tmp_path, grid_and_metadata):
    with pytest.raises(FileNotFoundError, match="there is no such folder"):
        write_fdump(*grid_and_metadata, tmp_path / "nowhere" / "Fdump.bin")


def test_an_array_is_a_grid(tmp_path):
    grid = np.arange(6.0).reshape(1, 2, 3)
    write_fdump(grid, {"h_min": 0, "h_max": 0, "k_min": 0, "k_max": 1, "l_min": -1, "l_max": 1}, tmp_path / "F.bin")
    assert np.array_equal(read_fdump(tmp_path / "F.bin")[0].numpy(), grid)
