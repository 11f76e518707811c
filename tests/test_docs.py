"""README and documentation: every block of Python runs, every import works as written, every command line is one.

The blocks of a page run in one namespace, in an empty folder. A block below ``<!-- not run: reason -->`` is left out,
and counted. ``<!-- setup`` … ``-->`` holds lines that run and are not shown. Where the comment behind an expression is
a Python literal, the expression has that value.
"""

import ast
import importlib
import importlib.util
import json
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from stated import literal, same

from nanobrag_torch.workbook.records import base

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
#: Notebooks that are pages: their words are looked at here, their cells are run by ``test_tutorials.py``.
TUTORIALS = sorted(DOCS.glob("tutorials/*.ipynb"))
#: Blocks of Python that are not run. A new one needs a reason on its page, and this number.
NOT_RUN = 5

_FENCE = re.compile(
    r"^(?P<before>(?:<!-- not run: [^\n]+ -->\n)?)(?P<fence>```+)(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=fence)\s*$",
    re.DOTALL | re.MULTILINE,
)
_SETUP = re.compile(r"^<!-- setup\n(?P<code>.*?)^-->$", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(r"(?<!`)`((?:nanobrag-workbook|nanoBragg|nb-compare|make) [^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A piece of code on a page: its language, its text, and the line on which the text begins."""

    page: Path
    line: int
    language: str
    code: str
    excluded: bool = False


def text_of(page: Path) -> str:
    """Markdown of a page, of a notebook that of all its cells."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    return "\n\n".join("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "markdown")


def blocks(page: Path) -> list[Block]:
    """Every block of a page, hidden setups included, in order."""
    text = text_of(page)
    found = [
        Block(page, text.count("\n", 0, m.start("code")) + 1, m["language"], m["code"], bool(m["before"]))
        for m in _FENCE.finditer(text)
    ]
    found += [Block(page, text.count("\n", 0, m.start("code")) + 1, "python", m["code"]) for m in _SETUP.finditer(text)]
    return sorted(found, key=lambda block: block.line)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


WITH_PYTHON = [page for page in PAGES if any(b.language == "python" and not b.excluded for b in blocks(page))]


@pytest.mark.parametrize("page", WITH_PYTHON, ids=name_of)
def test_the_python_of_a_page_runs_as_it_stands(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Records that a page declares are forgotten with it.
    monkeypatch.setattr(base, "_BY_FILE", dict(base._BY_FILE))
    monkeypatch.setattr(base, "_BORNE_OUT_BY", {code: list(each) for code, each in base._BORNE_OUT_BY.items()})
    namespace: dict[str, Any] = {"__name__": "__documentation__"}
    for block in blocks(page):
        if block.language == "python" and not block.excluded:
            run(block, namespace)


def run(block: Block, namespace: dict[str, Any]) -> None:
    """Run a block statement by statement, and hold expressions to the values that their comments state."""
    source = "\n" * (block.line - 1) + block.code
    lines = source.splitlines()
    for statement in ast.parse(source).body:
        if not isinstance(statement, ast.Expr):
            exec(compile(ast.Module([statement], []), str(block.page), "exec"), namespace)
            continue
        value = eval(compile(ast.Expression(statement.value), str(block.page), "eval"), namespace)
        stated = literal(lines[statement.end_lineno - 1][statement.end_col_offset :])
        if stated is not None:
            place = f"{name_of(block.page)}, line {statement.lineno}"
            assert same(value, stated), f"{place}: the comment states {stated!r}, the value is {value!r}"


def test_blocks_that_are_not_run_are_counted():
    excluded = [block for page in PAGES for block in blocks(page) if block.excluded and block.language == "python"]
    assert len(excluded) == NOT_RUN, "\n".join(f"{name_of(b.page)}, line {b.line}" for b in excluded)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_import_of_the_package_works_as_written(page):
    for block in blocks(page):
        if block.language != "python":
            continue
        for statement in ast.walk(ast.parse(block.code)):
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    if alias.name.partition(".")[0] == "nanobrag_torch":
                        importlib.import_module(alias.name)
            if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("nanobrag_torch"):
                module = importlib.import_module(statement.module)
                missing = [alias.name for alias in statement.names if not available(module, alias.name)]
                assert not missing, f"{name_of(page)}, line {block.line}: {statement.module} has no {missing}"


def available(module: ModuleType, name: str) -> bool:
    return hasattr(module, name) or importlib.util.find_spec(f"{module.__name__}.{name}") is not None


def command_lines(page: Path) -> Iterator[tuple[str, list[str]]]:
    """(place, words) of every command line of the package and of make on a page."""
    for block in blocks(page):
        if block.language in ("", "bash", "sh", "console", "text"):
            for offset, line in enumerate(block.code.replace("\\\n", " ").splitlines()):
                yield from words(f"{name_of(page)}, line {block.line + offset}", line)
    for number, line in enumerate(text_of(page).splitlines(), 1):
        indented = line.startswith("    nanobrag-workbook ")
        for text in [line] if indented else _INLINE.findall(line):
            yield from words(f"{name_of(page)}, line {number}", text)


def words(place: str, line: str) -> Iterator[tuple[str, list[str]]]:
    without = re.sub(r"\s+#\s.*$", "", line).strip().removeprefix("$ ")
    # What the shell would put in place of a command or a variable is one word.
    plain = re.sub(r"\$\([^()]*(?:\([^()]*\)[^()]*)*\)|\$\w+", "WORD", without)
    for part in plain.split("&&"):
        try:
            found = shlex.split(part)
        except ValueError:
            continue
        while found and re.fullmatch(r"\w+=\S*", found[0]):
            found = found[1:]
        if found and found[0] in ("nanobrag-workbook", "nanoBragg", "nb-compare", "make"):
            yield place, found


LINES = [(place, line) for page in [*PAGES, *TUTORIALS] for place, line in command_lines(page)]


def lines_of(program: str) -> list[tuple[str, list[str]]]:
    return [(place, line[1:]) for place, line in LINES if line[0] == program]


def test_every_command_line_of_the_workbook_names_what_there_is():
    from typer.main import get_command

    from nanobrag_torch.workbook.commands.app import app

    assert len(lines_of("nanobrag-workbook")) > 20
    for place, line in lines_of("nanobrag-workbook"):
        command, rest = get_command(app), list(line)
        while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
            name = rest.pop(0)
            assert name in command.commands or placeholder(name), f"{place}: no command {name!r}"
            command = command.commands.get(name, command)
        options = {option for p in command.params for option in (*p.opts, *p.secondary_opts)} | {"--help"}
        given = rest[: rest.index("--")] if "--" in rest else rest
        unknown = [word for word in given if word.startswith("-") and word.partition("=")[0] not in options]
        assert not unknown, f"{place}: {' '.join(line)}: no option {unknown}"


def placeholder(word: str) -> bool:
    return word.isupper() or "." in word or "|" in word


def test_every_notebook_and_parameter_on_a_command_line_exists():
    from nanobrag_torch.workbook import project
    from nanobrag_torch.workbook.notebooks.parameters import declared

    checked = 0
    for place, line in lines_of("nanobrag-workbook"):
        if line[:1] != ["run"] or len(line) < 2 or line[1].startswith("-") or line[1].isupper():
            continue
        known = declared(project.notebook(line[1], ROOT))
        names = [word for before, word in pairwise(line) if before == "-p"]
        unknown = [name for name in names if name.partition("=")[0] not in known and not placeholder(name)]
        assert not unknown, f"{place}: {line[1]} has no parameter {unknown}"
        checked += 1
    assert checked > 3


def test_every_command_line_of_the_simulator_is_read_without_a_remark():
    from nanobrag_torch.cli.parse import parse

    lines = lines_of("nanoBragg")
    assert len(lines) > 3
    for place, line in lines:
        remarks = parse(line).remarks
        assert not remarks, f"{place}: nanoBragg {' '.join(line)}: {remarks}"


def test_every_command_line_of_the_comparison_has_options_that_exist(capsys):
    from nanobrag_torch.workbook.parity.command import compare

    with pytest.raises(SystemExit):
        compare(["--help"])
    options = set(re.findall(r"--?[a-z][a-z-]*", capsys.readouterr().out))
    for place, line in lines_of("nb-compare"):
        own = line[: line.index("--")] if "--" in line else line
        unknown = [word for word in own if word.startswith("-") and word not in options]
        assert not unknown, f"{place}: nb-compare has no option {unknown}"


def test_every_target_of_make_exists():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    missing = [f"{place}: make {word}" for place, line in lines_of("make") for word in line if word not in targets]
    assert not missing


def test_every_relative_link_of_the_readme_leads_somewhere():
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", page.read_text(encoding="utf-8")):
            assert (ROOT / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize(
    "package",
    [
        "nanobrag_torch",
        "nanobrag_torch.io",
        "nanobrag_torch.io.crystfel",
        "nanobrag_torch.experiments",
        "nanobrag_torch.doctor",
        "nanobrag_torch.refine",
        "nanobrag_torch.workbook",
    ],
)
def test_every_public_name_has_its_place_in_the_reference(package):
    written = "\n".join(page.read_text(encoding="utf-8") for page in sorted((DOCS / "reference").glob("*.md")))
    documented = {name.rpartition(".")[2] for name in re.findall(r"^::: ([\w.]+)", written, re.MULTILINE)}
    # Version and tables of codes are on pages of their own.
    public = set(importlib.import_module(package).__all__) - {"__version__", "CODES", "RULES"}
    assert public <= documented, f"{package}: no entry for {sorted(public - documented)}"


def test_pages_are_made_from_the_tables_of_the_program():
    pytest.importorskip("mkdocs")
    generated = loaded(DOCS / "hooks" / "generated.py")
    for name, make in generated.PAGES.items():
        assert not (DOCS / name).exists(), f"{name} is generated: what is written there would be hidden"
        assert make().startswith("# "), name


def test_roles_in_docstrings_become_code():
    griffe = pytest.importorskip("griffe")
    thing = griffe.Function("f", docstring=griffe.Docstring("As :func:`~a.b` has it::\n\n    f()\n\nThe end."))
    loaded(DOCS / "hooks" / "roles.py").Roles().on_instance(obj=thing)
    assert thing.docstring.value == "As `a.b` has it:\n\n    f()\n\nThe end."


def test_formulas_become_mathml():
    pytest.importorskip("latex2mathml")
    hook = loaded(DOCS / "hooks" / "mathml.py")
    page = hook.on_page_content(r'<p><span class="arithmatex">\(a &lt; \frac{1}{b}\)</span></p>', page=None)
    assert "<mfrac>" in page
    assert 'alttext="a &lt; \\frac{1}{b}"' in page
    assert "arithmatex" not in page


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ('<a href="b.html#there">b</a>', None),
        ('<a href="c.html">c</a>', "'c.html' is not there"),
        ('<a href="b.html#gone">b</a>', "no such anchor"),
        ('<a href="#gone">here</a>', "no such anchor"),
        ('<a href="/b.html">b</a>', "begins at the root"),
        ('<a href="https://example.org/x">x</a>', None),
        ('<a href="https://not a host/">x</a>', "is no address"),
        ('<script src="https://example.org/x.js"></script>', "from the network"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "from the network"),
        ("<style>@import 'https://example.org/x.css';</style>", "from the network"),
        ('<div style="background: url(https://example.org/x.png)"></div>', "from the network"),
        ('<img src="none.png">', "'none.png' is not there"),
    ],
)
def test_links_of_a_site_are_checked(body, complaint, tmp_path):
    (tmp_path / "a.html").write_text(f"<!doctype html><body>{body}</body>")
    (tmp_path / "b.html").write_text('<!doctype html><body><p id="there">b</p></body>')
    found = loaded(DOCS / "check_links.py").problems(tmp_path)
    assert [complaint in each for each in found] == [True] if complaint else not found


def loaded(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"documentation_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # a dataclass looks its module up
    spec.loader.exec_module(module)
    return module


_FILE = re.compile(r"(?<![\w/.<$-])((?:benchmarks|docs|nanobrag_torch|notebooks|plans|tests)/[\w./-]+\.\w+)\b")


def test_every_file_of_this_repository_that_a_document_names_is_there():
    """What is written with capitals stands for any name, and the tutorials' own investigation is made by its reader."""
    documents = [*PAGES, *TUTORIALS, *ROOT.glob("plans/**/*.[mt][dx]*"), *ROOT.glob("notebooks/**/*.ipynb")]
    named = {(page, name) for page in documents if "example-report" not in page.parts
             for name in _FILE.findall(page.read_text(encoding="utf-8"))}  # fmt: skip
    others = ("NAME", "spot-width", "spot_width")
    missing = [f"{page.name}: {name}" for page, name in sorted(named)
               if not any(other in name for other in others) and not (ROOT / name).exists()]  # fmt: skip
    assert len(named) > 20 and missing == []
