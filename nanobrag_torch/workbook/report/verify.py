"""Reports held against their manifests: every file hashed and read again, every key number computed again."""

from collections.abc import Iterator
from pathlib import Path

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.records.catalogue import kind_of
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.report import folder as report
from nanobrag_torch.workbook.report.file_checks import problem


def folders(path: Path) -> list[Path]:
    """The reports at or below ``path``. Raises ``InputError`` where there is none."""
    found = sorted(manifest.parent for manifest in path.rglob(Manifest.file))
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
    """Files whose key numbers could not be computed again, since no record of that name is known here."""
    manifest = Manifest.model_validate_json((folder / Manifest.file).read_bytes())
    return [
        f"{name}: no record of that name is known here, so its key numbers were not computed again"
        for name in _foreign(folder, manifest)
    ]


def _foreign(folder: Path, manifest: Manifest) -> list[str]:
    """Files of the manifest with key numbers, but of a kind that nobody here has declared."""
    stems = {name.partition(".")[0] for name in manifest.numbers}
    return [
        name
        for name in manifest.files
        if "/" not in name and name.endswith(".json") and Path(name).stem in stems and kind_of(folder / name) is None
    ]


def _numbers(folder: Path, manifest: Manifest) -> Iterator[str]:
    """Differences between the key numbers of the manifest and those of the records."""
    found = report.key_numbers(folder)
    foreign = {Path(name).stem for name in _foreign(folder, manifest)}
    for name in sorted(found.keys() | manifest.numbers.keys()):
        if name.partition(".")[0] not in foreign and found.get(name) != manifest.numbers.get(name):
            yield f"{Manifest.file}: {name} is not what the records give"
