"""Messages of a kernel as ASCII, so that any text of Python arrives: a kernel loses those that UTF-8 has no bytes for.

A kernel of ours is started with this packer. Without it an error about a file name in another encoding never arrives.
"""

import json
from typing import Any

from jupyter_client.jsonutil import json_clean, json_default


def pack(message: Any) -> bytes:
    """Message of a kernel in bytes that any client can read."""
    try:
        return json.dumps(message, default=json_default, allow_nan=False).encode("ascii")
    except (TypeError, ValueError):
        return json.dumps(json_clean(message), default=json_default, allow_nan=False).encode("ascii")
