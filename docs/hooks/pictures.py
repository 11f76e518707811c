"""MkDocs hook: pictures of the tutorials, made by the code that stands on their pages while the site is built.

The picture of a page is the tensor ``image`` that its first block of Python leaves. It is kept under a hash of that
block in ``.cache/docs-pictures``.
"""

import hashlib
import io
import re
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "docs-pictures"
#: Picture of the site -> page of ``docs/`` whose first block makes it.
PICTURES = {"tutorials/first-image.png": "tutorials/first-image.md"}
#: Decades that the grey scale spans, and screen pixels for one of the image's.
_DECADES, _ZOOM = 2, 2

_BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@event_priority(100)
def on_files(files: Files, config: Any) -> Files:
    """Add the pictures to the files of the site."""
    for name, page in PICTURES.items():
        code = _BLOCK.search((Path(config.docs_dir) / page).read_text(encoding="utf-8"))
        if code is None:
            raise ValueError(f"{page}: no block of Python that could make {name}")
        files.append(File.generated(config, name, content=_kept(code[1])))
    return files


def _kept(code: str) -> bytes:
    place = CACHE / f"{hashlib.sha256(code.encode()).hexdigest()[:16]}.png"
    if not place.is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(picture(code))
    return place.read_bytes()


def picture(code: str) -> bytes:
    """PNG of the tensor ``image`` that ``code`` leaves, dark on white, on a logarithmic scale."""
    from PIL import Image

    namespace: dict[str, Any] = {}
    exec(code, namespace)
    light = namespace["image"].detach()
    decades = (light / light.max()).clamp_min(10.0**-_DECADES).log10() / _DECADES
    grey = Image.fromarray((-decades * 255).round().byte().numpy())
    zoomed = grey.resize((grey.width * _ZOOM, grey.height * _ZOOM), Image.Resampling.NEAREST)
    stream = io.BytesIO()
    zoomed.save(stream, "PNG")
    return stream.getvalue()
