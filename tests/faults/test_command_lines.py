"""Command lines that nobody would type: each ends in whole images or in a said error."""

import random

import pytest
from faults import command, tally

from nanobrag_torch.cli.flags import FLAGS

#: Values that make sense somewhere, and those that make none anywhere.
PLAUSIBLE = ("0", "1", "-1", "2", "3", "7", "0.5", "90", "-30")
REAL = (
    "-0", "1e-30", "1e30", "1e-308", "5e-324", "1e308", "-1e308", "1e999", "nan", "-nan", "inf", "-inf", "", " ", "1,5",
    "0x10", "1e", "--", "-", "\N{FULLWIDTH DIGIT ONE}", "1" * 400,
)  # fmt: skip
WHOLE = (
    "100000000", "2147483647", "2147483648", "-2147483648", "99999999999999999999", "1e8", "1.5", "nan", "",
    "\N{ARABIC-INDIC DIGIT THREE}", "9" * 5000,
)  # fmt: skip
TEXT = (
    "P1.hkl", "A.mat", "mask.img", "list", "image.img", "nowhere/x", "nowhere", ".", "/", "/dev/null", "/dev/full",
    "/dev/zero", "", "a\0b", "x" * 300, "caf\N{LATIN SMALL LETTER E WITH ACUTE}", "\udcff", "random", "beam", "sample",
)  # fmt: skip
#: Values that an option of words understands.
CHOICES = {"-compat": ("c", "physical", "legacy_torch"), "-dtype": ("float32", "float64"), "-pivot": ("beam", "sample")}
#: Half a command that works: what is drawn comes behind it.
PLAIN = "-cell 70 80 90 75 85 95 -default_F 100 -N 5 -detpixels_f 4 -detpixels_s 3 -pixel 1 -oversample 1 -noprogress"
FILES = {
    "P1.hkl": b"0 0 0 10\n1 2 3 20\n-1 0 2 5\n",
    "A.mat": b"0.01 0 0\n0 0.011 0\n0 0 0.012\n",
    "list": b"-10 0 0 1 1e-10\n-10 0.1 0 2 1.1e-10\n",
    "image.img": b"{\nHEADER_BYTES=512;\nSIZE1=4;\nSIZE2=3;\nPIXEL_SIZE=1;\nDISTANCE=90;\n}\f".ljust(512) + bytes(24),
    "mask.img": b"{\nHEADER_BYTES=512;\nSIZE1=4;\nSIZE2=3;\nPIXEL_SIZE=1;\n}\f".ljust(512) + bytes(range(24)),
}
SAID = {"-h", "-version"}


def hostile(draw: random.Random) -> list[str]:
    """A command line: most of one that works, and behind it options with values that are mostly wrong."""
    words = PLAIN.split() if draw.random() < 0.9 else []
    flags = [flag for flag in FLAGS if flag.name not in SAID]
    for flag in draw.choices(flags, k=draw.randint(1, 6)):
        name = draw.choice(flag.names).rstrip("*")
        if draw.random() < 0.05:  # a slip of the finger
            at = draw.randrange(len(name))
            name = name[:at] + draw.choice("abx-_\0\udc80") + name[at + 1 :]
        pool = {"whole": WHOLE, "text": TEXT}.get(flag.kind, REAL)
        if draw.random() < 0.6:
            pool = CHOICES.get(flag.name, TEXT if flag.kind == "text" else PLAUSIBLE)
        count = flag.count if draw.random() < 0.9 else draw.randint(0, flag.count + 1)
        words += [name, *(draw.choice(pool) for _ in range(count))]
    if draw.random() < 0.05:
        draw.shuffle(words)
    return words


@pytest.mark.dose(few=40, full=500)
def test_a_hostile_command_line_ends_in_whole_images_or_in_a_said_error(amount, tmp_path, monkeypatch):
    command.confine(monkeypatch)
    ends = []
    with tally.Trial("a hostile command line", times=amount) as trial:
        assert command.examine(trial, PLAIN.split(), _folder(tmp_path / "plain")) == "image"
        for number in range(amount):
            words = hostile(random.Random(number))
            ends.append(command.examine(trial, words, _folder(tmp_path / str(number))))
    # Neither is this a test of the parser alone, nor are the values harmless.
    assert ends.count("image") > amount / 20 and ends.count("error") > amount / 3


def _folder(folder):
    folder.mkdir()
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    return folder
