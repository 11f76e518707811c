"""Pictures that others may have made: opened as PNG and as nothing else, and refused by their size before a decode.

Left to itself Pillow asks the content for the format, whatever the name says: an EPS named ``.png`` starts Ghostscript.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

#: Formats that a figure of a report may have.
FORMATS = ("PNG",)
#: Largest picture that is decoded, in pixels: several times the largest figure, and 200 MB at most.
MOST_PIXELS = 50_000_000


def load(path: Path) -> Image.Image:
    """The picture in a file, decoded, as RGB. Raises ``ValueError`` for what is no PNG of at most ``MOST_PIXELS``."""
    with _opened(path) as image:
        return image.convert("RGB")


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
