"""Pictures in a report may come from anyone: what is no PNG, or too large, is refused by its header."""

import base64
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from finished import finished
from matplotlib.figure import Figure
from PIL import EpsImagePlugin, Image

from nanobrag_torch.workbook.ledger.thumbnails import gallery
from nanobrag_torch.workbook.records.run import Caption
from nanobrag_torch.workbook.report.archive import scan
from nanobrag_torch.workbook.report.compare import compare
from nanobrag_torch.workbook.report.file_checks import problem
from nanobrag_torch.workbook.show import pictures
from nanobrag_torch.workbook.show.drawing import Drawing

EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(made) (w) file closefile\nshowpage\n%%EOF\n"


def png(width: int, height: int) -> bytes:
    """A whole PNG of black pixels, a few bytes a row however wide."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    data = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def disguised(kind: str, folder: Path) -> bytes:
    Image.new("RGB", (4, 4)).save(folder / "it", kind)
    return (folder / "it").read_bytes()


def seen_by_every_reader(folder: Path, content: bytes) -> tuple[str, int, int]:
    """What ``verify`` says of a figure, and how many pictures index and comparison show where it is one of them."""
    report, twin = finished(folder), finished(folder, stamp="20260115T090000Z")
    for each in (report, twin):
        (each / "figures" / "image.png").write_bytes(content)
    return problem("figures/image.png", content), len(gallery(scan(folder))), len(compare(report, twin).figures)


def test_a_png_is_seen_by_every_reader(tmp_path):
    assert seen_by_every_reader(tmp_path, png(300, 200)) == ("", 1, 1)


@pytest.mark.parametrize("side", [13_000, 2**15], ids=["what Pillow warns of", "what Pillow refuses"])
def test_a_picture_that_fills_the_memory_is_refused_by_its_header(tmp_path, monkeypatch, side):
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    said, shown, compared = seen_by_every_reader(tmp_path, png(side, side))
    assert "pixels" in said and (shown, compared) == (0, 0)


def test_an_eps_with_the_name_of_a_png_never_starts_ghostscript(tmp_path, monkeypatch):
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was started"))
    said, shown, compared = seen_by_every_reader(tmp_path, EPS)
    assert "cannot identify" in said and (shown, compared) == (0, 0)


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "BMP", "JPEG", "WEBP", "PDF", "ICO", "PPM"])
def test_another_format_with_the_name_of_a_png_is_refused(tmp_path, kind):
    said, shown, compared = seen_by_every_reader(tmp_path, disguised(kind, tmp_path))
    assert said and (shown, compared) == (0, 0)


def test_a_png_cut_anywhere_is_refused_or_read(tmp_path):
    whole = png(30, 20)
    for length in range(len(whole)):
        (tmp_path / "cut.png").write_bytes(whole[:length])
        for read in (
            lambda: pictures.check((tmp_path / "cut.png").read_bytes()),
            lambda: pictures.load(tmp_path / "cut.png"),
        ):
            try:
                read()
            except ValueError as error:
                assert str(error)


def test_a_small_picture_is_small_and_keeps_its_shape(tmp_path: Path):
    Image.new("RGBA", (1440, 720), (0, 114, 178, 255)).save(tmp_path / "x.png")
    image = Image.open(io.BytesIO(base64.b64decode(pictures.small(tmp_path / "x.png"))))
    assert image.format == "JPEG" and image.size == (pictures.EDGE, pictures.EDGE // 2)
    assert all(abs(a - b) < 6 for a, b in zip(image.getpixel((9, 9)), (0, 114, 178), strict=True))


def test_a_picture_is_smaller_on_a_page_and_nearly_the_same(tmp_path: Path) -> None:
    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    values = np.random.default_rng(0).random((60, 80))
    axes.imshow(values, cmap="magma")
    before = Drawing(figure, Caption(name="n", title="t", caption="c", alt="a")).rendered("png")
    after, form = pictures.compact(before)
    assert form == "webp" and len(after) < 0.5 * len(before)
    first, second = (np.asarray(Image.open(io.BytesIO(c)).convert("RGB"), int) for c in (before, after))
    assert np.ptp(first) == 255 and np.abs(first - second).max() <= 16


def test_what_cannot_be_made_smaller_for_a_page_stays_as_it_is() -> None:
    stream = io.BytesIO()
    Image.new("RGBA", (300, 300), (255, 0, 0, 128)).save(stream, "PNG", compress_level=0)
    for content in (stream.getvalue(), b"\x89PNG and nothing", EPS, png(3000, 3000)):
        assert pictures.compact(content) == (content, "png")
