"""Dark images and options that make a quantity inert, each tried on the image itself."""

import pytest
import torch
from doctor.cases import F64, scene

from nanobrag_torch.config import BeamConfig
from nanobrag_torch.doctor import diagnose
from nanobrag_torch.doctor.dark_image import FACTORS, revivals
from nanobrag_torch.doctor.inert_parameters import INERT, reason
from nanobrag_torch.quantities import QUANTITIES, quantity

#: Changes of a scene, by factor, that make it dark.
DARKENED = {
    "structure factor F": {"crystal": {"default_F": 0.0}},
    "fluence": {"beam": {"fluence": 0.0}},
    "resolution limit dmin": {"beam": {"dmin": 1e5}},
    "detector mask": {"detector": {"mask_array": torch.zeros(16, 16)}},
}


@pytest.mark.parametrize("name", DARKENED)
def test_one_factor_alone_is_named(name):
    scenario = scene(**DARKENED[name])
    assert not scenario.image().any()
    assert [revival.factor for revival in revivals(scenario, lambda: None)] == [name]


def test_a_region_of_interest_that_misses_the_spots_is_named():
    image = scene().image()
    slow, fast = divmod(int(image.argmin()), 16)
    dim = {"roi_xmin": fast, "roi_xmax": fast, "roi_ymin": slow, "roi_ymax": slow}
    masked = torch.ones(16, 16)
    masked[slow, fast] = 0
    scenario = scene(detector={**dim, "mask_array": masked})
    assert not scenario.image().any()
    names = [revival.factor for revival in revivals(scenario, lambda: None)]
    assert names in (["detector mask"], ["region of interest"])
    assert names[0] in {factor.name for factor in FACTORS}


def test_three_factors_at_once_are_more_than_is_tried():
    counted = []
    scenario = scene(crystal={"default_F": 0.0}, beam={"fluence": 0.0, "dmin": 1e5})
    assert revivals(scenario, lambda: counted.append(1)) == ()
    assert len(counted) == 3 + 3
    report = diagnose(scenario)
    assert (report.verdict.code, report.revivals) == ("Z1", ())
    assert report.verdict.evidence["image maximum"] == 0


#: Changes of a scene, by reason, that make quantities inert; other reasons have cases of their own.
OPTIONS = {
    "every source has its own wavelength": {
        "beam": {
            "source_directions": torch.tensor([[-1.0, 0.0, 0.0]], dtype=F64),
            "source_wavelengths": torch.tensor([1e-10], dtype=F64),
        }
    },
    "close_distance_mm replaces the distance": {"detector": {"close_distance_mm": 99.0}},
    "a parallelepiped has no fudge factor": {},
    "a single unit cell with constant F scatters alike in every orientation": {"crystal": {"N_cells": (1, 1, 1)}},
    "the only mosaic domain is not turned": {"crystal": {"mosaic_spread_deg": 0.5}},
    "a single phi step stands at the start": {"crystal": {"osc_range_deg": 0.5}},
    "nopolar switches the polarization factor off": {"beam": {"nopolar": True, "polarization_axis": (0.1, 0.2, 1.0)}},
    "unpolarized light has no direction": {"beam": {"polarization_factor": 0.0, "polarization_axis": (0.1, 0.2, 1.0)}},
    "without a thickness there is no sensor": {"detector": {"detector_abs_um": 100.0, "detector_thick_um": 0.0}},
}


@pytest.mark.parametrize("row", [row for row in INERT if row.because in OPTIONS], ids=lambda row: row.because)
def test_a_quantity_that_is_called_inert_does_not_change_the_image(row):
    scenario = scene(**OPTIONS[row.because])
    before = scenario.image()
    assert before.any()
    concerned = [name for name in QUANTITIES if name.startswith(row.names)]
    for name in concerned:
        if name.startswith("crystal.mosaic_eta_deg"):
            # The mosaicity of C, which these scenes have, refuses it.
            assert reason(scenario, name) is not None
            continue
        value, q = scenario.value(name), quantity(name)
        change = 0.5 * q.far_at(value)
        moved = {name: torch.tensor(value + (change if value + change <= q.high else -change), dtype=F64)}
        torch.testing.assert_close(scenario.image(moved), before, rtol=1e-12, atol=0, msg=name)
        assert reason(scenario, name) is not None
    assert concerned


@pytest.mark.parametrize("shape", ["gauss", "round", "tophat", "gauss_star"])
def test_one_cell_of_another_shape_does_not_scatter_alike_in_every_orientation(shape):
    scenario = scene(crystal={"N_cells": (1, 1, 1), "shape": shape, "fudge": 2.0})
    turned = scenario.image({"crystal.misset_deg[0]": torch.tensor(47.0, dtype=F64)})
    assert not torch.allclose(turned, scenario.image(), rtol=1e-3)
    assert reason(scenario, "crystal.misset_deg[0]") is None


def test_a_quantity_that_matters_has_no_reason_to_be_inert():
    scenario = scene()
    assert isinstance(scenario.beam, BeamConfig)
    assert [reason(scenario, name) for name in ("crystal.cell_a", "detector.distance_mm", "beam.fluence")] == [None] * 3
