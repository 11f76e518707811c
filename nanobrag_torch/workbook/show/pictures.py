"""Pictures that others may have made: opened as PNG and as nothing else, and refused by their size before a decode.

Left to itself Pillow asks the content for the format, whatever the name says: an EPS named ``.png`` starts Ghostscript.
"""

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from PIL import Image

#: Formats that a figure of a report may have.
FORMATS = ("PNG",)
#: Largest picture that is decoded, in pixels: several times the largest figure, and 200 MB at most.
MOST_PIXELS = 50_000_000
#: Colours of a picture on a page, and the largest picture in pixels that is made smaller for one, in a few seconds.
COLOURS, MOST_COMPACTED = 256, 4_000_000
#: Edge of a small picture in pixels.
EDGE = 360


def load(path: Path) -> Image.Image:
    """The picture in a file, decoded, as RGB. Raises ``ValueError`` for what is no PNG of at most ``MOST_PIXELS``."""
    with _opened(path) as image:
        return image.convert("RGB")


@lru_cache(maxsize=240)
def small(path: Path, changed: float = 0.0) -> str:
    """Shrink a picture to at most ``EDGE`` pixels high and wide: base64 of a JPEG. Raises as :func:`load`.

    ``changed`` is the time at which it was written: several pages show the same figures, which are read once.
    """
    stream = io.BytesIO()
    copy = load(path)
    copy.thumbnail((EDGE, EDGE))
    copy.save(stream, "JPEG", quality=82)
    return base64.b64encode(stream.getvalue()).decode()


def compact(content: bytes) -> tuple[bytes, str]:
    """Make a PNG smaller for a page: its colours reduced to ``COLOURS``, kept without further loss as WebP.

    What would not be smaller, has transparent parts or is no PNG of at most ``MOST_COMPACTED`` pixels stays as it is.

    Returns:
        content of the picture's file, and its format, "webp" or "png".
    """
    stream = io.BytesIO()
    try:
        with _opened(io.BytesIO(content)) as image:
            small_enough = image.width * image.height <= MOST_COMPACTED
            if small_enough and image.convert("RGBA").getchannel("A").getextrema()[0] == 255:
                few = image.convert("RGB").quantize(
                    COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE
                )
                few.convert("RGB").save(stream, "WEBP", lossless=True)
    except ValueError:
        return content, "png"
    made = stream.getvalue()
    return (made, "webp") if 0 < len(made) < len(content) else (content, "png")


def check(content: bytes) -> None:
    """Raise ``ValueError`` unless ``content`` is a whole PNG of at most ``MOST_PIXELS``; nothing is decoded."""
    with _opened(io.BytesIO(content)) as image:
        image.verify()


@contextmanager
def _opened(source: Path | io.BytesIO) -> Iterator[Image.Image]:
    """A picture of which the header alone has been read; whatever Pillow raises over it becomes a ``ValueError``."""
    try:
        with warnings.catch_warnings(action="ignore", category=Image.DecompressionBombWarning):
            image = Image.open(source, formats=FORMATS)
        with image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels; at most {MOST_PIXELS} are decoded")
            yield image
    except ValueError:
        raise
    except Exception as error:  # Pillow's readers raise OSError, SyntaxError, EOFError, struct.error, zlib.error, ...
        raise ValueError(str(error) or type(error).__name__) from None
