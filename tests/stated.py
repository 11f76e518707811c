"""Values that a page or a notebook states in the comment behind an expression."""

import ast
import math
from typing import Any


def literal(comment: str) -> Any:
    """Value of a comment that is a Python literal, or ends in one before a colon's explanation; else None."""
    text = comment.strip().removeprefix("#").strip()
    for part in (text, text.partition(": ")[0]):
        try:
            return ast.literal_eval(part)
        except (ValueError, SyntaxError):
            continue
    return None


def same(value: Any, stated: Any) -> bool:
    """True where a value is the stated one: a text up to its "...", a number to nine digits."""
    if isinstance(stated, str) and stated.endswith("..."):
        return str(value).startswith(stated.removesuffix("..."))
    if isinstance(stated, float):
        return math.isclose(value, stated, rel_tol=1e-9)
    return bool(value == stated)
