import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest
from finished import finished, write_plan
from samples import VERDICT

from nanobrag_torch.workbook.ledger import index


class Links(HTMLParser):
    """Targets of the links of a page, and its images."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "img":
            self.images.append(given)
        if given.get("href"):
            self.found.append(str(given["href"]))


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    write_plan(tmp_path)
    reports = tmp_path / "reports"
    finished(reports)
    finished(reports, lit=255, stamp="20260115T090000Z")
    finished(reports, phase="phase_b", initiative="other one", stamp="20260115T100000Z")
    assert index.write(reports, tmp_path) == reports / "index.html"
    return reports


PAGES = ("index.html", "2026-01-gradient-flow/index.html", "other one/index.html")


@pytest.mark.parametrize("name", PAGES)
def test_every_link_is_relative_and_leads_to_something(reports: Path, name: str):
    page = reports / name
    links = Links(page).found
    assert len(links) > 2
    for link in links:
        assert not re.match(r"\w+:|/", link)
        path, _, anchor = link.partition("#")
        target = page if not path else page.parent / unquote(path)
        assert target.is_file(), link
        assert not anchor or f'id="{anchor}"' in target.read_text()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_needs_nothing_else_and_lets_its_own_script_run_alone(reports: Path, name: str):
    text = (reports / name).read_text()
    assert not re.search(r"(src|href)=[\"']?(https?:|//)", text) and "<link" not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 1 and policy is not None
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy[1] and policy[1].startswith("default-src 'none'")


def test_every_image_has_a_text_in_its_place(reports: Path):
    images = Links(reports / "index.html").images
    assert len(images) == 2 and {image["alt"] for image in images} == {"One pixel"}
    assert all(str(image["src"]).startswith("data:image/jpeg;base64,") for image in images)


def test_the_index_counts_runs_and_contradictions_and_says_what_is_next(reports: Path):
    text = (reports / "index.html").read_text()
    counts = dict(re.findall(r"<dt>([\w ]+)</dt><dd>(\d+)</dd>", text))
    assert counts == {"runs": "3", "passed": "3", "contradictions": "1"}
    assert "control.lit_pixels is 256 and 255" in text
    assert "Run phase b (Probe)" in text and "Is a zero right?" in text


def test_the_index_says_of_each_phase_what_was_found_and_where(reports: Path):
    text = (reports / "index.html").read_text()
    answers = text.partition("What was found, phase by phase")[2].partition("</details>")[0]
    links = re.findall(r'<a href="([^"]*)"><strong>(\w+)</strong></a> ([^<]*)</p>', answers)
    assert links == [("2026-01-gradient-flow/phase_a/20260115T090000Z/report.html", "A", VERDICT.opening)]
    assert text.count("What was found, phase by phase") == 1


def test_the_latest_run_comes_first(reports: Path):
    rows = re.findall(r'class="stamp"><a href="([^"]*)">(\w+)</a>', (reports / "index.html").read_text())
    assert [stamp for _, stamp in rows] == ["20260115T100000Z", "20260115T090000Z", "20260115T080000Z"]
    assert rows[0][0] == "other%20one/phase_b/20260115T100000Z/report.html"


def test_an_initiative_shows_its_phases_criteria_and_gradients_over_time(reports: Path):
    text = (reports / "2026-01-gradient-flow" / "index.html").read_text()
    assert "✓ <code>control.lit_pixels &gt; 0</code>" in text and "○ <code>control.loss &gt; 1</code>" in text
    assert text.count("<polyline") == 12
    assert "control, cell_a" in text and "<title>20260115T090000Z: 3.5 ± 1e−06 per Å</title>" in text
    other = (reports / "other one" / "index.html").read_text()
    assert "Phases" not in other and "20260115T080000Z" not in other


def test_hostile_text_is_escaped(tmp_path: Path):
    attack = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'"
    verdict = VERDICT.model_copy(update={"title": attack, "remedy": attack, "code": attack, "sentence": attack})
    reports = tmp_path / "reports"
    folder = finished(
        reports, verdict, initiative="<img src=x onerror=alert(1)>", phase='"><b>', stamp="20260115T080000Z"
    )
    folder.rename(folder.with_name("<img src=x onerror=alert(2)>"))
    page = index.write(reports, tmp_path)
    for text in (page.read_text(), (folder.parent.parent / "index.html").read_text()):
        assert "<img src=x" not in text and "<b>" not in text and text.count("<script") == 1
        assert "&lt;script&gt;alert(1)" in text


def test_without_any_run_the_index_says_how_to_begin(tmp_path: Path):
    text = index.write(tmp_path / "reports", tmp_path).read_text()
    assert "No plan and no run yet" in text and "0 of 0 runs" in text
