"""Parser of the command line: the C program's scan, mended where it misreads.

The C program tests every word that begins with ``-`` against every pattern, so that one word may trigger two options
[B22, B23] and a value may be taken for an option. Here a word means the option of that name, else the one with the
longest pattern in it, and its values are consumed; ``-strict_c`` restores the scan of the C program.
"""

import difflib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.flags import EXPERIMENTS, FLAGS, OF_EXPERIMENTS, Flag, Values
from nanobrag_torch.cli.settings import Settings

_REAL = re.compile(r"\s*[-+]?(?:\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|inf(?:inity)?|nan)", re.IGNORECASE)
_WHOLE = re.compile(r"\s*[-+]?\d+")
CELL_VALUES = 6
#: Digits of a whole number that are read: more are beyond every count, and Python refuses thousands of them.
LONGEST = 40
#: Values of -compat that keep C's habit of passing over what it cannot use, with a warning here.
LENIENT = ("c",)


@dataclass
class Parsed:
    """The options of one command line, left to right, and remarks for the user."""

    assignments: list[tuple[Flag, Values]] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def given(self, flag_name: str) -> bool:
        """True where the option listed under that name was given."""
        return any(flag.name == flag_name for flag, _ in self.assignments)

    def last(self, setting: str) -> Any:
        """The last value given for a setting, None where there is none."""
        return next((values[0] for flag, values in reversed(self.assignments) if setting in flag.sets), None)

    def apply(self, settings: Settings) -> None:
        """Enter all options into ``settings``, the last one of each winning."""
        for flag, values in self.assignments:
            flag.apply(settings, values)


def parse(words: Sequence[str]) -> Parsed:
    """Read a command line (without the program's name).

    Raises ``CommandError`` for a missing or unreadable value, for two options of which one stands instead of the other,
    with ``-strict`` for an unknown option, and where C's rules are not asked for (``-compat physical``) for every
    remark: nothing that was typed is then passed over.
    """
    parsed = _c_scan(words) if _has(words, "strict_c") else _scan(words)
    for flag, _ in parsed.assignments:
        for other in filter(parsed.given, flag.instead_of):
            raise CommandError(f"{flag.name} and {other} say the same in two ways. Give one of them.")
    unknown = [remark for remark in parsed.remarks if remark.startswith("unknown")]
    if unknown and _has(words, "strict_options"):
        raise CommandError(f"{unknown[0]} (-strict makes this an error)")
    compat = parsed.last("compat")
    if parsed.remarks and compat not in (None, *LENIENT):
        raise CommandError(f"{parsed.remarks[0]} (-compat {compat} makes this an error)")
    return parsed


def settings_of(parsed: Parsed) -> Settings:
    """Defaults, then the mask's header, then the image's, then an experiment of another program, then all options.

    Raises ``OSError`` or ``ValueError`` for a header that cannot be read.
    """
    asked = Settings()
    parsed.apply(asked)
    settings = Settings(convention=asked.convention)  # in whose coordinates a header's beam centre is entered
    for name in ("mask_file", "image_file"):
        path = parsed.last(name)
        if path is not None:
            from nanobrag_torch.io.mask import apply_smv_header_to_config, parse_smv_header  # brings torch

            header = parse_smv_header(path)
            try:
                apply_smv_header_to_config(header, vars(settings), is_mask=name == "mask_file")
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from None
    if parsed.last("experiment_file") is not None:
        from nanobrag_torch.cli.experiment_file import check_with_experiment, enter_experiment  # brings torch

        asked = Settings()
        parsed.apply(asked)
        enter_experiment(asked, settings)
    parsed.apply(settings)
    settings.given = frozenset(name for flag, _ in parsed.assignments for name in flag.sets)
    if settings.experiment is None:
        _check_no_experiment(parsed)
    else:
        check_with_experiment(settings)
    return settings


def _check_no_experiment(parsed: Parsed) -> None:
    """Raise ``CommandError`` for an option that says which part of an experiment file counts, where there is none."""
    for flag, _ in parsed.assignments:
        if any(name in OF_EXPERIMENTS for name in flag.sets):
            raise CommandError(
                f"{flag.name}: there is no experiment file. Give {', '.join(EXPERIMENTS)}, or leave it out."
            )


def _has(words: Sequence[str], setting: str) -> bool:
    return any(word in flag.names for flag in FLAGS if setting in flag.also for word in words)


def _scan(words: Sequence[str]) -> Parsed:
    parsed = Parsed()
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        flag = find(word)
        if flag is not None:
            values, used = READERS[flag.kind](flag, word, words[position:], parsed.remarks)
            parsed.assignments.append((flag, values))
            position += used
        elif _is_option(word):
            parsed.remarks.append(f"unknown option {word} is ignored{_nearest(word)}")
            while position < len(words) and not _is_option(words[position]):
                position += 1
        else:
            parsed.remarks.append(f"{word!r} belongs to no option and is ignored")
    return parsed


def find(word: str) -> Flag | None:
    """The option that a word means: by name, else by the longest pattern that occurs in it."""
    if not word.startswith("-"):
        return None
    named = [flag for flag in FLAGS if any(word == name.rstrip("*") for name in flag.names)]
    if named:
        return named[0]
    matches = [
        (len(name), flag) for flag in FLAGS for name in flag.names if name.endswith("*") and name.rstrip("*") in word
    ]
    return max(matches, key=lambda match: match[0])[1] if matches else None


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-" and _REAL.match(word) is None


def _nearest(word: str) -> str:
    names = [name.rstrip("*") for flag in FLAGS for name in flag.names]
    close = difflib.get_close_matches(word, names, 1)
    return f"; did you mean {close[0]}?" if close else ""


Reader = Callable[[Flag, str, Sequence[str], list[str]], tuple[Values, int]]


def _take(flag: Flag, word: str, following: Sequence[str], what: str) -> Sequence[str]:
    """The words that are an option's values, or an error that says what they should have been."""
    wanted = f"{word} needs {flag.count if flag.count > 1 else 'a'} {what}{'s' if flag.count > 1 else ''}"
    if len(following) < flag.count:
        raise CommandError(
            f"{wanted} after it, but the command line ends. Give {flag.name} its value, or leave it out."
        )
    return following[: flag.count]


def _number(flag: Flag, word: str, text: str, kind: str, remarks: list[str]) -> float | int:
    """The number that a word begins with, as C reads it; a remark where that is not all of it."""
    match = (_WHOLE if kind == "whole" else _REAL).match(text)
    if match is None:
        raise CommandError(
            f"{word} {text}: {text!r} is no number. {flag.name} takes {_description(flag)}; give it, or leave it out."
        )
    value = int(match.group()[:LONGEST]) if kind == "whole" else float(match.group())
    if not math.isfinite(value):
        raise CommandError(f"{word} {text}: must be finite. {flag.name} takes {_description(flag)}.")
    if flag.least is not None and value < flag.least:
        if flag.extension:
            raise CommandError(f"{word} {text}: must be at least {flag.least:g}{f' {flag.unit}' if flag.unit else ''}.")
        remarks.append(f"{word} {text} is below {flag.least:g} and does not count, as in C")
    if match.end() != len(text):
        remarks.append(f"{word} {text} was read as {value:g}, as C reads numbers")
    return value


def _description(flag: Flag) -> str:
    what = "a whole number" if flag.kind == "whole" else "a number"
    return f"{what if flag.count == 1 else f'{flag.count} numbers'}{f' ({flag.unit})' if flag.unit else ''}"


def _read_numbers(flag: Flag, word: str, following: Sequence[str], remarks: list[str]) -> tuple[Values, int]:
    texts = _take(flag, word, following, "number")
    return tuple(_number(flag, word, text, flag.kind, remarks) for text in texts), flag.count


def _read_text(flag: Flag, word: str, following: Sequence[str], remarks: list[str]) -> tuple[Values, int]:
    values = tuple(_take(flag, word, following, "value")) if flag.count else ()
    for value in values:
        if value.startswith("-") and find(value) is not None:
            raise CommandError(f"{word} needs a value, but the option {value} follows. Give it, or leave {word} out.")
    return values, flag.count


def _read_cell(flag: Flag, word: str, following: Sequence[str], remarks: list[str]) -> tuple[Values, int]:
    """One to six numbers: up to the first word that is missing, begins with a minus sign, or is no number."""
    values: list[float | int] = []
    for text in following[:CELL_VALUES]:
        if text.startswith("-") or _REAL.match(text) is None:
            break
        values.append(_number(flag, word, text, "real", remarks))
    if not values:
        raise CommandError(f"{word} needs 1 to {CELL_VALUES} numbers: a b c (A), alpha beta gamma (degrees).")
    return tuple(values), len(values)


def _read_misset(flag: Flag, word: str, following: Sequence[str], remarks: list[str]) -> tuple[Values, int]:
    if following and "rand" in following[0]:
        return ("random",), 1
    return _read_numbers(flag, word, following, remarks)


def _read_depth(flag: Flag, word: str, following: Sequence[str], remarks: list[str]) -> tuple[Values, int]:
    if following and following[0].startswith("inf"):
        return (float("inf"),), 1
    return _read_numbers(flag, word, following, remarks)


#: Readers of the values of each kind of option.
READERS: dict[str, Reader] = {
    "real": _read_numbers,
    "whole": _read_numbers,
    "text": _read_text,
    "cell": _read_cell,
    "misset": _read_misset,
    "depth": _read_depth,
}


def _c_scan(words: Sequence[str]) -> Parsed:
    """The C program's scan: every word against every pattern, values not consumed, what is not a number is 0."""
    parsed = Parsed()
    for position, word in enumerate(words):
        if not word.startswith("-"):
            continue
        following = words[position + 1 :]
        exact = [flag for flag in FLAGS if flag.extension and word in flag.names]
        matched = exact or [flag for flag in FLAGS if not flag.extension and any(_c_match(n, word) for n in flag.names)]
        for flag in matched:
            values = _c_values(flag, following)
            if values is not None:
                parsed.assignments.append((flag, values))
        if not matched and _is_option(word):
            parsed.remarks.append(f"unknown option {word} is ignored{_nearest(word)}")
    return parsed


def _c_match(name: str, word: str) -> bool:
    return name[:-1] in word if name.endswith("*") else name == word


def _c_values(flag: Flag, following: Sequence[str]) -> Values | None:
    """The values as atof and atoi read them; None where too few words follow, and the option is ignored."""
    if flag.kind == "misset" and following and "rand" in following[0]:
        return ("random",)
    if flag.kind == "cell":
        texts: Sequence[str] = []
        for text in following[:CELL_VALUES]:
            if text.startswith("-"):
                break
            texts = [*texts, text]
    else:
        texts = following[: flag.count]
    if len(texts) < (1 if flag.kind == "cell" else flag.count):
        return None
    if flag.kind == "text":
        return tuple(texts)
    pattern, kind = (_WHOLE, int) if flag.kind == "whole" else (_REAL, float)
    matches = [pattern.match(text) for text in texts]
    return tuple(kind(match.group()) if match else kind(0) for match in matches)
