"""Words that the command ``explore`` is given: a scenario file, an experiment of another program, or a notebook."""

import inspect
from pathlib import Path
from typing import Any

from nanobrag_torch.experiments.configs import KINDS
from nanobrag_torch.scenario import Scenario
from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.cells import probe
from nanobrag_torch.workbook.cells.scenarios import read_data, read_scenario
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.explorer.explore import explore
from nanobrag_torch.workbook.explorer.kept import is_other
from nanobrag_torch.workbook.explorer.view import Explorer
from nanobrag_torch.workbook.notebooks import parameters

#: Scenario that is explored where nothing else is named.
EXAMPLE = "notebooks/doctor/example.json"


def read_explored(given: str) -> tuple[Scenario, Path | None]:
    """Scenario that a word of the command means, and the file of its structure factors, None where it has none.

    Args:
        given: a JSON scenario, an experiment of DIALS, CrystFEL or NXmx, or a notebook by path or name, whose
            ``parameters`` cell names a scenario file or describes a case; empty for an example.

    Raises:
        InputError: it is none of these, or cannot be read.
    """
    suffix = Path(given).suffix.lower()
    if not given or suffix == ".json":
        return _of_file(given or EXAMPLE)
    if suffix in KINDS:
        return read_scenario("", experiment=given), None
    return _of_notebook(project.notebook(given, project.root()))


def open_explorer(given: str, links: str, keep: str) -> Explorer:
    """The explorer of what a word of the command means; ``links`` and ``keep`` as of :func:`explore`.

    ``keep`` is a file of the command's own: what is no state is damage, and the explorer begins anew.
    """
    scenario, hkl = read_explored(given)
    if is_other(Path(keep)):
        Path(keep).unlink()
    return explore(scenario, hkl=hkl, links=links, keep=keep)


def _of_file(file: str) -> tuple[Scenario, Path | None]:
    scenario, place = read_scenario(file), project.find(file)
    hkl = read_data(place).get("hkl")
    return scenario, None if hkl is None else place.parent / str(hkl)


def _of_notebook(path: Path) -> tuple[Scenario, Path | None]:
    """Scenario of the values in a notebook's parameters cell."""
    values = {name: each.default for name, each in parameters.declared(path).items()}
    if experiment := values.get("experiment_file"):
        return read_scenario(values.get("scenario_file", ""), experiment=experiment), None
    if "scenario_file" in values:
        return _of_file(values["scenario_file"] or EXAMPLE)
    return _case(path.name, values), None


def _case(name: str, values: dict[str, Any]) -> Scenario:
    """Scenario of a notebook whose parameters describe a case. Raises ``InputError`` where some are missing."""
    known = {**values, "cell": tuple(values.get(f"cell_{edge}") for edge in ("a", "b", "c", "alpha", "beta", "gamma"))}
    wanted = [each for each in inspect.signature(probe.scenario).parameters if each != "engine"]
    missing = [each for each in wanted if each not in known]
    missing += ["cell_a ... cell_gamma"] if None in known["cell"] else []
    if missing:
        remedy = "Name a scenario instead: nanobrag-workbook explore scenario.json"
        allowed = f"parameters with scenario_file, or {', '.join(wanted)}"
        raise InputError.of("explore", name, f"no {', '.join(missing)}", allowed, remedy)
    return probe.scenario(**{each: known[each] for each in wanted})
