"""Reports held against their manifests: every file hashed and read again, every key number computed again."""

from collections.abc import Iterator
from pathlib import Path

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.report import folder as report
from nanobrag_torch.workbook.report.file_checks import problem


def folders(path: Path) -> list[Path]:
    """The reports at or below ``path``. Raises ``InputError`` where there is none."""
    found = sorted(manifest.parent for manifest in path.rglob(Manifest.file) if manifest.is_file())
    if not found and any(path.glob("status")):
        return [path]
    if not found:
        raise InputError.of("verify", "path", str(path), "the folder of a report, or one above it", "Check the path.")
    return found


def verify(folder: Path) -> list[str]:
    """Faults of the report in ``folder``, file by file; empty where there is none."""
    problems = report.verify(folder)
    if any(each.startswith(Manifest.file) for each in problems):
        return problems
    manifest = Manifest.model_validate_json((folder / Manifest.file).read_bytes())
    unreadable = ((name, problem(folder, name)) for name in manifest.files if (folder / name).is_file())
    problems += [f"{name} cannot be read: {why}" for name, why in unreadable if why]
    return problems + list(_numbers(folder, manifest))


def unchecked(folder: Path) -> list[str]:
    """Files whose key numbers could not be computed again: no record that can read them is known here, or it fails."""
    manifest = Manifest.model_validate_json((folder / Manifest.file).read_bytes())
    return [
        f"{name}: no record of that name is known here that gives its key numbers; they were not computed again"
        for name in _foreign(folder, manifest)
    ]


def _foreign(folder: Path, manifest: Manifest) -> list[str]:
    """Files of the manifest with key numbers that no record at hand gives."""
    known = report.records(folder)
    return [
        name
        for name in manifest.files
        if "/" not in name
        and name.endswith(".json")
        and _numbers_of_file(manifest, name)
        and (name not in known or not report.numbers_of(known[name]))
    ]


def _numbers_of_file(manifest: Manifest, name: str) -> list[str]:
    return [number for number in manifest.numbers if number.startswith(f"{Path(name).stem}.")]


def _numbers(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Differences between the key numbers of the manifest and those of the records."""
    found = report.key_numbers(folder)
    foreign = {number for name in _foreign(folder, manifest) for number in _numbers_of_file(manifest, name)}
    for name in sorted(found.keys() | manifest.numbers.keys()):
        if name not in foreign and found.get(name) != manifest.numbers.get(name):
            yield f"{Manifest.file}: {name} is not what the records give"
