"""Values with their standard errors, as crystallographers write them."""

import pytest

from nanobrag_torch.refine.notation import value_with_error


@pytest.mark.parametrize(
    ("value", "sigma", "written"),
    [
        (55.32321, 0.0014, "55.3232(14)"),
        (55.32321, 0.0195, "55.32(2)"),
        (55.32321, 0.0194, "55.323(19)"),
        (-152.872, 0.3, "-152.9(3)"),
        (104.4, 2.0, "104(2)"),
        (104.4, 1.2, "104.4(12)"),
        (1234.0, 30.0, "1230(30)"),
        (9.5877e26, 6.1e24, "9.59(6)e+26"),
        (0.0000123, 0.0000002, "1.23(2)e-05"),
        (0.0, 0.004, "0.000(4)"),
        (3.0, 0.96, "3.0(10)"),
        (90.0, None, "90"),
        (90.0, float("inf"), "90"),
    ],
)
def test_the_error_stands_in_units_of_the_last_digit(value, sigma, written):
    assert value_with_error(value, sigma) == written
