"""Errors of the command: those of the library, with options in place of config fields."""

import re

from nanobrag_torch.cli.flags import FLAGS

_FIELD = re.compile(r"\b(?:Crystal|Detector|Beam|Noise)Config\.(\w+(?:, \w+)*)(?:\[\d\])?")

#: Arguments of readers in their errors, and the options that give them.
_ARGUMENTS = (
    (re.compile(r"Give it: values=\{'(.+?)': \.\.\.\}"), r"Give it: -geom_value \1 NUMBER"),
    (re.compile(r"values\['(.+?)'\]"), r"-geom_value \1"),
    (re.compile(r"without = "), "-expt_without "),
    (re.compile(r"[Rr]ead the (?:file|geometry) without '(.+?)' to leave"), r"Give -expt_without \1 to leave"),
)

#: Config fields whose options are not found by the name of the field: beginnings of names.
_BEGINNINGS = {
    "cell_": "-cell",
    "N_cells": "-N",
    "roi_": "-roi",
    "phi_start": "-phi",
    "phi_steps": "-phisteps",
    "phi_step_": "-phistep",
    "osc_range": "-osc",
    "polarization_axis": "-polar_vector",
    "custom_fdet": "-fdet_vector",
    "custom_sdet": "-sdet_vector",
    "custom_odet": "-odet_vector",
    "custom_beam": "-beam_vector",
    "pix0_override": "-pix0_vector",
    "mask_array": "-mask",
    "beam_center_": "-Xbeam, -Ybeam",
    "near_point_": "-ORGX, -ORGY",
    "source_": "-sourcefile",
    "spectrum": "-spectrumfile",
    "mosflm_": "-mat",
    "psf_fwhm": "-psf_fwhm",
    "overload": "-overload",
}


class CommandError(Exception):
    """A mistake that the user has to put right before the command can run."""


#: What is said where there is no unit cell.
NO_CELL = "no unit cell. Give -cell, -mat, or -hkl with a file that has one."


class MissingInputError(CommandError):
    """Too few inputs: the usage text, which begins as C's does, is a part of the answer."""

    def __init__(self, message: str, usage_begins: str = "") -> None:
        super().__init__(message)
        self.usage_begins = usage_begins


def describe(error: BaseException) -> str:
    """The text of an error, naming options instead of config fields, and the file where there is one."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    text = _FIELD.sub(_option, str(error))
    for pattern, option in _ARGUMENTS:
        text = pattern.sub(option, text)
    return text or type(error).__name__


def _option(field: re.Match[str]) -> str:
    options = [option_of(name) for name in field.group(1).split(", ")]
    return field.group() if None in options else ", ".join(dict.fromkeys(map(str, options)))


def option_of(name: str) -> str | None:
    """The option of a config field, or None where there is none."""
    for flag in FLAGS:
        if name in flag.sets or (flag.extension and name in flag.also):
            return flag.name
    return next((option for start, option in _BEGINNINGS.items() if name.startswith(start)), None)
