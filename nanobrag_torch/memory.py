"""Memory: what there is, and the refusal of counts that would need more, before anything is allocated.

Whoever makes as many things as a user's number says asks :func:`check_memory` first, so that an image, a sweep or a
list of sources that no memory holds is an error with its numbers, not a process that the system ends.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import torch

from nanobrag_torch.validation import fail

#: Bytes that one of each takes at the peak of an evaluation without gradient, temporaries included: measured by
#: ``python -m benchmarks.memory``, or counted over the arrays that are held at once where it has no program.
BYTES_PER: dict[str, int] = {
    "pixel": 24,
    "pixel outside the region of interest": 16,
    "pixel with its files": 64,
    "position": 160,
    "sample": 8 * 96,
    "orientation": 600,
    "source": 800,
    "amplitude": 40,
    "point of a density": 32,
    "byte of a file": 8,
    "byte of an array in a file": 3,
}
#: So much is always there: less is not worth a look.
SURELY_THERE = 64 << 20

_CGROUPS = Path("/sys/fs/cgroup")
#: Names in a memory cgroup of version 2 and of version 1: limit, usage, and the part of it that is given up for use.
_CGROUP_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)


def check_memory(
    thing: str,
    count: int,
    owner: str,
    field: str,
    given: object,
    remedy: str,
    device: torch.device | None = None,
) -> None:
    """Raise ``ValueError`` where the free memory does not hold ``count`` things.

    Args:
        thing: A key of ``BYTES_PER``.
        count: How many of them are going to be there at once.
        owner: Class or function that was given the numbers they come from.
        field: Names of its fields or arguments.
        given: Values of those.
        remedy: Advice to the user.
        device: Where they are going to be; None is the CPU.
    """
    needed = count * BYTES_PER[thing]
    if needed <= SURELY_THERE:
        return
    free = free_memory(device)
    if free is not None and needed > free:
        allowed = (
            f"what fits into memory: {count:.4g} times {BYTES_PER[thing]} bytes (each {thing}) are {_gib(needed)}, "
            f"and {_gib(free)} are free"
        )
        raise fail(owner, field, given, allowed, remedy)


def free_memory(device: torch.device | None = None) -> int | None:
    """Bytes that can still be taken on a device (None: the CPU), or None where that cannot be known.

    On the CPU the least of what the machine, the control groups of this process and its own limits leave.
    """
    if device is not None and device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + kept
    left = [*_left_on_machine(), *_left_in_cgroups(), *_left_to_process()]
    return max(0, min(left)) if left else None


def _gib(size: float) -> str:
    return f"{size / 2**30:.3g} GiB"


def _left_on_machine() -> Iterator[int]:
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines())
        yield int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError, ValueError):  # no Linux: what there is in all, where that can be asked
        with suppress(AttributeError, OSError, ValueError):
            yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _left_in_cgroups() -> Iterator[int]:
    """Bytes that every control group around this process leaves; one without a limit says "max" and does not count."""
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            root = _CGROUPS / "memory" if controllers else _CGROUPS
            group = root / path.lstrip("/")
            for folder in (group, *group.parents):
                if folder.is_relative_to(root):
                    yield from _left_in_cgroup(folder)


def _left_in_cgroup(folder: Path) -> Iterator[int]:
    for limit, usage, reclaimable in _CGROUP_FILES:
        with suppress(OSError, ValueError, KeyError):
            most = int((folder / limit).read_text())
            lines = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            yield most - int((folder / usage).read_text()) + int(lines[reclaimable])


def _left_to_process() -> Iterator[int]:
    """Bytes that ``ulimit -v`` leaves of the address space."""
    with suppress(ImportError, OSError, ValueError):
        import resource  # not on Windows

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            yield limit - int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
