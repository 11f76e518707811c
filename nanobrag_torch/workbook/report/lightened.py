"""A page small enough for an e-mail: its pictures in fewer bytes, everything else as it was."""

import base64
import io
import re
import warnings
from collections.abc import Iterator
from functools import partial

from PIL import Image

from nanobrag_torch.workbook.show.pictures import MOST_PIXELS

#: Picture within a page, as its templates embed it.
_PICTURE = re.compile(rb"data:image/(?:png|webp);base64,([A-Za-z0-9+/=]+)")
#: Quality of WebP and largest edge in pixels, from hardly visible to a sketch.
_STEPS = ((80, 1600), (60, 1200), (40, 900), (30, 600))


def lightened(page: bytes, most: int) -> bytes | None:
    """Page of at most ``most`` bytes, by the first step that is enough; as it is where it is small, None where none is.

    Args:
        page: page of a report, with its pictures in it.
        most: largest size in bytes.
    """
    return next((each for each in _lighter(page) if len(each) <= most), None)


def _lighter(page: bytes) -> Iterator[bytes]:
    yield page
    for quality, edge in _STEPS:
        yield _PICTURE.sub(partial(_smaller, quality, edge), page)


def _smaller(quality: int, edge: int, found: re.Match[bytes]) -> bytes:
    """A picture of lower quality, or as it is where that is no smaller or it cannot be read."""
    stream = io.BytesIO()
    try:
        copy = _decoded(base64.b64decode(found[1]))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return found[0]
    copy.thumbnail((edge, edge))
    copy.save(stream, "WEBP", quality=quality)
    made = b"data:image/webp;base64," + base64.b64encode(stream.getvalue())
    return made if len(made) < len(found[0]) else found[0]


def _decoded(content: bytes) -> Image.Image:
    with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
        image = Image.open(io.BytesIO(content), formats=("PNG", "WEBP"))
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(f"{image.width} x {image.height} pixels")
    if image.mode.startswith(("I", "F")):
        raise ValueError("more than eight bits a pixel, which a conversion would cut off")
    with image:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
