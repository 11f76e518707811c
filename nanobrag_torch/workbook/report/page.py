"""The page and the summary of a report: what was found first, how it was found after, everything escaped.

Whatever comes from outside (logs, briefs, file names, notebook outputs) is text here. Of a notebook's outputs the page
takes tables and values of images as data, PNG images and plain text; it never takes HTML, and its content policy allows
no network and no script but its own, which a page has that holds values of images.
"""

import base64
import binascii
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mistune
from markupsafe import Markup
from pydantic import ValidationError
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.brief.document import Brief
from nanobrag_torch.workbook.formatting import visible
from nanobrag_torch.workbook.notebooks.format import nbformat
from nanobrag_torch.workbook.records.base import KeyNumber, Record
from nanobrag_torch.workbook.records.evidence import Evidence, TestRecord
from nanobrag_torch.workbook.records.run import EnvironmentRecord, Owner, Verdict
from nanobrag_torch.workbook.report.contents import STATUS, UNLISTED, numbers_among, records
from nanobrag_torch.workbook.report.folder import BRIEF, NOTEBOOK, PAGE, SUMMARY, Report, now
from nanobrag_torch.workbook.show import pictures
from nanobrag_torch.workbook.show.drawing import PREVIEW_TYPE
from nanobrag_torch.workbook.show.html import environment, sealed
from nanobrag_torch.workbook.show.markdown import render_markdown
from nanobrag_torch.workbook.show.progress import PROGRESS_TYPE
from nanobrag_torch.workbook.show.raster import RASTER_TYPE, Raster
from nanobrag_torch.workbook.show.tables import OPENING_TYPE, TABLE_TYPE, Table

#: Lines of a log that are shown without unfolding it.
SHORT_OUTPUT = 12

_MARKDOWN = mistune.create_markdown(escape=True, plugins=["table"])
_FORMATTER = HtmlFormatter(noclasses=True, nowrap=True, style="xcode")
_PATH = re.compile(r"([\w][\w./-]*\.\w+)(:[\d-]+)?(.*)", re.DOTALL)


@dataclass(frozen=True)
class Output:
    """One output of a cell: a table, a figure, or text of some kind.

    Attributes:
        image: picture of a figure, in base64 of a file of the given ``format``.
        plot: True for a figure whose colours are no values, so that it may be shown inverted on dark paper.
        rasters: values of the images in a figure.
    """

    kind: str
    text: str = ""
    title: str = ""
    caption: str = ""
    alt: str = ""
    image: str = ""
    format: str = "png"
    plot: bool = False
    rasters: tuple[Raster, ...] = ()
    table: Table | None = None

    @property
    def long(self) -> bool:
        """True where the text is folded."""
        return self.text.count("\n") > SHORT_OUTPUT


@dataclass(frozen=True)
class Cell:
    """One cell of the executed notebook: prose, or code with its outputs."""

    prose: Markup | None = None
    code: Markup | None = None
    outputs: tuple[Output, ...] = ()


@dataclass(frozen=True)
class Content:
    """Everything that the page and the summary say."""

    owner: Owner
    verdict: Verdict
    finished: str
    brief: Brief | None
    test: TestRecord | None
    evidence: tuple[Evidence, ...]
    environment: EnvironmentRecord | None
    key_numbers: tuple[tuple[str, str], ...]
    numbers: dict[str, KeyNumber]
    cells: tuple[Cell, ...]
    figures: tuple[Output, ...]
    links: tuple[tuple[str, str | None, str], ...]
    """What the brief points to: path, where it is seen from the report (None: not in this checkout), and what it is."""
    files: dict[str, str]

    @property
    def rasters(self) -> bool:
        """True where a figure holds values of an image, so that the page has a script to look into them."""
        return any(figure.rasters for figure in self.figures)


def gather(report: Report, verdict: Verdict, root: Path) -> Content:
    """The content of a report, from the files that are in it; ``root`` is the checkout that paths refer to."""
    owner = report.read(Owner)
    assert owner is not None
    found = records(report.folder)
    written = _in_order(report.folder, found)
    cells = tuple(_cells(report.folder / NOTEBOOK))
    brief = _brief(report.folder / BRIEF)
    return Content(
        owner=owner,
        verdict=verdict,
        finished=now(),
        brief=brief,
        test=next((record for record in written if isinstance(record, TestRecord)), None),
        evidence=tuple(record for record in written if isinstance(record, Evidence)),
        environment=report.read(EnvironmentRecord),
        key_numbers=tuple(line for record in written for line in _headline(record)),
        numbers=numbers_among(found),
        cells=cells,
        figures=tuple(output for cell in cells for output in cell.outputs if output.kind == "figure"),
        links=tuple(_links(brief, root, report.final)),
        files=files.checksums(report.folder, without=(*UNLISTED, STATUS, PAGE, SUMMARY)),
    )


def html(content: Content) -> str:
    """The page: one file that needs nothing else."""
    return sealed(environment().get_template("report.html.j2").render(c=content))


def markdown(content: Content) -> str:
    """The summary of a report."""
    return render_markdown("summary.md.j2", c=content)


def _brief(path: Path) -> Brief | None:
    try:
        return files.read_record(path, Brief)
    except files.Unreadable:
        return None


def _headline(record: Record) -> tuple[tuple[str, str], ...]:
    """Large numbers of a record; none where the record of an investigation fails to give them."""
    try:
        return tuple((str(name), str(value)) for name, value in record.headline())
    except Exception:
        return ()


def _in_order(folder: Path, found: dict[str, Record]) -> list[Record]:
    """The records of a report in the order in which they were written."""
    return [found[name] for name in sorted(found, key=lambda name: ((folder / name).stat().st_mtime_ns, name))]


def _cells(path: Path) -> Iterator[Cell]:
    if not path.is_file():
        return
    for cell in nbformat.read(path, as_version=4).cells:
        if "papermill-error-cell-tag" in cell.metadata.get("tags", []):
            continue
        if cell.cell_type == "markdown":
            yield Cell(prose=Markup(_MARKDOWN(visible(cell.source))))
        elif cell.cell_type == "code":
            code = Markup(highlight(visible(cell.source), PythonLexer(), _FORMATTER))
            yield Cell(code=code, outputs=tuple(_output(output) for output in cell.outputs if not _left_out(output)))


def _left_out(output: Any) -> bool:
    """True for what is for those who wait: the conclusion at the top of a notebook, previews, and bars of progress."""
    return not {OPENING_TYPE, PREVIEW_TYPE, PROGRESS_TYPE}.isdisjoint(output.get("data", {}))


def _output(output: Any) -> Output:
    if output.output_type == "stream":
        return Output("text", visible(output.text))
    if output.output_type == "error":
        return Output("error", visible("\n".join(output.traceback)), title=f"{output.ename}: {output.evalue}")
    data = output.get("data", {})
    table = _table(data.get(TABLE_TYPE))
    if table is not None:
        return Output("table", table=table)
    if _is_base64(data.get("image/png", "")):
        words = output.metadata.get("image/png", {})
        content, form = pictures.compact(base64.b64decode(data["image/png"]))
        return Output(
            "figure",
            image=base64.b64encode(content).decode(),
            format=form,
            plot=words.get("plot") is True,
            rasters=tuple(_rasters(data.get(RASTER_TYPE))),
            title=str(words.get("title", "")),
            caption=str(words.get("caption", "")),
            alt=str(words.get("alt", "")),
        )
    return Output("text", visible(str(data.get("text/plain", ""))))


def _table(data: Any) -> Table | None:
    try:
        return Table.model_validate(data)
    except ValidationError:
        return None


def _rasters(data: Any) -> Iterator[Raster]:
    for each in data if isinstance(data, list) else ():
        with suppress(ValidationError):
            raster = Raster.model_validate(each)
            yield raster.model_copy(update={"title": visible(raster.title), "unit": visible(raster.unit)})


def _is_base64(text: Any) -> bool:
    try:
        return bool(text) and base64.b64decode("".join(text.split()), validate=True).startswith(b"\x89PNG")
    except (AttributeError, binascii.Error, ValueError):
        return False


def _links(brief: Brief | None, root: Path, folder: Path) -> Iterator[tuple[str, str | None, str]]:
    for pointer in brief.pointers if brief else ():
        match = _PATH.fullmatch(pointer)
        if not match or ".." in match[1]:
            yield pointer, None, ""
            continue
        target = root / match[1]
        seen = Path(os.path.relpath(target, folder)).as_posix() if target.exists() else None
        yield match[1] + (match[2] or ""), seen, match[3].strip(" —–-")


def missing(names: Iterable[str], folder: Path) -> list[str]:
    """Artefacts that a brief asks for and that are not there; the summary comes last and is left out."""
    return [name for name in names if name != SUMMARY and not (folder / name).is_file()]
