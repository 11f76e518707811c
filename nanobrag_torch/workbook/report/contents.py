"""A report as it stands: every file read once, and held against the manifest and against what else says the same."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nanobrag_torch.workbook import files
from nanobrag_torch.workbook.files import Unreadable
from nanobrag_torch.workbook.records import catalogue
from nanobrag_torch.workbook.records.base import KeyNumber, Record
from nanobrag_torch.workbook.records.run import EnvironmentRecord, Manifest, Owner, Verdict
from nanobrag_torch.workbook.report import file_checks

#: Signature of the manifest, where somebody has signed it.
SIGNATURE = f"{Manifest.file}.sig"
#: Metadata of a report as a research object, in a report that was exported as one.
CRATE = "ro-crate-metadata.json"
STATUS = "status"
#: Checksums of its files, as sha256sum writes and checks them.
SUMS = "sha256sums.txt"
#: Files of a report that its manifest does not list.
UNLISTED = (Manifest.file, SIGNATURE, Owner.file, CRATE, SUMS)
#: Files that hold JSON, and are read whatever else is left unread.
_JSON = (".json", ".ipynb")


@dataclass
class Contents:
    """Content of a report, and its faults.

    Attributes:
        folder: folder of the report.
        manifest: its manifest; None where that cannot be read.
        sums: SHA-256 of every file that the manifest is to list, by relative path.
        records: every record by the name of its file; manifest and owner are none of the evidence and left out.
        problems: what is wrong with it, a line each.
    """

    folder: Path
    manifest: Manifest | None = None
    sums: dict[str, str] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @property
    def unchecked(self) -> list[str]:
        """Files whose key numbers could not be computed again: no record that can read them is known, or it fails."""
        return [
            f"{name}: no record of that name is known here that gives its key numbers; they were not computed again"
            for name in self._foreign()
        ]

    def _foreign(self) -> dict[str, list[str]]:
        """Files whose key numbers no record at hand gives, each with those that the manifest has of it."""
        of_file: dict[str, list[str]] = {}
        stems = {name.removesuffix(".json"): name for name in self.sums if "/" not in name and name.endswith(".json")}
        for number in self.manifest.numbers if self.manifest else ():
            # A name may have dots of its own, so that it is the longest that fits.
            stem = max((stem for stem in stems if number.startswith(f"{stem}.")), key=len, default=None)
            if stem is not None:
                of_file.setdefault(stems[stem], []).append(number)
        known = {name for name, record in self.records.items() if numbers_of(record)}
        return {name: numbers for name, numbers in of_file.items() if name not in known}


def read(folder: Path, thoroughly: bool = True) -> Contents:
    """Read a report; ``thoroughly`` reads pictures, texts and notebooks as what their names say, too."""
    found = Contents(folder)
    try:
        sealed = _read_manifest(found)
        for name, path, other in files.entries(folder):
            if other:
                found.problems.append(f"{name} is {other}, which a report does not hold")
            elif path.name.endswith(files.UNFINISHED):
                found.problems.append(f"{name} was left unfinished")
            elif name not in UNLISTED:
                _read_file(found, name, path, thoroughly)
    except OSError as error:
        found.problems.append(f"the folder cannot be read: {error.strerror}")
        return found
    if found.manifest is not None:
        found.problems += [*sealed, *_listed(found, found.manifest), *_said_twice(found, found.manifest)]
    return found


def verify(folder: Path) -> list[str]:
    """Faults of a report: changed, missing or foreign files, unreadable records; empty where there is none."""
    return read(folder, thoroughly=False).problems


def records(folder: Path) -> dict[str, Record]:
    """Every record of the evidence by the name of its file, in the order of names; what cannot be read is left out."""
    found = {}
    for path in files.within(folder, ".json"):
        record = None if path.name in UNLISTED else _record(path)
        if record is not None:
            found[path.name] = record
    return found


def _record(path: Path) -> Record | None:
    try:
        return catalogue.read(path)
    except Unreadable:
        return None


def key_numbers(folder: Path) -> dict[str, KeyNumber]:
    """Key numbers of the records in a report, as "record.number"; a record that cannot be read has none."""
    return numbers_among(records(folder))


def numbers_among(known: dict[str, Record]) -> dict[str, KeyNumber]:
    """Key numbers of records by the names of their files, as "record.number"."""
    return {
        f"{Path(name).stem}.{number}": value
        for name, record in known.items()
        for number, value in numbers_of(record).items()
    }


def numbers_of(record: Record) -> dict[str, KeyNumber]:
    """Key numbers of a record; none where the record of an investigation fails to give them."""
    try:
        found = dict(record.key_numbers())
    except Exception:
        return {}
    return found if all(isinstance(value, KeyNumber) for value in found.values()) else {}


def _read_manifest(found: Contents) -> list[str]:
    """Read the manifest, and return what its own digest says of it."""
    path = found.folder / Manifest.file
    if not os.path.lexists(path):
        found.problems.append(f"{Manifest.file} is missing")
        return []
    try:
        content = files.read(path)
        found.manifest = files.record(content, Manifest)
    except Unreadable as error:
        found.problems.append(f"{Manifest.file} cannot be read: {error}")
        return []
    return [] if found.manifest.sealed(content) else [f"{Manifest.file} was changed: its own digest is another"]


def _read_file(found: Contents, name: str, path: Path, thoroughly: bool) -> None:
    """Hash a file, and read it as what its name says."""
    checked = thoroughly and file_checks.knows(name)
    try:
        if not checked and not name.endswith(_JSON):
            found.sums[name] = files.sha256(path)
            return
        content = files.read(path)
    except (Unreadable, OSError) as error:
        found.problems.append(f"{name} cannot be read: {error}")
        return
    found.sums[name] = hashlib.sha256(content).hexdigest()
    if name.endswith(_JSON):
        try:
            if "/" in name:
                files.parsed(content, not_finite=name.endswith(".ipynb"))
            elif (record := catalogue.read(path, content)) is not None:
                found.records[name] = record
        except Unreadable as error:
            found.problems.append(f"{name} cannot be read as its record: {error}")
            return
    problem = file_checks.problem(name, content) if checked else ""
    if problem:
        found.problems.append(f"{name} cannot be read: {problem}")


def _listed(found: Contents, manifest: Manifest) -> Iterator[str]:
    """Differences between the files that the manifest lists and those that are there."""
    unread = {problem.partition(" ")[0] for problem in found.problems}
    for name, sha in manifest.files.items():
        if name not in found.sums:
            if name not in unread:
                yield f"{name} is missing"
        elif found.sums[name] != sha:
            yield f"{name} was changed"
    for name in found.sums:
        if name not in manifest.files:
            yield f"{name} is not in the manifest"


def _said_twice(found: Contents, manifest: Manifest) -> Iterator[str]:
    """Differences between what the manifest says and what other files of the report say of the same."""
    try:
        status = files.read_text(found.folder / STATUS) if STATUS in found.sums else f"{manifest.status}\n"
    except Unreadable:
        status = ""
    if status != f"{manifest.status}\n":
        yield f"{STATUS} differs from the manifest's"
    if manifest.verdict.status != manifest.status:
        yield f"{Manifest.file}: its status is {manifest.status}, that of its verdict {manifest.verdict.status}"
    verdict = found.records.get(Verdict.file)
    if isinstance(verdict, Verdict) and manifest.states_its_verdict and verdict != manifest.verdict:
        said = f"{verdict.status}, {verdict.code}; the manifest says {manifest.verdict.status}, {manifest.verdict.code}"
        yield f"{Verdict.file} differs from the manifest's: it says {said}"
    environment = found.records.get(EnvironmentRecord.file)
    if environment != manifest.environment and (environment is None) == (EnvironmentRecord.file not in found.sums):
        yield f"{EnvironmentRecord.file} differs from the manifest's"
    yield from _numbers(found, manifest)
    yield from _owner(found, manifest)


def _numbers(found: Contents, manifest: Manifest) -> Iterator[str]:
    given = numbers_among(found.records)
    foreign = {number for numbers in found._foreign().values() for number in numbers}
    for name in sorted(given.keys() | manifest.numbers.keys()):
        if name not in foreign and not _same(given.get(name), manifest.numbers.get(name), manifest.states_units):
            yield f"{Manifest.file}: {name} is not what the records give"


def _same(one: KeyNumber | None, other: KeyNumber | None, units: bool) -> bool:
    """Tell whether two key numbers are the same; without ``units`` whether value and scale are."""
    if one is None or other is None:
        return one is other
    told = None if units else {"value", "scale"}
    # As texts: a number that is none does not equal itself.
    return one.model_dump_json(include=told) == other.model_dump_json(include=told)


def _owner(found: Contents, manifest: Manifest) -> Iterator[str]:
    """Fault of the record of the run that wrote the report, which a runner that was killed may have left in it."""
    path = found.folder / Owner.file
    if os.path.lexists(path):
        try:
            owner = files.read_record(path, Owner)
        except Unreadable as error:
            yield f"{Owner.file} cannot be read: {error}"
            return
        shared = [name for name in Manifest.model_fields if name in Owner.model_fields]
        if any(getattr(owner, name) != getattr(manifest, name) for name in shared):
            yield f"{Owner.file} belongs to another report"
