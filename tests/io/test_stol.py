"""Tables over resolution as text."""

import math

import pytest

from nanobrag_torch.io.stol import read_stol


def test_a_table_is_read_sorted_and_scaled(tmp_path):
    (tmp_path / "t.stol").write_text("# air\n0.2, 8\n0 14.1 ignored\n\n0.1;10 # more\n")
    stol, amplitude = read_stol(tmp_path / "t.stol")
    assert stol.tolist() == [0, 0.1, 0.2] and amplitude.tolist() == [14.1, 10, 8]
    assert read_stol(tmp_path / "t.stol", 1 / (4 * math.pi))[0].tolist() == pytest.approx([0, 0.00795775, 0.0159155])


@pytest.mark.parametrize(
    ("text", "message"),
    [("0 1\nx 2\n", "line 2: 'x 2'"), ("0 1\n0.1\n", "line 2: '0.1'"), ("0 1\n-1 2\n", "line 2"), ("0 1\n", "fewer"),
     ("", "fewer than two"), ("0 1\n0.1 2\n0.1 3\n", r"0\.1 stands there twice"), ("0 nan\n1 2\n", "line 1")],
)  # fmt: skip
def test_what_is_no_table_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "t.stol").write_text(text)
    with pytest.raises(ValueError, match=rf"t\.stol.*{message}"):
        read_stol(tmp_path / "t.stol")
