"""A small refinement, drawn at a known truth, for the tests of its notebook."""

import json
from pathlib import Path

import torch
from small_stills import CELL_AND_MISSET, drawn, small_still

from nanobrag_torch.workbook.cells.refinement_case import Case, Counts

FREE = (*CELL_AND_MISSET, "beam.fluence")
#: Photons a pixel that do not come from the crystal.
BACKGROUND = 0.5
#: The same still as the JSON file of a scenario.
SCENARIO = {
    "crystal": {
        "cell_a": 40.0, "cell_b": 50.0, "cell_c": 60.0, "N_cells": [7, 6, 5], "misset_deg": [12, 25, 37],
        "default_F": 100.0, "shape": "gauss",
    },
    "detector": {"spixels": 64, "fpixels": 64, "pixel_size_mm": 0.5, "distance_mm": 60.0, "oversample": 1},
    "beam": {"wavelength_A": 1.2, "fluence": 3e27},
}  # fmt: skip


def case(**changes: dict) -> Case:
    """The still at a start that is off its truth, with counts drawn at the truth; ``changes`` go to the start."""
    truth = small_still(FREE)
    counts = drawn(truth.image() + BACKGROUND, seed=3)
    start = {"cell_a": 40.04, "cell_c": 59.95, "misset_deg": (12.03, 25.02, 36.95)} | changes.get("crystal", {})
    scenario = truth.changed(crystal=start, beam={"fluence": 2.5e27})
    return Case(
        scenario, Counts(counts.numpy()), truth={name: truth.value(name) for name in FREE}, space_group="P 2 2 2"
    )


def scenario_file(folder: Path, **others: object) -> Path:
    """A JSON file of the still's scenario."""
    path = folder / "still.json"
    path.write_text(json.dumps(SCENARIO | others))
    return path


def expected() -> torch.Tensor:
    """Expected photons of the still with its background."""
    return small_still(FREE).image().detach() + BACKGROUND
