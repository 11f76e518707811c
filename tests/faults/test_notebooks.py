"""Notebooks with one thing wrong: a value of another kind somewhere in them, or a byte."""

import json
import random
from collections.abc import Iterator
from typing import Any

import checkouts
import pytest
from faults import tally, trials

from nanobrag_torch.workbook.errors import InputError
from nanobrag_torch.workbook.notebooks import reading
from nanobrag_torch.workbook.running.run import RunRequest, check_request

_OTHERS = [None, True, -1, 10**30, 1.5, "", "x\x00\udcff", [], [None], {}, {"a": []}]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) within a value."""
    for key in list(value) if isinstance(value, dict) else range(len(value) if isinstance(value, list) else 0):
        yield value, key
        yield from places(value[key])


def damaged(lot: random.Random) -> bytes:
    content = checkouts.NOTEBOOK.read_bytes()
    if lot.random() < 0.3:
        spot = lot.randrange(len(content))
        return (
            content[:spot]
            + lot.choice([b"", b"\x00", b"\xff", b'"', b"}", bytes([lot.randrange(256)])])
            + (content[spot + 1 :] if lot.random() < 0.8 else b"")
        )
    notebook = json.loads(content)
    container, key = lot.choice(list(places(notebook)))
    if lot.random() < 0.2:
        del container[key]
    else:
        container[key] = lot.choice(_OTHERS)
    return json.dumps(notebook).encode()


@pytest.mark.dose(few=60, full=500)
def test_a_damaged_notebook_is_sound_or_refused_in_one_line(checkout, monkeypatch, amount):
    monkeypatch.chdir(checkout)
    lot = random.Random(20260115)
    path = checkout / trials.NOTEBOOK
    refused = 0
    with tally.Trial("a damaged notebook", times=amount) as trial:
        for number in range(amount):
            path.write_bytes(damaged(lot))
            try:
                check_request(RunRequest(notebook=str(path)))
                reading.read(path)
            except InputError as error:
                refused += 1
                if len(str(error).splitlines()) != 1 or not str(error).isprintable():
                    trial.found("unnoticed", f"{number}: said in odd words: {error!r}")
            except Exception as error:
                trial.found("traceback", f"{number}: {error!r}")
    assert 0 < refused < amount
    assert not (checkout / "reports").exists()
