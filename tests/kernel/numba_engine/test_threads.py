"""Work on threads: ranges, progress, interrupts, memory and bounds."""

import itertools
import multiprocessing
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_scenes import simulator

from nanobrag_torch import memory
from nanobrag_torch.kernel.engine import render
from nanobrag_torch.kernel.memory import MEMORY_BUDGET
from nanobrag_torch.kernel.numba_engine import threads
from nanobrag_torch.kernel.numba_engine.jit_options import LANES


@given(st.integers(1, 10**7), st.integers(1, 10**9))
@settings(deadline=None)
def test_ranges_cover_all_pixels_in_whole_blocks(pixels, samples):
    found = threads.ranges(pixels, samples)
    assert found[0][0] == 0 and found[-1][1] == pixels
    assert all(one[1] == other[0] for one, other in itertools.pairwise(found))
    assert all(start < stop for start, stop in found)
    assert all(start % LANES == 0 for start, _ in found)
    largest = max(stop - start for start, stop in found)
    assert largest <= LANES or largest * samples <= threads.MOST_SAMPLES


@given(st.integers(1, 200), st.integers(1, 70))
@settings(deadline=None)
def test_shares_are_at_most_so_many_and_keep_the_order(count, jobs):
    work = [(number, number + 1) for number in range(count)]
    found = threads.shares(work, jobs)
    assert len(found) <= jobs
    assert list(itertools.chain(*found)) == work


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_exception_in_progress_ends_all_jobs_at_their_next_range(error):
    """An interrupt from the keyboard arrives in the main thread, as the callback's exception does."""
    done = []

    def run(job, start, stop):
        time.sleep(0.002)
        done.append(start)

    def progress(finished, total):
        raise error("enough")

    jobs = [[(100 * job + number, 100 * job + number + 1) for number in range(100)] for job in range(8)]
    with pytest.raises(error):
        threads.spread(jobs, run, 2, progress)
    ended = len(done)
    assert 0 < ended < 100
    time.sleep(0.05)
    assert len(done) == ended


def test_an_exception_in_a_job_is_raised():
    def run(job, start, stop):
        raise RuntimeError(f"job {job}")

    with pytest.raises(RuntimeError, match="job"):
        threads.spread([[(0, 1)], [(1, 2)]], run, 2)


def squares_of(count):
    found = [0] * count

    def run(job, start, stop):
        found[start] = start * start

    threads.spread([[(number, number + 1)] for number in range(count)], run, 3)
    return found


def test_callers_on_several_threads_share_the_helpers():
    expected = [number * number for number in range(200)]
    with ThreadPoolExecutor(6) as pool:
        assert all(found == expected for found in pool.map(squares_of, [200] * 30))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_gets_helpers_of_its_own():
    expected = squares_of(50)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(squares_of, [50]).get(timeout=60) == expected


def test_progress_reaches_the_number_of_pixels():
    scene, seen = simulator(detector={"spixels": 700, "fpixels": 600, "pixel_size_mm": 0.03}), []
    render(scene.scene(), scene.pixels())  # while one thread compiles, another could compute all
    render(scene.scene(), scene.pixels(), progress=lambda done, total: seen.append((done, total)))
    assert len(seen) > 1
    assert seen == sorted(seen) and seen[-1] == (420_000, 420_000)


def test_an_image_larger_than_the_memory_is_refused_with_the_numbers(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda device: 2**20)
    scene = simulator(detector={"spixels": 2000, "fpixels": 2000})
    with pytest.raises(ValueError, match=r"4000000 pixels.* fits into memory: .* are 0.0894 GiB, and 0.000977 GiB are"):
        scene.run()
    scene.detector.config.roi_xmax = 10
    assert scene.run().max() > 0


@pytest.mark.parametrize("budget", [1, 1 << 16, 1 << 30])
@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_the_memory_budget_does_not_change_image_or_gradient(engine, budget):
    made = simulator(lookup="nearest", detector={"spixels": 20, "fpixels": 30, "pixel_size_mm": 0.2})
    table = made.crystal.hkl_data.requires_grad_()
    results = []
    for bytes_ in (MEMORY_BUDGET, budget):
        image = render(made.scene(), made.pixels(), engine, memory_budget=bytes_)
        results.append((image.detach(), *torch.autograd.grad(image.square().sum(), table)))
    (image, gradient), (other_image, other_gradient) = results
    assert image.max() > 0 and gradient.abs().max() > 0
    assert torch.allclose(image, other_image, rtol=1e-13, atol=0)
    assert torch.allclose(gradient, other_gradient, rtol=1e-11, atol=1e-11 * gradient.abs().max().item())


#: A table that covers some of the samples, and one that covers none.
FAR_OUTSIDE = """
import sys; sys.path.insert(0, "tests")
from random_scenes import simulator, table
for half, distance in ((4, 60.0), (2, 2.0)):
    made = simulator("square", sys.argv[1], detector={"distance_mm": distance})
    made.crystal.hkl_data, made.crystal.hkl_metadata = table(half)
    made.crystal.hkl_data.requires_grad_()
    image = made.run()
    image.sum().backward()
    print(image.sum().item() > 0, bool(made.crystal.hkl_data.grad.abs().max() > 0))
"""


@pytest.mark.parametrize("lookup", [pytest.param("nearest", marks=pytest.mark.full), "tricubic"])
def test_no_lookup_leaves_its_table_when_bounds_are_checked(lookup, tmp_path):
    environment = os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": str(tmp_path)}
    words = [sys.executable, "-c", FAR_OUTSIDE, lookup]
    finished = subprocess.run(words, env=environment, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == ["True True", "True False"]
