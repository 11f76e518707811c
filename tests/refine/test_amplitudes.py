"""Free structure factors against the closed form of a scaled spot, and against the truth."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_stills import drawn, small_still

from nanobrag_torch.refine import refine

pytest.importorskip("pandas")
NAMES = ("crystal.cell_a", "crystal.cell_b", "crystal.cell_c", *(f"crystal.misset_deg[{i}]" for i in range(3)))


def with_amplitudes(scenario, seed, spread=0.0):
    """The scenario with structure factors about 100 that are drawn, and spread by a factor more where asked."""
    generator = torch.Generator().manual_seed(1)
    table = 100 * torch.exp(0.3 * torch.randn(31, 31, 31, generator=generator, dtype=torch.float64))
    more = torch.randn(31, 31, 31, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    metadata = {"h_min": -15, "k_min": -15, "l_min": -15}
    return replace(scenario, hkl_data=table * torch.exp(spread * more), hkl_metadata=metadata)


def test_of_a_known_crystal_each_amplitude_is_the_root_of_its_spots_photons():
    truth = with_amplitudes(small_still(("crystal.cell_a",), beam={"fluence": 2e28}), 2, 0.2)
    counts = drawn(truth.image(), 3)
    start = with_amplitudes(small_still(("crystal.cell_a",), beam={"fluence": 2e28}), 2)
    result = refine(start, counts, structure_factors=3.0, restraints={"crystal.cell_a": (40.0, 1e-6)}, capture=False)
    assert result.converged, result.reason
    found = result.structure_factors
    assert len(found) > 10
    at = [tuple(15 + i for i in hkl) for hkl in found.index]
    true = np.array([float(truth.hkl_data[place]) for place in at])
    pulls = (found["F"] - true) / found["sigma"]
    assert np.abs(pulls).max() < 4.5
    assert np.abs(np.log(found["start"] / true)).std() > 0.1
    # A spot of k photons has an amplitude to a part of 1/(2 sqrt(k)).
    for i in (found["sigma"] / found["F"]).to_numpy().argsort()[:6]:
        alone = torch.zeros_like(truth.hkl_data)
        alone[at[i]] = truth.hkl_data[at[i]]
        photons = float(replace(truth, hkl_data=alone).image().sum())
        assert photons > 300
        assert found["sigma"].iloc[i] / found["F"].iloc[i] == pytest.approx(0.5 * photons**-0.5, rel=0.15)


def test_cell_and_orientation_are_found_beside_amplitudes_that_are_off():
    truth = with_amplitudes(small_still(NAMES, beam={"fluence": 1e28}), 2, 0.15)
    counts = drawn(truth.image(), 3)
    begin = small_still(NAMES, crystal={"cell_a": 40.03, "misset_deg": (12.02, 25.0, 37.03)}, beam={"fluence": 1e28})
    begin = with_amplitudes(begin, 2)
    wrong = refine(begin, counts, capture=False, unexplained=1.0)
    right = refine(begin, counts, capture=False, structure_factors=0.15)
    assert right.converged, right.reason
    assert right.goodness.excess < 5 < wrong.goodness.excess
    assert abs(right["crystal.cell_a"].value - 40) < 4 * right["crystal.cell_a"].sigma
    assert right["crystal.cell_a"].sigma > wrong["crystal.cell_a"].sigma
    assert right.scenario.hkl_data is not None
    assert not torch.equal(right.scenario.hkl_data, begin.hkl_data)


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"structure_factors": 0.0}, "greater than 0"),
        ({"structure_factors": 0.3}, "a scenario with one table of structure factors"),
    ],
)
def test_what_cannot_be_free_is_refused(keywords, words):
    with pytest.raises(ValueError, match=words):
        refine(small_still(), drawn(small_still().image(), 1), **keywords)


def test_free_amplitudes_and_a_free_background_are_refused_together():
    truth = with_amplitudes(small_still(), 2)
    with pytest.raises(ValueError, match="a number or an image beside free structure factors"):
        refine(truth, drawn(small_still().image(), 1), "radial", structure_factors=0.3)


def test_a_result_without_free_amplitudes_says_so():
    truth = small_still(("beam.fluence",))
    with pytest.raises(ValueError, match="Refine with structure_factors"):
        _ = refine(truth, drawn(truth.image(), 1)).structure_factors
