"""Code of an investigation: Python files in ``plans/NAME/``, loaded without being installed.

``plans/NAME/records.py`` holds the records of an investigation and is loaded by every command that reads reports;
other files are loaded by notebooks, as ``investigation("NAME", "model")``. Files of one folder import each other
relatively: ``from .records import Fit``.
"""

import importlib
import re
import sys
import traceback
from contextlib import redirect_stdout
from pathlib import Path
from types import ModuleType

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.errors import InputError

#: The file that declares the records of an investigation.
RECORDS = "records"
_PACKAGE = "investigations"


def investigation(name: str, module: str, root: Path | None = None) -> ModuleType:
    """Module ``plans/NAME/MODULE.py`` of the project, or of an investigation that comes with the package.

    Args:
        name: name of the plan, such as "gradient-flow".
        module: name of the file without ``.py``.
        root: root of the project; None for that of the working folder.

    Raises:
        InputError: there is no such file, or it fails on import; the message ends in the last line of its traceback.
    """
    folder = _folder(name, module, root or project.root())
    package = _package(name, folder)
    try:
        # What is printed on the way must not end up in the output of a command that writes JSON.
        with redirect_stdout(sys.stderr):
            return importlib.import_module(f"{package}.{module}")
    except (Exception, SystemExit) as error:
        raise InputError(
            f"{project.PLANS}/{name}/{module}.py cannot be imported: {import_failure(error, folder / module)}"
        ) from None


def with_records(root: Path) -> list[str]:
    """Names of the investigations of a project, and of the package, that declare records."""
    found = (path for base in (project.shipped(), root) for path in (base / project.PLANS).glob(f"*/{RECORDS}.py"))
    return sorted({path.parent.name for path in found if not path.parent.name.startswith(".")})


def _folder(name: str, module: str, root: Path) -> Path:
    for base in (root, project.shipped()):
        folder = base / project.PLANS / name
        if (folder / f"{module}.py").is_file():
            return folder
    given = f"{project.PLANS}/{name}/{module}.py"
    raise InputError.of("investigation", "file", given, "a Python file of the project's plans", "Check the name.")


def _package(name: str, folder: Path) -> str:
    """Name of the package that stands for a folder; a folder of the same name elsewhere takes its place."""
    top = sys.modules.setdefault(_PACKAGE, ModuleType(_PACKAGE))
    top.__path__ = []
    identifier = re.sub(r"[^A-Za-z0-9-]", lambda other: f"_{ord(other[0]):x}_", name).replace("-", "_")
    full = f"{_PACKAGE}.{identifier}"
    known = sys.modules.get(full)
    if known is None or list(known.__path__) != [str(folder)]:
        for stale in [each for each in sys.modules if each.startswith(f"{full}.")]:
            del sys.modules[stale]
        package = ModuleType(full)
        package.__path__ = [str(folder)]
        sys.modules[full] = package
    return full


def import_failure(error: BaseException, file: Path | None = None) -> str:
    """Last line of the traceback of an import that failed, with the innermost place beside ``file`` in front."""
    if isinstance(error, SyntaxError) and error.filename:
        place: tuple[int | None, str] | None = (error.lineno, error.filename)
    else:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if file is not None and Path(frame.filename).parent == file.parent]
        place = (own[-1].lineno, own[-1].filename) if own else None
    where = f"line {place[0]} of {Path(place[1]).name}: " if place else ""
    return where + traceback.format_exception_only(error)[-1].strip()
