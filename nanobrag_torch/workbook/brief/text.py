"""Text of a brief split into fields, folded lines, list items and fenced scripts, before any meaning.

A line that starts with ``Name:`` in the first column opens a field. ``- `` opens an item of it. Any other line
continues what stands above, joined by one blank. Between two lines of three backticks everything is kept as written.
"""

import difflib
import re
from dataclasses import dataclass, field

from nanobrag_torch.workbook.errors import InputError

#: Field in the order of the form -> True where a brief must have it.
FIELDS: dict[str, bool] = {
    "Summary": True,
    "Mode": True,
    "Focus": True,
    "Branch": True,
    "Mapped tests": True,
    "Artifacts": True,
    "Do Now": True,
    "If Blocked": True,
    "Priorities & Rationale": False,
    "How-To Map": False,
    "Pitfalls To Avoid": False,
    "Pointers": False,
    "Next Up": False,
}
#: A brief is a page of text; more is something else.
MAX_CHARACTERS = 200_000

_HEADER = re.compile(r"([A-Za-z][A-Za-z&/ -]*):(?:\s+(.*))?")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_FENCE = "```"


@dataclass
class Item:
    """Paragraph or list item: its text with the folds removed, and the scripts fenced under it."""

    text: str
    scripts: list[str] = field(default_factory=list)

    def fold(self, line: str) -> None:
        """Append a continuation line."""
        self.text = f"{self.text} {line.strip()}".strip()


def split_fields(text: str) -> dict[str, list[Item]]:
    """Split a brief into its fields.

    Returns:
        Field name -> paragraphs; the first stands on the field's own line, the rest are its list items.

    Raises:
        InputError: a field is unknown, repeated, missing or empty; text stands outside a field; a fence is not closed;
            or a character does not belong in a text.
    """
    _check_characters(text)
    fields: dict[str, list[Item]] = {}
    fence: list[str] | None = None
    items: list[Item] = []
    name = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if fence is not None:
            if line.strip() == _FENCE:
                items[-1].scripts.append("\n".join(fence))
                fence = None
            else:
                fence.append(line)
            continue
        if not line.strip():
            continue
        header = _HEADER.fullmatch(line)
        if header:
            name = _known_field(header[1], number)
            if name in fields:
                raise InputError.of("brief", name, f"a second one in line {number}", "one of each field", "Keep one.")
            items = fields[name] = [Item((header[2] or "").strip())]
        elif not items:
            raise InputError.of(
                "brief", f"line {number}", line, "a field such as 'Summary: ...'", "Start with a field."
            )
        elif line.strip().startswith(_FENCE):
            fence = []
        elif line.startswith("- "):
            items.append(Item(line[2:].strip()))
        else:
            items[-1].fold(line)
    if fence is not None:
        raise InputError.of("brief", name, "a script without an end", "a closing line of ```", "Close the script.")
    _check_complete(fields)
    return {name: [item for item in items if item.text or item.scripts] for name, items in fields.items()}


def _known_field(name: str, number: int) -> str:
    if name in FIELDS:
        return name
    lowered = {known.lower(): known for known in FIELDS}
    nearest = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.0)[0]
    raise InputError.of(
        "brief", f"line {number}", f"{name}:", ", ".join(FIELDS),
        f"The nearest field is {lowered[nearest]!r}; indent the line if it continues the one above.",
    )  # fmt: skip


def _check_characters(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise InputError.of("brief", "length", len(text), f"at most {MAX_CHARACTERS} characters", "Give a brief text.")
    found = _CONTROL.search(text)
    if found:
        number = text.count("\n", 0, found.start()) + 1
        raise InputError.of("brief", f"line {number}", found[0], "printable text", "Remove the control character.")


def _check_complete(fields: dict[str, list[Item]]) -> None:
    for name, required in FIELDS.items():
        empty = not any(item.text for item in fields.get(name, []))
        if required and empty:
            given = "nothing" if name in fields else "no such field"
            raise InputError.of("brief", name, given, f"a line '{name}: ...'", "Add what is missing.")
