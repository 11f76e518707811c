"""The page of a sweep: one file that says how every point ended, draws numbers and verdicts, and lists the table."""

import json
import re

import pytest
import sweeping
from chromium import document, needs_browser
from devtools import tab
from sweeping import HOSTILE, block

from nanobrag_torch.workbook.records.sweep import Block, Point
from nanobrag_torch.workbook.sweeps import page, store


@pytest.fixture
def sweep(tmp_path):
    return lambda *blocks, lacking=0: sweeping.underway(tmp_path, *blocks, lacking=lacking)


def data_of(text: str) -> dict:
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_counts_causes_and_the_slowest_stand_in_the_page_without_its_script(sweep):
    text = page.render(sweep(block("a", 4), block("b", 3), lacking=2))
    assert "9 done, 1 failed, 0 blocked, 2 open" in text
    assert "ValueError: &lt;/script&gt;" in text and HOSTILE not in text
    assert re.search(r"Why points failed.*?points/0000/0000001\.json\">1</a>", text, re.DOTALL)
    assert re.search(r"The slowest.*?points/0000/0000009\.json\">9</a>", text, re.DOTALL)
    data = data_of(text)
    assert data["count"] == 12 and data["across"] == 3 and data["parameters"] == ["a", "b"]
    columns = {column["name"]: column for column in data["columns"]}
    assert columns["loss"]["values"][:4] == [0.0, None, 3.0, 4.5]
    assert [columns["status"]["words"][code] for code in columns["status"]["codes"]][-2:] == ["open", "open"]


def test_values_are_short_where_they_are_fractions_and_whole_where_they_are_whole_numbers(sweep):
    seeds = Block(names=("seed", "a"), units=("", "Å"), rows=((123456789, 3.0), (123456790, 0.1 + 0.2)))
    text = page.render(sweep(seeds))
    assert re.search(r"<td>seed</td>.*?>123456789<.*?>123456790<", text, re.DOTALL)
    assert re.search(r"<td>a</td>.*?>0.3</td>\s*<td class=\"value\">3</td>", text, re.DOTALL)


def test_what_varies_is_said_from_the_least_to_the_greatest_in_whatever_order_it_was_drawn(sweep):
    drawn = Block(
        names=("a", "shape", "N"),
        units=("Å", "", ""),
        rows=((63.5, "square", [5, 5, 5]), (79.25, "round", [9, 9, 9]), (60.25, "square", [5, 5, 5])),
    )
    text = page.render(sweep(drawn))
    cells = [re.sub(r"<[^>]+>|\s+", " ", row).split() for row in re.findall(r"<tr>(?:(?!</tr>).)*", text, re.DOTALL)]
    assert ["a", "Å", "3", "60.25", "79.25"] in cells
    assert ["shape", "2", "square", "round"] in cells
    assert ["N", "2", *str([5, 5, 5]).split(), *str([9, 9, 9]).split()] in cells


def test_a_page_of_a_sweep_that_runs_loads_itself_again_and_one_that_ended_does_not(sweep):
    folder = sweep(block("a", 3))
    assert '<meta http-equiv="refresh" content="5">' in page.render(folder, 5, "x")
    assert 'http-equiv="refresh"' not in page.render(folder)


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("blocks", [(("a", 5),), (("a", 4), ("b", 3)), (("a", 2), ("b", 2), ("c", 2))])
def test_the_script_draws_and_lists_every_point_in_chromium(sweep, tmp_path, blocks):
    path = tmp_path / "page.html"
    folder = sweep(*(block(*each) for each in blocks))
    path.write_text(page.render(folder))
    seen = document(path)
    count = data_of(path.read_text())["count"]
    assert f"{count} of {count} points" in seen
    assert seen.count("<canvas") == 3 and seen.count('class="badge done"') == count - 1
    assert 'id="numbers" hidden' not in seen and 'id="verdicts" hidden' not in seen


@needs_browser
@pytest.mark.browser
def test_numbers_of_both_signs_over_many_decades_can_be_drawn_by_the_logarithm_of_their_size(sweep, tmp_path):
    path = tmp_path / "page.html"
    folder = sweep(block("a", 5))
    for number, value in enumerate((-1e9, -1.0, 0.0, 10.0, 1e6)):
        store.write(folder, Point(number=number, status="done", columns={"loss": value}))
    path.write_text(page.render(folder))
    with tab() as opened:
        opened.open(path.as_uri())
        parts = opened.ask("all.map(scale(columns.get('loss'), true).of)")
        marks = dict(map(reversed, opened.ask("scale(columns.get('loss'), true).ticks")))
        drawn = opened.ask("document.querySelectorAll('#numbers canvas').length")
    assert parts == sorted(parts) and parts[0] == 0 and parts[-1] == 1
    # A decade is as high everywhere, and the smallest value stands apart from zero.
    assert parts[2] == marks["0"] and parts[4] - parts[3] == pytest.approx(5 * (marks["1000"] - marks["100"]), rel=0.02)
    assert parts[2] - parts[1] > 0.01 and parts[0] == marks["-1e9"] and drawn == 1
