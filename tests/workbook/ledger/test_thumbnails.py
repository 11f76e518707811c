from pathlib import Path

from finished import finished

from nanobrag_torch.workbook.ledger.thumbnails import MOST, gallery
from nanobrag_torch.workbook.report.archive import scan


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
