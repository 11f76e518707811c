"""Experiment lists of DIALS (``.expt``): the JSON of its models of beam, detector, goniometer, scan and crystal.

Every member of the file is read, carried along where no image depends on it, or refused by its path.
Source: dxtbx, ``to_dict`` and ``from_dict`` of its models.
"""

import math
import os
from collections.abc import Callable, Collection, Iterator
from typing import Any

import numpy as np

from nanobrag_torch.conventions import Vector
from nanobrag_torch.io.description import (
    ABSORBS_ALL_MM,
    SURFACE_MM,
    BeamDescription,
    CrystalDescription,
    Description,
    GoniometerDescription,
    GroupDescription,
    PanelDescription,
    ScanDescription,
)
from nanobrag_torch.io.files import check_ordinary, parsing, read_bytes
from nanobrag_torch.io.frames import as_vector
from nanobrag_torch.io.json_file import Node, parse_json
from nanobrag_torch.units import energy_to_wavelength

WHAT = "experiment list"
REMEDY = "Check the file, or make it anew with DIALS."

#: Bounds of trusted pixel values where all are trusted.
UNBOUNDED = 1e30

#: Members that nothing here can represent, and that ``without`` may leave out knowingly.
WAIVABLE = (
    "beam.s0_at_scan_points", "beam.sigma_divergence", "goniometer.setting_rotation_at_scan_points",
    "imageset.dx", "imageset.dy", "imageset.gain", "imageset.mask", "imageset.pedestal", "panel.px_mm_strategy",
)  # fmt: skip

#: Members of every kind of model that no image depends on.
_CARRIED = {
    "beam": ("sample_to_source_distance",),
    "panel": ("identifier", "projection_2d", "type"),
    "scan": ("batch_offset", "epochs", "valid_image_ranges"),
    "crystal": (
        "B_covariance", "B_covariance_at_scan_points", "cell_parameter_sd", "cell_volume_sd",
        "recalculated_cell_parameter_sd", "recalculated_cell_volume_sd", "recalculated_unit_cell", "unit_cell_sd",
    ),
    "experiment": ("profile", "scaling_model"),
    "imageset": ("params", "single_file_indices", "grid_size"),
}  # fmt: skip


def read_experiments(filepath: str | os.PathLike[str], without: Collection[str] = ()) -> tuple[Description, ...]:
    """The experiments of a list that DIALS wrote, vectors in imgCIF's frame.

    Models that experiments share are the same objects. Space groups are Hall symbols, images the paths of the file.

    Args:
        filepath: The ``.expt`` file.
        without: Members that are left out although images depend on them, of :data:`WAIVABLE`.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is damaged or no experiment list, or has a member that cannot be represented; the error
            names the file, the member's path and a remedy.
    """
    check_ordinary(filepath, WHAT)
    content = read_bytes(filepath, WHAT)
    with parsing(filepath, WHAT, REMEDY):
        unknown = sorted(set(without) - set(WAIVABLE))
        if unknown:
            raise ValueError(f"without = {', '.join(unknown)}: must be of {', '.join(WAIVABLE)}")
        return _Reader(parse_json(content), frozenset(without)).experiments()


class _Reader:
    """Models of one file by kind and index, made when an experiment first refers to them."""

    def __init__(self, root: Node, without: frozenset[str]) -> None:
        self.root, self.without = root, without
        self.made: dict[tuple[str, int], Any] = {}
        self.makers: dict[str, Callable[[Node], Any]] = {
            "beam": self.beam, "detector": self.detector, "goniometer": self.goniometer, "scan": _scan,
            "crystal": _crystal, "imageset": self.imageset,
            "profile": lambda node: node.value, "scaling_model": lambda node: node.value,
        }  # fmt: skip

    def experiments(self) -> tuple[Description, ...]:
        kind = self.root.get("__id__")
        if kind is None or kind.value != "ExperimentList":
            raise ValueError("it is no experiment list: its __id__ is not ExperimentList")
        self.root.check_names({"__id__", "experiment", "history", *self.makers})
        found = tuple(self.experiment(node) for node in self.root["experiment"].items())
        if not found:
            self.root["experiment"].fail("at least one experiment")
        return found

    def experiment(self, node: Node) -> Description:
        node.check_names({"__id__", "identifier", *self.makers})
        part = {kind: self.model(node, kind) for kind in self.makers}
        panels, groups = part["detector"] or ((), ())
        images, imageset = part["imageset"] or ((), {})
        carried = {name: part[name] for name in _CARRIED["experiment"] if part[name] is not None}
        identifier = node.get("identifier")
        try:
            return Description(
                frame="imgCIF",
                beam=part["beam"],
                panels=panels,
                groups=groups,
                goniometer=part["goniometer"],
                scan=part["scan"],
                crystal=part["crystal"],
                images=images,
                identifier="" if identifier is None else identifier.text(),
                carried=carried | ({"imageset": imageset} if imageset else {}),
            )
        except ValueError as error:
            raise ValueError(f"{node.path}: {error}") from None

    def model(self, experiment: Node, kind: str) -> Any:
        """The model of a kind that an experiment refers to; None where it has none."""
        if (reference := experiment.get(kind)) is None:
            return None
        models = list(self.root[kind].items())
        if not models:
            reference.fail(f"left out: the file has no {kind}")
        index = reference.whole(0, len(models) - 1)
        if (kind, index) not in self.made:
            try:
                self.made[kind, index] = self.makers[kind](models[index])
            except ValueError as error:
                path = models[index].path
                text = str(error)
                raise ValueError(text if text.startswith(path) else f"{path}: {text}") from None
        return self.made[kind, index]

    def refuse(self, node: Node, kind: str, name: str, why: str) -> None:
        """Raise ``ValueError`` where a model has a member that cannot be represented and that is not waived."""
        waiver = f"{kind}.{name}"
        held = node.get(name)
        if held is None or held.value in ("", [], 0) or waiver in self.without:
            return
        held.fail(f"left out: {why}", f"Read the file without {waiver!r} to leave it out.")

    def beam(self, node: Node) -> BeamDescription:
        node.check_names(
            {"__id__", "direction", "wavelength", "divergence", "sigma_divergence", "polarization_normal",
             "transmission", "polarization_fraction", "flux", "probe", "wavelength_range", "s0_at_scan_points",
             "spectrum_energies", "spectrum_weights", *_CARRIED["beam"]}
        )  # fmt: skip
        probe = node.get("probe")
        if probe is not None and probe.value != "x-ray":
            probe.fail("'x-ray'", "Electrons and neutrons scatter by other laws.")
        self.refuse(node, "beam", "s0_at_scan_points", "the beam of every image is taken to be the same")
        self.refuse(node, "beam", "sigma_divergence", "directions of the beam have a range here, and no deviation")
        towards_source = np.array(node["direction"].unit())
        normal = node.get("polarization_normal")
        along = np.cross(-towards_source, (0.0, 1.0, 0.0) if normal is None else normal.unit())
        if np.linalg.norm(along) < 1e-6:
            (normal or node["direction"]).fail("across the beam")
        band = node.get("wavelength_range")
        spectrum = _spectrum(node)
        wavelength = None if band is not None else node["wavelength"].number()
        if wavelength is not None and not 0 < wavelength < 1e6:
            node["wavelength"].fail("greater than 0, in Angstrom")
        return BeamDescription(
            wavelength_A=wavelength,
            direction=as_vector(-towards_source),
            polarization=as_vector(along / np.linalg.norm(along)),
            polarized=_number(node, "polarization_fraction", 0.5),
            divergence_deg=_number(node, "divergence", 0.0),
            flux=_number(node, "flux", 0.0),
            transmission=_number(node, "transmission", 1.0),
            spectrum=spectrum,
            wavelength_range_A=None if band is None else (band.numbers(2)[0], band.numbers(2)[1]),
            carried=_carried(node, "beam"),
        )

    def detector(self, node: Node) -> tuple[tuple[PanelDescription, ...], tuple[GroupDescription, ...]]:
        node.check_names({"panels", "hierarchy"})
        panels = list(node["panels"].items())
        if not panels:
            node["panels"].fail("at least one panel")
        hierarchy = node.get("hierarchy")
        frames: dict[int, tuple[str, PanelFrame]] = dict.fromkeys(range(len(panels)), ("", LABORATORY))
        groups: tuple[GroupDescription, ...] = ()
        if hierarchy is not None:
            frames, groups = _tree(hierarchy, len(panels))
        names = [_text(panel, "name") or "panel" for panel in panels]
        return tuple(
            self.panel(panel, name if names.count(name) == 1 else f"{name}#{index}", *frames[index])
            for index, (panel, name) in enumerate(zip(panels, names, strict=True))
        ), groups

    def panel(self, node: Node, name: str, group: str, outer: "PanelFrame") -> PanelDescription:
        node.check_names(
            {"name", "fast_axis", "slow_axis", "origin", "raw_image_offset", "image_size", "pixel_size",
             "trusted_range", "thickness", "material", "mu", "mask", "gain", "pedestal",
             "px_mm_strategy", *_CARRIED["panel"]}
        )  # fmt: skip
        fast, slow, origin = outer.around(_frame(node))
        counts = [item.whole(1) for item in node["image_size"].items()]
        trusted = node.get("trusted_range")
        low_high = (0.0, 0.0) if trusted is None else trusted.numbers(2)
        offset = node.get("raw_image_offset")
        slab = (0, 0) if offset is None else tuple(item.whole(0) for item in offset.items())
        thickness, parallax = _number(node, "thickness", 0.0), self.parallax(node)
        surface = 0 <= thickness <= SURFACE_MM or (thickness >= ABSORBS_ALL_MM and not parallax)
        return PanelDescription(
            name=name,
            size=_pair(node["image_size"], counts),
            pixel_mm=_pair(node["pixel_size"], node["pixel_size"].numbers(2)),
            origin_mm=origin,
            fast=fast,
            slow=slow,
            group=group,
            thickness_mm=0.0 if surface else thickness,
            material=_text(node, "material"),
            absorption_per_mm=_number(node, "mu", 0.0),
            parallax=parallax and not surface,
            trusted=None
            if low_high[0] >= low_high[1] or low_high == (-UNBOUNDED, UNBOUNDED)
            else (low_high[0], low_high[1]),
            gain=_number(node, "gain", 1.0) or 1.0,
            pedestal=_number(node, "pedestal", 0.0),
            bad=tuple(_rectangle(item) for item in node["mask"].items()) if "mask" in node else (),
            slab=None if offset is None else _pair(offset, slab),
            carried=_carried(node, "panel") | {"name": _text(node, "name")},
        )

    def parallax(self, node: Node) -> bool:
        """True where the panel's positions are corrected for the depth in which its sensor absorbs."""
        if (strategy := node.get("px_mm_strategy")) is None:
            return False
        kind = strategy["type"].text()
        plain = {"SimplePxMmStrategy": False, "ParallaxCorrectedPxMmStrategy": True}
        plain |= {"OffsetPxMmStrategy": False, "OffsetParallaxCorrectedPxMmStrategy": True}
        if kind not in plain:
            strategy["type"].fail(f"one of {', '.join(plain)}")
        if kind.startswith("Offset") and "panel.px_mm_strategy" not in self.without:
            remedy = "Read the file without 'panel.px_mm_strategy' to leave the offsets out."
            strategy["type"].fail("one without offsets: those of every pixel are in another file", remedy)
        return plain[kind]

    def goniometer(self, node: Node) -> GoniometerDescription:
        why = "the setting of every image is taken to be the same"
        varying = "setting_rotation_at_scan_points"
        self.refuse(node, "goniometer", varying, why)
        if "axes" in node:
            node.check_names({"axes", "angles", "names", "scan_axis", varying})
            return GoniometerDescription(
                axes=tuple(axis.unit() for axis in node["axes"].items()),
                angles_deg=node["angles"].numbers(),
                names=tuple(name.text() for name in node["names"].items()),
                scan_axis=node["scan_axis"].whole(0),
            )
        node.check_names({"rotation_axis", "fixed_rotation", "setting_rotation", varying})
        fixed, setting = (node.get(f"{name}_rotation") for name in ("fixed", "setting"))
        return GoniometerDescription(
            axes=(node["rotation_axis"].unit(),),
            fixed=None if fixed is None else fixed.numbers(9),
            setting=None if setting is None else setting.numbers(9),
        )

    def imageset(self, node: Node) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Paths of the images, or their template, and the image set as the file has it."""
        lookups = ("mask", "gain", "pedestal", "dx", "dy")
        node.check_names({"__id__", "template", "images", *lookups, *_CARRIED["imageset"]})
        for name in lookups:
            self.refuse(node, "imageset", name, f"the {name} is a pickle in another file, which may run anything")
        if "template" in node:
            paths: tuple[str, ...] = (node["template"].text(),)
        else:
            paths = tuple(item.text() for item in node["images"].items()) if "images" in node else ()
        return paths, {name: value for name, value in node.value.items() if name not in lookups}


class PanelFrame:
    """Axes (3, 3), one a column, and origin of a panel or group in the frame around it."""

    def __init__(self, fast: Vector, slow: Vector, origin: Vector) -> None:
        self.axes = np.array([fast, slow, np.cross(fast, slow)]).T
        self.origin = np.array(origin)

    @property
    def is_laboratory(self) -> bool:
        return bool((self.axes == np.eye(3)).all() and (self.origin == 0).all())

    def around(self, inner: "PanelFrame") -> tuple[Vector, Vector, Vector]:
        """Fast, slow and origin of a frame within this one, as seen from outside it."""
        axes = self.axes @ inner.axes
        return as_vector(axes[:, 0]), as_vector(axes[:, 1]), as_vector(self.axes @ inner.origin + self.origin)

    def within(self, inner: "PanelFrame") -> tuple[Vector, Vector, Vector]:
        """Fast, slow and origin of an outside frame, as seen from within this one."""
        axes = self.axes.T @ inner.axes
        return as_vector(axes[:, 0]), as_vector(axes[:, 1]), as_vector(self.axes.T @ (inner.origin - self.origin))


LABORATORY = PanelFrame((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0))


def _frame(node: Node) -> PanelFrame:
    return PanelFrame(node["fast_axis"].unit(), node["slow_axis"].unit(), node["origin"].vector())


def _tree(root: Node, panels: int) -> tuple[dict[int, tuple[str, PanelFrame]], tuple[GroupDescription, ...]]:
    """Group and frame of every panel, and the groups; a root that is the laboratory and holds panels alone is none."""
    frames: dict[int, tuple[str, PanelFrame]] = {}
    groups: list[GroupDescription] = []
    flat = _frame(root).is_laboratory and all("panel" in child for child in root["children"].items())
    pending: list[tuple[Node, str, PanelFrame]] = [(root, "", LABORATORY)]
    while pending:
        node, parent, outer = pending.pop()
        fast, slow, origin = outer.around(_frame(node))
        frame, name = PanelFrame(fast, slow, origin), ""
        if not flat:
            name = _unique(_text(node, "name") or "group", {group.name for group in groups})
            groups.append(GroupDescription(name, parent, origin, fast, slow))
        for child in node["children"].items():
            if "panel" not in child:
                pending.append((child, name, frame))
                continue
            index = child["panel"].whole(0, panels - 1)
            if index in frames:
                child["panel"].fail("a panel that stands in one place of the hierarchy")
            frames[index] = name, frame
    missing = sorted(set(range(panels)) - set(frames))
    if missing:
        root.fail(f"a tree of all panels: panels[{missing[0]}] is not in it")
    return frames, tuple(groups)


def _unique(name: str, taken: Collection[str]) -> str:
    return next(text for text in _names(name) if text not in taken)


def _names(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        yield f"{name}#{number}"
        number += 1


def _rectangle(node: Node) -> tuple[int, int, int, int]:
    numbers = [item.whole() for item in node.items()]
    if len(numbers) != 4:
        node.fail("four whole numbers")
    f0, s0, f1, s1 = numbers
    return f0, s0, f1, s1


def _spectrum(node: Node) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    energies, weights = node.get("spectrum_energies"), node.get("spectrum_weights")
    if energies is None or not energies.value:
        return None
    values, shares = energies.numbers(), node["spectrum_weights"].numbers()
    if len(values) != len(shares) or min(values) <= 0 or min(shares) < 0 or weights is None:
        energies.fail("energies greater than 0 in eV, one for each weight of at least 0")
    return tuple(energy_to_wavelength(value) for value in values), shares


def _scan(node: Node) -> ScanDescription:
    node.check_names({"image_range", "oscillation", "exposure_time", "properties", *_CARRIED["scan"]})
    first, last = (item.whole() for item in _two(node["image_range"]))
    count = last - first + 1
    holder = node
    if "properties" in node:
        holder = node["properties"]
        holder.check_names({"oscillation", "oscillation_width", "exposure_time", "epochs"})
        start, width = _steps(holder, count)
    else:
        start, width = (item.number() for item in _two(node["oscillation"]))
    times = holder.get("exposure_time")
    exposures: tuple[float, ...] = ()
    if times is not None:
        single = not isinstance(times.value, list)
        exposures = (times.number(),) if single else times.numbers()
        exposures = exposures * count if len(exposures) == 1 and 0 < count < 10**7 else exposures
    return ScanDescription((first, last), start, width, exposures, carried=_carried(node, "scan"))


def _steps(properties: Node, count: int) -> tuple[float, float]:
    """Start of the first image and width of each, from the starts of all."""
    if "oscillation" not in properties:
        return 0.0, 0.0
    starts = properties["oscillation"].numbers()
    if len(starts) != count:
        properties["oscillation"].fail(f"{count} angles, one an image")
    wide = properties.get("oscillation_width")
    given = () if wide is None else (wide.numbers() if isinstance(wide.value, list) else (wide.number(),))
    width = given[0] if given else (starts[1] - starts[0] if count > 1 else 0.0)
    if any(abs(angle - starts[0] - index * width) > 1e-4 * max(abs(width), 1e-3) for index, angle in enumerate(starts)):
        properties["oscillation"].fail("angles in equal steps")
    return starts[0], width


def _crystal(node: Node) -> CrystalDescription:
    node.check_names(
        {"__id__", "real_space_a", "real_space_b", "real_space_c", "space_group_hall_symbol", "mosaicity",
         "ML_half_mosaicity_deg", "ML_domain_size_ang", "A_at_scan_points", *_CARRIED["crystal"]}
    )  # fmt: skip
    varying = node.get("A_at_scan_points")
    stars = None
    if varying is not None and varying.value:
        stars = np.array([item.numbers(9) for item in varying.items()]).reshape(-1, 3, 3).transpose(0, 2, 1)
    a, b, c = (node[f"real_space_{name}"].vector() for name in "abc")
    return CrystalDescription(
        direct_A=(a, b, c),
        space_group=_text(node, "space_group_hall_symbol").strip(),
        mosaicity_deg=_number(node, "mosaicity", 0.0),
        half_mosaicity_deg=_number(node, "ML_half_mosaicity_deg", 0.0),
        domain_size_A=_number(node, "ML_domain_size_ang", 0.0) or None,
        stars_at_images=stars,
        carried=_carried(node, "crystal"),
    )


def _two(node: Node) -> tuple[Node, Node]:
    items = list(node.items())
    if len(items) != 2:
        node.fail("two numbers")
    return items[0], items[1]


def _pair(node: Node, values: Any) -> Any:
    if len(values) != 2:
        node.fail("two numbers")
    return tuple(values)


def _number(node: Node, name: str, default: float) -> float:
    held = node.get(name)
    value = default if held is None else held.number()
    if held is not None and not math.isfinite(value):
        held.fail("a finite number")
    return value


def _text(node: Node, name: str) -> str:
    held = node.get(name)
    return "" if held is None else held.text()


def _carried(node: Node, kind: str) -> dict[str, Any]:
    return {name: node.value[name] for name in _CARRIED[kind] if name in node}
