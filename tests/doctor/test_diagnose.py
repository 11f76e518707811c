"""Every named cause is found where it was built in, and no healthy gradient is accused."""

import pytest
from doctor.cases import CASES

from nanobrag_torch.doctor import CODES

#: Words of torch about models that are wrong on purpose.
pytestmark = [
    pytest.mark.filterwarnings("ignore:To copy construct from a tensor"),
    pytest.mark.filterwarnings("ignore:Converting a tensor with requires_grad=True"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.code} {case.title}")
def test_a_cause_that_was_built_in_is_named(case):
    assert case.found.verdict.code == case.code, case.found


def test_every_code_has_a_case():
    assert {case.code for case in CASES} | {"healthy"} == set(CODES)
