"""``nanobrag-workbook serve``: reports in a browser, and an index that follows the runs."""

import webbrowser
from typing import Annotated

import typer

from nanobrag_torch.workbook.commands.options import Reports, places_to_read
from nanobrag_torch.workbook.errors import InputError


def serve(
    reports: Reports = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1 (default: any that is free).")] = 0,
    open_page: Annotated[bool, typer.Option("--open", help="Open the index in a browser.")] = False,
) -> None:
    """Show reports at an address of this machine, until Ctrl-C; the index follows the runs that end."""
    from nanobrag_torch.workbook.commands.terminal import say
    from nanobrag_torch.workbook.ledger.serve import Server

    where = places_to_read(reports)
    if not where.reports.is_dir():
        raise InputError.of("serve", "folder", str(where.reports), "a folder of reports", "Run a notebook first.")
    try:
        server = Server(where.reports, where.root, port)
    except OSError as error:
        reason = f"Give another --port, or none: {error.strerror}."
        raise InputError.of("serve", "port", str(port), "a port that nobody listens at", reason) from None
    with server:
        typer.echo(server.address)
        say("Ctrl-C ends it.")
        if open_page:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("Ended.")
