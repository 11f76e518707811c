"""Values of a diffraction image for the page of a report, in one byte each, with a bound on their error."""

import base64
import binascii
import math
import zlib
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

#: MIME type of the values of an image in a notebook; the page of a report lets its reader look into them.
RASTER_TYPE = "application/vnd.nanobrag.raster+json"
#: Largest ratio of two values that are told apart from zero and from each other.
RANGE = 1e6
#: Codes of exactly zero, of what is positive and below ``floor``, of no value, of ``floor``, and of ``top``.
ZERO, FAINT, ABSENT, FIRST, LAST = 0, 1, 2, 3, 255
#: Codes of what is below ``floor`` and above ``top`` where levels are signed.
BELOW, ABOVE = 0, 1
#: Most values across an image.
EDGE = 4096


class Raster(BaseModel):
    """Image of values, each the nearest of levels in equal steps: of the logarithm, or of the value where it is signed.

    Attributes:
        title: name of the image.
        rows: number of values along the slow axis.
        columns: number of values along the fast axis.
        block: pixels of the detector, along each axis, of which a value is the strongest.
        unit: unit of the values.
        floor: smallest value that has a level of its own; −``top`` where levels are signed.
        top: largest value that has one.
        first: code of ``floor``; where it is 3, code 2 is that of no value.
        dark: value at which the colours begin at first; ``floor`` unless given, and where levels are signed.
        bright: value at which they end at first; ``top`` unless given.
        codes: level of every value, row by row: base64 of zlib's format, a byte each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    title: str
    rows: int = Field(ge=1, le=EDGE)
    columns: int = Field(ge=1, le=EDGE)
    block: int = Field(ge=1)
    unit: str
    floor: FiniteFloat
    top: FiniteFloat = Field(gt=0)
    first: int = Field(2, ge=ABSENT, le=FIRST)
    dark: FiniteFloat | None = Field(None, gt=0)
    bright: FiniteFloat | None = Field(None, gt=0)
    codes: str

    @classmethod
    def of(
        cls, values: np.ndarray, *, title: str, unit: str, block: int = 1,
        beside: Iterable[np.ndarray] = (), dark: float = 0.0,
    ) -> Self:  # fmt: skip
        """Raster in levels of the logarithm.

        Args:
            values: image [slow, fast], at least 0; NaN where there is no value.
            title: name of the image.
            unit: unit of the values.
            block: pixels along each axis of which a value is the strongest.
            beside: images that are read beside it, so that all of them can have the same levels.
            dark: value at which the colours begin at first, where there is a level for it.

        Raises:
            ValueError: a value is negative or infinite.
        """
        values = np.asarray(values, dtype=float)
        if np.isinf(values).any() or (values < 0).any():
            raise ValueError(f"{title}: values that are negative or infinite; a raster holds none")
        lit = np.concatenate([each[each > 0] for each in (values, *beside)])
        top = float(lit.max()) if lit.size else 1.0
        floor = max(float(lit.min()), top / RANGE) if lit.size else top
        levels = FIRST + np.log(np.maximum(values, floor) / floor) / (_step(floor, top, FIRST) or 1.0)
        codes = np.select([np.isnan(values), values >= floor, values > 0], [ABSENT, np.rint(levels), FAINT], ZERO)
        start = min(dark, top) if dark > floor else None
        return cls._packed(codes, title=title, unit=unit, block=block, floor=floor, top=top, dark=start)

    @classmethod
    def signed(
        cls, values: np.ndarray, *, title: str, unit: str, block: int = 1,
        most: float = math.inf, bright: float = math.inf,
    ) -> Self:  # fmt: skip
        """Raster in levels of the value, from −``top`` to ``top``, of which the middle one is 0.

        Args:
            values: image [slow, fast]; NaN where there is no value.
            title: name of the image.
            unit: unit of the values.
            block: pixels along each axis of which a value is the strongest.
            most: largest ``top``; what is beyond it, infinite values too, is said to be beyond.
            bright: value at which the colours end at first, where there is as large a one.
        """
        values = np.asarray(values, dtype=float)
        strong = np.abs(values[np.isfinite(values)])
        top = min(float(strong.max(initial=0.0)), most) or 1.0
        levels = FIRST + (np.clip(values, -top, top) + top) / _step(-top, top, FIRST)
        codes = np.select(
            [np.isnan(values), values < -top, values > top], [ABSENT, BELOW, ABOVE], np.rint(np.nan_to_num(levels))
        )
        return cls._packed(
            codes, title=title, unit=unit, block=block, floor=-top, top=top, bright=min(bright, top)
        )  # fmt: skip

    @classmethod
    def _packed(cls, codes: np.ndarray, **fields: Any) -> Self:
        packed = base64.b64encode(zlib.compress(codes.astype(np.uint8).tobytes(), 9)).decode()
        return cls(rows=codes.shape[0], columns=codes.shape[1], first=FIRST, codes=packed, **fields)

    @property
    def step(self) -> float:
        """Difference of two neighbouring levels: of their logarithms, or of their values where they are signed."""
        return _step(self.floor, self.top, self.first)

    @property
    def error(self) -> float:
        """Bound on the relative error of a value from ``floor`` on; where levels are signed, on its absolute error."""
        return self.step / 2 if self.floor < 0 else math.expm1(self.step / 2)

    def values(self) -> np.ndarray:
        """Values as a reader of the page sees them [slow, fast].

        NaN where there is none. What is below ``floor`` is zero; where levels are signed, −inf, and inf above ``top``.
        """
        codes = np.frombuffer(self._unpacked(), np.uint8).reshape(self.rows, self.columns)
        steps = self.step * (codes.astype(float) - self.first)
        below = (-math.inf, math.inf, math.nan) if self.floor < 0 else (0.0, 0.0, math.nan)
        levels = self.floor + steps if self.floor < 0 else self.floor * np.exp(steps)
        return np.select([codes == code for code in range(self.first)], below[: self.first], levels)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        ordered = 0 < self.floor <= self.top or self.floor == -self.top
        if not ordered or not math.isfinite(self.step) or len(self._unpacked()) != self.rows * self.columns:
            raise ValueError(f"not {self.rows} x {self.columns} codes between floor and top")
        return self

    def _unpacked(self) -> bytes:
        """Codes, and never more than one beyond those that are due; a browser reads none that do not end in time."""
        stream = zlib.decompressobj()
        try:
            codes = stream.decompress(base64.b64decode(self.codes, validate=True), self.rows * self.columns + 1)
        except (binascii.Error, zlib.error) as error:
            raise ValueError(f"codes that cannot be read: {error}") from None
        if not stream.eof or stream.unused_data:
            raise ValueError("codes that do not end where they should")
        return codes


def _step(floor: float, top: float, first: int) -> float:
    return (top - floor if floor < 0 else math.log(top / floor)) / (LAST - first)
