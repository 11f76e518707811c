"""Grey pictures."""

import torch

from nanobrag_torch.io import write_pgm


def test_grey_values_are_scaled_cut_off_and_truncated(tmp_path):
    write_pgm(tmp_path / "p.pgm", torch.tensor([[0.0, 1.0, 1.99], [127.6, 1e9, -3.0]]), pgm_scale=0.5)
    header, pixels = (tmp_path / "p.pgm").read_bytes().split(b"255\n")
    assert header == b"P5\n3 2\n# pixels scaled by 0.5\n"
    assert list(pixels) == [0, 0, 0, 63, 255, 0]
