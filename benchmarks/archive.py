"""Time of ledger and index over an archive of many reports: ``python -m benchmarks.archive``.

The reports are copies of one, under stamps of their own in fifty phases. Ledger and index must each take less than ten
seconds for five thousand.
"""

import argparse
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nanobrag_torch.workbook.ledger import index
from nanobrag_torch.workbook.ledger.ledger import Books
from nanobrag_torch.workbook.records.run import Manifest
from nanobrag_torch.workbook.report.folder import stamp_of

SEED = next((Path(__file__).parents[1] / "docs" / "example-report").rglob(Manifest.file)).parent
LIMIT_S = 10.0
_FIRST = datetime(2025, 1, 1, tzinfo=UTC)


def fill(reports: Path, number: int, seed: Path = SEED) -> None:
    """Fill a folder of reports with copies of the one in ``seed``, whose files they share but for the manifest."""
    manifest = Manifest.model_validate_json((seed / Manifest.file).read_bytes())
    for copy in range(number):
        started = _FIRST + timedelta(minutes=copy)
        place = {
            "initiative": f"initiative-{copy % 10}",
            "phase": f"phase_{'abcde'[copy // 10 % 5]}",
            "stamp": stamp_of(started),
            "started": started.isoformat(),
        }
        folder = reports / place["initiative"] / place["phase"] / place["stamp"]
        for path in (path for path in seed.rglob("*") if path.is_file() and path.name != Manifest.file):
            target = folder / path.relative_to(seed)
            target.parent.mkdir(parents=True, exist_ok=True)
            os.link(path, target)
        manifest.model_copy(update=place).save(folder)


def seconds(reports: Path, root: Path) -> tuple[float, float]:
    """Time of computing the ledger, and the index, over the reports of a project; that of other programs is none."""
    started = time.process_time()
    Books(reports, root).ledger()
    between = time.process_time()
    index.write(reports, root)
    return between - started, time.process_time() - between


def main() -> int:
    """Print both times; 1 where one lies above the limit."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--number", type=int, default=5000)
    number = parser.parse_args().number
    # Beside the seed, since the copies are links to its files.
    with tempfile.TemporaryDirectory(dir=SEED.parents[4]) as root:
        reports = Path(root) / "reports"
        fill(reports, number)
        taken = seconds(reports, Path(root))
    for name, time_taken in zip(("ledger", "index"), taken, strict=True):
        print(f"{name:8} {time_taken:6.2f} s for {number} reports, of {LIMIT_S:.0f} s")
    return 1 if max(taken) > LIMIT_S else 0


if __name__ == "__main__":
    raise SystemExit(main())
