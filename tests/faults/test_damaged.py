"""Files of a workbook with a wrong byte, a flipped bit, or something in them that no program expects."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from faults import readers, tally
from finished import alter

_DEEP = b"[" * 200_000 + b"]" * 200_000


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    return readers.project(tmp_path_factory.mktemp("sound") / "project")


def _somewhere(content: bytes, chance: random.Random, piece: bytes) -> bytes:
    place = chance.choice([place for place, byte in enumerate(content) if byte != piece[0]])
    return content[:place] + piece + content[place + 1 :]


def _value(content: bytes, chance: random.Random, new: bytes) -> bytes:
    """JSON with another value of one of its keys, chosen at random, as a text that need be no JSON."""
    data = json.loads(content)
    name = chance.choice(sorted(data))
    return json.dumps(data | {name: "PLACE"}).encode().replace(b'"PLACE"', new)


#: Damage of any file.
_OF_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    lambda content, chance: _somewhere(content, chance, b"\xff"),
    lambda content, chance: _somewhere(content, chance, b"\x00"),
    lambda content, chance: _somewhere(content, chance, b"\xed\xb3\xbf"),
    lambda content, chance: content[: chance.randrange(len(content))],
    lambda content, chance: b"",
    lambda content, chance: b"\xff\xfe" + content.decode(errors="replace").encode("utf-16-le"),
    lambda content, chance: content + bytes(chance.randrange(256) for _ in range(50)),
)
#: Damage of a JSON file.
_OF_JSON: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    lambda content, chance: _value(content, chance, _DEEP),
    lambda content, chance: _DEEP,
    lambda content, chance: _value(content, chance, b"9" * 5000),
    lambda content, chance: _value(content, chance, b"-" + b"9" * 300),
    lambda content, chance: _value(content, chance, b"1e999"),
    lambda content, chance: _value(content, chance, b"NaN"),
    lambda content, chance: _value(content, chance, b"-Infinity"),
    lambda content, chance: _value(content, chance, b'"\\udcff"'),
    lambda content, chance: _value(content, chance, b'{"a": {"b": []}}'),
    lambda content, chance: _value(content, chance, b'"\\u0000\\u001b[2J"'),
    lambda content, chance: b"[" + content + b"]",
    lambda content, chance: b'{"loss": 1, ' + content.lstrip()[1:],
    lambda content, chance: content.replace(b"{", b'{"loss": 1, "loss": 2, ', 1),
    lambda content, chance: b"null",
    lambda content, chance: b'"' + b"x" * 1_000_000 + b'"',
)


@pytest.mark.dose(few=12, full=500)
def test_a_damaged_file_of_a_report_is_named_and_every_command_goes_on_with_the_rest(sound, tmp_path, amount):
    report, _ = readers.reports(sound)
    names = sorted(path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file())
    with tally.Trial("damaged workbook files", amount) as trial:
        for number in range(amount):
            chance = random.Random(number)
            name = names[number % len(names)]
            folder = readers.copy(sound, tmp_path / str(number))
            path = readers.reports(folder)[0] / name
            damages = (*_OF_BYTES, *(_OF_JSON if name.endswith(".json") else ()))
            path.write_bytes(damages[number // len(names) % len(damages)](path.read_bytes(), chance))
            readers.read_all(trial, folder, name)


@pytest.mark.dose(few=20, full=300)
def test_a_bit_that_flipped_anywhere_in_a_report_is_named(sound, tmp_path, amount):
    report, _ = readers.reports(sound)
    names = sorted(path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file())
    folder = readers.reports(readers.copy(sound, tmp_path / "project"))[0]
    with tally.Trial("bit flips", amount) as trial:
        for number in range(amount):
            chance = random.Random(number)
            # Every other one in the manifest, which no other file has the checksum of.
            name = "manifest.json" if number % 2 else chance.choice(names)
            path = folder / name
            content = path.read_bytes()
            place = chance.randrange(len(content))
            path.write_bytes(
                content[:place] + bytes([content[place] ^ 1 << chance.randrange(8)]) + content[place + 1 :]
            )
            done = readers.call(trial, folder, ("verify", folder))
            if done.returncode != 1 or name not in done.stderr:
                trial.found("unnoticed", f"bit of byte {place} of {name}, seed {number}: {done.stderr!r}")
            path.write_bytes(content)


def test_the_project_is_sound_before_anything_is_damaged(sound):
    assert readers.run_here(sound, "verify", "reports").returncode == 0


@pytest.mark.parametrize("field", ["plan", "brief", "notebook"])
def test_an_owner_that_cannot_be_read_is_no_traceback(sound, tmp_path, field):
    folder = readers.copy(sound, tmp_path / "project")
    report, _ = readers.reports(folder)
    working = report.with_name(".20260115T100000Z.running")
    working.mkdir()
    with tally.Trial("damaged workbook files") as trial:
        for content in (b"\xff", b"[]", _DEEP, b'{"process": {"pid": ' + b"9" * 5000 + b"}}"):
            (working / ".run.json").write_bytes(content)
            for words in (("ledger",), ("index",), ("plan", "status", "gradient-flow"), ("verify", "reports")):
                readers.call(trial, folder, words)
    alter(report / "manifest.json", **{field: "\x1b[2J\udcff"})
    with tally.Trial("damaged workbook files") as trial:
        for words in (("ledger",), ("index",), ("ledger", "--format", "csv")):
            if "\x1b" in readers.call(trial, folder, words).stdout:
                trial.found("unnoticed", f"{words}: an escape sequence reaches the terminal")
