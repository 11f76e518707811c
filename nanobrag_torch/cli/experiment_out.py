"""Option ``-exptfile``: the experiment list of DIALS that belongs to the images of a run."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.panels import description_of
from nanobrag_torch.cli.precedence import Configuration
from nanobrag_torch.io.dials_writer import write_experiments
from nanobrag_torch.io.files import check_ordinary

#: Settings of the images that DIALS reads, the best first.
_READ_BY_DIALS = ("cbf_file", "nexus_file", "noise_file", "int_file")


def check_experiment_out(conf: Configuration) -> None:
    """Raise before the simulation as :func:`write_experiment` would after it; nothing where it is not asked for."""
    path = conf.settings.expt_file
    if path is None:
        return
    folder = Path(path).resolve().parent
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise CommandError(f"{path} cannot be written: {folder} is no folder that you may write to.")
    check_ordinary(path, "experiment list")
    description_of(conf)


def write_experiment(conf: Configuration) -> None:
    """Write the experiment of one image where ``-exptfile`` asks for it, with its NXmx file.

    Of single images DIALS reads no other format without a number in the name, so that the list names none.

    Args:
        conf: Configuration of the run.

    Raises:
        ValueError: An experiment list has no place for it.
        OSError: The file cannot be written.
    """
    s = conf.settings
    if s.expt_file is None:
        return
    found = description_of(conf)
    if s.nexus_file is not None:
        image = _seen_from(s.expt_file, s.nexus_file)
        imageset = _still(image, 0, one_file=True) if found.scan is None else _sequence([image], one_file=True)
        found = replace(found, carried={"imageset": imageset})
    print(f"writing {s.expt_file} as an experiment list of DIALS")
    write_experiments(s.expt_file, [found])


def write_series_experiments(
    filepath: str, frames: Iterable[Configuration], files: Sequence[Mapping[str, str]], is_rotation: bool
) -> None:
    """Write the experiments of a series: one scan, or an experiment with its crystal for each still.

    Args:
        filepath: The ``.expt`` file.
        frames: Configuration of every frame.
        files: Files of every frame by the names of their settings; an NXmx file is that of all.
        is_rotation: True for a scan.

    Raises:
        ValueError: An experiment list has no place for an experiment.
        OSError: The file cannot be written.
    """
    confs = list(frames)
    name = next((name for name in _READ_BY_DIALS if name in files[0]), None)
    images = [] if name is None else [_seen_from(filepath, each[name]) for each in files]
    one_file = name == "nexus_file"
    first = description_of(confs[0], len(confs) if is_rotation else 1)
    if is_rotation:
        imageset = {"imageset": _sequence(images, one_file)} if images else {}
        write_experiments(filepath, [replace(first, carried=imageset)])
        return
    stills = []
    for index, conf in enumerate(confs):
        still = replace(
            description_of(conf, with_panels=False), panels=first.panels, groups=first.groups, identifier=str(index)
        )
        same = first.beam is not None and still.beam is not None and still.beam.wavelength_A == first.beam.wavelength_A
        imageset = {"imageset": _still(images[index], index, one_file)} if images else {}
        stills.append(replace(still, beam=first.beam if same else still.beam, carried=imageset))
    write_experiments(filepath, stills)


def _seen_from(filepath: str, image: str | Path) -> str:
    """Path of an image as the experiment list names it: relative to its own folder."""
    return os.path.relpath(Path(image).resolve(), Path(filepath).resolve().parent)


def _sequence(images: Sequence[str], one_file: bool) -> dict[str, Any]:
    """Images of a scan as DIALS names them: the template of their names, or those of one file."""
    if one_file:
        indices = list(range(len(images)))
        return {"__id__": "ImageSequence", "template": images[0], "single_file_indices": indices, "params": {}}
    template = re.sub(r"_0001(?=[^/]*$)", "_####", images[0])
    return {"__id__": "ImageSequence", "template": template, "params": {}}


def _still(image: str, index: int, one_file: bool) -> dict[str, Any]:
    place = {"single_file_indices": [index]} if one_file else {}
    return {"__id__": "ImageSet", "images": [image], **place, "params": {}}
