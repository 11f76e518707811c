"""Descriptions of experiments as plain records: beam, panels in groups, goniometer, scan and crystal of a file.

:mod:`nanobrag_torch.io.dials`, :mod:`nanobrag_torch.io.crystfel` and :mod:`nanobrag_torch.io.nexus_geometry` write and
read them. Vectors are in the laboratory frame that the description names; lengths are in mm, cells in Angstrom.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nanobrag_torch.conventions import Vector
from nanobrag_torch.io.frames import FRAMES, about, as_vector, check_frame, check_rotation, check_unit
from nanobrag_torch.memory import check_memory
from nanobrag_torch.validation import check_choice, check_count, check_finite, check_range, fail

Matrix = tuple[float, ...]

#: Thickness in mm up to which a sensor is a surface: formats that must have a thickness get a smaller one for it.
SURFACE_MM = 1e-5
#: Thickness in mm from which a sensor without parallax is a surface that absorbs all.
ABSORBS_ALL_MM = 1000.0


@dataclass(frozen=True, eq=False)
class GroupDescription:
    """A group of panels that moves as one.

    Attributes:
        name: Name, unique among the groups.
        parent: Name of the group that it belongs to; "" is the laboratory.
        origin_mm: Origin of its frame.
        fast: First axis of its frame, a unit vector.
        slow: Second axis of its frame, a unit vector.
    """

    name: str
    parent: str = ""
    origin_mm: Vector = (0.0, 0.0, 0.0)
    fast: Vector = (1.0, 0.0, 0.0)
    slow: Vector = (0.0, 1.0, 0.0)

    def __post_init__(self) -> None:
        check_frame(f"group {self.name!r}", self)


@dataclass(frozen=True, eq=False)
class PanelDescription:
    """One flat panel of a detector, in the laboratory: the frames of its groups are already applied.

    Attributes:
        name: Name, unique among the panels.
        size: Pixels along fast and slow.
        pixel_mm: Edges of a pixel along fast and slow, mm.
        origin_mm: Outer corner of the first pixel, mm.
        fast: Unit vector along rows.
        slow: Unit vector along columns.
        group: Name of its group; "" is none.
        thickness_mm: Thickness of the sensor, mm.
        material: Chemical symbol of the sensor.
        absorption_per_mm: Linear absorption coefficient of the sensor, 1/mm; 0 is not known.
        parallax: True where positions in pixels are those at which slanting rays are absorbed, behind the plane.
        trusted: Smallest and largest trusted pixel value; None is all.
        gain: Units of a pixel for each photon.
        pedestal: Units of a pixel without photons.
        bad: Rectangles (fast, slow, fast end, slow end) of pixels that do not count, ends excluded.
        mask: Pixels (slow, fast) that count; None where all but ``bad`` do.
        slab: First pixel (fast, slow) of the panel in the raw image; None where panels are images of their own.
        carried: What else the file says and no image depends on, as it says it.
    """

    name: str
    size: tuple[int, int]
    pixel_mm: tuple[float, float]
    origin_mm: Vector
    fast: Vector
    slow: Vector
    group: str = ""
    thickness_mm: float = 0.0
    material: str = ""
    absorption_per_mm: float = 0.0
    parallax: bool = False
    trusted: tuple[float, float] | None = None
    gain: float = 1.0
    pedestal: float = 0.0
    bad: tuple[tuple[int, int, int, int], ...] = ()
    mask: np.ndarray | None = None
    slab: tuple[int, int] | None = None
    carried: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        me = f"panel {self.name!r}"
        for axis, count, edge in zip(("fast", "slow"), self.size, self.pixel_mm, strict=True):
            check_count(me, f"size, {axis}", count)
            check_range(me, f"pixel_mm, {axis}", edge, 0, low_open=True, unit="mm")
        check_frame(me, self)
        for name in ("thickness_mm", "absorption_per_mm"):
            check_range(me, name, getattr(self, name), 0)
        check_range(me, "gain", self.gain, 0, low_open=True)
        check_range(me, "pedestal", self.pedestal)
        if self.parallax and not (self.absorption_per_mm > 0 and self.thickness_mm > 0):
            raise fail(me, "parallax", True, "False where the sensor has no thickness or absorption", "Give both.")
        if self.mask is not None and self.mask.shape != self.size[::-1]:
            raise fail(me, "mask", f"shape {self.mask.shape}", f"of shape (slow, fast) = {self.size[::-1]}", "")

    @property
    def normal(self) -> np.ndarray:
        """fast x slow (3,), a unit vector."""
        return np.cross(self.fast, self.slow)

    def positions(self, fast: Any, slow: Any) -> np.ndarray:
        """Positions (..., 3) in mm, in the panel's plane, of points in pixels from its first pixel's outer corner."""
        f, s = np.broadcast_arrays(np.asarray(fast, float)[..., None], np.asarray(slow, float)[..., None])
        along = f * self.pixel_mm[0] * np.array(self.fast) + s * self.pixel_mm[1] * np.array(self.slow)
        positions: np.ndarray = np.array(self.origin_mm) + along
        return positions

    def counting(self) -> np.ndarray | None:
        """Pixels (slow, fast) that count; None where all do. Raises ``ValueError`` where memory does not hold them."""
        if self.mask is None and not self.bad:
            return None
        remedy = "Check the size of the panel."
        count = self.size[0] * self.size[1]
        check_memory("byte of an array in a file", count, f"panel {self.name!r}", "size", self.size, remedy)
        good = np.ones(self.size[::-1], bool) if self.mask is None else self.mask.astype(bool)
        for f0, s0, f1, s1 in self.bad:
            good[max(s0, 0) : max(s1, 0), max(f0, 0) : max(f1, 0)] = False
        return good

    def rectangles(self) -> list[tuple[int, int, int, int]]:
        """Rectangles of pixels that do not count: ``bad``, and runs of ``mask`` along fast, joined along slow."""
        found = list(self.bad)
        if self.mask is None:
            return found
        bad = np.zeros((self.size[1], self.size[0] + 2), np.int8)
        bad[:, 1:-1] = ~self.mask.astype(bool)
        edges = np.diff(bad, axis=1)
        rows, starts = np.nonzero(edges == 1)
        ends = np.nonzero(edges == -1)[1]
        open_runs: dict[tuple[int, int], tuple[int, int]] = {}
        for row, start, end in zip(rows.tolist(), starts.tolist(), ends.tolist(), strict=True):
            first, last = open_runs.get((start, end), (row, row))
            if last != row:
                found.append((start, first, end, last))
                first = row
            open_runs[start, end] = first, row + 1
        return found + [(start, first, end, last) for (start, end), (first, last) in open_runs.items()]


@dataclass(frozen=True, eq=False)
class BeamDescription:
    """The incident X-rays.

    Attributes:
        wavelength_A: Wavelength, Angstrom; None where the file only has a range of wavelengths.
        direction: Unit vector in which the beam propagates.
        polarization: Unit vector of its E vector.
        polarized: Part of the intensity that is polarised along it: 0.5 is unpolarised.
        divergence_deg: Full angle of divergence, degrees.
        sigma_divergence_deg: Standard deviation of divergence, degrees.
        flux: Photons per second; 0 is not known.
        transmission: Part of the flux that reaches the sample.
        bandwidth: Standard deviation of the wavelength, as a part of it.
        spectrum: Wavelengths in Angstrom, and weights.
        wavelength_range_A: Least and largest wavelength of a polychromatic beam, Angstrom.
        carried: What else the file says and no image depends on.
    """

    wavelength_A: float | None
    direction: Vector = (0.0, 0.0, 1.0)
    polarization: Vector = (1.0, 0.0, 0.0)
    polarized: float = 0.5
    divergence_deg: float = 0.0
    sigma_divergence_deg: float = 0.0
    flux: float = 0.0
    transmission: float = 1.0
    bandwidth: float = 0.0
    spectrum: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    wavelength_range_A: tuple[float, float] | None = None
    carried: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        me = "beam"
        check_range(me, "wavelength_A", self.wavelength_A, 0, low_open=True, unit="Angstrom", optional=True)
        check_unit(me, "direction", self.direction)
        check_unit(me, "polarization", self.polarization)
        check_range(me, "polarized", self.polarized, 0, 1)
        for name in ("divergence_deg", "sigma_divergence_deg", "flux", "transmission", "bandwidth"):
            check_range(me, name, getattr(self, name), 0)

    @property
    def kahn_factor(self) -> float:
        """Kahn's polarization factor K, -1 to 1."""
        return 2.0 * self.polarized - 1.0


@dataclass(frozen=True, eq=False)
class GoniometerDescription:
    """Axes that carry the crystal, from the crystal outwards: the first axis turns the crystal alone.

    Attributes:
        axes: Unit vectors of right-handed rotations, with all angles at zero.
        angles_deg: Settings of the axes, degrees; that of the scan axis does not count.
        names: Names of the axes.
        scan_axis: Index of the axis that turns in a scan.
        fixed: Rotation (nine numbers, row by row) of the crystal before the scan axis; None follows from the axes.
        setting: Rotation of the crystal and the scan axis after it; None follows from the axes.
    """

    axes: tuple[Vector, ...]
    angles_deg: tuple[float, ...] = (0.0,)
    names: tuple[str, ...] = ("phi",)
    scan_axis: int = 0
    fixed: Matrix | None = None
    setting: Matrix | None = None

    def __post_init__(self) -> None:
        me, count = "goniometer", len(self.axes)
        if not count or {len(self.angles_deg), len(self.names)} != {count}:
            given = f"{count} axes, {len(self.angles_deg)} angles, {len(self.names)} names"
            raise fail(me, "axes", given, "as many of each, and one at least", "Give every axis its angle and name.")
        check_count(me, "scan_axis", self.scan_axis, 0, high=count - 1)
        for index, axis in enumerate(self.axes):
            check_unit(me, f"axes[{index}]", axis)
        check_finite(me, "angles_deg", self.angles_deg)
        for name in ("fixed", "setting"):
            if getattr(self, name) is not None:
                check_rotation(me, name, getattr(self, name))

    def rotations(self) -> tuple[np.ndarray, np.ndarray]:
        """Fixed and setting rotations, (3, 3) each: a vector of the crystal is at S R(phi) F v."""
        turns = [about(axis, angle) for axis, angle in zip(self.axes, self.angles_deg, strict=True)]
        fixed, setting = np.eye(3), np.eye(3)
        for turn in turns[: self.scan_axis]:
            fixed = turn @ fixed
        for turn in turns[self.scan_axis + 1 :]:
            setting = turn @ setting
        given = (self.fixed, self.setting)
        fixed, setting = (
            found if nine is None else np.reshape(nine, (3, 3))
            for found, nine in zip((fixed, setting), given, strict=True)
        )
        return fixed, setting

    def turn(self, angle_deg: float) -> np.ndarray:
        """Rotation (3, 3) of the crystal from where all angles are zero to where the scan axis is at an angle."""
        fixed, setting = self.rotations()
        turned: np.ndarray = setting @ about(self.axes[self.scan_axis], angle_deg) @ fixed
        return turned

    def spindle(self) -> Vector:
        """Unit vector about which the crystal turns, the outer axes at their settings."""
        return as_vector(self.rotations()[1] @ np.array(self.axes[self.scan_axis]))


@dataclass(frozen=True, eq=False)
class ScanDescription:
    """Images of a scan.

    Attributes:
        image_range: Numbers of the first and the last image.
        start_deg: Angle of the scan axis at the start of the first image, degrees.
        width_deg: Rotation of each image, degrees; 0 for stills.
        exposures_s: Exposure of each image, seconds; empty where it is not known.
        carried: What else the file says and no image depends on.
    """

    image_range: tuple[int, int] = (1, 1)
    start_deg: float = 0.0
    width_deg: float = 0.0
    exposures_s: tuple[float, ...] = ()
    carried: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        me, (first, last) = "scan", self.image_range
        if last < first:
            raise fail(me, "image_range", self.image_range, "first and last image, in this order", "Check the scan.")
        check_range(me, "start_deg", self.start_deg, unit="degrees")
        check_range(me, "width_deg", self.width_deg, unit="degrees")
        if self.exposures_s and len(self.exposures_s) != self.images:
            given = f"{len(self.exposures_s)} times"
            raise fail(me, "exposures_s", given, f"one for each of {self.images} images", "Check the scan.")

    @property
    def images(self) -> int:
        """Number of images."""
        return self.image_range[1] - self.image_range[0] + 1


@dataclass(frozen=True, eq=False)
class CrystalDescription:
    """A crystal as it is mounted, all axes of its goniometer at zero.

    Attributes:
        direct_A: Direct vectors a, b, c in Angstrom, one a row.
        space_group: Hall's symbol of its space group, "" where the file has none.
        mosaicity_deg: Standard deviation of the orientation of its domains, degrees.
        half_mosaicity_deg: Largest rotation of its domains, degrees.
        domain_size_A: Edge of a domain, Angstrom; None is not known.
        stars_at_images: Reciprocal vectors (images + 1, 3, 3) in 1/Angstrom, one a row, at the edges of the images of a
            scan in which the crystal changes; None where it does not.
        carried: What else the file says and no image depends on.
    """

    direct_A: tuple[Vector, Vector, Vector]
    space_group: str = ""
    mosaicity_deg: float = 0.0
    half_mosaicity_deg: float = 0.0
    domain_size_A: float | None = None
    stars_at_images: np.ndarray | None = None
    carried: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        me = "crystal"
        for name, vector in zip("abc", self.direct_A, strict=True):
            check_finite(me, name, vector, 3)
        rows = np.array(self.direct_A)
        lengths = np.linalg.norm(rows, axis=1)
        if not (lengths > 1e-3).all() or not abs(np.linalg.det(rows)) > 1e-6 * lengths.prod():
            raise fail(me, "direct_A", rows.tolist(), "vectors that span a cell", "Check the crystal.")
        for name in ("mosaicity_deg", "half_mosaicity_deg"):
            check_range(me, name, getattr(self, name), 0, unit="degrees")
        check_range(me, "domain_size_A", self.domain_size_A, 0, low_open=True, unit="Angstrom", optional=True)

    def stars(self) -> np.ndarray:
        """Reciprocal vectors (3, 3) in 1/Angstrom, one a row."""
        return np.linalg.inv(np.array(self.direct_A)).T


@dataclass(frozen=True, eq=False)
class Description:
    """One experiment as a file describes it; None stands for what the file does not have.

    Attributes:
        frame: Laboratory frame of all vectors, a name of :data:`FRAMES`.
        beam: The incident beam.
        panels: Panels of the detector.
        groups: Their groups, parents before children.
        goniometer: Axes that carry the crystal.
        scan: Images.
        crystal: The crystal.
        images: Paths of its images, or the template of their names, as the file says them.
        identifier: Name that the file gives to the experiment.
        carried: What else the file says and no image depends on.
    """

    frame: str
    beam: BeamDescription | None = None
    panels: tuple[PanelDescription, ...] = ()
    groups: tuple[GroupDescription, ...] = ()
    goniometer: GoniometerDescription | None = None
    scan: ScanDescription | None = None
    crystal: CrystalDescription | None = None
    images: tuple[str, ...] = ()
    identifier: str = ""
    carried: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        me = "experiment"
        check_choice(me, "frame", self.frame, FRAMES)
        for what, records in (("panel", self.panels), ("group", self.groups)):
            names: set[str] = set()
            for record in records:
                if record.name in names:
                    raise fail(me, f"{what}s", record.name, "a name of its own", f"Two {what}s have it: name one anew.")
                names.add(record.name)
        known = {""}
        for group in self.groups:
            if group.parent not in known:
                which = f"groups, parent of {group.name!r}"
                raise fail(me, which, group.parent, "a group before it", "Check the tree.")
            known.add(group.name)
        for panel in self.panels:
            if panel.group not in known:
                raise fail(me, f"panels, group of {panel.name!r}", panel.group, "one of its groups", "Check the tree.")
        if self.goniometer is None and self.scan is not None and self.scan.width_deg != 0:
            allowed = "given where images turn the crystal: a scan needs an axis"
            raise fail(me, "goniometer", None, allowed, "Give the axis, or a scan of width 0.")

    @property
    def is_still(self) -> bool:
        """True where nothing turns, so that the goniometer does not count."""
        return self.goniometer is None or self.scan is None or self.scan.width_deg == 0

    def direct_at_start(self) -> np.ndarray:
        """Direct vectors (3, 3) in Angstrom, one a row, in the laboratory at the start of the first image.

        Raises ``ValueError`` where there is no crystal.
        """
        if self.crystal is None:
            raise fail("experiment", "crystal", None, "given", "Index the images first, or give a crystal.")
        rows = np.array(self.crystal.direct_A)
        if self.is_still or self.goniometer is None or self.scan is None:
            return rows
        turned: np.ndarray = rows @ self.goniometer.turn(self.scan.start_deg).T
        return turned

    def in_frame(self, frame: str) -> "Description":
        """The same experiment with its vectors in another frame."""
        check_choice("experiment", "frame", frame, FRAMES)
        if frame == self.frame:
            return self
        return self.turned(FRAMES[frame].T @ FRAMES[self.frame], frame)

    def along_beam(self) -> "Description":
        """The same experiment in McStas' frame, turned the shortest way so that its beam is exactly along z."""
        found = self.in_frame("McStas")
        beam = np.array((0.0, 0.0, 1.0) if found.beam is None else found.beam.direction)
        axis = np.cross(beam, (0.0, 0.0, 1.0))
        sine = float(np.linalg.norm(axis))
        if sine < 1e-15 and beam[2] > 0:
            return found
        axis = axis / sine if sine > 1e-15 else np.array([0.0, 1.0, 0.0])
        return found.turned(about(axis, math.degrees(math.atan2(sine, beam[2]))), "McStas")

    def turned(self, turn: np.ndarray, frame: str) -> "Description":
        """The same experiment with its vectors in a laboratory frame that a rotation (3, 3) leads to."""

        def moved(record: Any, *names: str) -> Any:
            return replace(record, **{name: as_vector(turn @ np.array(getattr(record, name))) for name in names})

        goniometer, crystal = self.goniometer, self.crystal
        if goniometer is not None:
            sides: dict[str, Any] = {
                name: None if nine is None else tuple((turn @ np.reshape(nine, (3, 3)) @ turn.T).ravel().tolist())
                for name, nine in (("fixed", goniometer.fixed), ("setting", goniometer.setting))
            }
            axes = tuple(as_vector(turn @ np.array(axis)) for axis in goniometer.axes)
            goniometer = replace(goniometer, axes=axes, **sides)
        if crystal is not None:
            a, b, c = (as_vector(turn @ np.array(row)) for row in crystal.direct_A)
            varying = crystal.stars_at_images
            varying = None if varying is None else varying @ turn.T
            crystal = replace(crystal, direct_A=(a, b, c), stars_at_images=varying)
        return replace(
            self,
            frame=frame,
            beam=None if self.beam is None else moved(self.beam, "direction", "polarization"),
            panels=tuple(moved(panel, "origin_mm", "fast", "slow") for panel in self.panels),
            groups=tuple(moved(group, "origin_mm", "fast", "slow") for group in self.groups),
            goniometer=goniometer,
            crystal=crystal,
        )
