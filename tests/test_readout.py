"""Readout of a detector: gain, offset, saturation, dead pixels, readout noise; expected pixels and drawn ones."""

import numpy as np
import pytest
import torch

from nanobrag_torch.config import NoiseConfig
from nanobrag_torch.physics.point_spread import spread
from nanobrag_torch.physics.random import CRandom
from nanobrag_torch.readout import noise_image, read_out
from nanobrag_torch.slabs import Slab

RAMP = torch.arange(12, dtype=torch.float64).reshape(3, 4) * 10


def test_expected_pixels_are_photons_times_gain_plus_offset_up_to_saturation():
    config = NoiseConfig(adc_offset=5.0, gain=2.5, overload_value=200.0)
    expected = (2.5 * RAMP + 5).clamp(max=200)
    assert (expected == 200).sum() > 0
    torch.testing.assert_close(read_out(RAMP, config), expected)


def test_dead_pixels_read_their_value_and_carry_no_gradient():
    mask = torch.ones(3, 4)
    mask[1, 2] = 0
    image = RAMP.clone().requires_grad_()
    pixels = read_out(image, NoiseConfig(dead_value=-1.0), mask)
    pixels.sum().backward()
    assert pixels[1, 2] == -1 and pixels[1, 1] == RAMP[1, 1] + 40
    assert torch.equal(image.grad, (mask != 0).double())
    assert read_out(RAMP, NoiseConfig(), mask)[1, 2] == RAMP[1, 2] + 40


def test_saturation_ends_the_gradient_behind_the_overload_value_and_not_at_it():
    image = torch.tensor([[59.0, 60.0, 61.0]], dtype=torch.float64, requires_grad=True)
    read_out(image, NoiseConfig(adc_offset=40.0, overload_value=100.0)).sum().backward()
    assert image.grad.tolist() == [[1.0, 1.0, 0.0]]


@pytest.mark.parametrize("law", ["gaussian", "fibre"])
def test_gain_width_and_offset_carry_gradients(law):
    given = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (2.0, 1.2)]

    def pixels(gain, fwhm):
        return read_out(RAMP, NoiseConfig(gain=gain, psf=law, psf_fwhm_pixels=fwhm, overload_value=1e9))

    assert torch.autograd.gradcheck(pixels, given)
    torch.testing.assert_close(pixels(*given), 2 * spread(RAMP, law, given[1]) + 40)


def test_variance_is_that_of_photons_and_of_the_readout_behind_the_gain():
    image, config = torch.full((200, 200), 50.0), NoiseConfig(seed=3, gain=3.0, readout_noise=10.0, overload_value=1e5)
    pixels = noise_image(image, config)[0].double()
    # Truncation to whole numbers shifts the mean by half a count.
    assert pixels.mean().item() == pytest.approx(3 * 50 + 40 - 0.5, abs=0.5)
    assert pixels.var().item() == pytest.approx(9 * 50 + 100, rel=0.03)


def test_drawn_pixels_spread_the_counts_that_were_drawn():
    image = torch.full((30, 30), 100.0)
    config = NoiseConfig(seed=4, readout_noise=0.0, psf="gaussian", psf_fwhm_pixels=1.5)
    counts = torch.from_numpy(CRandom.of_option(4).poissons(image.numpy()).astype(np.float64))
    pixels, overloads = noise_image(image, config)
    expected = torch.floor(spread(counts, "gaussian", torch.tensor(1.5, dtype=torch.float64)) + 40)
    assert torch.equal(pixels.double(), expected) and overloads == 0
    assert pixels[5:25, 5:25].double().var() < 30  # a spread smooths; photons alone have a variance of 100


def test_a_dark_image_behind_a_spread_reads_the_offset():
    image = torch.zeros(20, 20)
    image[3, 3] = 1e5
    config = NoiseConfig(seed=1, readout_noise=0.0, psf="fibre", psf_fwhm_pixels=0.5, overload_value=1e6)
    assert noise_image(image, config)[0].min() >= 40


def test_dead_pixels_are_drawn_as_their_value_and_are_no_overloads():
    mask = torch.ones(3, 4)
    mask[2, 3] = 0
    config = NoiseConfig(seed=2, readout_noise=0.0, overload_value=100.0, dead_value=-1.0)
    pixels, overloads = noise_image(RAMP, config, mask)
    whole, all_overloads = noise_image(RAMP, config)
    assert pixels[2, 3] == -1 and overloads == all_overloads - 1 > 0
    assert torch.equal(pixels[mask != 0], whole[mask != 0])


def test_impossible_responses_are_refused():
    for options, message in (
        ({"gain": 0.0}, "gain"),
        ({"psf": "moffat"}, "psf = 'moffat'.*none, gaussian, fibre"),
        ({"psf_fwhm_pixels": -1.0}, "psf_fwhm_pixels"),
    ):
        with pytest.raises(ValueError, match=message):
            NoiseConfig(**options)
    with pytest.raises(ValueError, match=r"mask has shape \(2, 2\): must be that of the image, \(3, 4\)"):
        read_out(RAMP, NoiseConfig(), torch.ones(2, 2))
    with pytest.raises(ValueError, match=r"must be \(slow, fast\) for a point spread"):
        noise_image(torch.ones(5), NoiseConfig(seed=1, psf="fibre", psf_fwhm_pixels=1.0))


@pytest.mark.parametrize("law", ["gaussian", "fibre"])
def test_no_light_crosses_the_gap_between_panels(law):
    """Light at the edge of a panel is lost beyond it: each panel is as if it were alone."""
    slabs = [Slab(0, 0, 6, 4), Slab(0, 4, 6, 5)]
    image = torch.zeros(9, 6, dtype=torch.float64)
    image[3, 2], image[8, 5] = 1000.0, 500.0
    config = NoiseConfig(seed=2, readout_noise=0.0, adc_offset=0.0, psf=law, psf_fwhm_pixels=1.5, overload_value=1e9)
    alone = torch.cat([read_out(image[:4], config), read_out(image[4:], config)])
    torch.testing.assert_close(read_out(image, config, slabs=slabs), alone)
    assert read_out(image, config)[4, 2] > 10 and read_out(image, config, slabs=slabs)[4, 2] < 1
    given = image.clone().requires_grad_()
    read_out(given, config, slabs=slabs)[:4].sum().backward()
    assert given.grad[:4].min() > 0.1 and not given.grad[4:].any()
    drawn, parts = (noise_image(image, config, slabs=each)[0] for each in (slabs, None))
    assert not torch.equal(drawn, parts)
    assert torch.equal(drawn[:4], noise_image(image[:4], config)[0])
