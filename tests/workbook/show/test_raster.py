"""Values of an image in one byte each: within their bound, zero told from faint, and never too many."""

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pydantic import ValidationError

from nanobrag_torch.workbook.show.raster import Raster


def image() -> np.ndarray:
    values = 10 ** np.random.default_rng(1).uniform(-5, 2, (30, 40))
    values[3, 4], values[5, 6] = 0.0, 1e-9
    return values


def unpacked(raster: Raster) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(raster.codes)), np.uint8).reshape(raster.rows, -1)


def images(**numbers: object) -> st.SearchStrategy[np.ndarray]:
    """Small images of numbers, some of which are absent."""
    shapes = array_shapes(min_dims=2, max_dims=2, max_side=6)
    return arrays(float, shapes, elements=st.floats(allow_infinity=False, **numbers) | st.just(np.nan))


@given(images(min_value=0, max_value=1e12, allow_subnormal=False))
def test_an_image_with_gaps_comes_back_within_its_bound(values: np.ndarray) -> None:
    raster = Raster.of(values, title="t", unit="u")
    back = Raster.model_validate_json(raster.model_dump_json()).values()
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values), strict=True)
    kept = values >= raster.floor
    np.testing.assert_allclose(back[kept], values[kept], rtol=raster.error * (1 + 1e-9) + 1e-12, atol=0)
    assert not back[~kept & ~np.isnan(values)].any()


@given(images(min_value=-1e12, max_value=1e12, allow_subnormal=False), st.floats(1e-3, 1e13))
def test_a_signed_image_comes_back_within_its_bound_and_says_what_is_beyond(values: np.ndarray, most: float) -> None:
    raster = Raster.signed(values, title="t", unit="u", most=most)
    back = Raster.model_validate_json(raster.model_dump_json()).values()
    np.testing.assert_array_equal(np.isnan(back), np.isnan(values), strict=True)
    beyond = np.abs(values) > raster.top
    assert raster.top <= max(most, 1.0) and (back[beyond] == np.copysign(np.inf, values[beyond])).all()
    kept = np.abs(values) <= raster.top
    np.testing.assert_allclose(back[kept], values[kept], rtol=0, atol=raster.error * (1 + 1e-9))
    assert not np.abs(back[values == 0]).max(initial=0) > 1e-12 * raster.top


def test_infinite_residuals_are_beyond_and_leave_the_others_their_levels() -> None:
    raster = Raster.signed(np.array([[np.inf, -np.inf, 2.0, -3.0]]), title="t", unit="u", bright=5.0)
    assert unpacked(raster).tolist() == [[1, 0, 213, 3]] and (raster.top, raster.bright) == (3.0, 3.0)


def test_images_beside_each_other_have_the_same_levels_and_colours_that_begin_among_them() -> None:
    dim, bright = np.array([[0.1, np.nan, 1.0]]), np.array([[0.0, 3.0, 50.0]])
    rasters = [Raster.of(each, title="t", unit="u", beside=(dim, bright)) for each in (dim, bright)]
    assert [(each.floor, each.top) for each in rasters] == [(0.1, 50.0)] * 2
    assert [Raster.of(dim, title="t", unit="u", dark=each).dark for each in (0.1, 0.5, 7.0)] == [None, 0.5, 1.0]
    assert [unpacked(each)[0].tolist() for each in rasters] == [[3, 2, 96], [0, 141, 255]]


def test_a_raster_of_a_report_from_before_reads_the_same() -> None:
    codes = base64.b64encode(zlib.compress(bytes([0, 1, 2, 255]))).decode()
    old = {"title": "t", "rows": 2, "columns": 2, "block": 1, "unit": "u", "floor": 0.5, "top": 8.0, "codes": codes}
    assert Raster.model_validate(old).values() == pytest.approx(np.array([[0.0, 0.0], [0.5, 8.0]]), rel=1e-12)
    assert Raster.model_validate(old).error == pytest.approx(16 ** (1 / 506) - 1)


def test_values_come_back_within_the_bound_that_is_stated():
    values = image()
    raster = Raster.of(values, title="t", unit="photons / pixel")
    back = raster.values()
    kept = values >= raster.floor
    assert raster.top == values.max() and raster.top / raster.floor == pytest.approx(1e6)
    assert kept.sum() > 0.8 * values.size
    relative = np.abs(back[kept] / values[kept] - 1)
    assert 0.9 * raster.error < relative.max() <= raster.error < 0.03


def test_zero_is_told_from_what_is_fainter_than_the_floor():
    raster = Raster.of(image(), title="t", unit="u")
    codes = unpacked(raster)
    assert (codes[3, 4], codes[5, 6]) == (0, 1) and codes.max() == 255
    assert raster.values()[3, 4] == raster.values()[5, 6] == 0


@pytest.mark.parametrize(("level", "seen"), [(0.0, 0.0), (7.5, 7.5)])
def test_an_image_of_one_value_is_that_value(level: float, seen: float):
    assert Raster.of(np.full((4, 5), level), title="t", unit="u").values() == pytest.approx(np.full((4, 5), seen))


@pytest.mark.parametrize("wrong", [-1.0, -np.inf, np.inf])
def test_values_that_have_no_level_are_refused(wrong: float):
    with pytest.raises(ValueError, match="t: values that are negative or infinite"):
        Raster.of(np.array([[1.0, wrong]]), title="t", unit="u")


@pytest.mark.parametrize(
    "changes",
    [
        {"codes": base64.b64encode(zlib.compress(bytes(100_000_000))).decode()},
        {"codes": base64.b64encode(zlib.compress(bytes(3))).decode()},
        {"codes": "no base64"},
        {"codes": base64.b64encode(b"no zlib").decode()},
        {"codes": base64.b64encode(zlib.compress(bytes(1200)) + b"more").decode()},
        {"codes": base64.b64encode(zlib.compress(bytes(1200))[:-4]).decode()},
        {"floor": 1e-300, "top": 1e300},
        {"floor": -1.7e308, "top": 1.7e308},
        {"rows": 100_000},
        {"floor": 0.0},
        {"floor": float("nan")},
        {"floor": 1e9},
        {"floor": -1.0},
        {"first": 4},
        {"bright": -1.0},
    ],
)
def test_a_raster_that_is_not_whole_is_no_raster(changes: dict[str, object]):
    whole = Raster.of(image(), title="t", unit="u").model_dump()
    assert Raster.model_validate(whole).rows == 30
    with pytest.raises(ValidationError):
        Raster.model_validate(whole | changes)
