"""Progress lines."""

import sys

import pytest

from nanobrag_torch.cli.progress import percentages, progress_reporter


def test_reports_come_every_five_percent_and_every_percent_at_either_end():
    lines = list(percentages(1000, 0, 1000))
    assert lines[:11] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert lines[11:-9] == [15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90]
    assert lines[-9:] == [91, 92, 93, 94, 95, 96, 97, 98, 99]


def test_reports_in_pieces_are_the_reports_of_the_whole():
    pieces = [line for start in range(0, 1000, 137) for line in percentages(1000, start, min(start + 137, 1000))]
    assert pieces == list(percentages(1000, 0, 1000))


def test_a_small_image_reports_nothing():
    assert list(percentages(99, 0, 99)) == []
    assert list(percentages(100, 0, 100)) != []


def test_a_report_into_a_file_has_one_line_for_each_percentage(capsys):
    report = progress_reporter((0, 19, 0, 9))
    for done in (50, 120, 200):
        report(done, 200)
    assert capsys.readouterr().out.split("\n")[:-1] == [f"{line}% done" for line in percentages(200, 0, 200)]


def test_a_report_on_a_terminal_rewrites_one_line(capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    report = progress_reporter((0, 19, 0, 9))
    report(50, 200)
    report(200, 200)
    assert capsys.readouterr().out == "\r25% done\r100% done\n"


@pytest.mark.parametrize("words", ["-noprogress", "-printout"])
def test_progress_can_be_silenced(words, command):
    base = "-cell 70 -default_F 100 -N 5 -detpixels 12 -oversample 1 -nonoise"
    assert "% done" in command(base).stdout
    assert "% done" not in command(f"{base} {words}").stdout
