"""Many stills with what they share: against one joint fit made here, against closed forms, and after a kill."""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest
import torch
from dask.distributed import Client, LocalCluster
from scipy.optimize import least_squares
from small_stills import drawn, small_still

from nanobrag_torch.refine import joint, many, refine, refine_many
from nanobrag_torch.refine.call import prepared

DISTANCE = "detector.distance_mm"
OWN = ("crystal.cell_a", "beam.fluence")
MISSETS = ((12.0, 25.0, 37.0), (-40.0, 10.0, 5.0), (80.0, -30.0, 60.0))
TRUE_MM, START_MM = 60.0, 60.03


def stills(names=OWN, seeds=(1, 2, 3)):
    """Starts of three stills and their counts, a little off in distance, edge and fluence."""
    starts, counts = [], []
    for misset, seed in zip(MISSETS, seeds, strict=True):
        truth = small_still(names, crystal={"misset_deg": misset})
        counts.append(drawn(truth.image(), seed))
        starts.append(
            small_still(
                names,
                crystal={"misset_deg": misset, "cell_a": 40.02},
                beam={"fluence": 2.8e27},
                detector={"distance_mm": START_MM},
            )
        )
    return starts, counts


@pytest.fixture(scope="module")
def together():
    starts, counts = stills()
    return starts, counts, refine_many(starts, counts, shared=(DISTANCE,))


def test_shared_and_own_quantities_are_those_of_one_fit_of_all_pixels(together):
    """The same likelihood as roots of deviances, minimised by scipy over all seven parameters at once."""
    starts, counts, result = together
    fits = [
        prepared(replace(start, names=(*OWN, DISTANCE)), image) for start, image in zip(starts, counts, strict=True)
    ]
    problems = [fit.problem(fit.usable) for fit, _ in fits]
    start = np.array([START_MM, *(v for _ in fits for v in (40.02, 1.0))])

    def residuals(x):
        parts = []
        for i, problem in enumerate(problems):
            state = {DISTANCE: x[0], "crystal.cell_a": x[1 + 2 * i], "beam.fluence": 2.8e27 * x[2 + 2 * i]}
            mean = problem.model.image(state).numpy() + 1e-12
            seen = problem.photons.numpy()
            log = np.where(seen > 0, seen * np.log(np.where(seen > 0, seen, 1) / mean), 0)
            parts.append(np.sign(seen - mean) * np.sqrt(np.maximum(2 * (log - seen + mean), 0)))
        return np.concatenate(parts)

    found = least_squares(residuals, start, x_scale=np.abs(start) * 1e-4, diff_step=1e-6)
    assert result.converged, result.reason
    sigma = result[DISTANCE].sigma
    assert abs(result[DISTANCE].value - found.x[0]) < 0.15 * sigma
    for number, still in result.stills.items():
        edge = still["crystal.cell_a"]
        assert abs(edge.value - found.x[1 + 2 * number]) < 0.15 * edge.sigma


def test_standard_errors_are_those_of_the_whole_normal_matrix(together):
    """The blocks of all stills in one matrix (7, 7), inverted as it stands."""
    starts, counts, result = together
    whole = torch.zeros((7, 7), dtype=torch.float64)
    for i, (start, image) in enumerate(zip(starts, counts, strict=True)):
        fit, _ = prepared(replace(start, names=(*OWN, DISTANCE)), image)
        own = result.stills[i]
        state = {name: own[name].value for name in OWN} | {DISTANCE: result[DISTANCE].value}
        problem = fit.problem(fit.usable)
        matrix = problem.at(state, problem.start(state)).matrix
        places = torch.tensor([1 + 2 * i, 2 + 2 * i, 0])
        whole[places[:, None], places] += matrix
    errors = torch.linalg.inv(whole).diagonal().sqrt()
    assert result[DISTANCE].sigma == pytest.approx(float(errors[0]), rel=2e-3)
    for i, still in result.stills.items():
        assert still["crystal.cell_a"].sigma == pytest.approx(float(errors[1 + 2 * i]), rel=2e-3)
        fluence = still["beam.fluence"]
        assert fluence.sigma == pytest.approx(float(errors[2 + 2 * i]) * fluence.value, rel=2e-3)


@pytest.mark.full
def test_errors_of_the_shared_quantity_are_as_wide_as_its_values_scatter():
    """Twelve draws of the noise: a mean within three of its errors, a spread within three of its own.

    Fewer would let errors pass that are many times too wide; by closed form they are tested above.
    """
    pulls = []
    for draw in range(12):
        starts, counts = stills(seeds=(100 + draw, 200 + draw, 300 + draw))
        found = refine_many(starts, counts, shared=(DISTANCE,))[DISTANCE]
        pulls.append((found.value - TRUE_MM) / found.sigma)
    assert abs(np.mean(pulls)) < 3 / np.sqrt(len(pulls))
    assert abs(np.std(pulls) - 1) < 3 / np.sqrt(2 * len(pulls))


def test_a_shared_quantity_that_the_stills_do_not_determine_is_held_and_named():
    """Fluence and default_F are one scale: shared, no number of stills tells them apart."""
    starts, counts = stills(names=("crystal.cell_a",))
    result = refine_many(starts, counts, shared=("beam.fluence", "crystal.default_F"))
    assert result.converged, result.reason
    assert result["crystal.default_F"].sigma is None
    assert result["crystal.default_F"].note.startswith("held:")
    assert result["beam.fluence"].sigma > 0
    assert len(result.null_directions) == 1
    assert "Not determined" in str(result)


def test_a_still_that_does_not_fit_or_raises_is_left_out_with_the_reason():
    starts, counts = stills()
    counts[1] = torch.poisson(torch.full_like(counts[1], 5.0), generator=torch.Generator().manual_seed(1))
    broken = [*counts, lambda: (_ for _ in ()).throw(OSError("still 3: no such file"))]
    result = refine_many([*starts, starts[0]], broken, shared=(DISTANCE,))
    assert sorted(result.stills) == [0, 2]
    assert sorted(result.left_out) == [1, 3]
    assert "no such file" in result.left_out[3]
    assert "still 1" in str(result)
    assert result.converged, result.reason


def test_a_restraint_of_a_shared_quantity_counts_once():
    starts, counts = stills()
    free = refine_many(starts, counts, shared=(DISTANCE,))[DISTANCE]
    held = refine_many(starts, counts, shared=(DISTANCE,), restraints={DISTANCE: (TRUE_MM, free.sigma)})[DISTANCE]
    assert held.sigma == pytest.approx(free.sigma / np.sqrt(2), rel=1e-3)
    assert held.value == pytest.approx((free.value + TRUE_MM) / 2, abs=0.05 * free.sigma)


def test_misset_turns_and_planes_under_the_spots_are_each_stills_own():
    names = (*(f"crystal.misset_deg[{i}]" for i in range(3)), "beam.fluence")
    starts, counts = stills(names)
    counts = [image + drawn(torch.full_like(image, 2.0), 7 + i) for i, image in enumerate(counts)]
    starts = [replace(s, crystal=replace(s.crystal, cell_a=40.0)) for s in starts]
    result = refine_many(starts, counts, shared=(DISTANCE,), background="plane")
    assert result.converged, result.reason
    assert abs(result[DISTANCE].value - TRUE_MM) < 4 * result[DISTANCE].sigma
    assert all(still["crystal.misset_deg[0]"].sigma > 0 for still in result.stills.values())


SCRIPT = """
import os, sys
sys.path.insert(0, sys.argv[2])
from test_many import DISTANCE, stills
from nanobrag_torch.refine import refine_many
def told(progress):
    if progress.phase == "together" and progress.done == 1:
        os.kill(os.getpid(), 9)
starts, counts = stills()
refine_many(starts, counts, shared=(DISTANCE,), journal=sys.argv[1], progress=told)
"""


def test_a_killed_refinement_goes_on_from_its_journal_to_the_same_end(together, tmp_path, request):
    starts, counts, result = together
    journal = tmp_path / "many.jsonl"
    here = request.path.parent
    killed = subprocess.run(
        [sys.executable, "-c", SCRIPT, journal, here], cwd=here.parent, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(here.parent)},
    )  # fmt: skip
    assert killed.returncode == -9, killed.stderr
    with journal.open("a") as file:
        file.write('{"round": 2, "sta')  # as a kill in the midst of a line leaves it
    phases = []
    again = refine_many(starts, counts, shared=(DISTANCE,), journal=journal, progress=lambda p: phases.append(p))
    assert not [p for p in phases if p.phase == "stills"]
    assert phases[0].done == 1
    assert again[DISTANCE].value == pytest.approx(result[DISTANCE].value, abs=1e-2 * result[DISTANCE].sigma)
    with pytest.raises(ValueError, match="journal"):
        refine_many(starts[:2], counts[:2], shared=(DISTANCE,), journal=journal)


@pytest.mark.parametrize(
    ("of_starts", "of_call"),
    [
        ({}, {"background": 1.0}),
        ({}, {"restraints": {DISTANCE: (TRUE_MM, 0.01)}}),
        ({}, {"mask": np.arange(64 * 64).reshape(64, 64) != 2000}),
        ({"compat": "c"}, {}),
        ({"hkl_data": torch.full((21, 21, 21), 100.0).index_put((torch.tensor(3),), torch.tensor(9.0))}, {}),
    ],
    ids=["background", "restraint", "mask", "mode", "structure factors"],
)
def test_a_journal_is_not_gone_on_with_by_a_call_that_would_find_something_else(tmp_path, of_starts, of_call):
    table = {
        "hkl_data": torch.full((21, 21, 21), 100.0), "hkl_metadata": {"h_min": -10, "k_min": -10, "l_min": -10}
    }  # fmt: skip
    start = replace(small_still(OWN), **table)
    asked = {"shared": (DISTANCE,), "journal": tmp_path / "many.jsonl", "mask": np.ones((64, 64), dtype=bool)}
    unreadable = [partial(np.load, tmp_path / "none.npy")]  # the journal is opened before any image
    for _ in range(2):
        with pytest.raises(ValueError, match="no still can be refined"):
            refine_many([start], unreadable, **asked)
    with pytest.raises(ValueError, match="the journal of a call with these stills"):
        refine_many([replace(start, **of_starts)], unreadable, **{**asked, **of_call})


def test_ctrl_c_while_stills_are_refined_by_themselves_ends_the_call_and_the_journal_goes_on(tmp_path, monkeypatch):
    starts, counts = stills()
    journal, read = tmp_path / "many.jsonl", []

    def image(number):
        read.append(number)
        if len(read) == 2:
            raise KeyboardInterrupt
        return counts[number]

    images = [partial(image, number) for number in range(3)]
    with pytest.raises(KeyboardInterrupt):
        refine_many(starts, images, shared=(DISTANCE,), journal=journal)
    assert read == [0, 1] and len(journal.read_text().splitlines()) == 2
    read.clear()

    def interrupted(*given, **options):
        return replace(refine(*given, **options), converged=False, interrupted=True)

    monkeypatch.setattr(many, "refine", interrupted)  # as refine ends at the first Ctrl-C
    with pytest.raises(KeyboardInterrupt):
        refine_many(starts, images, shared=(DISTANCE,), journal=journal)
    assert read == [1] and len(journal.read_text().splitlines()) == 2


def test_ctrl_c_while_all_move_together_keeps_the_best_so_far(together, monkeypatch):
    starts, counts, whole = together
    evaluations = []

    def evaluated(*given):
        evaluations.append(given)
        if len(evaluations) > 3 * 2:
            raise KeyboardInterrupt
        return genuine(*given)

    genuine = many.evaluated
    monkeypatch.setattr(many, "evaluated", evaluated)
    result = refine_many(starts, counts, shared=(DISTANCE,))
    assert result.interrupted and not result.converged and not whole.interrupted
    assert result.rounds == 2 and result.reason.startswith("interrupted after 1 rounds")
    assert result[DISTANCE].sigma is None and result[DISTANCE].value != START_MM
    assert '"interrupted": true' in result.to_json()


def process():
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


@contextmanager
def dask_worker():
    """A worker of dask in a process of its own, as sweeps have them on a cluster."""
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
        client.get_executor() as executor,
    ):
        yield executor


@pytest.mark.parametrize("kind", [process, dask_worker])
def test_stills_are_evaluated_in_other_processes_that_read_their_images_themselves(together, tmp_path, kind):
    starts, counts, result = together
    for i, image in enumerate(counts):
        np.save(tmp_path / f"{i}.npy", image.numpy())
    read = [partial(np.load, tmp_path / f"{i}.npy") for i in range(len(counts))]
    with kind() as executor:
        found = refine_many(starts, read, shared=(DISTANCE,), executor=executor)
    assert found[DISTANCE].value == pytest.approx(result[DISTANCE].value, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"shared": ()}, "names of quantities"),
        ({"counts": []}, "as many images"),
        ({"shared": ("crystal.misset_deg[0]", "crystal.misset_deg[1]", "crystal.misset_deg[2]")}, "Share what is free"),
        ({"robust": True}, "one by one"),
        ({"max_rounds": 0}, "max_rounds"),
    ],
    ids=str,
)
def test_arguments_that_make_no_sense_are_refused_in_words(change, words):
    starts, counts = stills()
    given = {"scenarios": starts, "counts": counts, "shared": (DISTANCE,), **change}
    with pytest.raises(ValueError, match=words):
        refine_many(**given)


def test_a_shared_quantity_that_starts_from_two_values_is_refused():
    starts, counts = stills()
    starts[2] = replace(starts[2], detector=replace(starts[2].detector, distance_mm=61.0))
    with pytest.raises(ValueError, match="still 2"):
        refine_many(starts, counts, shared=(DISTANCE,))


def test_the_result_is_a_table_of_stills_and_json(together, tmp_path):
    *_, result = together
    table = result.table()
    assert list(table.index) == [0, 1, 2]
    assert table.loc[1, "crystal.cell_a"] == result.stills[1]["crystal.cell_a"].value
    assert '"rounds"' in result.to_json(tmp_path / "many.json")
    assert (tmp_path / "many.json").is_file()
    with pytest.raises(KeyError, match=DISTANCE):
        result["crystal.cell_b"]


def test_a_block_without_its_own_coordinates_is_what_the_inverse_says():
    """Schur's complement is the inverse of the part of the inverse."""
    generator = torch.Generator().manual_seed(5)
    root = torch.randn((5, 9), generator=generator, dtype=torch.float64)
    matrix, gradient = root @ root.T, torch.randn(5, generator=generator, dtype=torch.float64)
    block = joint.Block(0.0, gradient, matrix, torch.tensor([3, 1]), torch.tensor([0, 2, 4]))
    shared = torch.linalg.inv(torch.linalg.inv(matrix)[block.shared[:, None], block.shared])
    torch.testing.assert_close(block.eliminated().matrix, shared)
    zero = torch.zeros(2, dtype=torch.float64)
    found = joint.solved(("a", "b"), [block], zero, torch.diag(zero))
    torch.testing.assert_close(found.steps[0], -torch.linalg.solve(matrix, gradient))
    torch.testing.assert_close(joint.covariance_of(block, found.covariance), torch.linalg.inv(matrix))
