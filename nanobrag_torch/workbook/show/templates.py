"""Templates of the workbook, found in one place; a value that is missing in one is an error."""

from typing import Any

import jinja2
from markupsafe import Markup

from nanobrag_torch.workbook.formatting import number, visible


def _visible(value: Any) -> Any:
    """Value of an expression in a template, a text with nothing in it that acts unseen."""
    text = isinstance(value, str)
    return type(value)(visible(value)) if isinstance(value, Markup) else visible(value) if text else value


def environment(**how: Any) -> jinja2.Environment:
    """Environment over the templates of the package; ``how`` says how texts are escaped."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("nanobrag_torch.workbook"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **({"finalize": _visible} | how),
    )
    found.filters["number"] = number
    return found


def plain(template: str, **values: Any) -> str:
    """Render a template without escaping; texts from outside go through the filter ``tojson``."""
    return environment(autoescape=False).get_template(template).render(**values)
