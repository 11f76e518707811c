"""Source lists."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nanobrag_torch.io.source import read_source_table, read_sourcefile


def read(tmp_path, text):
    path = tmp_path / "s.txt"
    path.write_bytes(text.encode())
    return read_source_table(path, (-10.0, 0.0, 0.0), 1e-10)


def test_all_five_columns_are_read_with_any_of_the_delimiters(tmp_path):
    table = read(tmp_path, "-10 0.01 0 1 1e-10\n-9,0;0.02:5!1.1e-10\n")
    assert table.positions.tolist() == [[-10, 0.01, 0], [-9, 0, 0.02]]
    assert table.weights.tolist() == [1, 5]
    assert table.wavelengths.tolist() == [1e-10, 1.1e-10]


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_missing_columns_take_their_defaults_whatever_the_line_end(tmp_path, ending):
    table = read(tmp_path, f"-9 0.01 0{ending}")
    assert (table.positions.tolist(), table.weights.tolist(), table.wavelengths.tolist()) == (
        [[-9, 0.01, 0]], [1], [1e-10],
    )  # fmt: skip


def test_comments_and_empty_lines_are_no_sources(tmp_path):
    table = read(tmp_path, "# X Y Z weight lambda\n\n-10 0 0 # on the axis\n  \n")
    assert table.positions.tolist() == [[-10, 0, 0]]


def test_a_column_that_is_not_a_number_by_intent_is_missing(tmp_path):
    assert read(tmp_path, "-10 nan 0.5 nan 2e-10\n").positions.tolist() == [[-10, 0, 0.5]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "no source"),
        ("# nothing\n", "no source"),
        ("-10 0 0\nx y z\n", "line 2: 'x'"),
        ("0 0 0\n", "line 1: the source lies on the sample"),
        ("-10 0 0 1 0\n", "line 1: wavelength 0"),
        ("-10 0 0 1 -1e-10\n", "wavelength"),
        ("-10 inf 0\n", "not finite"),
    ],
)
def test_what_is_no_source_is_refused_with_its_line(tmp_path, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        read(tmp_path, text)


def test_directions_are_unit_vectors_towards_the_sources(tmp_path):
    (tmp_path / "s.txt").write_text("-3 0 4 2 1e-10\n0 0 -5\n")
    directions, weights, wavelengths = read_sourcefile(tmp_path / "s.txt", 2e-10, dtype=torch.float64)
    torch.testing.assert_close(directions, torch.tensor([[-0.6, 0, 0.8], [0, 0, -1]], dtype=torch.float64))
    assert weights.tolist() == [2, 1]
    assert wavelengths.tolist() == [1e-10, 2e-10]


def test_a_missing_position_lies_upstream_of_the_beam(tmp_path):
    (tmp_path / "s.txt").write_text("nan nan nan 3\n")
    directions, weights, _ = read_sourcefile(tmp_path / "s.txt", 1e-10, beam_direction=torch.tensor([0.0, 0.0, 1.0]))
    assert directions.tolist() == [[0, 0, -1]]
    assert weights.tolist() == [3]
    assert directions.dtype == torch.float32


@given(st.text(max_size=80))
def test_any_text_is_a_source_list_or_refused_by_name(tmp_path_factory, text):
    try:
        table = read(tmp_path_factory.mktemp("source"), text)
    except ValueError as error:
        assert "s.txt" in str(error)
    else:
        assert (table.wavelengths > 0).all()


@pytest.mark.parametrize("direction", [(0.0, 0.0, 1.0), [0.0, 0.0, 1.0], torch.tensor([0.0, 0.0, 1.0]).numpy()])
def test_any_sequence_is_a_beam_direction(tmp_path, direction):
    (tmp_path / "list").write_text("nan nan nan 1\n")
    assert read_sourcefile(tmp_path / "list", 1e-10, beam_direction=direction)[0].tolist() == [[0.0, 0.0, -1.0]]
