"""Models of other people, rebuilt from public reports: what their maintainers found is what the doctor says.

A case is a file in ``cases/`` whose docstring carries the expectation: the codes that are right for a parameter, or
"healthy for every parameter". Those that say "Cost: many evaluations" are tried with ``--cases full`` alone.
"""

import re
import runpy
from pathlib import Path

import pytest

from nanobrag_torch.doctor import DoctorError, diagnose
from nanobrag_torch.doctor.diagnosis import GRAVITY

#: Words of torch and of libraries about models that are wrong on purpose, and of their own.
pytestmark = pytest.mark.filterwarnings("ignore")

CASES = sorted((Path(__file__).parent / "cases").glob("*.py"))
#: Verdicts on a healthy model: a perfect fit is one.
HEALTHY = {"healthy", "Z9"}


def expectation(text: str) -> dict[str, set[str]] | None:
    """Right codes by parameter, None for a model that is healthy throughout."""
    (line,) = re.findall(r"^Expected: (.*)$", text, re.MULTILINE)
    if line.startswith("healthy for every"):
        return None
    pairs = re.findall(r"(\S+(?: \(along a random direction\))?)=(\S+)", line)
    return {name: set(codes.split(",")) for name, codes in pairs}


def code_of(report, name):
    """Code of a parameter, or of the gravest of its elements."""
    stem = name.split("[")[0]
    found = [p for p in report.parameters if p.label == name] or [
        p for p in report.parameters if re.split(r"[\[ ]", p.label)[0] == stem
    ]
    return min((p.verdict for p in found), key=lambda verdict: GRAVITY.index(verdict.severity)).code


@pytest.mark.parametrize("path", [
    pytest.param(path, marks=pytest.mark.full if "\nCost: many evaluations" in path.read_text() else (), id=path.stem)
    for path in CASES
])  # fmt: skip
def test_the_cause_that_the_maintainers_found_is_the_one_that_is_called(path):
    try:
        case = runpy.run_path(str(path))
    except (ImportError, OSError) as error:
        pytest.skip(f"needs a package that is not installed, or not for this torch: {error}")
    expected = expectation(case["__doc__"])
    try:
        report = diagnose(case["fn"], case["params"], **case.get("kwargs", {}))
    except DoctorError:
        assert expected is not None and any({"error", "usage"} & codes for codes in expected.values())
        return
    if expected is None:
        called = {p.label: (p.verdict.code, p.verdict.severity) for p in report.parameters}
        assert {k: v for k, v in called.items() if v[0] not in HEALTHY or v[1] == "fault"} == {}
    else:
        called = {name: code_of(report, name) for name in expected}
        assert {name: code for name, code in called.items() if code not in expected[name]} == {}
