"""Values of an image in one byte each: within their bound, zero told from faint, and never too many."""

import base64
import zlib

import numpy as np
import pytest
from pydantic import ValidationError

from nanobrag_torch.workbook.show.raster import Raster


def image() -> np.ndarray:
    values = 10 ** np.random.default_rng(1).uniform(-5, 2, (30, 40))
    values[3, 4], values[5, 6] = 0.0, 1e-9
    return values


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
    codes = np.frombuffer(zlib.decompress(base64.b64decode(raster.codes)), np.uint8).reshape(30, 40)
    assert (codes[3, 4], codes[5, 6]) == (0, 1) and codes.max() == 255
    assert raster.values()[3, 4] == raster.values()[5, 6] == 0


@pytest.mark.parametrize(("level", "seen"), [(0.0, 0.0), (7.5, 7.5)])
def test_an_image_of_one_value_is_that_value(level: float, seen: float):
    assert Raster.of(np.full((4, 5), level), title="t", unit="u").values() == pytest.approx(np.full((4, 5), seen))


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_values_that_have_no_level_are_refused(wrong: float):
    with pytest.raises(ValueError, match="t: values that are negative or not finite"):
        Raster.of(np.array([[1.0, wrong]]), title="t", unit="u")


@pytest.mark.parametrize(
    "changes",
    [
        {"codes": base64.b64encode(zlib.compress(bytes(100_000_000))).decode()},
        {"codes": base64.b64encode(zlib.compress(bytes(3))).decode()},
        {"codes": "no base64"},
        {"codes": base64.b64encode(b"no zlib").decode()},
        {"rows": 100_000},
        {"floor": 0.0},
        {"floor": float("nan")},
        {"floor": 1e9},
    ],
)
def test_a_raster_that_is_not_whole_is_no_raster(changes: dict[str, object]):
    whole = Raster.of(image(), title="t", unit="u").model_dump()
    assert Raster.model_validate(whole).rows == 30
    with pytest.raises(ValidationError):
        Raster.model_validate(whole | changes)
