"""Drawings of a report: figures with their words, saved as PNG and SVG, in colours that all eyes can tell apart."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.records.run import FIGURES, Caption
from nanobrag_torch.workbook.show.raster import RASTER_TYPE, Raster

#: Blue and vermilion of Okabe and Ito's palette, told apart by all common kinds of colour vision and in grey print.
AUTOGRAD, DIFFERENCE = "#0072B2", "#D55E00"
#: MIME type of a picture that the page of a report leaves out.
PREVIEW_TYPE = "application/vnd.nanobrag.preview+json"
#: Background of the bars of a dark image.
DARK = "#E4E4E4"
#: Keeps the time of drawing out of a file, so that equal figures are equal files.
_UNDATED: dict[str, Any] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
OUTLINE = [withStroke(linewidth=3, foreground="black")]

STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "nanobrag",
    "savefig.facecolor": "white",
}


@dataclass(frozen=True)
class Drawing:
    """Figure and its words; saved as PNG and SVG with the caption beside them.

    Attributes:
        figure: figure of matplotlib.
        words: its title, caption and text for those who cannot see it.
        rasters: values of the images in it, into which a reader of the page may look.
        preview: it is for the reader of the notebook, who waits for what comes after it; a page leaves it out.
    """

    figure: Figure
    words: Caption
    rasters: tuple[Raster, ...] = ()
    preview: bool = False

    def save(self, folder: Path, name: str = "") -> None:
        """Write ``figures/<name>.png``, ``.svg`` and ``.json`` below ``folder``."""
        target = folder / FIGURES
        target.mkdir(exist_ok=True)
        stem = name or self.words.name
        files.write(target / f"{stem}.png", self.rendered("png"))
        files.write(target / f"{stem}.svg", self.rendered("svg"))
        self.words.save(target, f"{stem}.json")

    def rendered(self, kind: str) -> bytes:
        """Content of a file with the figure, of a ``kind`` that matplotlib writes: "png", "svg" or "pdf"."""
        stream = io.BytesIO()
        with rc_context(STYLE):
            self.figure.savefig(stream, format=kind, dpi=144, metadata=_UNDATED.get(kind))
        return stream.getvalue()

    @property
    def plot(self) -> bool:
        """True where no colour in it stands for a value, so that a page may invert it on dark paper."""
        drawn = (artist for axes in self.figure.axes for artist in axes.get_children())
        return not any(isinstance(artist, ScalarMappable) and artist.get_array() is not None for artist in drawn)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        words = self.words.model_dump(include={"title", "caption", "alt"}) | {"plot": self.plot}
        data: dict[str, Any] = {"image/png": self.rendered("png"), "text/plain": self.words.alt}
        if self.preview:
            data[PREVIEW_TYPE] = {}
        if self.rasters:
            data[RASTER_TYPE] = [raster.model_dump(mode="json") for raster in self.rasters]
        return data, {"image/png": words}
