"""The notebooks that come with the package, and a checkout for running them in a few seconds each."""

import shutil
from pathlib import Path
from typing import Any

import refined
from checkouts import PROJECT, SETTINGS

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.show.progress import PROGRESS_TYPE
from nanobrag_torch.workbook.show.tables import OPENING_TYPE, TABLE_TYPE

NAMES = tuple(project.notebooks(PROJECT))
#: Sizes that are smaller than a notebook's own; whatever else it takes is its default.
SMALL: dict[str, dict[str, Any]] = {
    "doctor/scenario": {"scenario_file": "small.json"},
    "explore/explore": {"scenario_file": "small.json"},
    "gradient_flow/phase_a_baseline": {"detector_pixels": 32, "mapped_test": "quick_tests.py"},
    "gradient_flow/phase_b_audit": {"repaired_tests": "small_tests.py"},
    "gradient_flow/phase_b_callchain": {"detector_pixels": 16, "pixel_size_mm": 0.8},
    "gradient_flow/phase_b_zero_intensity_probe": {"detector_pixels": 16, "pixel_size_mm": 0.8},
    "gradient_flow/phase_c_options": {"detector_pixels": 16},
    "gradient_flow/phase_d_verified": {"detector_pixels": 16, "mapped_test": "quick_tests.py"},
    "refine/refine": {"scenario_file": "still.json", "free": "misset scale", "background": "0.5"},
    "parity/parity": {"cases": "base_triclinic energy", "nodes": 2},
}
_SCENARIO = (PROJECT / "notebooks" / "doctor" / "example.json").read_text()
_TESTS = """
import torch

def test_sound():
    point = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: x**2, point)
"""


def checkout(folder: Path) -> Path:
    """A copy of what a checkout has for its notebooks, the references of the C program included."""
    for name in ("notebooks", "plans"):
        shutil.copytree(PROJECT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    (folder / "tests").mkdir()
    (folder / "tests" / "golden").symlink_to(PROJECT / "tests" / "golden")
    (folder / "pyproject.toml").write_text(SETTINGS)
    (folder / "small.json").write_text(_SCENARIO.replace("64,", "8,"))
    refined.scenario_file(folder)
    (folder / "small_tests.py").write_text(_TESTS)
    (folder / "quick_tests.py").write_text("def test_sound(): pass\n")
    return folder


def outputs(notebook: Any) -> list[Any]:
    """Everything that an executed notebook shows."""
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def check_outputs(notebook: Any) -> None:
    """A notebook ends in a conclusion, raised nothing, and shows no Python values: tables, figures, and words.

    A picture comes before its long work.
    """
    shown = outputs(notebook)
    assert [output for output in shown if output.output_type == "error"] == []
    values = [output.data for output in shown if output.output_type in ("execute_result", "display_data")]
    told = {TABLE_TYPE, OPENING_TYPE, PROGRESS_TYPE, "image/png"}
    others = [data["text/plain"] for data in values if not told & set(data)]
    assert [text for text in others if len(text) > 100] == []
    assert values[-1][TABLE_TYPE]["caption"] == "Conclusion"
    check_order(values)


def check_order(values: list[Any]) -> None:
    """A picture stands above all work that is long enough for a bar; of a bar one line of text is left."""
    kinds = ["picture" if "image/png" in data else "bar" if PROGRESS_TYPE in data else "" for data in values]
    assert "picture" in kinds
    assert "bar" not in kinds or kinds.index("picture") < kinds.index("bar")
    bars = [data for data in values if PROGRESS_TYPE in data]
    assert all(": done after " in data["text/plain"] and "<progress" not in data["text/html"] for data in bars)
