"""MkDocs hook: reference pages made from the program's own tables while the site is built, so that none is out of date.

Each page of :data:`PAGES` is Markdown that a function makes: options of the commands from their parsers, quantities,
records and notebooks from their registries. Nothing of it is written into ``docs/``.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

#: Environment in which help is printed: width, and no colours.
_WIDTH = {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}


@event_priority(100)
def on_files(files: Files, config: Any) -> Files:
    """Add the generated pages to those that were written."""
    for name, make in PAGES.items():
        files.append(File.generated(config, name, content=make()))
    return files


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown table; a vertical bar within a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def nanobragg() -> str:
    """Options of ``nanoBragg``, a table for each group."""
    from nanobrag_torch.cli.flags import format_markdown

    return (
        "# nanoBragg: options\n\n"
        "```\nnanoBragg -cell a b c alpha beta gamma -default_F F [options]\n"
        "nanoBragg -mat auto.mat -hkl Fs.hkl [options]\n```\n\n"
        "Options are read left to right and the last of a kind wins. [The nanoBragg command](../command.md) says how a "
        "command line is read, where it differs from the C program's, and which files a run leaves. `nanoBragg -h` "
        "prints the same table.\n\n" + format_markdown()
    )


def nanobrag_workbook() -> str:
    """Help of ``nanobrag-workbook`` and of each of its commands, as the terminal shows it."""
    from typer.main import get_command

    from nanobrag_torch.workbook.commands.app import app

    parts = [
        "# nanobrag-workbook: commands\n",
        "Help of every command, as `--help` prints it. How to use them: [briefs and notebooks](../workbook.md), "
        "[plans](../plans.md), [reports](../reports.md), [triage](../triage.md).\n",
        fenced(_help(app, [])),
    ]
    for path in _commands(get_command(app), []):
        parts += [f"## {' '.join(path)}\n", fenced(_help(app, path))]
    return "\n".join(parts)


def _commands(group: Any, path: list[str]) -> Iterator[list[str]]:
    for name, command in group.commands.items():
        yield [*path, name]
        if hasattr(command, "commands"):
            yield from _commands(command, [*path, name])


def _help(app: Any, path: list[str]) -> str:
    from typer.testing import CliRunner

    done = CliRunner(env=_WIDTH).invoke(app, [*path, "--help"], prog_name="nanobrag-workbook", terminal_width=100)
    if done.exit_code != 0:
        raise RuntimeError(f"nanobrag-workbook {' '.join(path)} --help ended with {done.exit_code}: {done.output}")
    return done.output


def nb_compare() -> str:
    """Help of ``nb-compare``."""
    import subprocess
    import sys

    words = [sys.executable, "-c", "from nanobrag_torch.workbook.parity.command import compare; compare(['--help'])"]
    text = subprocess.run(words, capture_output=True, text=True, check=True, env=_environment()).stdout
    return (
        "# nb-compare\n\n"
        "One command line through two programs, the C program and this one, or one image held against a stored one. "
        "[Comparing with C](../command.md#comparing-with-c) says what is compared and how.\n\n" + fenced(text)
    )


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if name != "NB_C_BIN"} | _WIDTH


def quantities() -> str:
    """Quantities that may carry a gradient, a table for each config."""
    from nanobrag_torch.quantities import QUANTITIES

    rows = list(QUANTITIES.values() if isinstance(QUANTITIES, dict) else QUANTITIES)
    parts = [
        "# Quantities that may carry a gradient\n",
        "Each may be a tensor in its config, and a name in [`Scenario.names`](doctor.md#nanobrag_torch.Scenario). The "
        "step is the first one of a finite difference, in the unit of the quantity or as a part of its value.\n",
    ]
    for config in dict.fromkeys(row.config for row in rows):
        lines = (
            (code(row.name), row.label, row.unit or "–", _step(row), _bounds(row))
            for row in rows
            if row.config == config
        )
        parts += [f"## {config.capitalize()}\n", table(("name", "label", "unit", "step", "allowed"), lines)]
    return "\n".join(parts)


def _step(row: Any) -> str:
    return f"{row.step:g}" if row.relative is None else f"{row.step:g} of the value"


def _bounds(row: Any) -> str:
    low, high = row.low > -float("inf"), row.high < float("inf")
    if low and high:
        return f"{row.low:g} to {row.high:g}"
    if low:
        return f"at least {row.low:g}"
    return f"at most {row.high:g}" if high else "any"


def notebooks() -> str:
    """Notebooks that come with the package: question, and declared parameters."""
    from nanobrag_torch.workbook import project
    from nanobrag_torch.workbook.notebooks.parameters import declared

    folder = project.shipped() / project.NOTEBOOKS
    parts = [
        "# Shipped notebooks\n",
        "They come with the package and run by name, in any folder. `nanobrag-workbook notebooks` prints this list, "
        "`nanobrag-workbook notebooks copy NAME` puts one into your project. Type, unit and range of a parameter are "
        "checked before a kernel starts.\n",
    ]
    for name, path in project.notebooks(folder).items():
        if not path.is_relative_to(folder):
            continue
        rows = (
            (code(p.name), _kind(p), code(repr(p.default)), _allowed(p), p.help)
            for p in _rows(declared(path))
            if p.name != "report_folder"
        )
        example = f"nanobrag-workbook run {name}"
        columns = ("parameter", "type", "default", "allowed", "meaning")
        parts += [f"## {name}\n", f"{_question(path)}\n", fenced(example), table(columns, rows)]
    return "\n".join(parts)


def _rows(found: Any) -> Iterable[Any]:
    return found.values() if isinstance(found, dict) else found


def _kind(parameter: Any) -> str:
    return parameter.kind.__name__ if parameter.length is None else f"list of {parameter.kind.__name__}"


def _allowed(parameter: Any) -> str:
    return parameter.allowed.replace("a text", "any")


def _question(path: Path) -> str:
    import json

    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    prose = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return prose.strip().splitlines()[0].lstrip("# ")


def records() -> str:
    """Records of a report: file, meaning and fields of each kind."""
    from nanobrag_torch.workbook.records.base import Record
    from nanobrag_torch.workbook.records.catalogue import kinds

    by_kind: dict[type[Record], list[str]] = {}
    for name, kind in kinds().items():
        by_kind.setdefault(kind, []).append(name)
    parts = [
        "# Records of a report\n",
        "Every JSON file of a report is a record with fixed fields; `nanobrag-workbook schema FILE` prints its "
        'JSON schema. Numbers that are not finite are written as the strings `"NaN"`, `"Infinity"` and '
        '`"-Infinity"`.\n',
    ]
    for kind, names in by_kind.items():
        rows = ((code(name), code(_type(field.annotation))) for name, field in kind.model_fields.items())
        listed = ", ".join(code(name) for name in names)
        whose = "" if kind.__module__.startswith("nanobrag_torch") else " (of the gradient-flow investigation)"
        text = _markdown(" ".join((kind.__doc__ or "").partition("\n\n")[0].split()))
        parts += [f"## {kind.__name__}\n", f"{text}\n", f"Files: {listed}{whose}\n", table(("field", "type"), rows)]
    return "\n".join(parts)


def _type(annotation: Any) -> str:
    plain = isinstance(annotation, type) and not hasattr(annotation, "__args__")
    text = annotation.__name__ if plain else str(annotation)
    return re.sub(r"\b(?:[a-z_]\w*\.)+(?=\w)", "", text)


def compat_rows() -> list[tuple[str, ...]]:
    """Fields of ``Compat`` with their value in each preset: (field, physical, c, legacy_torch)."""
    from nanobrag_torch.compat import Compat

    presets = [Compat.of(name) for name in ("physical", "c", "legacy_torch")]
    return [(field.name, *(str(getattr(p, field.name)) for p in presets)) for field in fields(Compat)]


def modes() -> str:
    """Presets of ``Compat``, side by side."""
    rows = [(code(name), *map(code, values)) for name, *values in compat_rows() if name != "name"]
    return (
        "# Presets of the modes\n\n"
        "Value of every field of [`Compat`](configs.md#nanobrag_torch.Compat) in the three presets. "
        "[Deviations of C](../deviations-of-c.md) explains each; [modes](../decisions/modes.md) says why there are "
        "presets.\n\n" + table(("field", "physical", "c", "legacy_torch"), rows)
    )


def code(text: str) -> str:
    """Text as code."""
    return f"`{text}`"


def fenced(text: str) -> str:
    """Text as a block of code."""
    return f"```text\n{text.strip()}\n```\n"


def _markdown(text: str) -> str:
    return text.replace("``", "`")


PAGES: dict[str, Callable[[], str]] = {
    "reference/nanobragg.md": nanobragg,
    "reference/nanobrag-workbook.md": nanobrag_workbook,
    "reference/nb-compare.md": nb_compare,
    "reference/quantities.md": quantities,
    "reference/modes.md": modes,
    "reference/notebooks.md": notebooks,
    "reference/records.md": records,
}
