"""No healthy model of other people is accused."""

import pytest
from doctor.healthy_models import KINDS, draw_model

from nanobrag_torch.doctor import diagnose

#: Models that are drawn: some in every run of the tests, all with --cases full.
DRAWN = {"few": 10, "full": 60}


@pytest.mark.parametrize("first", range(len(KINDS)), ids=[kind.__name__ for kind in KINDS])
def test_no_healthy_model_drawn_at_random_is_accused(first, request):
    called = {}
    drawn = DRAWN[request.config.getoption("--cases")]
    for seed in range(first, drawn, len(KINDS)):
        report = diagnose(*draw_model(seed))
        assert any(p.gradient for p in report.parameters)
        called |= {(seed, p.label): p.verdict for p in report.parameters}
    wrong = {place: (v.code, v.evidence) for place, v in called.items() if v.severity not in ("healthy", "explained")}
    assert {place: found for place, found in wrong.items() if found[0] != "healthy"} == {}
