"""A page made small enough for an e-mail: fewer bytes in its pictures, every other byte as it was."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from finished import finished
from PIL import Image

from nanobrag_torch.workbook.errors import Blocked
from nanobrag_torch.workbook.report import export as exports
from nanobrag_torch.workbook.report.lightened import lightened


def page(edge: int = 700, form: str = "PNG") -> bytes:
    """A page with one picture of noise, which no format makes small without loss."""
    stream = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 255, (edge, edge, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, form, **({"lossless": True} if form == "WEBP" else {}))
    picture = base64.b64encode(stream.getvalue()).decode()
    return f'<html><img src="data:image/{form.lower()};base64,{picture}" alt="noise"><p>α</p></html>'.encode()


def picture(content: bytes) -> Image.Image:
    (found,) = re.findall(rb"data:image/\w+;base64,([^\"]+)", content)
    return Image.open(io.BytesIO(base64.b64decode(found)))


def test_a_small_page_stays_as_it_is():
    assert lightened(page(), 10**8) == page()


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_a_large_page_has_smaller_pictures_and_every_other_byte(form):
    before = page(form=form)
    after = lightened(before, len(before) // 4)
    assert after is not None and len(after) <= len(before) // 4
    assert picture(after).size == picture(before).size
    outside = re.compile(rb"data:[^\"]+")
    assert outside.sub(b"", after) == outside.sub(b"", before)


def test_pictures_lose_pixels_only_where_quality_is_not_enough():
    before = page(2000)
    after = lightened(before, len(before) // 60)
    assert after is not None and 600 <= max(picture(after).size) < 2000


def test_a_page_that_no_small_picture_makes_small_is_none():
    assert lightened(page(50) + b"x" * 1000, 900) is None


def test_a_picture_that_cannot_be_read_stays_as_it_is():
    broken = b'<img src="data:image/png;base64,AAAA">' + b" " * 100
    assert lightened(broken, 50) is None


def test_a_picture_of_sixteen_bits_stays_as_it_is_and_transparent_colours_stay_transparent():
    noise = np.random.default_rng(1).integers(0, 255, (300, 300))
    for image, stays in ((Image.fromarray((noise * 200).astype(np.uint16)), True),
                         (Image.fromarray(noise.astype(np.uint8)).convert("P"), False)):  # fmt: skip
        stream = io.BytesIO()
        image.save(stream, "PNG", **({} if stays else {"transparency": bytes(256)}))
        before = b'"data:image/png;base64,' + base64.b64encode(stream.getvalue()) + b'"'
        after = lightened(before, len(before) - 1)
        assert after is None if stays else picture(after).convert("RGBA").getchannel("A").getextrema() == (0, 0)


def test_export_says_that_a_page_is_too_large_for_an_email(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(exports, "MOST_BY_EMAIL", 1000)
    with pytest.raises(Blocked, match=r"larger than the 0\.001 MB that go by e-mail.* Export a \.zip"):
        exports.export(finished(tmp_path / "reports"), tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()
