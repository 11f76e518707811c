"""Strict reading of JSON files, with the path of every value, so that an error says where it is."""

import json
import math
from collections.abc import Collection, Iterator
from typing import Any, NoReturn

from nanobrag_torch.conventions import Vector


class Node:
    """A value of a JSON file and its path, such as ``detector[0].panels[3].origin``."""

    def __init__(self, value: Any, path: str = "") -> None:
        self.value = value
        self.path = path

    def fail(self, allowed: str, remedy: str = "") -> NoReturn:
        """Raise the ``ValueError`` of this value: must be ``allowed``."""
        shown = repr(self.value)
        shown = shown if len(shown) <= 120 else f"{shown[:117]}..."
        raise ValueError(f"{self.path or 'the file'} = {shown}: must be {allowed}. {remedy}".rstrip())

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def __getitem__(self, name: str) -> "Node":
        if not isinstance(self.value, dict):
            self.fail("an object")
        path = f"{self.path}.{name}" if self.path else name
        if self.value.get(name) is None:
            Node(None, path).fail("given")
        return Node(self.value[name], path)

    def get(self, name: str) -> "Node | None":
        """The member of that name; None where there is none."""
        held = isinstance(self.value, dict) and self.value.get(name) is not None
        return self[name] if held else None

    def items(self) -> Iterator["Node"]:
        """Elements of a list."""
        if not isinstance(self.value, list):
            self.fail("a list")
        for index, item in enumerate(self.value):
            yield Node(item, f"{self.path}[{index}]")

    def check_names(self, known: Collection[str]) -> None:
        """Raise ``ValueError`` where an object has a member that is not among ``known``."""
        if not isinstance(self.value, dict):
            self.fail("an object")
        for name in self.value:
            if name not in known:
                path = f"{self.path}.{name}" if self.path else name
                Node(self.value[name], path).fail(f"left out: it is none of {', '.join(sorted(known))}")

    def number(self) -> float:
        """A finite number."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)) or not abs(self.value) < 1e100:
            self.fail("a finite number")
        return float(self.value)

    def whole(self, least: int = -(2**31), largest: int = 2**31 - 1) -> int:
        """An integer within bounds."""
        if isinstance(self.value, bool) or not isinstance(self.value, int) or not least <= self.value <= largest:
            self.fail(f"an integer from {least} to {largest}")
        return self.value

    def text(self) -> str:
        """A string."""
        if not isinstance(self.value, str):
            self.fail("text")
        return self.value

    def numbers(self, count: int | None = None) -> tuple[float, ...]:
        """A list of finite numbers, ``count`` of them where that is given."""
        items = list(self.items())
        if count is not None and len(items) != count:
            self.fail(f"{count} numbers")
        return tuple(item.number() for item in items)

    def vector(self) -> Vector:
        """Three finite numbers."""
        x, y, z = self.numbers(3)
        return x, y, z

    def unit(self) -> Vector:
        """A direction, made a unit vector where it is not one to the last digits."""
        x, y, z = self.vector()
        length = math.hypot(x, y, z)
        if not 1e-9 < length < 1e9:
            self.fail("a direction of non-zero length")
        return (x, y, z) if abs(length - 1) < 1e-15 else (x / length, y / length, z / length)


def parse_json(content: bytes) -> Node:
    """The root of a JSON document in UTF-8. Raises ``ValueError`` for what is none, or names a member twice."""
    try:
        return Node(json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object))
    except RecursionError:
        raise ValueError("its lists or objects are nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the member {next(name for name in names if names.count(name) > 1)!r} is there twice")
    return found
