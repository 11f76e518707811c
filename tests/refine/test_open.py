"""Parameters that the data do not tell apart: each known degeneracy is produced, named, and held or restrained."""

import pytest
from small_stills import N_CELLS, drawn, small_still

from nanobrag_torch.config import CrystalShape
from nanobrag_torch.refine import refine
from nanobrag_torch.refine.normal_matrix import _in_words

EDGES = ("crystal.cell_a", "crystal.cell_b", "crystal.cell_c")
MISSET = tuple(f"crystal.misset_deg[{i}]" for i in range(3))
CENTRE = ("detector.beam_center_s", "detector.beam_center_f")


def refined(names, seed=1, start=None, **truth):
    """Result for counts of a scenario, from a start that differs in ``start``, dicts by config."""
    scenario = small_still(names, **truth)
    begin = {c: {**truth.get(c, {}), **(start or {}).get(c, {})} for c in ("crystal", "detector", "beam")}
    return refine(small_still(names, **begin), drawn(scenario.image(), seed))


def test_scale_and_numbers_of_cells_of_a_top_hat_are_one_parameter():
    result = refined(
        (*N_CELLS, "beam.fluence"), start={"beam": {"fluence": 2.5e27}}, crystal={"shape": CrystalShape.TOPHAT}
    )
    assert result.converged
    assert {each.words for each in result.null_directions} == {
        "N_a, N_b and N_c: only their product is determined",
        "scale and N_a N_b N_c: only their combination is determined",
    }
    assert set(result.held) == set(N_CELLS)
    assert result["crystal.N_cells[0]"].sigma is None
    assert result["crystal.N_cells[0]"].value == 7
    assert abs(result["beam.fluence"].value - 3e27) < 4 * result["beam.fluence"].sigma


def test_scale_and_amplitude_are_one_parameter():
    result = refined(("beam.fluence", "crystal.default_F"), start={"beam": {"fluence": 2.5e27}})
    assert [each.words for each in result.null_directions] == ["only fluence times F² enters"]
    assert list(result.held) == ["crystal.default_F"]
    assert "held: only fluence" in result["crystal.default_F"].note


def test_of_distance_cell_and_wavelength_the_wavelength_is_held_and_the_rest_is_poorly_determined():
    names = (*EDGES, "detector.distance_mm", "beam.wavelength_A", "beam.fluence")
    result = refined(names, start={"crystal": {"cell_a": 40.02}})
    assert list(result.held) == ["beam.wavelength_A"]
    assert [each.components.keys() for each in result.null_directions] == [{*EDGES, "beam.wavelength_A"}]
    words = "cell and distance: a longer distance and a larger cell leave the spots where they were"
    assert words in [each.words for each in result.weak_directions]
    alone = refined((*EDGES, "beam.fluence"), start={"crystal": {"cell_a": 40.02}})
    assert result["crystal.cell_b"].sigma > 3 * alone["crystal.cell_b"].sigma
    assert abs(result["crystal.cell_b"].value - 50) < 4 * result["crystal.cell_b"].sigma


def test_beam_centre_and_misset_are_poorly_told_apart_where_all_spots_lie_to_one_side():
    aside = {"beam_center_s": 16.25, "beam_center_f": -60.0, "distance_mm": 120.0}
    result = refined(
        (*MISSET, *CENTRE), detector=aside, crystal={"N_cells": (14.0, 12.0, 10.0)}, beam={"fluence": 1e28}
    )
    words = "beam centre and misset: a turn of the crystal shifts the spots as the beam centre does"
    assert words in [each.words for each in result.weak_directions]
    assert result.correlation.loc["detector.beam_center_s", "crystal.misset_deg[0]"] ** 2 > 0.5


def test_numbers_of_cells_and_scale_are_poorly_told_apart_where_mosaicity_makes_the_spots():
    wide = {
        "mosaic_model": "gaussian", "mosaic_domains": 60, "mosaic_eta_deg": (0.3, 0.3, 0.3), "N_cells": (20.0,) * 3,
    }  # fmt: skip
    names = (*N_CELLS, "beam.fluence", "crystal.mosaic_eta_deg[0]")
    result = refined(names, crystal=wide, detector={"oversample": 4}, beam={"fluence": 6e25})
    assert result.converged
    words = "scale and N_a N_b N_c: only their combination is determined"
    assert words in [each.words for each in result.weak_directions]


def test_a_restraint_determines_what_the_data_leave_open():
    names = ("beam.fluence", "crystal.default_F")
    truth = small_still(names)
    result = refine(truth, drawn(truth.image(), 1), restraints={"crystal.default_F": (100.0, 2.0)})
    assert not result.held
    assert not result.null_directions
    assert result["crystal.default_F"].sigma == pytest.approx(2.0, rel=1e-3)
    assert result["crystal.default_F"].note == "restrained to 100 ± 2"
    # The fluence goes as F^-2: its error is that of the restraint, doubled, and that of the counts.
    counts = float(drawn(truth.image(), 1).sum())
    assert result["beam.fluence"].sigma / 3e27 == pytest.approx((0.04**2 + 1 / counts) ** 0.5, rel=0.02)


def test_a_parameter_beyond_any_meaning_is_held_at_its_start():
    names = ("beam.polarization_factor", "beam.fluence")
    truth = small_still(names, beam={"fluence": 3e24, "polarization_factor": 0.5})
    result = refine(truth, drawn(truth.image(), 3))
    assert "the data leave it open by" in result["beam.polarization_factor"].note
    assert result["beam.polarization_factor"].value == 0.5
    assert result["beam.polarization_factor"].sigma is None
    assert result["beam.fluence"].sigma > 0


def test_a_parameter_at_its_bound_has_no_error():
    names = ("crystal.cell_a", "beam.fluence")
    truth = small_still(names)
    result = refine(
        small_still(names, crystal={"cell_a": 39.95}), drawn(truth.image(), 1), bounds={"crystal.cell_a": (39.9, 39.97)}
    )
    assert result["crystal.cell_a"].value == 39.97
    assert result["crystal.cell_a"].sigma is None
    assert result["crystal.cell_a"].note == "at its bound"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (MISSET[:1] + EDGES[:1], "misset and cell: together they leave the spots where they were"),
        (EDGES[:1] + MISSET + CENTRE, "beam centre, misset and cell: together they leave the spots where they were"),
        (EDGES[:2], "crystal.cell_a and crystal.cell_b: only their combination is determined"),
        ((*N_CELLS, "beam.fluence"), "scale and N_a N_b N_c: only their combination is determined"),
    ],
    ids=str,
)
def test_words_name_the_families_that_take_part_and_no_other(names, words):
    assert _in_words(list(names)) == words
