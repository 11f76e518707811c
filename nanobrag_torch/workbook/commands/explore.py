"""``nanobrag-workbook explore``: sliders, image, gradients and verdict as an application in the browser."""

import re
import secrets
import socket
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.commands.run import from_root
from nanobrag_torch.workbook.errors import Blocked

ADDRESS = "127.0.0.1"
#: What the page may load: from the server alone, so that it is the same without a network.
POLICY = "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob: ws: wss:"


def explore(
    given: Annotated[
        str,
        typer.Argument(
            metavar="[SCENARIO.json | NOTEBOOK | X.expt]",
            help="A scenario, a notebook by path or name, or an experiment (default: an example).",
        ),
    ] = "",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = True,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1 (default: any that is free).", min=0, max=65535)] = 0,
) -> None:
    """Move sliders in the browser, and see image, gradients and the doctor's verdict move with them."""
    from traitlets.config import Config
    from voila.app import Voila
    from voila.shutdown_kernel_handler import VoilaShutdownKernelHandler

    from nanobrag_torch.workbook.commands.terminal import say
    from nanobrag_torch.workbook.explorer.source import read_explored

    VoilaShutdownKernelHandler.check_xsrf_cookie = _unchecked
    place = from_root(given) if given else ""
    # What cannot be read is told before anything is started.
    read_explored(place)
    port, token = _free(port), secrets.token_hex(16)
    with tempfile.TemporaryDirectory(prefix="nanobrag-explore-") as folder:
        page = Path(folder).resolve() / "explore.ipynb"
        _write_page(page, place)
        say(f"http://{ADDRESS}:{port}/?token={token}")
        say("Ctrl-C ends it.")
        Voila.launch_instance(
            [str(page)], config=Config(settings(port, token, browser)), notebook_path=str(page), root_dir="/"
        )


def _unchecked(handler: Any) -> None:
    """Take the request of a page that is left to end its kernel.

    Its beacon has no room for the sign against forged requests, without which the server refuses it and every reload
    leaves a kernel behind. It still takes the token of the server, and the identifier of the kernel, which is secret.
    """


def settings(port: int, token: str, browser: bool) -> dict[str, Any]:
    """Settings of the server: this machine alone, with a token, pages of reports, nothing from other servers."""
    root = project.root().as_posix().strip("/")
    return {
        "Voila": {
            "ip": ADDRESS,
            "port": port,
            "port_retries": 0,
            "token": token,
            "open_browser": browser,
            "log_level": "WARN",
            "tornado_settings": {"headers": {"Content-Security-Policy": POLICY}},
        },
        "VoilaConfiguration": {
            "file_allowlist": [f"{re.escape(root)}/{project.REPORTS}/.*"],
            "kernel_spec_manager_class": "nanobrag_torch.workbook.notebooks.kernels.Specs",
            "theme": "light",
        },
    }


def _free(port: int) -> int:
    """The port, or any that is free for 0. Raises ``Blocked`` where something else has it."""
    try:
        with socket.create_server((ADDRESS, port)) as found:
            return int(found.getsockname()[1])
    except OSError:
        raise Blocked(f"Port {port} is in use: choose another with --port, or leave it out.") from None


def _write_page(page: Path, given: str) -> None:
    """Write the notebook whose one cell is the application."""
    from nanobrag_torch.workbook.notebooks.format import nbformat

    root = project.root()
    source = (
        f"import os\nos.chdir({str(root)!r})\n"
        "from nanobrag_torch.workbook.explorer.source import open_explorer\n"
        f"open_explorer({given!r}, {f'/voila/files{root.as_posix()}/'!r}, {str(page.with_name('state.json'))!r})"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, page)
