"""Exposures of simulated images describe the experiment that made them."""

import numpy as np
import pytest
import torch
from scenarios import r2

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.exposure import exposure_of
from nanobrag_torch.io.nexus import read_nexus, write_nexus
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator


def test_pixels_of_the_exposure_lie_where_the_detector_has_them():
    experiment = r2()
    exposure = exposure_of(experiment.simulator, experiment.image())
    centres = experiment.simulator.detector.get_pixel_coords().detach().numpy()
    assert exposure.images.max() > 0
    for slow, fast in ((0, 0), (31, 0), (7, 20)):
        place = np.array(exposure.origin_m) + exposure.pixel_size_m * (
            (fast + 0.5) * np.array(exposure.fast) + (slow + 0.5) * np.array(exposure.slow)
        )
        np.testing.assert_allclose(place, centres[slow, fast], rtol=1e-13)


def test_a_simulated_image_survives_the_way_through_a_file(tmp_path):
    crystal = CrystalConfig(
        N_cells=(5, 5, 5), default_F=100.0, phi_start_deg=10.0, osc_range_deg=0.5, phi_steps=2, spindle_axis=(0, 3, 4)
    )
    detector = DetectorConfig(spixels=8, fpixels=9, pixel_size_mm=1.0, roi_xmin=2, detector_thick_um=300.0)
    beam = BeamConfig(wavelength_A=1.1, polarization_factor=0.9, exposure=0.2)
    simulator = Simulator(Crystal(crystal), Detector(detector), beam_config=beam)
    before = exposure_of(simulator, simulator.run(), saturation=1e6)
    write_nexus(tmp_path / "t.nxs", before)
    after = read_nexus(tmp_path / "t.nxs")
    np.testing.assert_array_equal(after.images, before.images)
    np.testing.assert_allclose(after.spindle, (0, 0.6, 0.8), atol=1e-15)
    assert (after.phi_start_deg, after.phi_width_deg, after.exposure_s) == (10.0, 0.5, 0.2)
    assert (after.wavelength_A, after.polarization_factor, after.saturation) == (1.1, 0.9, 1e6)
    assert after.sensor_thickness_m == pytest.approx(3e-4)
    assert after.mask.sum() == 8 * 7
    assert not after.mask[:, :2].any()


def test_an_image_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"the image has shape \(3, 4\), the detector \(32, 32\)"):
        exposure_of(r2().simulator, torch.ones(3, 4))
