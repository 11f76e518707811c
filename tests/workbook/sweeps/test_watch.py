"""The page that follows a sweep: it refreshes itself while the sweep runs, and stays as it is afterwards."""

import time

import sweeping

from nanobrag_torch.workbook.records.sweep import Point
from nanobrag_torch.workbook.report.folder import Report
from nanobrag_torch.workbook.sweeps import store
from nanobrag_torch.workbook.sweeps.watch import Watch


def test_a_page_of_a_running_sweep_refreshes_itself_and_links_into_the_working_folder(tmp_path):
    working = sweeping.underway(tmp_path, sweeping.block("a", 6), lacking=2)
    watch = Watch(working)
    watch.refresh()
    text = watch.path.read_text()
    assert watch.path == tmp_path / "watch.html"
    assert 'http-equiv="refresh"' in text and "3 done, 1 failed, 0 blocked, 2 open" in text
    assert f'href="{working.name}/points/0000/0000001.json"' in text


def test_a_page_is_written_anew_only_now_and_then(tmp_path, monkeypatch):
    working = sweeping.underway(tmp_path, sweeping.block("a", 6), lacking=2)
    watch = Watch(working)
    watch.refresh()
    store.write(working, Point(number=4, status="done", columns={"loss": 6.0}))
    watch.refresh()
    assert "3 done" in watch.path.read_text()
    later = time.monotonic() + 60
    monkeypatch.setattr(time, "monotonic", lambda: later)
    watch.refresh()
    assert "4 done" in watch.path.read_text()


def test_a_page_that_cannot_be_written_stops_nothing(tmp_path):
    working = sweeping.underway(tmp_path, sweeping.block("a", 3))
    (tmp_path / "watch.html").mkdir()
    Watch(working).refresh()
    assert (tmp_path / "watch.html").is_dir()


def test_the_last_page_stays_and_links_into_the_report(tmp_path):
    working = sweeping.underway(tmp_path, sweeping.block("a", 4))
    watch = Watch(working)
    watch.refresh()
    final = working.rename(Report(working).final)
    watch.end()
    text = watch.path.read_text()
    assert 'http-equiv="refresh"' not in text and f'href="{final.name}/points/0000/0000001.json"' in text
