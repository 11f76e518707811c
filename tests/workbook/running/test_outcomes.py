import pytest

from nanobrag_torch.workbook.running.outcomes import KILLED, Outcome, of_outcome

ENDS = [
    (Outcome("raised", "ModuleNotFoundError", "No module named 'gemmi'", 3), "package_missing", "blocked"),
    (Outcome("raised", "MemoryError", "", 3), "out_of_memory", "blocked"),
    (Outcome("raised", "OutOfMemoryError", "CUDA out of memory", 3), "out_of_memory", "blocked"),
    (Outcome("raised", "RuntimeError", "DefaultCPUAllocator: can't allocate memory", 3), "out_of_memory", "blocked"),
    (Outcome("raised", "RuntimeError", "shapes differ", 3), "cell_raised", "failed"),
    (Outcome("raised", "ValueError", "bad", 3), "cell_raised", "failed"),
    (Outcome("raised", "Blocked", "no test", 3), "blocked", "blocked"),
    (Outcome("died", detail="the kernel ended", cell=2), "kernel_died", "blocked"),
    (Outcome("timeout", detail="too long", cell=2), "timeout", "blocked"),
    (Outcome("no kernel", "NoSuchKernel", "python3"), "no_kernel", "blocked"),
    (Outcome("interrupted", detail="a signal"), "interrupted", "interrupted"),
    (KILLED, "interrupted", "interrupted"),
]


@pytest.mark.parametrize(("outcome", "code", "status"), ENDS)
def test_every_end_has_a_verdict_that_says_what_happened(outcome: Outcome, code: str, status: str) -> None:
    verdict = of_outcome(outcome)
    assert verdict is not None and (verdict.code, verdict.status) == (code, status)
    assert outcome.detail in verdict.sentence and outcome.error in verdict.sentence
    assert outcome.cell is None or f"in cell {outcome.cell}" in verdict.sentence


def test_an_execution_that_was_completed_has_no_obstacle() -> None:
    assert of_outcome(Outcome("completed")) is None
