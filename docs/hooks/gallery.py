"""MkDocs hook: notebooks of the site, executed while it is built and kept by what they are made from.

Notebooks are stored without outputs. Each one of :data:`GALLERY` and :data:`TUTORIALS` is executed by papermill in an
empty project, so that it runs as in anyone's folder, and the result is kept in ``.cache/docs-notebooks`` under a hash
of notebook, parameters and the files beside it. A cell that fails ends a strict build. Where nothing can be executed
(papermill or a kernel is missing, or ``NANOBRAG_DOCS_EXECUTE=0``) the build says so and the page shows the notebook
without outputs. ``tests/test_tutorials.py`` executes the tutorials by :func:`execute`, and what it finds is kept too;
``python docs/hooks/gallery.py`` executes the others before a site is built.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

log = logging.getLogger("mkdocs.hooks.gallery")

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CACHE = ROOT / ".cache" / "docs-notebooks"
#: Set to 0 to build the site without executing anything.
SWITCH = "NANOBRAG_DOCS_EXECUTE"
#: Tag of what papermill adds to a notebook that failed.
_ERROR = "papermill-error-cell-tag"
#: Seconds that one cell may take.
_CELL_S = 300


@dataclass(frozen=True)
class Shown:
    """A notebook of the site: its path without ending, parameters that keep it small, and what else it is made from."""

    path: str
    parameters: dict[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()

    @property
    def source(self) -> Path:
        """The notebook as it is stored."""
        return ROOT / f"{self.path}.ipynb"

    @property
    def tutorial(self) -> bool:
        """True for a notebook that is itself a page of ``docs/``."""
        return DOCS in self.source.parents

    @property
    def page(self) -> str:
        """Page of the site."""
        return self.source.relative_to(DOCS).as_posix() if self.tutorial else f"gallery/{self.source.name}"

    @property
    def key(self) -> str:
        """Hash of everything that the page is made from, the package's code excepted."""
        made_from = [self.source, *(path for part in self.beside for path in sorted(ROOT.glob(part)))]
        digest = hashlib.sha256(json.dumps(self.parameters, sort_keys=True).encode())
        for path in made_from:
            digest.update(path.read_bytes())
        return digest.hexdigest()[:16]


GALLERY = (
    Shown(
        "notebooks/gradient_flow/phase_a_baseline",
        {"detector_pixels": 64, "pixel_size_mm": 0.8},
        ("plans/gradient-flow/*.py",),
    ),
    Shown("notebooks/doctor/scenario", beside=("notebooks/doctor/example.json",)),
    Shown("notebooks/doctor/any_model", beside=("notebooks/doctor/models.py",)),
    Shown("notebooks/performance/benchmark", beside=("notebooks/performance/example.json",)),
)
TUTORIALS = tuple(Shown(f"docs/tutorials/{path.stem}") for path in sorted((DOCS / "tutorials").glob("*.ipynb")))
#: Folder of the site with the tutorials as they are stored, to be taken away.
_DOWNLOADS = "notebooks"


@event_priority(100)
def on_files(files: Files, config: Any) -> Files:
    """Add the executed notebooks to the pages, and the tutorials as they are stored beside them."""
    for shown in (*GALLERY, *TUTORIALS):
        stored = files.get_file_from_path(shown.page)
        if stored is not None:
            files.remove(stored)
        files.append(File(shown.page, str(_folder(shown)), config.site_dir, config.use_directory_urls))
        if shown.tutorial:
            download = f"{dirname(shown.page)}/{_DOWNLOADS}/{shown.source.name}"
            files.append(File.generated(config, download, content=shown.source.read_bytes()))
    return files


def on_page_content(content: str, page: Any, config: Any, files: Files) -> str:
    """Page of a notebook without references to the network, as nbconvert leaves them, and with links to pages."""
    if not page.file.src_uri.endswith(".ipynb"):
        return content

    def link(found: re.Match[str]) -> str:
        there = normpath(join(dirname(page.file.src_uri), found["path"]))
        target = files.get_file_from_path(there)
        if target is None:
            log.warning("%s: a link to %r leads nowhere", page.file.src_uri, found["path"])
            return found[0]
        return f'href="{get_relative_url(target.url, page.file.url)}{found["anchor"] or ""}"'

    content = re.sub(r'<script[^>]*src="https?:[^"]*"[^>]*>\s*</script>', "", content)
    return re.sub(r'href="(?P<path>(?!https?:)[^"#]+\.(?:md|ipynb))(?P<anchor>#[^"]*)?"', link, content)


def _folder(shown: Shown) -> Path:
    """Folder that stands for ``docs/`` of this page: its notebook is in ``gallery/`` there."""
    folder = CACHE / f"{shown.source.stem}-{shown.key}"
    if (folder / shown.page).is_file():
        return folder
    for line in _obstacles():
        log.info("gallery: %s is shown without outputs: %s", shown.path, line)
        return _written(shown, "unexecuted", shown.source, f"*Not executed while this site was built: {line}.*")
    return execute(shown)


def _obstacles() -> list[str]:
    if os.environ.get(SWITCH) == "0":
        return [f"{SWITCH}=0 was set"]
    try:
        import ipykernel
        import papermill
    except ModuleNotFoundError as error:
        return [f"the package {error.name} is missing"]
    del ipykernel, papermill
    return []


def execute(shown: Shown) -> Path:
    """Execute a notebook in an empty project; one whose cell fails is shown as far as it got, and not kept.

    Returns:
        Folder that stands for ``docs/`` of its page.
    """
    import papermill
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    log.info("gallery: executing %s", shown.path)
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="nanobrag-docs-") as project, _commands():
        (Path(project) / "reports").mkdir()
        executed, kept = Path(project) / "executed.ipynb", shown.key
        try:
            papermill.execute_notebook(
                str(shown.source), str(executed), shown.parameters, cwd=project, progress_bar=False,
                execution_timeout=_CELL_S, kernel_name="python3", coalesce_streams=True,
            )  # fmt: skip
        except PapermillExecutionError as error:
            log.warning("gallery: %s: a cell failed: %s: %s", shown.path, error.ename, error.evalue)
            kept = "failed"
        except (DeadKernelError, CellTimeoutError) as error:
            log.warning("gallery: %s: %s", shown.path, error)
            kept = "failed"
        log.info("gallery: %s took %.0f s%s", shown.path, time.monotonic() - begun, _slowest(executed))
        folder = _written(shown, kept, executed, _note(shown), project)
    # What is kept under the same name may be read by another build at this moment.
    for earlier in CACHE.glob(f"{shown.source.stem}-*"):
        if earlier != folder:
            shutil.rmtree(earlier, ignore_errors=True)
    return folder


@contextmanager
def _commands() -> Iterator[None]:
    """Let a notebook's cells find the commands of this environment, whether or not it is activated."""
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{before}"
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _slowest(executed: Path) -> str:
    """Longest time of a cell, in words."""
    cells = json.loads(executed.read_text(encoding="utf-8"))["cells"]
    taken = [cell["metadata"].get("papermill", {}).get("duration") or 0.0 for cell in cells]
    return f", its longest cell {max(taken):.0f} s"


def _note(shown: Shown) -> str:
    if shown.tutorial:
        words = "Executed while this site was built"
        kept = f'<a href="{_DOWNLOADS}/{shown.source.name}" download>the notebook</a>'
        return f"*{words}, at commit {_commit()}. To run it: {kept}, in any folder.*"
    given = ", ".join(f"`{name} = {value}`" for name, value in shown.parameters.items()) or "its own parameters"
    words = f"Executed while this site was built, with {given}"
    name = shown.path.removeprefix("notebooks/")
    return f"*{words}, at commit {_commit()}. To run it: `nanobrag-workbook run {name}`.*"


def _commit() -> str:
    done = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return done.stdout.strip() or "unknown"


def _written(shown: Shown, kept: str, source: Path, note: str, project: str = "") -> Path:
    """Folder with the page: the notebook with a note below its title, without the names of this machine's folders."""
    folder = CACHE / f"{shown.source.stem}-{kept}"
    text = source.read_text(encoding="utf-8")
    for place in (project, str(ROOT)):
        text = text.replace(place, ".") if place else text
    book = json.loads(text)
    # Where a cell failed, papermill puts a line before the title that leads to it.
    own = (cell for cell in book["cells"] if _ERROR not in cell["metadata"].get("tags", []))
    first = next(cell for cell in own if cell["cell_type"] == "markdown")
    title, _, rest = "".join(first["source"]).partition("\n")
    first["source"] = f"{title}\n\n{note}\n{rest}"
    book["metadata"].pop("widgets", None)
    target = folder / shown.page
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}.{os.getpid()}")
    beside.write_text(json.dumps(book), encoding="utf-8")
    beside.replace(target)  # another build never reads half of it
    return folder


if __name__ == "__main__":
    for each in GALLERY:
        _folder(each)
