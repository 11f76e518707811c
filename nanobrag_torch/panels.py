"""Configs of detectors of many panels: panels, the groups that they stand in, and the raw image that holds them all.

Vectors are those of the laboratory frame of the detector convention (docs/physics.md, Laboratory frames). A panel is
given by its place at rest, that of all groups unmoved; a group moves what stands in it: x becomes
pivot + R (x - pivot) + shift, and its parent moves the result (docs/panels.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from nanobrag_torch.config import Scalar, Vector3, _Config, check_amount, check_axis, check_tensor
from nanobrag_torch.conventions import DetectorConvention
from nanobrag_torch.eager import eager
from nanobrag_torch.given import check_kind, whole
from nanobrag_torch.slabs import Slab, first_overlap, shape_of, stacked
from nanobrag_torch.validation import check_choice, check_count, check_finite, check_range, fail, number_of

__all__ = ["PanelConfig", "PanelGroup", "PanelledDetectorConfig"]

#: Departure from unit length, and cosine between fast and slow, that rounded files and refined geometries have.
MOST_SKEWED = 1e-2


@dataclass(eq=False)
class PanelConfig(_Config):
    """One flat panel of a detector, at rest.

    Attributes:
        name: Name, unique among the panels of a detector.
        spixels: Pixels along slow.
        fpixels: Pixels along fast.
        pixel_size_mm: Edge of a pixel, or edges along (fast, slow), mm.
        origin_mm: Position (3,) of the outer corner of the first pixel, mm.
        fast: Direction (3,) of fast, of unit length; it is normalised, so that its elements may be refined.
        slow: Direction (3,) of slow, likewise.
        group: Name of the group that the panel stands in; None is the laboratory.
        thick_um: Thickness of the sensor, micrometres; 0 is no sensor.
        abs_um: Attenuation depth of the sensor, micrometres; None is its thickness, 0 is no sensor.
        thicksteps: Layers of the sensor; -1 leaves the number to C's rule.
        material: Material of the sensor, a label for files: ``abs_um`` decides.
        mask_array: Tensor (spixels, fpixels); pixels where it is 0 are not rendered.
        gain: Counts of the detector for one photon; images are in photons, ``PanelledDetector.gains`` has it by pixel.
        pedestal: Counts without any photon, a label for files.
        trusted_range: Least and largest count that is trusted, a label for files.
        raw_offset: Place (fast, slow) of the first pixel in the raw image; where no panel has one, they are stacked
            along slow.

    Raises:
        ValueError: A value from which no panel can be built, named with what is allowed.
    """

    _off: ClassVar[Mapping[str, Any]] = {"thick_um": 0.0, "material": ""}

    name: str = "panel"
    spixels: int = 1024
    fpixels: int = 1024
    pixel_size_mm: Scalar | tuple[Scalar, Scalar] = 0.1
    origin_mm: Vector3 = (100.0, -51.2, 51.2)
    fast: Vector3 = (0.0, 0.0, 1.0)
    slow: Vector3 = (0.0, -1.0, 0.0)
    group: str | None = None
    thick_um: Scalar = 0.0
    abs_um: Scalar | None = None
    thicksteps: int = 1
    material: str = ""
    mask_array: torch.Tensor | None = None
    gain: float = 1.0
    pedestal: float = 0.0
    trusted_range: tuple[float, float] | None = None
    raw_offset: tuple[int, int] | None = None

    @eager
    def __post_init__(self, _filled: Mapping[str, Any] | None = None) -> None:  # noqa: RUF033
        super().__post_init__(_filled)
        self.validate()

    @property
    def edges_mm(self) -> tuple[Scalar, Scalar]:
        """Edges of a pixel along (fast, slow), mm."""
        size: Any = self.pixel_size_mm
        single = not isinstance(size, (tuple, list)) and getattr(size, "ndim", 0) == 0
        return (size, size) if single else (size[0], size[1])

    def validate(self) -> None:
        """Raise ``ValueError`` for values from which no panel can be built."""
        check_name("PanelConfig", self.name)
        me = f"PanelConfig({self.name!r})"
        check_count(me, "spixels", self.spixels)
        check_count(me, "fpixels", self.fpixels)
        if not isinstance(self.pixel_size_mm, (int, float)):
            size = torch.as_tensor(0.0) if self.pixel_size_mm is None else self.pixel_size_mm
            if getattr(size, "ndim", 1) != 0:
                check_finite(me, "pixel_size_mm", size, 2, "Give one edge, or edges along (fast, slow).")
        for edge in self.edges_mm:
            check_range(me, "pixel_size_mm", edge, 0, low_open=True, unit="mm")
        check_finite(me, "origin_mm", self.origin_mm, 3, "Give the outer corner of the first pixel.")
        check_directions(me, self.fast, self.slow)
        check_range(me, "thick_um", self.thick_um, 0, unit="um")
        check_amount(me, "abs_um", self.abs_um, unit="um", optional=True)
        check_count(me, "thicksteps", self.thicksteps, automatic=(-1, 0))
        check_range(me, "gain", self.gain, 0, low_open=True, unit="counts a photon")
        check_range(me, "pedestal", self.pedestal, unit="counts")
        if self.trusted_range is not None:
            check_finite(me, "trusted_range", self.trusted_range, 2, "Give the least and the largest count.")
        if self.raw_offset is not None:
            check_pair(me, "raw_offset", self.raw_offset)
        mask, shape = self.mask_array, (self.spixels, self.fpixels)
        if mask is not None and tuple(getattr(mask, "shape", ())) != shape:
            given = f"tensor of shape {tuple(mask.shape)}" if isinstance(mask, torch.Tensor) else mask
            raise fail(me, "mask_array", given, f"of shape (spixels, fpixels) = {shape}", "Rows are slow.")
        if mask is not None:
            check_tensor(me, "mask_array", mask)


@dataclass(eq=False)
class PanelGroup(_Config):
    """Panels and groups that move together.

    Attributes:
        name: Name, unique among the groups of a detector.
        parent: Name of the group that this one stands in; None is the laboratory.
        shift_mm: Shift (3,) along the group's axes, mm.
        rotation_deg: Rotations (3,) about the group's first, second, then third axis, which stay put, degrees.
        pivot_mm: Point (3,) that the rotations leave where it is, in the laboratory at rest, mm.
        fast: First axis (3,), in the laboratory at rest; None is the laboratory's x.
        slow: Second axis (3,), perpendicular to it, likewise; None is y. The third is their product.

    Raises:
        ValueError: A value from which no group can be built, named with what is allowed.
    """

    name: str = "group"
    parent: str | None = None
    shift_mm: Vector3 = (0.0, 0.0, 0.0)
    rotation_deg: Vector3 = (0.0, 0.0, 0.0)
    pivot_mm: Vector3 = (0.0, 0.0, 0.0)
    fast: Vector3 = (1.0, 0.0, 0.0)
    slow: Vector3 = (0.0, 1.0, 0.0)

    @eager
    def __post_init__(self, _filled: Mapping[str, Any] | None = None) -> None:  # noqa: RUF033
        super().__post_init__(_filled)
        self.validate()

    def validate(self) -> None:
        """Raise ``ValueError`` for values from which no group can be built."""
        check_name("PanelGroup", self.name)
        me = f"PanelGroup({self.name!r})"
        check_finite(me, "shift_mm", self.shift_mm, 3, "Give three lengths in mm.")
        check_finite(me, "rotation_deg", self.rotation_deg, 3, "Give three angles in degrees.")
        check_finite(me, "pivot_mm", self.pivot_mm, 3, "Give a point of the laboratory.")
        check_directions(me, self.fast, self.slow)


@dataclass(eq=False)
class PanelledDetectorConfig(_Config):
    """A detector of panels, and what all of them share.

    Attributes:
        panels: The panels, in the order of their images.
        groups: The groups that they stand in, in any order.
        detector_convention: Laboratory frame: directions of beam, E vector and spindle; its name will do, in any case.
        beam_vector: Direction (3,) of the beam; None is that of the convention.
        oversample: Sub-pixels per axis in all panels; -1 resolves the fringes of the crystal on the nearest one.
        oversample_omega: Solid angle for every sub-pixel.
        oversample_polar: Polarization factor for every sub-pixel.
        oversample_thick: Capture fraction for every sub-pixel.
        point_pixel: Solid angle 1/R^2, without pixel area and obliquity.
        roi_xmin: First rendered pixel of the raw image along fast; None is the edge, here and below.
        roi_xmax: Last rendered pixel along fast, included.
        roi_ymin: First rendered pixel along slow.
        roi_ymax: Last rendered pixel along slow, included.
        may_overlap: Allow panels that hide each other as the sample sees them; each then receives the whole ray.

    Raises:
        ValueError: A value from which no detector can be built, named with what is allowed.

    Example:
        ```python
        config = PanelledDetectorConfig(
            panels=[
                PanelConfig("left", 256, 254, 0.172, (100.0, 22.0, -44.0), group="quadrant"),
                PanelConfig("right", 256, 254, 0.172, (100.0, 22.0, 0.5), group="quadrant"),
            ],
            groups=[PanelGroup("quadrant", pivot_mm=(100.0, 0.0, 0.0), rotation_deg=(0.2, 0.0, 0.0))],
        )
        ```
    """

    panels: Iterable[PanelConfig] = ()
    groups: Iterable[PanelGroup] = ()
    detector_convention: DetectorConvention = DetectorConvention.MOSFLM
    beam_vector: Vector3 | None = None
    oversample: int = -1
    oversample_omega: bool = False
    oversample_polar: bool = False
    oversample_thick: bool = False
    point_pixel: bool = False
    roi_xmin: int | None = None
    roi_xmax: int | None = None
    roi_ymin: int | None = None
    roi_ymax: int | None = None
    may_overlap: bool = False

    @eager
    def __post_init__(self, _filled: Mapping[str, Any] | None = None) -> None:  # noqa: RUF033
        super().__post_init__(_filled)
        self.panels, self.groups = tuple(self.panels), tuple(self.groups)
        self.validate()

    def panel(self, name: str) -> PanelConfig:
        """The panel of that name. Raises ``ValueError`` where there is none."""
        found: PanelConfig = _named("panels", self.panels, name)
        return found

    def group(self, name: str) -> PanelGroup:
        """The group of that name. Raises ``ValueError`` where there is none."""
        found: PanelGroup = _named("groups", self.groups, name)
        return found

    def slabs(self) -> list[Slab]:
        """Places of the panels in the raw image, in their order."""
        panels = tuple(self.panels)
        if panels[0].raw_offset is None:
            return stacked([(panel.spixels, panel.fpixels) for panel in panels])
        offsets = [panel.raw_offset or (0, 0) for panel in panels]
        return [Slab(*offset, panel.fpixels, panel.spixels) for offset, panel in zip(offsets, panels, strict=True)]

    def ancestors(self, group: str | None) -> list[PanelGroup]:
        """The group of that name, its parent, and so on up to the laboratory."""
        by_name, found = {each.name: each for each in self.groups}, []
        while group is not None:
            found.append(by_name[group])
            group = by_name[group].parent
        return found

    @property
    def spixels(self) -> int:
        """Rows of the raw image."""
        return shape_of(self.slabs())[0]

    @property
    def fpixels(self) -> int:
        """Columns of the raw image."""
        return shape_of(self.slabs())[1]

    def roi(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """((ymin, ymax), (xmin, xmax)): inclusive indices in the raw image; missing bounds are its edges."""
        spixels, fpixels = shape_of(self.slabs())
        edges = {"roi_ymin": 0, "roi_ymax": spixels - 1, "roi_xmin": 0, "roi_xmax": fpixels - 1}
        ymin, ymax, xmin, xmax = (
            edge if getattr(self, name) is None else whole(getattr(self, name)) for name, edge in edges.items()
        )
        return (ymin, ymax), (xmin, xmax)

    def validate(self) -> None:
        """Raise ``ValueError`` for values from which no detector can be built."""
        me = "PanelledDetectorConfig"
        self.panels, self.groups = tuple(self.panels), tuple(self.groups)
        if not self.panels:
            raise fail(me, "panels", (), "at least one PanelConfig", "Give the panels.")
        for field_name, kind in (("panels", PanelConfig), ("groups", PanelGroup)):
            for number, each in enumerate(getattr(self, field_name)):
                check_kind(me, f"{field_name}[{number}]", each, kind)
                each.validate()
            _check_unique(me, field_name, [each.name for each in getattr(self, field_name)])
        self._check_tree()
        check_choice(me, "detector_convention", self.detector_convention, DetectorConvention)
        if self.beam_vector is not None:
            check_axis(me, "beam_vector", self.beam_vector)
        check_count(me, "oversample", self.oversample, automatic=(-1,))
        self._check_raw_image()

    def _check_tree(self) -> None:
        """Refuse groups that do not exist, and groups that stand in themselves."""
        parents = {group.name: group.parent for group in self.groups}
        known = f"None or one of {', '.join(map(repr, parents))}" if parents else "None, since there are no groups"
        remedy = "Give the group, or correct its name."
        for panel in self.panels:
            if panel.group is not None and panel.group not in parents:
                raise fail(f"PanelConfig({panel.name!r})", "group", panel.group, known, remedy)
        for name, parent in parents.items():
            if parent is not None and parent not in parents:
                raise fail(f"PanelGroup({name!r})", "parent", parent, known, remedy)
        settled: set[str] = set()
        for name in parents:
            path: list[str] = []
            at: str | None = name
            while at is not None and at not in settled:
                if at in path:
                    circle = " in ".join(map(repr, [*path[path.index(at) :], at]))
                    remedy = "Let one of them stand in the laboratory: parent=None."
                    raise fail(f"PanelGroup({at!r})", "parent", parents[at], f"outside the group: {circle}", remedy)
                path.append(at)
                at = parents[at]
            settled.update(path)

    def _check_raw_image(self) -> None:
        """Refuse panels that share pixels of the raw image, and a region of interest outside it."""
        me, panels = "PanelledDetectorConfig", tuple(self.panels)
        placed = [panel.raw_offset is not None for panel in panels]
        if any(placed) and not all(placed):
            name = panels[placed.index(False)].name
            allowed = "a pair (fast, slow), as other panels have one"
            raise fail(f"PanelConfig({name!r})", "raw_offset", None, allowed, "Give it to all panels or to none.")
        slabs = self.slabs()
        shared = first_overlap(slabs)
        if shared is not None:
            one, other = shared
            raise fail(
                f"PanelConfig({panels[other].name!r})", "raw_offset", panels[other].raw_offset,
                f"outside panel {panels[one].name!r}, whose {slabs[one].width} x {slabs[one].height} pixels begin at "
                f"{panels[one].raw_offset}", "Give each panel a place of its own in the raw image.",
            )  # fmt: skip
        shape = shape_of(slabs)
        for (first, last), axis, count in zip(self.roi(), ("y", "x"), shape, strict=True):
            if not (isinstance(first, int) and isinstance(last, int) and 0 <= first <= last <= count - 1):
                names = f"roi_{axis}min, roi_{axis}max"
                allowed = f"inclusive indices of the raw image with 0 <= roi_{axis}min <= roi_{axis}max <= {count - 1}"
                raise fail(me, names, (first, last), allowed, "x is the fast axis, y the slow one.")


def check_directions(me: str, fast: Any, slow: Any) -> None:
    """Raise ``ValueError`` unless two directions are of unit length and perpendicular, but for rounding."""
    values = []
    for name, given in (("fast", fast), ("slow", slow)):
        check_axis(me, name, given)
        numbers = [number_of(component) for component in given]
        if None in numbers:
            return
        vector = torch.tensor(numbers, dtype=torch.float64)
        if abs(float(vector.norm()) - 1) > MOST_SKEWED:
            remedy = "The length of a pixel goes into pixel_size_mm."
            raise fail(me, name, given, f"of unit length, not {float(vector.norm()):.6g}", remedy)
        values.append(vector / vector.norm())
    cosine = float((values[0] * values[1]).sum())
    if abs(cosine) > MOST_SKEWED:
        pair = [list(map(number_of, fast)), list(map(number_of, slow))]
        allowed = f"perpendicular to each other, not with a cosine of {cosine:.4g}"
        raise fail(me, "fast, slow", pair, allowed, "Check the vectors.")


def check_name(owner: str, name: Any) -> None:
    """Raise ``ValueError`` unless ``name`` is a text that can be seen, without brackets, which count elements."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or set(name) & set("[]"):
        raise fail(owner, "name", name, "a printable text without brackets", "Names address quantities.")


def check_pair(owner: str, field_name: str, pair: Any) -> None:
    """Raise ``ValueError`` unless ``pair`` is two whole numbers of at least 0."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise fail(owner, field_name, pair, "two whole numbers (fast, slow)", "Count pixels from 0.")
    for index, number in enumerate(pair):
        check_count(owner, f"{field_name}[{index}]", whole(number), 0)


def _check_unique(owner: str, field_name: str, names: list[str]) -> None:
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            allowed = f"a name of its own, not that of {field_name}[{names.index(name)}]"
            raise fail(owner, f"{field_name}[{number}].name", name, allowed, "Names address panels and groups.")
        seen.add(name)


def _named(field_name: str, items: Iterable[Any], name: str) -> Any:
    found = next((item for item in items if item.name == name), None)
    if found is None:
        known = [repr(item.name) for item in items]
        shown = ", ".join(known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
        raise fail("PanelledDetectorConfig", field_name, name, f"one of {shown or 'none'}", "Check the name.")
    return found
