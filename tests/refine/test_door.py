"""The doctor at the door: a start that cannot be refined from ends with its cause."""

import pytest
import torch
from small_stills import drawn, small_still

from nanobrag_torch.refine import refine


def counts():
    return drawn(small_still(("beam.fluence",)).image(), 5)


@pytest.mark.parametrize(
    ("names", "changes", "words"),
    [
        (("crystal.mosaic_spread_deg",), {"crystal": {"mosaic_spread_deg": 0.2, "mosaic_domains": 1}},
         "mosaic_spread_deg has no effect on any pixel.*Z4.*the only mosaic domain is not turned"),
        (("beam.hdiv_range_mrad", "beam.fluence"), {"beam": {"source_directions": torch.tensor([[-1.0, 0.0, 0.0]]),
         "hdiv_range_mrad": 1.0}}, "hdiv_range_mrad has no effect.*a list of sources replaces"),
        (("crystal.cell_a",), {"crystal": {"default_F": 0.0}}, "no light in any pixel.*Z1.*structure factor"),
        (("beam.fluence",), {"beam": {"dmin": 5000.0}}, "no light in any pixel.*Z6"),
    ],
)  # fmt: skip
def test_a_parameter_without_effect_ends_the_run_with_its_cause(names, changes, words):
    with pytest.raises(ValueError, match=words):
        refine(small_still(names, **changes), counts())


def test_a_sound_start_is_let_in_without_a_diagnosis(monkeypatch):
    from nanobrag_torch.refine import door

    monkeypatch.setattr(door, "diagnose", lambda *args, **keywords: pytest.fail("the doctor was asked"))
    assert refine(small_still(("beam.fluence",)), counts()).converged
