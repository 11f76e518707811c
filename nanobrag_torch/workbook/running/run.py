"""Run of a notebook, from the user's request to a finished report."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from nanobrag_torch.workbook import project
from nanobrag_torch.workbook.brief import document as briefs
from nanobrag_torch.workbook.brief.document import Brief
from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.machine import environment, repository
from nanobrag_torch.workbook.machine.family import carrying, new_mark
from nanobrag_torch.workbook.machine.limits import Limits, usual
from nanobrag_torch.workbook.machine.signals import answering
from nanobrag_torch.workbook.notebooks import kernels, parameters, reading
from nanobrag_torch.workbook.notebooks.source import digest
from nanobrag_torch.workbook.records.evidence import TEST_FILES, TestRecord
from nanobrag_torch.workbook.records.run import Owner, ParameterValue, Verdict
from nanobrag_torch.workbook.report import page
from nanobrag_torch.workbook.report.folder import BRIEF, NOTEBOOK, Report, check_stamp, new_stamp, now, this_process
from nanobrag_torch.workbook.running.execute import KERNEL_LOG, Attendance, execute, seconds_in_cells
from nanobrag_torch.workbook.running.outcomes import COMPLETED, Outcome, of_outcome
from nanobrag_torch.workbook.running.publish import publish

#: Parameter through which a notebook learns the folder of its report; a run sets it, a person cannot.
FOLDER_PARAMETER = "report_folder"

_ONCE_MORE = "the cell ends, and what it has is kept; Ctrl-C once more ends the run"

#: Is told what happens: a label, and a text.
Tell = Callable[[str, str], None]


@dataclass(frozen=True)
class PlannedPhase:
    """Phase of a plan that asks for a run.

    Attributes:
        plan: path of the plan; None where something else asks for the run.
        initiative: folder of the report below the reports; ``phase`` is the folder below that.
        title: title of the report.
        parameters: notebook parameters that the plan sets.
        guards: environment variables that the plan sets; None to leave them to the brief.
    """

    plan: str | None
    initiative: str
    phase: str
    title: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    guards: Mapping[str, str] | None = None


@dataclass(frozen=True)
class RunRequest:
    """Request for a run.

    Attributes:
        brief: path of a brief; ``notebook`` is the path or name of a notebook, and one of the two is given.
        parameters: names and texts from the command line.
        reports: folder of all reports; None for that of the project.
        stamp: stamp of the report; None for the time of the start.
        timeout: time limit of a cell, in seconds.
        limits: limits of the kernel.
        planned: phase of the plan that asks for it; None without one.
        kernel: kernel that the user chose; None for that of the notebook.
        warm: fork the kernel from a process that is kept for the next runs of this one.
        attended: somebody waits for it: tell each line that a cell prints, and let the first Ctrl-C interrupt the cell
            alone.
    """

    brief: Path | None = None
    notebook: str | Path | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    reports: Path | None = None
    stamp: str | None = None
    timeout: int = 1800
    limits: Limits = field(default_factory=usual)
    planned: PlannedPhase | None = None
    kernel: str | None = None
    warm: bool = False
    attended: bool = False


@dataclass(frozen=True)
class CheckedRun:
    """A request that was found to be sound, before anything is started.

    Attributes:
        root: root of the project.
        reports: folder of all reports.
        notebook: path of the notebook.
        brief: the brief; None without one. ``brief_text`` is its text.
        values: notebook parameters.
        guards: environment variables that the kernel gets.
        owner: identity of the run for its report.
        kernel: name of the kernel; ``remark`` says whose choice it is, where the notebook names none.
    """

    root: Path
    reports: Path
    notebook: Path
    brief: Brief | None
    brief_text: str
    values: dict[str, ParameterValue]
    guards: dict[str, str]
    owner: Owner
    kernel: str
    remark: str


def run(request: RunRequest, tell: Tell) -> tuple[Path, Verdict]:
    """Carry out a request and publish its report.

    Returns:
        The folder of the report, and its verdict.

    Raises:
        InputError: the request is not sound; nothing was started.
    """
    started = time.monotonic()
    checked = check_request(request)
    report = _create(checked, wait=request.stamp is None)
    for name in ("brief", "parameters"):
        tell(name, _described(checked)[name])
    if checked.remark:
        tell("kernel", checked.remark)
    with carrying(checked.owner.mark), answering(signal.default_int_handler):
        try:
            outcome = _execute(checked, report, request, tell)
        except KeyboardInterrupt:
            outcome = Outcome("interrupted", detail="a signal asked the run to stop")
        with answering(signal.SIG_IGN):
            tell("report", "writing summary, page and manifest")
            verdict = _verdict(checked, report, outcome)
            folder = publish(report, verdict, checked.root)
            tell("time", _shares(time.monotonic() - started, seconds_in_cells(folder / NOTEBOOK)))
            return folder, verdict


def check_request(request: RunRequest) -> CheckedRun:
    """Check a request; nothing is written.

    Raises:
        InputError: the request is not sound.
    """
    if (request.brief is None) == (request.notebook is None):
        given = "both" if request.brief else "neither"
        raise InputError.of("run", "what", given, "a notebook, or --brief FILE", "Give one of the two.")
    root = project.root()
    brief, text = briefs.read(request.brief) if request.brief else (None, "")
    notebook = _notebook_of(brief, root) if brief else project.notebook(str(request.notebook), root)
    content = reading.read(notebook)
    declared = parameters.of_notebook(content, notebook.name)
    kernel = kernels.choose(content, notebook.name, request.kernel)
    planned = request.planned
    from_plan = planned.parameters if planned else {}
    resolved = parameters.resolve(
        declared, notebook.name, _from_brief(brief, declared), request.parameters, from_plan
    )  # fmt: skip
    if FOLDER_PARAMETER in {*dict(request.parameters), *from_plan}:
        raise InputError.of("run", FOLDER_PARAMETER, "a value", "none", "Use --reports and --stamp.")
    values = {
        name: ParameterValue(value=value, unit=declared[name].unit, source=source)
        for name, (value, source) in resolved.items()
        if name != FOLDER_PARAMETER
    }
    place = planned or brief
    guards = _guards(planned.guards if planned and planned.guards else brief.guards if brief else None, values)
    return CheckedRun(
        root=root,
        reports=(request.reports or root / project.REPORTS).resolve(),
        notebook=notebook,
        brief=brief,
        brief_text=text,
        values=values,
        guards=guards,
        owner=Owner(
            process=this_process(),
            mark=new_mark(),
            started=now(),
            initiative=place.initiative if place else _initiative_of(notebook),
            phase=place.phase if place else notebook.stem,
            stamp=check_stamp(request.stamp) if request.stamp else new_stamp(),
            title=planned.title if planned else _title(brief, notebook),
            notebook=project.shown(notebook, root),
            notebook_sha256=digest(notebook.read_bytes()),
            brief=project.shown(request.brief, root) if request.brief else None,
            plan=planned.plan if planned else None,
            guards=guards,
            parameters=values,
            repository=repository.state(root),
        ),
        kernel=kernel,
        remark="" if request.kernel or kernels.names_one(content) else f"the notebook names none, so {kernel} is taken",
    )


def _initiative_of(notebook: Path) -> str:
    """Initiative of a notebook that no plan or brief names: its folder."""
    name = notebook.resolve().parent.name
    if name == project.LAB:
        allowed = f"another name than {project.LAB!r}, where notebooks that people run leave their results"
        raise InputError.of("run", "folder of the notebook", name, allowed, "Move the notebook to another folder.")
    return name


def _notebook_of(brief: Brief, root: Path) -> Path:
    known_names = project.notebooks(root)
    found = [path for name, path in known_names.items() if fnmatch(f"{name}.ipynb", brief.notebook_pattern)]
    if len(found) != 1:
        known = ", ".join(known_names)
        raise InputError.of(
            "brief", "Focus and Do Now", f"{len(found)} notebooks match {brief.notebook_pattern}", known or "none yet",
            "Name an initiative and a phase that have one notebook.",
        )  # fmt: skip
    return found[0]


def _from_brief(brief: Brief | None, declared: dict[str, parameters.Parameter]) -> dict[str, Any]:
    if brief is None:
        return {}
    asked = {"mapped_test": " ".join(brief.tests), "pytest_options": " ".join(brief.pytest_options)}
    return {name: value for name, value in asked.items() if name in declared} | brief.parameters


def _guards(asked: Mapping[str, str] | None, values: dict[str, ParameterValue]) -> dict[str, str]:
    device = str(values["device"].value) if "device" in values else "cpu"
    guards = dict(asked) if asked is not None else environment.usual_guards(device)
    if device != "cpu" and guards.get("CUDA_VISIBLE_DEVICES") == "-1":
        raise InputError.of("run", "device", device, "'cpu', as every GPU is to be hidden", "Change one of the two.")
    return guards


def _title(brief: Brief | None, notebook: Path) -> str:
    return f"{brief.focus}, phase {brief.phase_letter}" if brief else notebook.stem.replace("_", " ")


def _create(checked: CheckedRun, wait: bool) -> Report:
    """Make the working folder; where the stamp was not chosen and another run has it, that of the next second."""
    report = Report.create(checked.reports, checked.owner, wait=wait)
    if checked.brief is not None:
        report.write_text("brief.txt", checked.brief_text)
        report.write_text(BRIEF, checked.brief.model_dump_json(indent=2))
    return report


def _shares(total: float, in_cells: float) -> str:
    """Time of the run itself (start, hashing, rendering) beside that of its notebook, in words."""
    return f"{total - in_cells:.1f} s for the run itself, {in_cells:.1f} s in the cells of the notebook"


def _described(checked: CheckedRun) -> dict[str, str]:
    given = ("plan", "command line")
    changed = [f"{name} = {entry.value}" for name, entry in checked.values.items() if entry.source in given]
    brief = (
        f"{checked.brief.focus_id}, phase {checked.brief.phase_letter}: {checked.brief.command}"
        if checked.brief
        else "none"
    )
    return {
        "brief": brief,
        "parameters": f"{checked.owner.notebook}, " + (", ".join(changed) or "nothing changed"),
    }


def _execute(checked: CheckedRun, report: Report, request: RunRequest, tell: Tell) -> Outcome:
    """Execute the notebook of a run.

    Args:
        checked: the run.
        report: takes the executed notebook.
        request: limits of time and memory.
        tell: is told of each cell.
    """

    def on_cell(cell: int, cells: int, heading: str) -> None:
        """Tell of a cell before it runs."""
        tell("notebook", f"cell {cell} of {cells}: {heading}")

    attendance = Attendance(lambda line: tell("notebook", line), lambda: tell("interrupted", _ONCE_MORE))
    values = {name: entry.value for name, entry in checked.values.items()}
    return execute(
        checked.notebook,
        report.folder / NOTEBOOK,
        values | {FOLDER_PARAMETER: _relative(report.folder, checked.root)},
        environment=environment.of_kernel(checked.guards),
        cwd=checked.root,
        timeout=request.timeout,
        limits=request.limits,
        on_cell=on_cell,
        kernel=checked.kernel,
        warm=request.warm,
        attendance=attendance if request.attended else None,
    )


def _relative(folder: Path, root: Path) -> str:
    """Folder as seen from the root, so that an executed notebook names no folder of this machine."""
    return Path(os.path.relpath(folder, root)).as_posix()


def _verdict(checked: CheckedRun, report: Report, outcome: Outcome) -> Verdict:
    log = report.folder / KERNEL_LOG
    if log.is_file() and log.stat().st_size == 0:
        log.unlink()
    stopped = of_outcome(outcome)
    if stopped is not None:
        return stopped
    test = report.read(TestRecord)
    cannot_be = TEST_FILES if test is not None and test.status in ("none", "interrupted") else ()
    wanted = [name for name in checked.brief.artefacts if name not in cannot_be] if checked.brief else []
    lacking = page.missing(wanted, report.folder)
    if lacking:
        return Verdict(
            code="artefact_missing",
            status="blocked",
            title="An artefact is missing",
            sentence=f"The notebook ran to its end, but did not leave {', '.join(lacking)}, which the brief asks for.",
            remedy="Use a notebook that writes what the brief names.",
        )
    return report.read(Verdict) or COMPLETED
