"""MkDocs hook: LaTeX formulas become MathML while the site is built, so that a page shows them without any script.

``pymdownx.arithmatex`` marks the formulas; this hook translates each. A formula that cannot be translated is a warning,
which ends a strict build.
"""

import html
import logging
import re
from typing import Any

from latex2mathml.converter import convert

log = logging.getLogger("mkdocs.hooks.mathml")

_FORMULA = re.compile(
    r'<(?P<tag>span|div) class="arithmatex">\\(?P<open>[(\[])(?P<tex>.*?)\\[)\]]</(?P=tag)>', re.DOTALL
)
#: Characters of LaTeX from which a formula within a line may be wider than a phone.
_LONG = 60
#: A command that the translation does not know is left in the text of an element.
_LEFT_OVER = re.compile(r"<m[ion][^>]*>[^<]*\\[A-Za-z]")


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Content of a page with its formulas as MathML."""

    def formula(found: re.Match[str]) -> str:
        tex = html.unescape(found["tex"]).strip()
        display = "block" if found["open"] == "[" else "inline"
        try:
            made = mathml(tex, display)
        except Exception as error:
            log.warning("%s: the formula %r cannot be translated: %s", page.file.src_uri, tex, error)
            return found[0]
        if _LEFT_OVER.search(made):
            log.warning("%s: a command in the formula %r is not known", page.file.src_uri, tex)
        if display == "block":
            return f'<div class="formula">{made}</div>'
        return f'<span class="formula-inline">{made}</span>' if len(tex) > _LONG else made

    return _FORMULA.sub(formula, content)


def mathml(tex: str, display: str) -> str:
    """MathML of a formula, which keeps its LaTeX as alternative text.

    Args:
        tex: LaTeX without its dollar signs.
        display: "block" or "inline".
    """
    alternative = html.escape(" ".join(tex.split()), quote=True)
    return convert(tex, display=display).replace("<math ", f'<math alttext="{alternative}" ', 1)
