"""Environment of a run: variables that must be set before torch is imported, and the record of the process."""

import os
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

from nanobrag_torch.workbook.errors import Blocked, InputError
from nanobrag_torch.workbook.records.run import EnvironmentRecord


@dataclass(frozen=True)
class EnvironmentGuard:
    """One environment variable that a run may set.

    Attributes:
        usual: value that it has unless another is asked for.
        allowed: pattern of the values that it may have.
        why: its effect, in words.
    """

    usual: str
    allowed: str
    why: str


#: Variables that a brief or a plan may set in the environment of a kernel or a test; no others reach it.
GUARDS: dict[str, EnvironmentGuard] = {
    "CUDA_VISIBLE_DEVICES": EnvironmentGuard("-1", r"-1|\d+(,\d+)*", "which GPUs can be seen; -1 hides all of them"),
    "KMP_DUPLICATE_LIB_OK": EnvironmentGuard("TRUE", "TRUE|FALSE", "whether two OpenMP runtimes may share a process"),
    "NANOBRAGG_DISABLE_COMPILE": EnvironmentGuard("1", "0|1", "1: torch operations instead of compiled loops"),
}

#: Variables that would add options to a test run without its record showing them.
_CHANGES_TESTS = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS")

#: Distributions whose versions can change a number in a report.
VERSIONED = ("nanobrag-torch", "torch", "numpy", "numba", "matplotlib", "papermill", "pytest")


def check_guard(owner: str, name: str, value: str) -> None:
    """Refuse an environment variable that is not in the fixed list.

    Raises:
        InputError: ``name`` is no guard, or ``value`` none of its values; the message begins with ``owner``.
    """
    if name not in GUARDS:
        raise InputError.of(owner, "environment", f"{name}={value}", ", ".join(GUARDS), "Remove the assignment.")
    if not re.fullmatch(GUARDS[name].allowed, value):
        raise InputError.of(owner, name, value, GUARDS[name].allowed, f"It says {GUARDS[name].why}.")


def usual_guards(device: str) -> dict[str, str]:
    """Usual guards of a run on ``device`` ("cpu" or "cuda"); on a GPU, GPUs stay visible."""
    hidden = () if device == "cpu" else ("CUDA_VISIBLE_DEVICES",)
    return {name: guard.usual for name, guard in GUARDS.items() if name not in hidden}


def guard(device: str = "cpu") -> dict[str, str]:
    """Set the usual guards in this process where they are not set.

    Returns:
        Every guard that is now set, with its value.

    Raises:
        Blocked: a guard is missing and torch has been imported already, so that setting it would come too late.
    """
    missing = {name: value for name, value in usual_guards(device).items() if name not in os.environ}
    if missing and "torch" in sys.modules:
        names = ", ".join(missing)
        raise Blocked(f"torch was imported before {names} could be set. Restart the kernel and run this cell first.")
    os.environ.update(missing)
    return {name: os.environ[name] for name in GUARDS if name in os.environ}


def engine() -> str:
    """Engine of the simulator that the guards of this process allow: "torch" where compiling is disabled."""
    return "torch" if os.environ.get("NANOBRAGG_DISABLE_COMPILE") == "1" else "auto"


def of_kernel(guards: Mapping[str, str]) -> dict[str, str]:
    """Environment of a kernel: that of this process, with exactly ``guards`` of the fixed list."""
    inherited = {name: value for name, value in of_tests().items() if name not in GUARDS}
    return inherited | dict(guards)


def of_tests() -> dict[str, str]:
    """Environment of a run of tests: that of this process, without variables that add options to it."""
    return {name: value for name, value in os.environ.items() if name not in _CHANGES_TESTS}


def observe(device: str, dtype: str, seed: int) -> EnvironmentRecord:
    """Seed torch, and record device, versions, threads and guards of this process.

    Raises:
        Blocked: the device is not there.
    """
    import torch

    cores = os.cpu_count() or 1
    if device == "cuda" and not torch.cuda.is_available():
        raise Blocked("device = 'cuda': this process sees no CUDA device. Use device = 'cpu', or unhide the GPU.")
    torch.manual_seed(seed)
    return EnvironmentRecord(
        guards={name: os.environ.get(name) for name in GUARDS},
        device=device if device == "cpu" else f"cuda: {torch.cuda.get_device_name()}",
        dtype=dtype,
        engine=engine(),
        seeds={"torch": seed},
        threads=torch.get_num_threads(),
        cores=cores,
        python=platform.python_version(),
        platform=platform.platform(),
        versions=versions(),
    )


def versions() -> dict[str, str]:
    """Versions of the distributions that can change a number; those that are not there are left out."""
    return {name: version for name in VERSIONED if (version := _version(name))}


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Words for the versions that differ, such as "torch 2.5.0, then 2.4.1"."""
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return ", ".join(f"{name} {now.get(name, 'is missing')}, then {then.get(name, 'missing')}" for name in names)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
