"""The widget that shows an image: one canvas, with its script and style beside it in this folder."""

from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

_HERE = Path(__file__).parent


class Canvas(anywidget.AnyWidget):
    """An image on a canvas with scale, limits, zoom and pan, and the pixel under the pointer.

    ``word`` stands over a faded image where there is none to show; ``pointer`` is [slow, fast] or empty, and ``place``
    says more about that pixel. ``beat`` counts signs of life: after the first of them the page tells when they end.
    """

    _esm = _HERE / "canvas.js"
    _css = _HERE / "canvas.css"
    data = traitlets.Bytes(b"").tag(sync=True)
    shape = traitlets.List([0, 0]).tag(sync=True)
    title = traitlets.Unicode("image").tag(sync=True)
    unit = traitlets.Unicode("photons").tag(sync=True)
    log = traitlets.Bool(False).tag(sync=True)
    low = traitlets.Float(0.0).tag(sync=True)
    high = traitlets.Float(99.5).tag(sync=True)
    diverging = traitlets.Bool(False).tag(sync=True)
    word = traitlets.Unicode("").tag(sync=True)
    pointer: traitlets.List[int] = traitlets.List([]).tag(sync=True)
    place = traitlets.Unicode("").tag(sync=True)
    beat = traitlets.Int(0).tag(sync=True)

    def show(self, image: Any, title: str, unit: str, diverging: bool = False) -> None:
        """Show an image (slow, fast) of any real numbers."""
        values = np.ascontiguousarray(np.asarray(image, dtype=np.float32))
        with self.hold_sync():
            self.title, self.unit, self.diverging, self.word = title, unit, diverging, ""
            self.shape = list(values.shape)
            self.data = values.tobytes()
