"""Traces of one pixel against the image that it belongs to."""

import pytest
import torch
from scenarios import r2

from nanobrag_torch.trace import trace_pixel


def test_a_trace_holds_the_factors_of_the_pixel_that_the_image_shows():
    simulator = r2("c").simulator
    image = simulator.run().detach()
    trace = trace_pixel(simulator, 20, 9)
    assert trace.photons == pytest.approx(image[20, 9].item(), rel=1e-14) and trace.photons > 0
    s = trace.samples
    term = (s.F_cell**2 * s.F_latt**2).sum().item()
    steps = trace.scene.steps
    assert term / steps * trace.omega * trace.polar * trace.capture == pytest.approx(trace.photons, rel=1e-12)
    assert trace.hkl0 == [round(h) for h in trace.hkl]
    assert trace.F_cell == 100.0 and trace.stol > 0 and len(trace.position) == 3
    assert trace.direct_vectors.norm(dim=1).tolist() == pytest.approx([70.0, 80.0, 90.0])


def test_a_trace_leaves_no_graph_and_knows_the_detectors_edge():
    simulator = r2("physical").simulator
    assert not trace_pixel(simulator, 0, 0).samples.h.requires_grad
    with pytest.raises(ValueError, match="slow < 32"):
        trace_pixel(simulator, 32, 0)
    assert isinstance(simulator.run(), torch.Tensor)
