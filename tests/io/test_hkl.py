"""Structure factors as text: what is read, what is refused, and what C makes of the same file."""

import numpy as np
import pytest
import torch
from reflections import amplitude

from nanobrag_torch.io.hkl import read_hkl_file, try_load_hkl_or_fdump, write_hkl_file

PLAIN = "-1 0 2 10.5\n0 0 0 7\n1 2 -1 3.25\n"


@pytest.fixture
def write(tmp_path):
    def _write(content, name="t.hkl"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


def test_each_line_lands_at_its_own_index(write):
    grid, metadata = read_hkl_file(write(PLAIN), dtype=torch.float64)
    assert tuple(grid.shape) == (3, 3, 4)
    assert [metadata[key] for key in ("h_min", "h_max", "k_min", "k_max", "l_min", "l_max")] == [-1, 1, 0, 2, -1, 2]
    assert [metadata[key] for key in ("h_range", "k_range", "l_range", "hkls")] == [3, 3, 4, 3]
    assert amplitude(grid, metadata, (-1, 0, 2)) == 10.5
    assert amplitude(grid, metadata, (0, 0, 0)) == 7
    assert amplitude(grid, metadata, (1, 2, -1)) == 3.25
    assert grid.sum().item() == 20.75


def test_single_precision_is_the_default_and_double_keeps_every_digit(write):
    path = write("0 0 0 0.1\n")
    assert read_hkl_file(path)[0].dtype == torch.float32
    assert read_hkl_file(path, dtype=torch.float64)[0].item() == 0.1


def test_unlisted_reflections_have_the_default_amplitude(write):
    grid, metadata = read_hkl_file(write(PLAIN), default_F=3.0)
    assert amplitude(grid, metadata, (1, 1, 1)) == 3.0
    assert (grid == 3.0).sum().item() == grid.numel() - 3


def test_a_default_amplitude_with_a_gradient_stays_connected(write):
    default = torch.tensor(3.0, requires_grad=True)
    grid, _ = read_hkl_file(write(PLAIN), default_F=default)
    grid.sum().backward()
    assert default.grad.item() == grid.numel() - 3


@pytest.mark.parametrize(
    "text",
    [
        PLAIN.replace("\n", "\r\n"),
        PLAIN.rstrip("\n"),
        "# h k l F\n\n" + PLAIN.replace("7\n", "7 # the origin\n"),
        PLAIN.replace("\n", " 0.5 180.0 word\n"),
        "\ufeff" + PLAIN,
        PLAIN.replace(" ", "\t  "),
    ],
    ids=["crlf", "no last newline", "comments", "more columns", "byte order mark", "tabs"],
)
def test_the_spelling_of_a_file_does_not_change_its_amplitudes(write, text):
    expected, expected_metadata = read_hkl_file(write(PLAIN, "plain.hkl"))
    grid, metadata = read_hkl_file(write(text))
    assert torch.equal(grid, expected)
    assert metadata == expected_metadata


def test_of_several_lines_for_one_reflection_the_last_counts(write):
    grid, metadata = read_hkl_file(write("0 0 1 5\n0 0 0 1\n0 0 1 6\n0 0 1 4\n"))
    assert amplitude(grid, metadata, (0, 0, 1)) == 4
    assert metadata["hkls"] == 4


def test_indices_that_are_no_integers_are_rounded_with_a_warning_that_names_the_line(write):
    with pytest.warns(UserWarning, match=r"t\.hkl, line 3: indices 0 0\.98 2 .*\(2 such lines\)"):
        grid, metadata = read_hkl_file(write("# first\n0 0 0 1\n0 0.98 2 5\n0 -0.9 0 1\n"))
    assert amplitude(grid, metadata, (0, 1, 2)) == 5
    assert metadata["k_min"] == -1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no reflection"),
        ("# only a comment\n", "no reflection"),
        ("0 0 0 1\n1 2 3\n", r"line 2: '1 2 3' is not four numbers.*Each line needs h k l F"),
        ("# c\n\n0 0 0 1\n1 2 x 4\n", r"line 4: '1 2 x 4' is not four numbers"),
        ("0 0 0 1\n0 0 1 nan\n", r"line 2: '0 0 1 nan' is not finite"),
        ("0 0 0 1\n0 0 1 1e999\n", r"line 2: .* is not finite"),
        ("0 0 0 1\n100000 100000 1000 1\n", r"span 1e\+13 amplitudes"),
        ("1e30 0 0 1\n", r"span 1 amplitudes"),
        (b"\x00\xff\xfe binary \x89", "line 1"),
    ],
)
def test_a_bad_file_is_refused_with_its_name_the_line_and_a_remedy(write, text, message):
    with pytest.raises(ValueError, match=r"t\.hkl.*" + message):
        read_hkl_file(write(text))


def test_a_missing_file_is_named_with_what_to_check(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"file of structure factors cannot be read.*nowhere\.hkl"):
        read_hkl_file(tmp_path / "nowhere.hkl")


def test_a_default_amplitude_that_is_not_finite_is_refused(write):
    with pytest.raises(ValueError, match="default_F"):
        read_hkl_file(write(PLAIN), default_F=float("nan"))


def test_a_large_random_file_is_read_back_exactly(write):
    rng = np.random.default_rng(1)
    table = np.unique(rng.integers(-40, 41, (20000, 3)), axis=0)
    amplitudes = rng.uniform(1, 1e4, len(table))
    rng.shuffle(table)
    text = "".join(f"{h} {k} {l} {F!r}\n" for (h, k, l), F in zip(table, amplitudes.tolist(), strict=True))
    grid, metadata = read_hkl_file(write(text), dtype=torch.float64)
    where = tuple(torch.from_numpy(table - [metadata[key] for key in ("h_min", "k_min", "l_min")]).T)
    assert torch.equal(grid[where], torch.from_numpy(amplitudes))
    assert grid.count_nonzero().item() == len(table)


def test_c_reads_four_words_at_a_time_whatever_the_line_ends(write):
    strict, metadata = read_hkl_file(write("0 0 0\n7 1\n0 0 8"), strict=True)
    assert strict.flatten().tolist() == [7, 8]
    assert metadata["hkls"] == 2


def test_c_misreads_a_fifth_column_after_the_first_line(write):
    """The second record of C begins with the fifth word, 12.5: it widens the box and ends the reading of amplitudes."""
    path = write("-2 -2 -2 40.827 12.5\n-2 -2 -1 10.691 12.5\n-2 -2 0 48.227 12.5\n-2 -2 1 50.51 12.5\n")
    strict, metadata = read_hkl_file(path, default_F=100.0, strict=True)
    assert metadata["hkls"] == 5
    assert (metadata["h_min"], metadata["h_max"]) == (-2, 12)
    assert amplitude(strict, metadata, (-2, -2, -2)) == pytest.approx(40.827)
    assert (strict == 100.0).sum().item() == strict.numel() - 1
    tolerant, metadata = read_hkl_file(path)
    assert amplitude(tolerant, metadata, (-2, -2, 1)) == pytest.approx(50.51)


def test_c_stops_at_a_comment(write):
    strict, _ = read_hkl_file(write("0 0 0 1\n# more\n0 0 1 2\n"), strict=True)
    assert strict.flatten().tolist() == [1]
    with pytest.raises(ValueError, match="no reflection"):
        read_hkl_file(write("# hi\n0 0 0 1\n"), strict=True)


def test_c_and_the_reader_of_lines_agree_on_a_plain_file(write):
    strict, strict_metadata = read_hkl_file(write(PLAIN), default_F=2.0, strict=True)
    grid, metadata = read_hkl_file(write(PLAIN), default_F=2.0)
    assert torch.equal(strict, grid)
    assert strict_metadata == metadata


def test_a_text_file_leaves_a_dump_that_the_next_call_reads(write, tmp_path):
    dump = tmp_path / "Fdump.bin"
    grid, metadata = try_load_hkl_or_fdump(write(PLAIN), dump, default_F=2.0, dtype=torch.float64)
    again, again_metadata = try_load_hkl_or_fdump(None, dump, dtype=torch.float64)
    assert torch.equal(again, grid)
    assert again_metadata == metadata | {"hkls": grid.numel()}


def test_no_dump_is_left_where_none_is_wanted(write, tmp_path):
    try_load_hkl_or_fdump(write(PLAIN), tmp_path / "Fdump.bin", write_cache=False)
    assert not (tmp_path / "Fdump.bin").exists()


def test_without_text_file_and_dump_there_are_no_structure_factors(tmp_path):
    assert try_load_hkl_or_fdump(None, tmp_path / "Fdump.bin") == (None, None)


def test_a_text_file_that_is_named_but_missing_is_an_error_even_where_a_dump_exists(write, tmp_path):
    try_load_hkl_or_fdump(write(PLAIN), tmp_path / "Fdump.bin")
    with pytest.raises(FileNotFoundError):
        try_load_hkl_or_fdump(tmp_path / "nowhere.hkl", tmp_path / "Fdump.bin")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("strict", [False, True])
def test_what_is_written_is_read_back_to_the_last_digit_by_us_and_by_c(tmp_path, dtype, strict):
    grid = torch.rand(3, 4, 5, dtype=dtype, generator=torch.Generator().manual_seed(0)) * 1e4
    grid[1, 2, 3] = 0
    metadata = {"h_min": -1, "h_max": 1, "k_min": 0, "k_max": 3, "l_min": -7, "l_max": -3}
    metadata |= {"h_range": 3, "k_range": 4, "l_range": 5, "hkls": 60}
    write_hkl_file(grid, metadata, tmp_path / "t.hkl")
    again, again_metadata = read_hkl_file(tmp_path / "t.hkl", dtype=dtype, strict=strict)
    assert torch.equal(again, grid)
    assert again_metadata == metadata | {"hkls": 59}


def test_a_grid_of_zeros_is_not_written(tmp_path):
    metadata = {"h_min": 0, "k_min": 0, "l_min": 0, "h_range": 1, "k_range": 1, "l_range": 1}
    with pytest.raises(ValueError, match="every amplitude is zero"):
        write_hkl_file(torch.zeros(1, 1, 1), metadata, tmp_path / "t.hkl")
    with pytest.raises(ValueError, match="the grid has shape"):
        write_hkl_file(torch.ones(1, 1, 2), metadata, tmp_path / "t.hkl")
    assert list(tmp_path.iterdir()) == []
