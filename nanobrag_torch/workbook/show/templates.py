"""Templates of the workbook, found in one place; a value that is missing in one is an error."""

from typing import Any

import jinja2

from nanobrag_torch.workbook.formatting import number, visible


def _visible(value: Any) -> Any:
    """Value of an expression in a template, a text with nothing in it that acts unseen; markup is ours already."""
    return visible(value) if type(value) is str else value


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
