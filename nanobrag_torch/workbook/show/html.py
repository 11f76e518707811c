"""What all pages share: templates that escape every text, and a content policy that lets no foreign script run."""

import base64
import hashlib
import re
from urllib.parse import quote

import jinja2

from nanobrag_torch.workbook.show.tables import number

_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_PLACEHOLDER = "SCRIPT-HASH"


def environment() -> jinja2.Environment:
    """The templates of the workbook; every text in them is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("nanobrag_torch.workbook"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, link=quote)
    return environment


def sealed(page: str) -> str:
    """The page with the hash of its own script in its content policy, so that no other script can run in it."""
    script = _SCRIPT.search(page)
    digest = hashlib.sha256(script[1].encode() if script else b"").digest()
    return page.replace(_PLACEHOLDER, f"sha256-{base64.b64encode(digest).decode()}", 1)
