"""The generator and its deviates against numbers measured on the C program."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanobrag_torch.physics.deviates import _log_gamma
from nanobrag_torch.physics.random import SEED_LIMIT, CRandom, GeneratorState, rotation_draws

FIRST_DRAWS = {
    -1: [0.415999353, 0.0919648930, 0.756410480, 0.529700220, 0.930436492, 0.383502066],
    0: [0.415999353, 0.0919648930, 0.756410480, 0.529700220, 0.930436492, 0.383502066],
    -11: [0.0187253784, 0.717427731, 0.0846800506, 0.320515335, 0.713096559, 0.949264407],
    -12345678: [0.765989304, 0.0234536640, 0.589726627, 0.535101593, 0.982231438, 0.693016112],
}

POISSON = {
    0.5: [0, 0, 1, 1, 1, 1, 0, 1],
    3: [1, 5, 6, 2, 2, 3, 2, 2],
    11.9: [15, 14, 12, 13, 16, 11, 10, 12],
    12: [7, 10, 10, 13, 10, 9, 11, 7],
    50: [40, 47, 46, 52, 46, 44, 49, 40],
    1000: [957, 990, 914, 983, 1010, 985, 1043, 976],
    1e5: [99570, 99900, 99148, 99830, 100103, 99851, 100438, 99765],
    2e6: [1998816.5, 1999756.375, 2000264.625, 2002284.625, 1999750, 2000923.625, 1999227.375, 2000274.625],
}


@pytest.mark.parametrize("seed", FIRST_DRAWS)
def test_the_first_draws_are_those_of_the_c_program(seed):
    stream = CRandom(seed)
    assert [np.float32(stream.draw()) for _ in range(6)] == [np.float32(value) for value in FIRST_DRAWS[seed]]


def test_the_state_after_one_draw_is_that_of_the_c_program():
    stream = CRandom(-1)
    stream.draw()
    assert (stream.seed, stream.state.table[-1]) == (530511967, 893351816)


def test_draws_in_bulk_equal_draws_one_by_one():
    single = CRandom(-7)
    assert CRandom(-7).draws(100).tolist() == [single.draw() for _ in range(100)]


def test_a_negative_seed_starts_afresh_whatever_another_stream_drew():
    state = GeneratorState()
    CRandom(-99, state).draws(17)
    assert CRandom(-11, state).draws(5).tolist() == CRandom(-11).draws(5).tolist()


def test_a_positive_seed_goes_on_with_the_table_of_the_previous_stream():
    state = GeneratorState()
    CRandom(-99, state).draws(17)
    continued = CRandom(11, state).draws(5)
    assert continued.tolist() != CRandom(11).draws(5).tolist()


def test_a_positive_seed_that_draws_first_starts_from_one():
    assert CRandom(11).draws(5).tolist() == CRandom(-1).draws(5).tolist()


@given(st.integers(-SEED_LIMIT, SEED_LIMIT))
def test_every_allowed_seed_draws_numbers_between_zero_and_one(seed):
    values = CRandom(seed).draws(64)
    assert (values > 0).all() and (values < 1).all()


@pytest.mark.parametrize("seed", [SEED_LIMIT + 1, -SEED_LIMIT - 1])
def test_a_seed_beyond_the_limit_is_refused_with_the_limit(seed):
    with pytest.raises(ValueError, match=str(SEED_LIMIT)):
        CRandom(seed)


def test_gaussian_deviates_are_those_of_the_c_program():
    stream = CRandom(-1)
    expected = [-0.836853981, -0.172279969, 0.187117606, 1.61543977, -0.176774070, 0.653144717]
    assert [np.float32(stream.gauss()) for _ in range(6)] == [np.float32(value) for value in expected]


@pytest.mark.parametrize("mean", POISSON)
def test_poisson_deviates_are_those_of_the_c_program(mean):
    stream = CRandom(-1)
    assert [stream.poisson(mean) for _ in range(8)] == POISSON[mean]


def test_a_mean_of_zero_consumes_one_draw():
    stream, reference = CRandom(-1), CRandom(-1)
    assert stream.poisson(0.0) == 0
    reference.draw()
    assert stream.draw() == reference.draw()


@pytest.mark.parametrize(("argument", "expected"), [(13, 19.987215), (51, 148.47777), (1001, 5912.1284)])
def test_log_gamma_is_that_of_the_c_program(argument, expected):
    assert np.float32(_log_gamma.py_func(argument)) == np.float32(expected)


def test_rotation_draws_are_three_uniform_deviates_stretched_to_minus_one_and_one():
    draws = rotation_draws(CRandom.of_option(1), 2)
    assert draws.tolist() == (2 * CRandom(-1).draws(6).reshape(2, 3) - 1).tolist()
