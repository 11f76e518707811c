"""Free parameters: logarithms, turns, ties, symmetry and bounds, and what contradicts them."""

import pytest
import torch
from small_stills import FREE, small_still

from nanobrag_torch.refine.orientation import matrix_of
from nanobrag_torch.refine.parameters import MISSET, TURNS, parameters_of

EDGES = ("crystal.cell_a", "crystal.cell_b", "crystal.cell_c")
CUBE = {"crystal": {"cell_a": 50.0, "cell_b": 50.0, "cell_c": 50.0}}


def step_of(parameters, **components):
    named = {f"crystal.{name}": value for name, value in components.items()}
    return torch.tensor([named.get(name, 0.0) for name in parameters.names], dtype=torch.float64)


def test_a_step_moves_lengths_by_itself_and_numbers_of_cells_by_its_exponential():
    parameters, state = parameters_of(small_still((*EDGES, "crystal.N_cells[0]")))
    step = torch.tensor([0.1, 0.0, 0.0, 0.2], dtype=torch.float64)
    moved = parameters.moved(state, step)
    assert moved["crystal.cell_a"] == pytest.approx(40.1)
    assert moved["crystal.N_cells[0]"] == pytest.approx(7 * 1.2214027581601699)
    assert parameters.by_coordinates(state).diagonal().tolist() == [1, 1, 1, 7]


def test_a_free_misset_turns_about_the_laboratory_axes_even_where_two_of_its_angles_are_one():
    parameters, state = parameters_of(small_still(MISSET, crystal={"misset_deg": (25.0, 90.0, 40.0)}))
    assert parameters.names == TURNS
    assert parameters.quantities == MISSET
    turn = torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    moved = parameters.moved(state, turn)
    before, after = (matrix_of(torch.tensor([s[name] for name in MISSET], dtype=torch.float64)) for s in (state, moved))
    assert torch.allclose(after, matrix_of(turn) @ before, atol=1e-6)
    assert parameters.by_coordinates(state).isnan().all()


def test_a_system_ties_edges_and_fixes_angles():
    names = (*EDGES, "crystal.cell_beta")
    parameters, state = parameters_of(small_still(names, **CUBE), system="cubic")
    assert parameters.names == ("crystal.cell_a",)
    values, tracked = parameters.leaves(state)
    assert values["crystal.cell_c"] is values["crystal.cell_a"] is tracked[0]
    assert parameters.fixed["crystal.cell_beta"] == 90


def test_a_value_stops_at_its_bound():
    parameters, state = parameters_of(small_still(FREE), bounds={"crystal.N_cells[0]": (6.5, 8.0)})
    step = torch.zeros(len(FREE), dtype=torch.float64)
    step[parameters.names.index("crystal.N_cells[0]")] = 5.0
    moved = parameters.moved(state, step)
    assert moved["crystal.N_cells[0]"] == 8
    assert sum(parameters.at_bounds(moved, step)) == 1
    assert sum(parameters.at_bounds(moved, -step)) == 0


@pytest.mark.parametrize(
    ("names", "changes", "given", "words"),
    [
        (EDGES, {}, {"ties": {EDGES[1]: EDGES[0]}}, "cell_b = 50.0: must be 40 at the start"),
        (EDGES, CUBE, {"ties": {EDGES[1]: EDGES[0], EDGES[0]: EDGES[1]}}, "without a circle"),
        (EDGES, {}, {"ties": {EDGES[1]: "beam.fluence"}}, "a quantity in Å"),
        (EDGES, CUBE, {"ties": {EDGES[1]: "crystal.cell_d"}}, "parameters.name = 'crystal.cell_d'"),
        (EDGES[1:], CUBE, {"system": "cubic"}, "one of the scenario's names"),
        (EDGES, {}, {"system": "cubic"}, "must be 40 at the start"),
        (("crystal.cell_alpha",), {}, {"system": "orthorhombic"}, "free quantities, of which symmetry leaves some"),
        (EDGES, {}, {"bounds": {"beam.fluence": (1, 2)}}, "one of the free names"),
        (EDGES, {}, {"bounds": {EDGES[0]: (50.0, 60.0)}}, "at least 50"),
        (EDGES, {}, {"bounds": {EDGES[0]: (60.0, 50.0)}}, "the lower one first"),
        (("beam.fluence",), {"beam": {"fluence": 0.0}}, {}, "greater than 0 at the start"),
        (MISSET, {"crystal": {"misset_random": True, "misset_seed": 3}}, {}, "False where the misset is refined"),
    ],
)
def test_what_contradicts_itself_is_refused_by_name(names, changes, given, words):
    with pytest.raises(ValueError, match=words):
        parameters_of(small_still(names, **changes), **given)
