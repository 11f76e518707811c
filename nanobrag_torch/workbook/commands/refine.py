"""``nanobrag-workbook refine``: refine a start against a measured image, print the values, and write the report."""

import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.commands.options import Reports, Stamp
from nanobrag_torch.workbook.commands.run import from_root
from nanobrag_torch.workbook.errors import InputError

NOTEBOOK = "refine/refine"


def refine(
    image: Annotated[Path, typer.Argument(help="A measured image: SMV, CBF or NXmx.")],
    expt: Annotated[
        Path | None, typer.Option(help="Beam, detector and crystal of the start: .expt, .geom, .stream or .nxs.")
    ] = None,
    hkl: Annotated[
        Path | None, typer.Option(help="Structure factors: MTZ, CIF or hkl file, or coordinates (PDB, mmCIF).")
    ] = None,
    free: Annotated[
        str,
        typer.Option(
            metavar="WORDS",
            help="What is refined: cell, misset, N, scale, mosaic, eta, distance, centre, wavelength, "
            "or names of quantities, separated by commas.",
        ),
    ] = "cell,misset,N,scale",
    scenario: Annotated[
        Path | None, typer.Option(help="JSON scenario with what the experiment does not say: shape, mosaicity, ...")
    ] = None,
    cells: Annotated[
        float, typer.Option(help="Unit cells along each axis at the start (default: the experiment's).", min=0)
    ] = 0.0,
    number: Annotated[int, typer.Option(help="Number of the image in its scan, and in a file of many.", min=1)] = 1,
    dmin: Annotated[float, typer.Option(metavar="A", help="Resolution of the structure factors.", min=0.3)] = 1.6,
    space_group: Annotated[
        str, typer.Option(help="Group that constrains the cell (default: that of the structure factors; or none).")
    ] = "",
    background: Annotated[str, typer.Option(help="radial, plane, or photons a pixel.")] = "radial",
    mask: Annotated[Path | None, typer.Option(help="SMV image that is 0 where a pixel does not count.")] = None,
    gain: Annotated[float, typer.Option(help="Counts of a photon.", min=1e-6)] = 1.0,
    offset: Annotated[float, typer.Option(help="Counts of a pixel without photons.")] = 0.0,
    readout_noise: Annotated[float, typer.Option(help="Standard deviation of the readout, in counts.", min=0)] = 0.0,
    robust: Annotated[bool, typer.Option("--robust", help="Take weight from pixels that no model explains.")] = False,
    max_steps: Annotated[int, typer.Option(help="Largest number of steps.", min=1, max=1000)] = 60,
    timeout: Annotated[int, typer.Option(help="Seconds that the refinement may take.", min=1)] = 7200,
    reports: Reports = None,
    stamp: Stamp = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser at the end.")] = False,
) -> None:
    """Refine cell, orientation and more against an image, with standard errors, and say what it does not determine."""
    files: dict[str, Any] = {
        "image_file": _file("IMAGE", image), "experiment_file": _file("--expt", expt),
        "structure_factors_file": _file("--hkl", hkl), "scenario_file": _file("--scenario", scenario),
        "mask_file": _file("--mask", mask),
    }  # fmt: skip
    from nanobrag_torch.workbook.cells.refinement_case import prepare
    from nanobrag_torch.workbook.commands.terminal import begin, conclude
    from nanobrag_torch.workbook.report.folder import NOTEBOOK as EXECUTED
    from nanobrag_torch.workbook.report.folder import PAGE
    from nanobrag_torch.workbook.running.run import RunRequest, run

    shared: dict[str, Any] = {"cells": cells, "dmin": dmin, "space_group": space_group, "offset": offset}
    # What cannot be read is told before anything is started.
    prepare(image=number, free=free, **files, **shared)
    _, tell = begin(reports)
    given = {
        **files, **shared, "image": number, "free": free, "background": background, "gain": gain,
        "readout_noise": readout_noise, "robust": robust, "max_steps": max_steps,
    }  # fmt: skip
    request = RunRequest(
        notebook=NOTEBOOK, parameters=tuple((name, str(value)) for name, value in given.items()), reports=reports,
        stamp=stamp, timeout=timeout, attended=True,
    )  # fmt: skip
    folder, verdict = run(request, tell)
    _print_tables(folder / EXECUTED)
    if open_page:
        webbrowser.open((folder / PAGE).as_uri())
    conclude(folder, verdict, tell)


def _file(option: str, path: Path | None) -> str:
    """Path of a file as the notebook takes it; empty for none. Raises ``InputError`` where there is no such file."""
    if path is None:
        return ""
    place = from_root(path.as_posix())
    if not project.find(place).is_file():
        raise InputError.of("refine", option, str(path), "a file that is there", "Check the path.")
    return place


def _print_tables(notebook: Path) -> None:
    """Print the values of a refinement on the terminal's second stream, where messages go."""
    from nanobrag_torch.workbook.notebooks.format import nbformat
    from nanobrag_torch.workbook.show.tables import TABLE_TYPE

    if not notebook.is_file():
        return
    for cell in nbformat.read(notebook, as_version=4).cells:
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "refined" in data.get(TABLE_TYPE, {}).get("columns", ()):
                typer.echo(data["text/plain"], err=True)
