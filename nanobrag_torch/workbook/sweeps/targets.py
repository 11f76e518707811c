"""Targets of a sweep: what can be evaluated at many points, the names that it knows, and the check of every value."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.notebooks import parameters
from nanobrag_torch.workbook.records.sweep import Grain
from nanobrag_torch.workbook.running.run import FOLDER_PARAMETER, PlannedPhase, RunRequest, check_request
from nanobrag_torch.workbook.sweeps.values import Value

#: Kind of a target by the ending of its file.
_KINDS: dict[str, Literal["scenario", "notebook", "brief"]] = {
    ".json": "scenario", ".ipynb": "notebook", ".txt": "brief",
}  # fmt: skip


class Target(Protocol):
    """Target of a sweep."""

    @property
    def path(self) -> str:
        """Path from the root of the project."""

    @property
    def kind(self) -> Literal["scenario", "notebook", "brief"]:
        """Kind of the file."""

    @property
    def files(self) -> tuple[str, ...]:
        """Paths of all files that it consists of."""

    @property
    def grains(self) -> tuple[Grain, ...]:
        """Grains of its points, the usual one first."""

    def unit(self, name: str) -> str:
        """Unit of a name. Raises ``InputError`` for one that it does not know."""

    def whole(self, name: str) -> bool:
        """True for a name whose values are whole numbers."""

    def read(self, name: str, word: Value) -> Any:
        """Value of a name. Raises ``InputError`` for a word that is none."""

    def check(self, values: Mapping[str, Any]) -> None:
        """Check the values of a point, as a single run does. Raises ``InputError``."""


@dataclass(frozen=True)
class ScenarioTarget:
    """A scenario in a JSON file: every field of its configs, its loss and its mode may vary."""

    path: str
    files: tuple[str, ...]
    data: Mapping[str, Any]
    place: Path
    kind: Literal["scenario"] = "scenario"
    grains: tuple[Grain, ...] = ("record",)

    def unit(self, name: str) -> str:
        """Unit of a name."""
        from nanobrag_torch.workbook.sweeps.settings import setting

        return setting(name).unit

    def whole(self, name: str) -> bool:
        """True for a name whose values are whole numbers."""
        from nanobrag_torch.workbook.sweeps.settings import setting

        return setting(name).kind is int

    def read(self, name: str, word: Value) -> Any:
        """Value of a name."""
        from nanobrag_torch.workbook.sweeps.settings import setting

        return setting(name).read(word)

    def check(self, values: Mapping[str, Any]) -> None:
        """Build the scenario of a point."""
        from nanobrag_torch.workbook.sweeps.settings import changed

        changed(self.data, self.place, values)


@dataclass(frozen=True)
class NotebookTarget:
    """A notebook, or a brief that names one: every parameter that it declares may vary."""

    path: str
    files: tuple[str, ...]
    declared: Mapping[str, parameters.Parameter]
    kind: Literal["notebook", "brief"]
    grains: tuple[Grain, ...] = ("report",)

    def unit(self, name: str) -> str:
        """Unit of a name."""
        return self._parameter(name).unit

    def whole(self, name: str) -> bool:
        """True for a name whose values are whole numbers."""
        return self._parameter(name).kind is int

    def read(self, name: str, word: Value) -> Any:
        """Value of a name."""
        parameter = self._parameter(name)
        # A number of a range is written as its type has it: 5.0 is no integer, 5 is.
        whole = parameter.kind is int and isinstance(word, float) and word.is_integer()
        return parameter.parse(str(int(word)) if whole else str(word), self.path)

    def check(self, values: Mapping[str, Any]) -> None:
        """Resolve the parameters of a point's run; the rest of its request was checked with the target."""
        parameters.resolve(self.declared, self.path, {}, (), values)

    def _parameter(self, name: str) -> parameters.Parameter:
        if name == FOLDER_PARAMETER:
            raise InputError.of("sweep", name, "a value", "none", "A run sets it.")
        return parameters.known(self.declared, name, self.path)


def resolve(given: str, root: Path) -> Target:
    """Target that a path or a notebook's name stands for.

    Args:
        given: a scenario (``.json``), a brief (``.txt``), or a notebook by path or name.
        root: root of the project.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    path = Path(given)
    kind = _KINDS.get(path.suffix, "notebook")
    if kind == "scenario":
        return _scenario(given, root)
    place = project.notebook(given, root) if kind == "notebook" else path
    if not place.is_file():
        raise InputError.of("sweep", "target", given, "a scenario (.json), a notebook, or a brief (.txt)", "Check it.")
    return notebook(place, kind == "brief", root)


def notebook(place: Path, is_brief: bool, root: Path, planned: Mapping[str, Any] | None = None) -> NotebookTarget:
    """A notebook or brief as a target.

    Args:
        place: its file.
        is_brief: True for a brief.
        root: root of the project.
        planned: parameters that a plan sets; None without one.
    """

    checked = check_request(
        RunRequest(
            brief=place if is_brief else None,
            notebook=None if is_brief else place,
            planned=PlannedPhase("", "reports", "point", "point", planned or {}),
        )
    )
    shown = project.shown(place, root)
    files = dict.fromkeys((shown, project.shown(checked.notebook, root)))
    return NotebookTarget(
        path=shown,
        files=tuple(files),
        declared=parameters.declared(checked.notebook),
        kind="brief" if is_brief else "notebook",
    )


def _scenario(given: str, root: Path) -> ScenarioTarget:
    from nanobrag_torch.workbook.cells.scenarios import read_data, scenario_of

    here = Path(given)
    place = here.resolve() if here.is_file() else project.find(given, root)
    if not place.is_file():
        remedy = "One to start from: nanobrag-workbook notebooks copy doctor/scenario"
        raise InputError.of("sweep", "target", given, "a JSON file of a scenario, or a notebook", remedy)
    data = read_data(place)
    scenario_of(data, place)
    shown = project.shown(place, root)
    if not project.find(shown, root).is_file():
        remedy = "Copy it into the project, so that whoever gets the report can repeat it."
        raise InputError.of("sweep", "target", given, "a file below the project's folder", remedy)
    read = (project.shown(place.parent / str(data[name]), root) for name in ("hkl", "experiment") if data.get(name))
    return ScenarioTarget(shown, (shown, *read), data, place)
