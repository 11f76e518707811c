"""Photon noise as tensors: counts of the C program, readout noise on top, and overloads."""

import logging

import numpy as np
import pytest
import torch

from nanobrag_torch.config import NoiseConfig
from nanobrag_torch.utils.noise import generate_poisson_noise, lcg_random, noise_image

#: Mean and the first eight counts of the C program with seed 1.
COUNTS = {0.5: [0, 0, 1, 1, 1, 1, 0, 1], 12: [7, 10, 10, 13, 10, 9, 11, 7], 1e5: [99570, 99900, 99148, 99830]}


@pytest.mark.parametrize(("mean", "counts"), COUNTS.items())
def test_without_readout_noise_the_counts_are_those_of_the_c_program(mean, counts):
    means = torch.full((2, len(counts) // 2), float(mean))
    pixels, overloads = generate_poisson_noise(means, seed=1, readout_noise=0.0, overload_value=1e6)
    assert (pixels - 40).flatten().tolist() == counts
    assert pixels.dtype == torch.int32
    assert overloads == 0


def test_readout_noise_adds_its_variance_and_leaves_the_counts_alone():
    means = torch.full((200, 200), 50.0)
    counts, _ = generate_poisson_noise(means, seed=2, readout_noise=0.0)
    pixels, _ = generate_poisson_noise(means, seed=2, readout_noise=10.0)
    noise = (pixels - counts).double()
    # Truncation to whole numbers shifts the mean by half a count.
    assert noise.mean().item() == pytest.approx(-0.5, abs=0.2)
    assert noise.std().item() == pytest.approx(10.0, rel=0.02)


def test_pixels_stop_at_the_overload_value_and_are_counted():
    pixels, overloads = generate_poisson_noise(torch.tensor([0.0, 1000.0, 2000.0]), seed=3, overload_value=500.0)
    assert overloads == 2
    assert pixels[1:].tolist() == [500, 500]
    assert pixels[0].item() < 60


def test_a_seed_repeats_the_image_and_the_clock_is_named_in_the_log(caplog):
    means = torch.full((50,), 100.0)
    assert torch.equal(generate_poisson_noise(means, seed=4)[0], generate_poisson_noise(means, seed=4)[0])
    assert not torch.equal(generate_poisson_noise(means, seed=4)[0], generate_poisson_noise(means, seed=5)[0])
    with caplog.at_level(logging.INFO):
        pixels, _ = generate_poisson_noise(means)
    seed = caplog.records[0].args[0]
    assert torch.equal(generate_poisson_noise(means, seed=seed)[0], pixels)


def test_an_image_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        generate_poisson_noise(torch.tensor([1.0, float("nan")]), seed=1)
    with pytest.raises(ValueError, match="readout_noise"):
        generate_poisson_noise(torch.tensor([1.0]), seed=1, readout_noise=-1.0)


def test_uniform_deviates_come_as_a_tensor():
    values = lcg_random(1, 3, dtype=torch.float64)
    assert values.dtype == torch.float64
    assert values.tolist() == pytest.approx([0.415999353, 0.0919648930, 0.756410480], rel=1e-7)


def test_a_noise_config_says_all_that_an_image_needs():
    means = torch.full((4, 5), 30.0)
    config = NoiseConfig(seed=5, adc_offset=10.0, readout_noise=2.0, overload_value=45.0)
    pixels, overloads = noise_image(means, config)
    expected, expected_overloads = generate_poisson_noise(means, 5, 10.0, 2.0, 45.0)
    assert torch.equal(pixels, expected) and overloads == expected_overloads > 0


def test_an_array_is_an_image():
    pixels, _ = generate_poisson_noise(np.full((3, 4), 10.0), seed=1)
    assert torch.equal(pixels, generate_poisson_noise(torch.full((3, 4), 10.0), seed=1)[0])
