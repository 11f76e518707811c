"""Structure factors of a crystal from every kind of file, and what stays connected."""

import gemmi
import numpy as np
import pytest
import torch

from nanobrag_torch.config import CrystalConfig, DetectorConfig
from nanobrag_torch.data import EXAMPLE_STRUCTURE
from nanobrag_torch.io.fdump import read_fdump
from nanobrag_torch.io.structure_factors import load_structure_factors
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator


def crystal(default_F=0.0, **fields):
    return Crystal(
        CrystalConfig(60.0, 70.0, 80.0, N_cells=(3, 3, 3), default_F=default_F, **fields), dtype=torch.float64
    )


@pytest.fixture
def sparse(tmp_path):
    path = tmp_path / "P1.hkl"
    path.write_text("-2 -2 -2 50\n0 0 0 0\n2 2 2 30\n")
    return path


def image_sum(crystal):
    detector = Detector(
        DetectorConfig(spixels=12, fpixels=12, pixel_size_mm=1.0, distance_mm=200.0), dtype=torch.float64
    )
    return Simulator(crystal, detector, dtype=torch.float64).run(oversample=1).sum()


def test_the_amplitude_of_what_is_not_listed_keeps_its_gradient(sparse):
    amplitude = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    loaded = crystal(amplitude)
    loaded.load_hkl(sparse, write_cache=False)
    (slope,) = torch.autograd.grad(image_sum(loaded), amplitude)
    with torch.no_grad():
        sums = []
        for value in (7.0 - 1e-3, 7.0 + 1e-3):
            loaded.config.default_F = value
            sums.append(image_sum(loaded).item())
    assert slope.item() == pytest.approx((sums[1] - sums[0]) / 2e-3, rel=1e-7)
    assert slope > 0


def test_each_evaluation_has_a_graph_of_its_own(sparse):
    amplitude = torch.tensor(7.0, dtype=torch.float64, requires_grad=True)
    loaded = crystal(amplitude)
    loaded.load_hkl(sparse, write_cache=False)
    first, second = (torch.autograd.grad(image_sum(loaded), amplitude)[0] for _ in range(2))
    assert first == second > 0


def test_listed_amplitudes_stand_even_where_they_are_zero(sparse):
    loaded = crystal(7.0)
    loaded.load_hkl(sparse, write_cache=False)
    assert [loaded.hkl_data[place].item() for place in ((0, 0, 0), (2, 2, 2), (4, 4, 4), (0, 1, 0))] == [50, 0, 30, 7]
    loaded.to(dtype=torch.float32)
    assert loaded.hkl_data.dtype == torch.float32 and loaded.hkl_data[0, 1, 0] == 7
    loaded.hkl_data = torch.full((1, 1, 1), 3.0)
    assert loaded.hkl_data.item() == 3


def test_the_dump_holds_the_default_amplitude(sparse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    loaded = crystal(torch.tensor(7.0, requires_grad=True))
    loaded.load_hkl(sparse)
    grid, metadata = read_fdump(tmp_path / "Fdump.bin", dtype=torch.float64)
    assert torch.equal(grid, loaded.hkl_data.detach()) and (grid == 7).sum() == 122
    assert metadata["h_min"] == loaded.hkl_metadata["h_min"] == -2


def test_coordinates_bring_amplitudes_and_when_asked_their_cell(tmp_path):
    loaded = crystal()
    loaded.load_hkl(EXAMPLE_STRUCTURE, write_cache=False, dmin=4.0)
    assert loaded.config.cell_a == 60.0
    assert torch.equal(loaded.hkl_data, load_structure_factors(EXAMPLE_STRUCTURE, dmin=4.0, dtype=torch.float64).grid)
    loaded.load_hkl(EXAMPLE_STRUCTURE, write_cache=False, dmin=4.0, bulk_solvent=True, use_cell=True)
    assert (loaded.config.cell_a, loaded.config.cell_c) == pytest.approx((34.77, 48.31))
    assert image_sum(loaded) > 0


def test_a_crystal_may_stand_in_the_axes_of_its_coordinates():
    loaded = crystal()
    loaded.load_hkl(EXAMPLE_STRUCTURE, write_cache=False, dmin=4.0, use_orientation=True)
    stars = np.array(gemmi.read_structure(str(EXAMPLE_STRUCTURE)).cell.frac.mat.tolist())
    found = torch.stack([loaded.a_star, loaded.b_star, loaded.c_star])
    np.testing.assert_allclose(found.numpy(), stars, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"dmin": 3.0}, "dmin means nothing for a text file"),
        ({"use_cell": True}, "without a unit cell"),
        ({"use_orientation": True}, "without a unit cell"),
    ],
)
def test_what_a_text_file_cannot_give_is_refused_and_nothing_changes(sparse, options, complaint):
    loaded = crystal()
    with pytest.raises(ValueError, match=complaint):
        loaded.load_hkl(sparse, write_cache=False, **options)
    assert loaded.hkl_data is None and loaded.config.cell_a == 60.0


def test_coordinates_need_a_resolution():
    with pytest.raises(ValueError, match=r"dmin=2\.0"):
        crystal().load_hkl(EXAMPLE_STRUCTURE, write_cache=False)
