"""Cases: small models with a gradient fault, or without one, that were rebuilt from public reports."""

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """A model and what its maintainers found.

    Attributes:
        name: name of its file.
        title: what it is, in a line.
        source: where it was reported, empty for a case that was made up.
        maintainers: what they said of the cause, empty where the title says it.
        expected: right codes by parameter; None for healthy throughout.
        function: the model, of a dict of tensors.
        params: its parameters.
        options: further arguments of ``diagnose``.
    """

    name: str
    title: str
    source: str
    maintainers: str
    expected: dict[str, frozenset[str]] | None
    function: Callable[..., Any]
    params: Any
    options: dict[str, Any]

    @property
    def codes(self) -> frozenset[str]:
        """Right codes of all parameters but for "healthy"; empty for a case that may be called healthy throughout."""
        allowed = (self.expected or {}).values()
        return (
            frozenset() if all("healthy" in codes for codes in allowed) else frozenset().union(*allowed) - {"healthy"}
        )


def read_case(path: Path) -> Case:
    """Read a case from its file.

    Raises:
        ImportError: it needs a package that is not installed.
    """
    spec = importlib.util.spec_from_file_location(f"doctor_case_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = module.__doc__ or ""

    def line(name: str) -> str:
        found = re.search(rf"^{name}: (.*)$", text, re.MULTILINE)
        return found[1].strip() if found else ""

    expected = line("Expected")
    healthy = expected.startswith("healthy for every")
    pairs = re.findall(r"(\S+(?: \(along a random direction\))?)=(\S+)", expected)
    return Case(
        name=path.stem,
        title=text.splitlines()[0].rstrip("."),
        source=line("Source"),
        maintainers=line("Maintainers"),
        expected=None if healthy else {name: frozenset(codes.split(",")) for name, codes in pairs},
        function=module.fn,
        params=module.params,
        options=getattr(module, "kwargs", {}),
    )


def read_cases(folder: Path) -> tuple[list[Case], dict[str, str]]:
    """Read all cases of a folder, and by name what those lack that cannot be read."""
    cases, lacking = [], {}
    for path in sorted(folder.glob("*.py")):
        try:
            cases.append(read_case(path))
        except ImportError as error:
            lacking[path.stem] = str(error)
    return cases, lacking
