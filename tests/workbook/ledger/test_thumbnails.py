import base64
import io
from pathlib import Path

from finished import finished
from PIL import Image

from nanobrag_torch.workbook.ledger.thumbnails import EDGE, MOST, gallery, small
from nanobrag_torch.workbook.report.archive import scan


def test_a_thumbnail_is_small_and_keeps_its_shape(tmp_path: Path):
    Image.new("RGBA", (1440, 720), (0, 114, 178, 255)).save(tmp_path / "x.png")
    image = Image.open(io.BytesIO(base64.b64decode(small(tmp_path / "x.png"))))
    assert image.format == "JPEG" and image.size == (EDGE, EDGE // 2)
    assert all(abs(a - b) < 6 for a, b in zip(image.getpixel((9, 9)), (0, 114, 178), strict=True))


def test_the_gallery_shows_the_latest_run_of_every_phase(tmp_path: Path):
    finished(tmp_path)
    finished(tmp_path, stamp="20260115T090000Z")
    finished(tmp_path, phase="phase_b", stamp="20260115T083000Z")
    found = gallery(scan(tmp_path))
    assert [(each.run.phase, each.run.stamp) for each in found] == [
        ("phase_a", "20260115T090000Z"),
        ("phase_b", "20260115T083000Z"),
    ]
    assert {(each.title, each.alt) for each in found} == {("The image", "One pixel")}
    assert found[0].figure == "2026-01-gradient-flow/phase_a/20260115T090000Z/figures/image.png"


def test_a_figure_that_cannot_be_read_is_left_out(tmp_path: Path):
    folder = finished(tmp_path)
    finished(tmp_path, phase="phase_b")
    (folder / "figures" / "image.png").write_bytes(b"\x89PNG damaged")
    assert [each.run.phase for each in gallery(scan(tmp_path))] == ["phase_b"]


def test_the_gallery_is_bounded(tmp_path: Path):
    for number in range(MOST + 3):
        finished(tmp_path, phase=f"phase_{number}")
    assert len(gallery(scan(tmp_path))) == MOST
