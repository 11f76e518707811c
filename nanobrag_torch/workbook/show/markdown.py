"""Markdown from templates in which no text from outside can act."""

import re
from typing import Any
from urllib.parse import quote

from nanobrag_torch.workbook.formatting import visible
from nanobrag_torch.workbook.show.templates import environment


def render_markdown(template: str, **values: Any) -> str:
    """Render a template of Markdown; a text is escaped unless the template marks it as a code span or block."""
    found = environment(autoescape=False, finalize=_escape)
    found.filters.update(span=span, block=_block, target=_target)
    return found.get_template(template).render(**values)


class _Verbatim(str):
    """Text that is Markdown already and is not escaped."""


def _escape(value: Any) -> str:
    """Escape a text within a line, so that neither Markdown nor HTML acts on anything in it."""
    if isinstance(value, _Verbatim):
        return value
    return re.sub(r"([\\`*_\[\]<>|~&])", r"\\\1", " ".join(visible(str(value)).split()))


def _longest_ticks(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def span(text: str) -> _Verbatim:
    """Code span of ``text``, also within a table."""
    line = " ".join(visible(text).split()).replace("|", r"\|")
    ticks = "`" * (_longest_ticks(line) + 1)
    padding = " " if "`" in line else ""
    return _Verbatim(f"{ticks}{padding}{line}{padding}{ticks}")


def _block(text: str) -> _Verbatim:
    """Code block of ``text``."""
    ticks = "`" * max(3, _longest_ticks(text) + 1)
    return _Verbatim(f"{ticks}text\n{visible(text).strip()}\n{ticks}")


def _target(path: str) -> _Verbatim:
    """Target of a link to ``path``."""
    return _Verbatim(quote(path))
