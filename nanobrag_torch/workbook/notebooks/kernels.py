"""The kernel of a notebook: the one that it names, or that a person chooses, among those of this machine."""

import shutil
import sys
from pathlib import Path
from typing import Any

from ipykernel.kernelspec import RESOURCES, get_kernel_dict
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, KernelSpec, KernelSpecManager

from nanobrag_torch.workbook.errors import InputError

#: Kernel of the Python that runs this command.
OWN = NATIVE_KERNEL_NAME


class Specs(KernelSpecManager):
    """Kernels of this machine, of which ``OWN`` is run by the Python of this process.

    Where an environment has no kernel of its own, Jupyter takes what the system has installed under that name, which
    starts another Python with other packages.
    """

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Specification of a kernel.

        Raises:
            NoSuchKernel: there is none of that name.
        """
        spec = super().get_kernel_spec(kernel_name)
        if kernel_name.lower() != OWN or is_own((spec.argv or [""])[0]):
            return spec
        return KernelSpec(resource_dir=RESOURCES, **get_kernel_dict())


def choose(notebook: Any, owner: str, asked: str | None = None) -> str:
    """Name of the kernel that is to run a notebook: ``asked``, or what it names, or where it names none, our own.

    Args:
        notebook: the notebook, as it was read.
        owner: its name, for messages.
        asked: kernel that the user chose; None for none.

    Raises:
        InputError: it is not on this machine, cannot be started here, or is none of Python.
    """
    named = notebook.metadata.get("kernelspec", {})
    name = asked or named.get("name") or OWN
    known = Specs().get_all_specs()
    python = sorted(each for each, entry in known.items() if _of_python(entry["spec"].get("language", "")))
    field = "--kernel" if asked else "kernel"
    others = f"Kernels here: {', '.join(python) or 'none; install ipykernel'}."
    choice = f"{others} Choose one with run --kernel NAME, or in JupyterLab."
    language = known[name]["spec"].get("language", "") if name in known else "" if asked else named.get("language", "")
    if language and not _of_python(language):
        raise InputError.of(owner, field, f"{name} ({language})", "a kernel of Python", choice)
    if name not in known:
        raise InputError.of(owner, field, name, "a kernel of this machine", choice)
    program = (known[name]["spec"].get("argv") or [""])[0]
    if not is_own(program) and shutil.which(program) is None:
        raise InputError.of(owner, field, name, "a kernel whose program is there", f"{program!r} is not. {choice}")
    return str(name)


def names_one(notebook: Any) -> bool:
    """Tell whether a notebook says which kernel it is for."""
    return bool(notebook.metadata.get("kernelspec", {}).get("name"))


def is_own(program: str) -> bool:
    """Tell whether a kernel that starts with this word is run by the Python of this process."""
    return program in ("python", "python3") or Path(program) == Path(sys.executable)


def _of_python(language: str) -> bool:
    return language.lower().startswith("python")
