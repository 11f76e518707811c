"""Values of a diffraction image for the page of a report, in one byte each, with a bound on their error."""

import base64
import binascii
import math
import zlib
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

#: MIME type of the values of an image in a notebook; the page of a report lets its reader look into them.
RASTER_TYPE = "application/vnd.nanobrag.raster+json"
#: Largest ratio of two values that are told apart from zero and from each other.
RANGE = 1e6
#: Codes of exactly zero, of what is positive and below ``floor``, of ``floor``, and of ``top``.
ZERO, FAINT, FIRST, LAST = 0, 1, 2, 255
#: Most values across an image.
EDGE = 4096


class Raster(BaseModel):
    """Image of values that are not negative, each the nearest of 254 levels in equal steps of their logarithm.

    Attributes:
        title: name of the image.
        rows: number of values along the slow axis.
        columns: number of values along the fast axis.
        block: pixels of the detector, along each axis, of which a value is the strongest.
        unit: unit of the values.
        floor: smallest value that has a level of its own.
        top: largest value.
        codes: level of every value, row by row: base64 of zlib's format, a byte each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    rows: int = Field(ge=1, le=EDGE)
    columns: int = Field(ge=1, le=EDGE)
    block: int = Field(ge=1)
    unit: str
    floor: FiniteFloat = Field(gt=0)
    top: FiniteFloat = Field(gt=0)
    codes: str

    @classmethod
    def of(cls, values: np.ndarray, *, title: str, unit: str, block: int = 1) -> Self:
        """Raster of an image [slow, fast] of finite values that are not negative; raises ``ValueError`` for others."""
        values = np.asarray(values, dtype=float)
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise ValueError(f"{title}: values that are negative or not finite; a raster holds none")
        lit = values[values > 0]
        top = float(lit.max()) if lit.size else 1.0
        floor = max(float(lit.min()), top / RANGE) if lit.size else top
        levels = np.log(np.maximum(values, floor) / floor) / (_step(floor, top) or 1.0)
        codes = np.where(values >= floor, FIRST + np.rint(levels), np.where(values > 0, FAINT, ZERO))
        packed = base64.b64encode(zlib.compress(codes.astype(np.uint8).tobytes(), 9)).decode()
        rows, columns = values.shape
        return cls(
            title=title, rows=rows, columns=columns, block=block, unit=unit, floor=floor, top=top, codes=packed
        )  # fmt: skip

    @property
    def step(self) -> float:
        """Difference of the logarithms of two neighbouring levels."""
        return _step(self.floor, self.top)

    @property
    def error(self) -> float:
        """Bound on the relative error of a value that is not below ``floor``: half a step."""
        return math.expm1(self.step / 2)

    def values(self) -> np.ndarray:
        """Values as a reader of the page sees them [slow, fast]; what is below ``floor`` is zero."""
        codes = np.frombuffer(self._unpacked(), np.uint8).reshape(self.rows, self.columns).astype(float)
        return np.where(codes >= FIRST, self.floor * np.exp(self.step * (codes - FIRST)), 0.0)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.floor > self.top or len(self._unpacked()) != self.rows * self.columns:
            raise ValueError(f"not {self.rows} x {self.columns} codes between floor and top")
        return self

    def _unpacked(self) -> bytes:
        """Codes, and never more than one beyond those that are due."""
        try:
            packed = base64.b64decode(self.codes, validate=True)
            return zlib.decompressobj().decompress(packed, self.rows * self.columns + 1)
        except (binascii.Error, zlib.error) as error:
            raise ValueError(f"codes that cannot be read: {error}") from None


def _step(floor: float, top: float) -> float:
    return math.log(top / floor) / (LAST - FIRST)
