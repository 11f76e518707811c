"""Places: the project that a command belongs to, and the notebooks and plans that come with the package.

A project is a folder with ``notebooks/``, ``plans/`` and ``reports/``; each of them appears when it is first needed.
Whatever a project does not have is looked for among what the package ships.
"""

import difflib
import os
from pathlib import Path

from nanobrag_torch.workbook.errors import InputError

NOTEBOOKS, PLANS, REPORTS = "notebooks", "plans", "reports"
FOLDERS = (NOTEBOOKS, PLANS, REPORTS)
#: Where the results of notebooks go that a person runs; no reports, so neither ledger nor index reads them.
LAB = "lab"
#: Makes a folder a report.
MANIFEST = "manifest.json"
#: The remedy wherever a project is needed.
OFFER = "Change into a project, or make one here: nanobrag-workbook init"


def root(start: Path | None = None) -> Path:
    """Folder of the project at or above ``start`` (default: the working folder).

    It is the nearest folder that has two of ``notebooks``, ``reports`` and ``plans`` (with a plan in it), or
    ``notebooks`` beside a ``pyproject.toml``; else the one that holds the ``notebooks``, ``plans`` or ``reports`` in
    which ``start`` lies; else ``start`` itself, which becomes a project with its first report. What lies within a
    report is no project: a report that somebody sent brings no code along.
    """
    start = (start or Path.cwd()).resolve()
    report = report_around(start)
    above = [*report.parents] if report else [start, *start.parents]
    for folder in above:
        has = [(folder / NOTEBOOKS).is_dir(), (folder / REPORTS).is_dir(), any((folder / PLANS).glob("*.md"))]
        if sum(has) >= 2 or (has[0] and (folder / "pyproject.toml").is_file()):
            return folder
    return next((folder.parent for folder in above if folder.name in FOLDERS), above[0] if report else start)


def report_around(path: Path) -> Path | None:
    """The outermost report at or above ``path``; None where it lies in none."""
    around = [folder for folder in (path, *path.parents) if os.path.lexists(folder / MANIFEST)]
    return around[-1] if around else None


def shipped() -> Path:
    """Folder of the notebooks and plans that come with the package: inside it, or the source checkout around it."""
    package = Path(__file__).parents[1]
    inside = package / "shipped"
    return inside if inside.is_dir() else package.parent


def find(path: str, project: Path | None = None) -> Path:
    """Place of a file that a notebook parameter or a plan names from the root of a project.

    A file of ``notebooks/`` or ``plans/`` that the project does not have is looked for among what is shipped; not so a
    file of an investigation that the project has itself, from which it is missing. Where there is neither, the path in
    the project is returned, for the reader to complain of.
    """
    project = project or root()
    own, there = project / path, shipped() / path
    top, *rest = Path(path).parts
    missing = top == PLANS and bool(rest) and (project / top / rest[0]).exists()
    return there if top in (NOTEBOOKS, PLANS) and not own.exists() and not missing and there.exists() else own


def notebooks(project: Path) -> dict[str, Path]:
    """Notebooks by name, as ``doctor/scenario``: those of the package, and those of the project in their place."""
    found: dict[str, Path] = {}
    for folder in (shipped() / NOTEBOOKS, project / NOTEBOOKS):
        for path in sorted(folder.rglob("*.ipynb")):
            hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
            if not hidden and path.is_file():
                found[path.relative_to(folder).with_suffix("").as_posix()] = path
    return found


def notebook(given: str | Path, project: Path) -> Path:
    """Notebook at a path, or of a name such as ``doctor/scenario`` or, where it is the only one, ``scenario``.

    Raises:
        InputError: there is none; the nearest names are offered.
    """
    path = Path(given)
    if path.suffix == ".ipynb" and (path.is_file() or (path.is_absolute() and not path.exists())):
        return path
    known = notebooks(project)
    wanted = path.with_suffix("").as_posix().removeprefix(f"{NOTEBOOKS}/") if path.suffix == ".ipynb" else str(given)
    matches = [name for name in known if name == wanted] or [n for n in known if n.rpartition("/")[2] == wanted]
    if len(matches) == 1:
        return known[matches[0]]
    near = matches or difflib.get_close_matches(wanted, known, n=3, cutoff=0.3)
    remedy = f"The nearest: {', '.join(near)}. " if near else ""
    raise InputError.of(
        "notebook", "name or path", str(given), "a file .ipynb, or a name of: nanobrag-workbook notebooks",
        f"{remedy}Check the name.",
    )  # fmt: skip


def shown(path: Path, project: Path) -> str:
    """Path as a report names it: from the root of the project or of what is shipped, else the bare name."""
    resolved = path.resolve()
    for base in (project, shipped()):
        if resolved.is_relative_to(base.resolve()):
            return resolved.relative_to(base.resolve()).as_posix()
    return resolved.name


def plans(project: Path) -> dict[str, Path]:
    """Plans by name: those of the package, and those of the project in their place."""
    folders = (shipped() / PLANS, project / PLANS)
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.md"))}
