"""Finished reports and plans in a folder of a test's own, without running a notebook."""

import json
from pathlib import Path
from typing import Any

from samples import VERDICT, evidence, outcome_of_test, working_report

from nanobrag_torch.workbook.records.run import FIGURES, Caption, Manifest, Verdict
from nanobrag_torch.workbook.report.folder import Report
from nanobrag_torch.workbook.running.publish import publish

HEADER = """# Gradient flow

```toml
focus = "GRADIENT-FLOW-001"
question = "Is a zero right?"
branch = "main"
initiative = "2026-01-gradient-flow"

[[phases]]
id = "a"
title = "Baseline"
notebook = "notebooks/trial/trial.ipynb"
exit = ["control.lit_pixels > 0", "snapshot.lit_pixels == 0"]

[[phases]]
id = "b"
title = "Probe"
notebook = "notebooks/trial/trial.ipynb"
exit = ["control.loss > 1"]
```

Why.
"""
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63105030000000a40061"
    "34667d720000000049454e44ae426082"
)


def finished(reports: Path, verdict: Verdict = VERDICT, lit: int = 256, dark: int = 0, **changes: Any) -> Path:
    """A finished report with a test, a dark snapshot, a lit control and a figure; ``changes`` go to its owner."""
    report = working_report(reports, **changes)
    fill(report, lit, dark)
    return publish(report, verdict, reports)


def fill(report: Report, lit: int = 256, dark: int = 0) -> None:
    """The records and the figure of a small phase A."""
    report.write(outcome_of_test())
    report.write(evidence("as found", 0.0, *["agrees" if dark else "zero"] * 6, lit=dark), "snapshot.json")
    report.write(evidence("control", 100.0, *["agrees"] * 6, lit=lit), "control.json")
    figures = report.folder / FIGURES
    figures.mkdir()
    (figures / "image.png").write_bytes(PNG)
    Caption(name="image", title="The image", caption="Small.", alt="One pixel").save(figures, "image.json")


def write_plan(root: Path, text: str = HEADER, name: str = "gradient-flow") -> Path:
    """``plans/<name>.md`` in a folder."""
    path = root / "plans" / f"{name}.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def alter(path: Path, **changes: Any) -> None:
    """Change fields of a JSON file behind its manifest's back; a manifest gets the digest that fits the change."""
    data = json.loads(path.read_text()) | changes
    text = Manifest.model_validate(data).to_json() if path.name == Manifest.file else json.dumps(data)
    path.write_text(text)
