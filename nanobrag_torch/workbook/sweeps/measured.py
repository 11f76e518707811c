"""A point of grain "record": one scenario, and the numbers that were asked for as columns of a table."""

import base64
import io
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch.doctor import GradientReport, diagnose
from nanobrag_torch.refine import expected_errors
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.cells import probe
from nanobrag_torch.workbook.cells.scenarios import read_data
from nanobrag_torch.workbook.records.sweep import Cell, Point, Specification
from nanobrag_torch.workbook.sweeps import settings

#: Points of a sweep that keep a picture of their image, evenly spread, and the longest edge of one in pixels.
PICTURES, _EDGE = 48, 64
#: Part of the brightest pixel that is black in a picture.
_DARK = 1e-6


def measure(specification: Specification, number: int, root: Path) -> Point:
    """Evaluate the scenario of a sweep with the values of a point; ``root`` is that of the project.

    Raises:
        ValueError: no image can be computed from these values.
    """
    path = project.find(specification.target, root)
    values = specification.fixed | specification.values(number)
    scenario = settings.changed(_data(path), path, values)
    image, columns = _measured(scenario, specification)
    shown = picture(image) if _is_shown(number, specification.count) else None
    return Point(number=number, status="done", columns=columns, thumbnail=shown)


@lru_cache(maxsize=4)
def _data(path: Path) -> dict[str, Any]:
    """Entries of a scenario's file, read once in a worker."""
    return read_data(path)


def _measured(scenario: Scenario, specification: Specification) -> tuple[Tensor, dict[str, Cell]]:
    asked = set(specification.measure)
    found: dict[str, Cell] = {}
    if "gradients" in asked and "doctor" not in asked:
        case = probe.examine("point", scenario)
        image, loss = case.image, case.evidence.loss
        found = dict(_examined(scenario, case))
    else:
        with torch.no_grad():
            image = scenario.image()
            loss = float(scenario.loss(image))
    if "doctor" in asked:
        report = diagnose(scenario)
        found |= dict(_verdicts(report))
        if "gradients" in asked:
            found |= dict(_diagnosed(report))
    if "errors" in asked:
        found |= dict(_expected(scenario))
    columns: dict[str, Cell] = {}
    if "image" in asked:
        columns |= {
            "image.sum": float(image.sum()),
            "image.max": float(image.max()),
            "image.mean": float(image.mean()),
            "image.lit": int((image != 0).sum()),
        }
    if asked & {"loss", "gradients"}:
        columns["loss"] = loss
    return image, columns | found


def _examined(scenario: Scenario, case: probe.Case) -> Iterator[tuple[str, Cell]]:
    """Gradients and finite differences, where nobody asked for the verdicts on them."""
    for name, row in zip(scenario.names, case.evidence.derivatives, strict=True):
        yield f"gradient.{name}", row.gradient
        yield f"finite_difference.{name}", row.finite_difference
        yield f"error_bar.{name}", row.error_bar
        yield f"agreement.{name}", row.agreement


def _diagnosed(report: GradientReport) -> Iterator[tuple[str, Cell]]:
    """The same as the doctor found them."""
    for row in report.parameters:
        difference = row.finite_difference
        yield f"gradient.{row.name}", row.gradient
        yield f"finite_difference.{row.name}", difference.derivative if difference else None
        yield f"error_bar.{row.name}", difference.error if difference else None
        yield f"agreement.{row.name}", row.agreement


def _expected(scenario: Scenario) -> Iterator[tuple[str, Cell]]:
    """Standard errors that counting allows; none of what the image does not determine."""
    expected = expected_errors(scenario)
    for name in scenario.names:
        yield f"sigma.{name}", expected.sigma.get(name)


def _verdicts(report: GradientReport) -> Iterator[tuple[str, Cell]]:
    yield "verdict.code", report.verdict.code
    yield "verdict.severity", report.verdict.severity
    for name, code in report.codes.items():
        yield f"doctor.{name}", code


def _is_shown(number: int, count: int) -> bool:
    """Tell whether a point is one of those, evenly spread, that keep a picture."""
    return count <= PICTURES or (number * PICTURES) % count < PICTURES


def picture(image: Tensor) -> str:
    """PNG of an image (slow, fast) in base64, six decades of brightness, the brightest pixel of each patch."""
    from PIL import Image

    edge = max(1, -(-max(image.shape) // _EDGE))
    patches = torch.nn.functional.max_pool2d(image.detach().double()[None, None], edge, ceil_mode=True)[0, 0]
    brightest = float(patches.max())
    if brightest > 0:
        patches = (torch.log10((patches / brightest).clamp(min=_DARK)) / -torch.log10(torch.tensor(_DARK)) + 1) * 255
    stream = io.BytesIO()
    Image.fromarray(patches.nan_to_num().clamp(0, 255).to(torch.uint8).cpu().numpy()).save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode()
