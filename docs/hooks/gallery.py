"""MkDocs hook: notebooks of the gallery, executed small while the site is built and kept by what they are made from.

Notebooks are stored without outputs. Each one of :data:`GALLERY` is executed by papermill in an empty project, so that
it runs as in anyone's folder, and the result is kept in ``.cache/docs-notebooks`` under a hash of notebook, parameters
and the files beside it. A cell that fails ends a strict build. Where nothing can be executed (papermill or a kernel is
missing, or ``NANOBRAG_DOCS_EXECUTE=0``) the build says so and the page shows the notebook without outputs.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mkdocs.plugins import event_priority
from mkdocs.structure.files import File, Files

log = logging.getLogger("mkdocs.hooks.gallery")

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "docs-notebooks"
#: Set to 0 to build the site without executing anything.
SWITCH = "NANOBRAG_DOCS_EXECUTE"
#: Seconds that one cell may take.
_CELL_S = 300


@dataclass(frozen=True)
class Shown:
    """A notebook of the gallery: its name, the parameters that keep it small, and what it is made from beside it."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()

    @property
    def source(self) -> Path:
        """The notebook as it is stored."""
        return ROOT / "notebooks" / f"{self.name}.ipynb"

    @property
    def page(self) -> str:
        """Page of the site."""
        return f"gallery/{self.source.name}"

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
        "gradient_flow/phase_a_baseline",
        {"detector_pixels": 64, "pixel_size_mm": 0.8},
        ("plans/gradient-flow/*.py",),
    ),
    Shown("doctor/scenario", beside=("notebooks/doctor/example.json",)),
    Shown("doctor/any_model", beside=("notebooks/doctor/models.py",)),
    Shown("performance/benchmark", beside=("notebooks/performance/example.json",)),
)


@event_priority(100)
def on_files(files: Files, config: Any) -> Files:
    """Add the executed notebooks to the pages."""
    for shown in GALLERY:
        files.append(File(shown.page, str(_folder(shown)), config.site_dir, config.use_directory_urls))
    return files


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Page of a notebook without references to the network, as nbconvert leaves them."""
    if not page.file.src_uri.startswith("gallery/") or not page.file.src_uri.endswith(".ipynb"):
        return content
    return re.sub(r'<script[^>]*src="https?:[^"]*"[^>]*>\s*</script>', "", content)


def _folder(shown: Shown) -> Path:
    """Folder that stands for ``docs/`` of this page: its notebook is in ``gallery/`` there."""
    folder = CACHE / f"{shown.source.stem}-{shown.key}"
    if (folder / shown.page).is_file():
        return folder
    for line in _obstacles():
        log.info("gallery: %s is shown without outputs: %s", shown.name, line)
        return _written(shown, "unexecuted", shown.source, f"*Not executed while this site was built: {line}.*")
    log.info("gallery: executing %s", shown.name)
    for earlier in CACHE.glob(f"{shown.source.stem}-*"):
        shutil.rmtree(earlier)
    return _execute(shown)


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


def _execute(shown: Shown) -> Path:
    """Execute a notebook in an empty project; one whose cell fails is shown as far as it got, and not kept."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    logging.getLogger("papermill").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(prefix="nanobrag-docs-") as project:
        (Path(project) / "reports").mkdir()
        executed, kept = Path(project) / "executed.ipynb", shown.key
        try:
            papermill.execute_notebook(
                str(shown.source), str(executed), shown.parameters, cwd=project, progress_bar=False,
                execution_timeout=_CELL_S, kernel_name="python3",
            )  # fmt: skip
        except PapermillExecutionError as error:
            log.warning("gallery: %s: a cell failed: %s: %s", shown.name, error.ename, error.evalue)
            kept = "failed"
        return _written(shown, kept, executed, _note(shown), project)


def _note(shown: Shown) -> str:
    given = ", ".join(f"`{name} = {value}`" for name, value in shown.parameters.items()) or "its own parameters"
    words = f"Executed while this site was built, with {given}"
    return f"*{words}, at commit {_commit()}. To run it: `nanobrag-workbook run {shown.name}`.*"


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
    first = next(cell for cell in book["cells"] if cell["cell_type"] == "markdown")
    title, _, rest = "".join(first["source"]).partition("\n")
    first["source"] = f"{title}\n\n{note}\n{rest}"
    book["metadata"].pop("widgets", None)
    target = folder / shown.page
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(book), encoding="utf-8")
    return folder
