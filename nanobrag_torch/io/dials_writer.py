"""Writer of experiment lists that DIALS opens: the JSON of its models, shared ones written once."""

import json
import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np

from nanobrag_torch.io.description import (
    BeamDescription,
    CrystalDescription,
    Description,
    GoniometerDescription,
    PanelDescription,
    ScanDescription,
)
from nanobrag_torch.io.dials import LABORATORY, UNBOUNDED, PanelFrame
from nanobrag_torch.io.files import check_ordinary, replacing
from nanobrag_torch.io.frames import as_vector

#: Hall symbol of a crystal of which only the lattice is known.
_P1 = "P 1"


def write_experiments(filepath: str | os.PathLike[str], experiments: Iterable[Description]) -> None:
    """Write experiments as a list that DIALS opens, in imgCIF's frame.

    Raises ``ValueError`` for what an experiment list has no place for (no beam or wavelength, no panel, a negative
    rotation of each image), ``OSError`` where the file cannot be written.
    """
    lists = _Lists()
    written = [lists.experiment(each, f"experiment[{index}]") for index, each in enumerate(experiments)]
    if not written:
        raise ValueError(f"{filepath}: there is no experiment to write. Give one at least.")
    document = {"__id__": "ExperimentList", "experiment": written, **lists.models}
    check_ordinary(filepath, "experiment list")
    with replacing(filepath) as part:
        part.write_text(json.dumps(document, indent=1, allow_nan=False), encoding="utf-8")


class _Lists:
    """Models written so far, each once, found again by the object that they describe."""

    def __init__(self) -> None:
        kinds = ("imageset", "beam", "detector", "goniometer", "scan", "crystal", "profile", "scaling_model")
        self.models: dict[str, list[Any]] = {kind: [] for kind in kinds}
        self.places: dict[tuple[str, int], tuple[int, Any]] = {}
        self.turned: dict[int, tuple[Description, Description]] = {}

    def experiment(self, given: Description, place: str) -> dict[str, Any]:
        each = given.in_frame("imgCIF")
        if each.beam is None or each.beam.wavelength_A is None:
            raise ValueError(f"{place}: an experiment list needs the wavelength of every experiment. Give it a beam.")
        if not each.panels:
            raise ValueError(f"{place}: an experiment list needs a detector in every experiment. Give it a panel.")
        if each.scan is not None and each.scan.width_deg < 0:
            remedy = "Turn the axis round and give the width as a positive one."
            raise ValueError(f"{place}: scan.width_deg = {each.scan.width_deg:g}: must be at least 0. {remedy}")
        found: dict[str, Any] = {"__id__": "Experiment", "identifier": each.identifier}
        rows: tuple[tuple[str, Any, Any, Callable[[Any], Any]], ...] = (
            ("beam", given.beam, each.beam, _beam),
            ("detector", given.panels, each, _detector),
            ("goniometer", given.goniometer, each.goniometer, _goniometer),
            ("scan", given.scan, each.scan, _scan),
            ("crystal", given.crystal, each.crystal, _crystal),
            ("imageset", given.carried.get("imageset") or given.images or None, each, _imageset),
            ("profile", given.carried.get("profile"), given.carried.get("profile"), _as_it_is),
            ("scaling_model", given.carried.get("scaling_model"), given.carried.get("scaling_model"), _as_it_is),
        )
        for kind, identity, model, write in rows:
            if identity is not None:
                found[kind] = self.index(kind, identity, partial(write, model))
        return found

    def index(self, kind: str, identity: Any, write: Callable[[], Any]) -> int:
        """Place of a model in its list; an object that was written already is not written again."""
        key = kind, id(identity)
        if key not in self.places:
            self.places[key] = len(self.models[kind]), identity
            self.models[kind].append(write())
        return self.places[key][0]


def _as_it_is(model: Any) -> Any:
    return model


def _beam(beam: BeamDescription) -> dict[str, Any]:
    direction = np.array(beam.direction)
    normal = np.cross(beam.polarization, direction)
    length = np.linalg.norm(normal)
    if length < 1e-6:
        raise ValueError(f"beam.polarization = {beam.polarization}: must be across the beam. Give another E vector.")
    found = {
        "direction": as_vector(-direction),
        "wavelength": beam.wavelength_A,
        "divergence": beam.divergence_deg,
        "sigma_divergence": beam.sigma_divergence_deg,
        "polarization_normal": as_vector(normal / length),
        "polarization_fraction": beam.polarized,
        "flux": beam.flux,
        "transmission": beam.transmission,
    }
    return found | dict(beam.carried)


def _detector(each: Description) -> dict[str, Any]:
    frames = {"": LABORATORY} | {
        group.name: PanelFrame(group.fast, group.slow, group.origin_mm) for group in each.groups
    }
    nodes: dict[str, dict[str, Any]] = {}
    for group in each.groups:
        nodes[group.name] = _node(group.name, *frames[group.parent].within(frames[group.name]))
    roots = [group for group in each.groups if not group.parent]
    loose = [panel for panel in each.panels if not panel.group]
    if len(roots) == 1 and not loose:
        root = nodes[roots[0].name]
    else:
        root = nodes[""] = _node("", *LABORATORY.within(LABORATORY))
    for group in each.groups:
        if nodes[group.name] is not root:
            nodes[group.parent]["children"].append(nodes[group.name])
    for index, panel in enumerate(each.panels):
        nodes[panel.group]["children"].append({"panel": index})
    panels = [
        _panel(panel, frames[panel.group].within(PanelFrame(panel.fast, panel.slow, panel.origin_mm)))
        for panel in each.panels
    ]
    return {"panels": panels, "hierarchy": root}


def _node(name: str, fast: Any, slow: Any, origin: Any) -> dict[str, Any]:
    """A group of the hierarchy, with the members that DIALS asks of it."""
    return {
        "name": name, "type": "", "fast_axis": fast, "slow_axis": slow, "origin": origin, "raw_image_offset": (0, 0),
        "image_size": (0, 0), "pixel_size": (0.0, 0.0), "trusted_range": (0.0, 0.0), "thickness": 0.0, "material": "",
        "mu": 0.0, "identifier": "", "mask": [], "gain": 1.0, "pedestal": 0.0,
        "px_mm_strategy": {"type": "SimplePxMmStrategy"}, "children": [],
    }  # fmt: skip


def _panel(panel: PanelDescription, frame: tuple[Any, Any, Any]) -> dict[str, Any]:
    fast, slow, origin = frame
    kind = "ParallaxCorrectedPxMmStrategy" if panel.parallax else "SimplePxMmStrategy"
    found = {
        "name": panel.name,
        "type": "SENSOR_PAD",
        "fast_axis": fast,
        "slow_axis": slow,
        "origin": origin,
        "raw_image_offset": panel.slab or (0, 0),
        "image_size": panel.size,
        "pixel_size": panel.pixel_mm,
        "trusted_range": panel.trusted or (-UNBOUNDED, UNBOUNDED),
        "thickness": panel.thickness_mm,
        "material": panel.material,
        "mu": panel.absorption_per_mm,
        "identifier": "",
        "mask": panel.rectangles(),
        "gain": panel.gain,
        "pedestal": panel.pedestal,
        "px_mm_strategy": {"type": kind},
    }
    return found | dict(panel.carried)


def _goniometer(goniometer: GoniometerDescription) -> dict[str, Any]:
    fixed, setting = (tuple(rotation.ravel().tolist()) for rotation in goniometer.rotations())
    if len(goniometer.axes) == 1:
        return {"rotation_axis": goniometer.axes[0], "fixed_rotation": fixed, "setting_rotation": setting}
    if goniometer.fixed is not None or goniometer.setting is not None:
        return {
            "rotation_axis": goniometer.axes[goniometer.scan_axis], "fixed_rotation": fixed, "setting_rotation": setting
        }  # fmt: skip
    return {
        "axes": goniometer.axes,
        "angles": goniometer.angles_deg,
        "names": goniometer.names,
        "scan_axis": goniometer.scan_axis,
    }


def _scan(scan: ScanDescription) -> dict[str, Any]:
    zeros = [0.0] * scan.images
    found = {
        "image_range": scan.image_range,
        "batch_offset": 0,
        "oscillation": (scan.start_deg, scan.width_deg),
        "exposure_time": scan.exposures_s or zeros,
        "epochs": zeros,
        "valid_image_ranges": {},
    }
    return found | {name: value for name, value in scan.carried.items() if name in found}


def _crystal(crystal: CrystalDescription) -> dict[str, Any]:
    found: dict[str, Any] = {"__id__": "crystal"}
    found |= {f"real_space_{name}": vector for name, vector in zip("abc", crystal.direct_A, strict=True)}
    found["space_group_hall_symbol"] = f" {crystal.space_group or _P1}"
    if crystal.mosaicity_deg > 0:
        found["mosaicity"] = crystal.mosaicity_deg
    if crystal.half_mosaicity_deg > 0:
        found["ML_half_mosaicity_deg"] = crystal.half_mosaicity_deg
        found["ML_domain_size_ang"] = crystal.domain_size_A or 0.0
    if crystal.stars_at_images is not None:
        found["A_at_scan_points"] = crystal.stars_at_images.transpose(0, 2, 1).reshape(-1, 9).tolist()
    return found | dict(crystal.carried)


def _imageset(each: Description) -> dict[str, Any]:
    carried = each.carried.get("imageset")
    lookups = dict.fromkeys(("mask", "gain", "pedestal", "dx", "dy"))
    if carried is not None:
        return dict(carried) | lookups
    if len(each.images) == 1 and "#" in each.images[0]:
        return {"__id__": "ImageSequence", "template": each.images[0], **lookups, "params": {}}
    return {"__id__": "ImageSet", "images": list(each.images), **lookups, "params": {}}
