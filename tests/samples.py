"""Records and a working report folder with plausible content, for tests that need one."""

from pathlib import Path

from nanobrag_torch.workbook.records.evidence import Derivative, Evidence, TestRecord
from nanobrag_torch.workbook.records.run import EnvironmentRecord, Owner, ParameterValue, Repository, Verdict
from nanobrag_torch.workbook.report.folder import Report, this_process

VERDICT = Verdict(code="dark_image", status="passed", title="The image was dark", sentence="Nothing was lit.")


def owner(**changes: object) -> Owner:
    fields = {
        "process": this_process(),
        "started": "2026-01-15T08:00:00+00:00",
        "initiative": "2026-01-gradient-flow",
        "phase": "phase_a",
        "stamp": "20260115T080000Z",
        "title": "Gradient flow, phase A",
        "notebook": "notebooks/gradient_flow/phase_a_baseline.ipynb",
        "notebook_sha256": "0" * 64,
        "brief": None,
        "parameters": {"cell_a": ParameterValue(value=100.0, unit="Å", source="notebook")},
        "repository": Repository(commit="c0ffee", branch="main", dirty=False),
    }
    return Owner.model_validate(fields | changes)


def working_report(reports: Path, **changes: object) -> Report:
    """A report folder that is being written, with an environment in it."""
    report = Report.create(reports, owner(**changes))
    report.write(
        EnvironmentRecord(
            guards={"CUDA_VISIBLE_DEVICES": "-1"},
            device="cpu",
            dtype="float64",
            engine="torch",
            seeds={"torch": 0},
            threads=2,
            cores=2,
            python="3.11",
            platform="Linux",
            versions={"torch": "2.13"},
        )
    )
    return report


def evidence(case: str, default_F: float, *agreements: str, lit: int = 0) -> Evidence:
    """Evidence with one derivative for each of ``agreements``."""
    rows = tuple(
        Derivative(
            parameter=f"cell_{letter}",
            symbol=letter,
            value=100.0,
            unit="Å",
            gradient=None if agreement == "missing" else 3.5 * bool(lit),
            finite_difference=3.5 * bool(lit),
            error_bar=1e-6 * bool(lit),
            magnitude=70.0 * bool(lit),
            cancellation=0.05 if lit else None,
            agreement=agreement,
        )
        for letter, agreement in zip("abcdef", agreements, strict=False)
    )
    return Evidence(
        case=case,
        default_F=default_F,
        loss=983.25 * bool(lit),
        image_sum=983.25 * bool(lit),
        image_max=12.5 * bool(lit),
        lit_pixels=lit,
        pixels=256,
        derivatives=rows,
    )


def outcome_of_test(status: str = "failed") -> TestRecord:
    return TestRecord(
        test="tests/test_x.py::test_y",
        command="pytest tests/test_x.py::test_y",
        status=status,
        exit_code=int(status != "passed"),
        meaning=f"the test {status}",
        message="AssertionError: zero",
        elapsed_s=1.5,
    )
