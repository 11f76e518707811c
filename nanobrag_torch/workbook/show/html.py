"""HTML pages: templates that escape every text, and a content policy that lets no foreign script run."""

import base64
import hashlib
import re
from urllib.parse import quote

import jinja2

from nanobrag_torch.workbook.show import templates

_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_PLACEHOLDER = "SCRIPT-HASH"


def environment() -> jinja2.Environment:
    """Environment over the templates of pages; every text in them is escaped."""
    found = templates.environment(autoescape=True)
    found.filters["link"] = quote
    return found


def sealed(page: str) -> str:
    """Put the hash of the page's own script into its content policy, so that no other script can run in it."""
    script = _SCRIPT.search(page)
    digest = hashlib.sha256(script[1].encode() if script else b"").digest()
    return page.replace(_PLACEHOLDER, f"sha256-{base64.b64encode(digest).decode()}", 1)
