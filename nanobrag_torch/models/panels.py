"""Detector of many panels: configs made into vectors, once per evaluation (docs/panels.md)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nanobrag_torch import scene
from nanobrag_torch.compat import Compat
from nanobrag_torch.config import DetectorConfig
from nanobrag_torch.conventions import CONVENTIONS
from nanobrag_torch.eager import eager
from nanobrag_torch.given import KnownNames, check_kind
from nanobrag_torch.kernel.geometry import sample_positions
from nanobrag_torch.kernel.pixels import Pixels
from nanobrag_torch.models.as_tensor import device_of, dtype_of, scalar, vector
from nanobrag_torch.models.detector import FLAT, MOVE, Detector
from nanobrag_torch.models.memo import numbers_besides
from nanobrag_torch.models.sensor import sensor_of
from nanobrag_torch.models.sight import View, check_sight
from nanobrag_torch.panels import PanelConfig, PanelGroup, PanelledDetectorConfig
from nanobrag_torch.physics.rotation import matrix_x_y_z
from nanobrag_torch.physics.safe import unit
from nanobrag_torch.slabs import Slab, assembled, shape_of
from nanobrag_torch.units import degrees_to_radians, mm_to_m
from nanobrag_torch.validation import divisor, fail, number_of


@dataclass(frozen=True)
class PanelPlace:
    """Place of a panel after the motions of its groups: vectors (3,), lengths in metres.

    Attributes:
        name: Name of the panel.
        origin: Outer corner of the first pixel.
        fast: Direction of fast.
        slow: Direction of slow.
        normal: Normal, away from the sample.
        edges: Edges (2,) of a pixel along fast and slow.
        close_distance: Distance of the sample from the plane of the panel, 0-d.
    """

    name: str
    origin: Tensor
    fast: Tensor
    slow: Tensor
    normal: Tensor
    edges: Tensor
    close_distance: Tensor


@dataclass(frozen=True)
class PanelledGeometry:
    """Places of all panels, and the laboratory's directions (3,) of beam, E vector and spindle."""

    beam: Tensor
    polarization: Tensor
    spindle: Tensor
    panels: tuple[PanelPlace, ...]


@dataclass(frozen=True)
class _Motion:
    """Map of points at rest (3,) in metres to ``rotation`` x + ``shift``: none at all is exactly the identity."""

    rotation: Tensor
    shift: Tensor

    def after(self, first: "_Motion") -> "_Motion":
        """This motion after another one."""
        return _Motion(self.rotation @ first.rotation, self.rotation @ first.shift + self.shift)


class PanelledDetector(KnownNames):
    """A detector of many panels. Geometry is derived anew at each evaluation.

    Args:
        config: Panels, groups and what they share.
        device: Device of the tensors; None is the CPU.
        dtype: Precision of public tensors; the arithmetic is float64 throughout.
        compat: Deviations of C for this object's own properties; a simulator uses its own.

    Raises:
        ValueError: The config describes no detector.

    Example:
        ```python
        detector = PanelledDetector(PanelledDetectorConfig([PanelConfig("a", 64, 64), PanelConfig("b", 64, 64)]))
        detector.split(image)["b"]  # (64, 64) of a raw image (128, 64)
        ```
    """

    config: PanelledDetectorConfig
    device: torch.device
    dtype: torch.dtype
    compat: Compat

    @eager
    def __init__(
        self,
        config: PanelledDetectorConfig,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        compat: str | Compat = "physical",
    ) -> None:
        check_kind("PanelledDetector", "config", config, PanelledDetectorConfig)
        config.validate()
        self.config = config
        self.device = device_of(device)
        self.dtype = dtype_of(dtype)
        self.compat = Compat.of(compat)
        self._seen: list[View] = []

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "PanelledDetector":
        """This detector on another device or in another dtype; returns itself."""
        self.device = device_of(device) if device is not None else self.device
        self.dtype = dtype_of(dtype or self.dtype)
        return self

    @property
    def slabs(self) -> list[Slab]:
        """Places of the panels in the raw image."""
        return self.config.slabs()

    @property
    def spixels(self) -> int:
        """Rows of the raw image."""
        return self.config.spixels

    @property
    def fpixels(self) -> int:
        """Columns of the raw image."""
        return self.config.fpixels

    def assembled(self, images: Sequence[Tensor]) -> Tensor:
        """Raw image (..., slow, fast) of the panels' images (..., slow, fast), zeros where there is no panel.

        Raises:
            ValueError: There is not one image for each panel, or one has another shape than its panel.
        """
        panels = tuple(self.config.panels)
        shapes, wanted = [tuple(i.shape[-2:]) for i in images], [(p.spixels, p.fpixels) for p in panels]
        if shapes != wanted:
            raise fail("assembled", "images", f"of shapes {shapes}", f"of shapes {wanted}", "Give one for each panel.")
        return assembled(images, self.slabs)

    def split(self, image: Tensor) -> dict[str, Tensor]:
        """Images (..., slow, fast) of the panels by name, views of the raw image.

        Raises:
            ValueError: The image does not have the shape of the raw image.
        """
        shape = shape_of(self.slabs)
        if tuple(image.shape[-2:]) != shape:
            given = f"of shape {tuple(image.shape)}"
            raise fail("split", "image", given, f"of shape (..., {shape[0]}, {shape[1]})", "Give the raw image.")
        return {panel.name: slab.of(image) for panel, slab in zip(self.config.panels, self.slabs, strict=True)}

    def gains(self) -> Tensor:
        """Counts for a photon in each pixel of the raw image (slow, fast), 0 where there is no panel."""
        images = [torch.full((p.spixels, p.fpixels), float(p.gain), dtype=self.dtype) for p in self.config.panels]
        return assembled(images, self.slabs).to(self.device)

    def pixel_coords(self, name: str) -> Tensor:
        """Positions (spixels, fpixels, 3) in metres of the pixel centres of the panel of that name."""
        config, geometry = self.config.panel(name), self.geometry()
        number = [panel.name for panel in self.config.panels].index(name)
        slow, fast = torch.meshgrid(
            torch.arange(config.spixels, device=self.device),
            torch.arange(config.fpixels, device=self.device),
            indexing="ij",
        )
        panel = self.scene_panels(geometry, 1)[number]
        positions = sample_positions(panel, slow.reshape(-1), fast.reshape(-1))[:, 0]
        return positions.reshape(config.spixels, config.fpixels, 3).to(self.dtype)

    def geometry(self, compat: Compat | None = None) -> PanelledGeometry:
        """Places of the panels, connected to their configs.

        Raises:
            ValueError: A panel's plane holds the sample, a panel hides the beam, or one hides another.
        """
        config = self.config
        config.validate()
        row = CONVENTIONS[config.detector_convention]
        beam = unit(vector(row.beam if config.beam_vector is None else config.beam_vector, self.device))
        motions: dict[str, _Motion] = {}
        places = tuple(self._place(panel, self._motion(panel.group, motions)) for panel in config.panels)
        self._check_sight(beam, places)
        return PanelledGeometry(
            beam=beam,
            polarization=unit(vector(row.polarization, self.device)),
            spindle=unit(vector(row.spindle, self.device)),
            panels=places,
        )

    def scene_panels(
        self, geometry: PanelledGeometry, oversample: int, compat: Compat | None = None
    ) -> tuple[scene.Panel, ...]:
        """The panels as the kernel reads them.

        Pixels with unequal edges are squares of the same area along directions that are longer and shorter than 1.
        """
        compat, made = compat or self.compat, []
        for config, place in zip(self.config.panels, geometry.panels, strict=True):
            along_fast, along_slow = place.edges.unbind()
            cosine = (place.fast * place.slow).sum()
            size = torch.sqrt(along_fast * along_slow * torch.sqrt(1 - cosine * cosine))
            sensor = sensor_of(config.thick_um, config.abs_um, config.thicksteps, compat, self.device)
            made.append(
                scene.Panel(
                    origin=place.origin,
                    fast=along_fast / size * place.fast,
                    slow=along_slow / size * place.slow,
                    normal=place.normal,
                    beam=geometry.beam,
                    pixel_size=size,
                    distance=place.close_distance,
                    close_distance=place.close_distance,
                    oversample=oversample,
                    layers=sensor.layers,
                    layer_step=sensor.step,
                    attenuation=sensor.attenuation,
                    has_sensor=sensor.present,
                    point_pixel=self.config.point_pixel,
                )
            )
        return tuple(made)

    def panel_pixels(self) -> list[Pixels]:
        """Pixels of each panel within the region of interest whose mask is not zero, row by row."""
        (ymin, ymax), (xmin, xmax) = self.config.roi()
        found = []
        for panel, slab in zip(self.config.panels, self.slabs, strict=True):
            slow, rows = _within(ymin - slab.slow, ymax + 1 - slab.slow, slab.height)
            fast, columns = _within(xmin - slab.fast, xmax + 1 - slab.fast, slab.width)
            window = Pixels((slab.height, slab.width), (slow, fast), (rows, columns))
            found.append(window if panel.mask_array is None else window.kept(panel.mask_array))
        return found

    def numbers(self) -> tuple[Any, ...]:
        """Numbers that decide the geometry, to be compared by value."""
        config = self.config
        return numbers_besides(config, "panels"), tuple(numbers_besides(p, "mask_array") for p in config.panels)

    def finest(self, geometry: PanelledGeometry) -> tuple[float, float]:
        """Distance and pixel edge in metres of the panel whose pixels see the widest angle."""
        views = _views(geometry, tuple(self.config.panels))
        widest = max(views, key=lambda view: view.pixel / view.nearest)
        return widest.nearest, widest.pixel

    def _motion(self, group: str | None, known: dict[str, _Motion]) -> _Motion | None:
        """Motion of what stands in a group, from those that are ``known``, to which it is added; None for none."""
        if group is None:
            return None
        if group not in known:
            config = self.config.group(group)
            own, outer = self._own_motion(config), self._motion(config.parent, known)
            known[group] = own if outer is None else outer.after(own)
        return known[group]

    def _own_motion(self, group: PanelGroup) -> _Motion:
        first = unit(vector(group.fast, self.device))
        third = unit(torch.linalg.cross(first, vector(group.slow, self.device)))
        axes = torch.stack([first, torch.linalg.cross(third, first), third], dim=1)
        turn = matrix_x_y_z(degrees_to_radians(vector(group.rotation_deg, self.device)))
        # Written as a departure from the identity, so that a group at rest moves nothing, not even the last bit.
        identity = torch.eye(3, dtype=turn.dtype, device=turn.device)
        departure = axes @ (turn - identity) @ axes.T
        pivot = mm_to_m(vector(group.pivot_mm, self.device))
        shift = axes @ mm_to_m(vector(group.shift_mm, self.device))
        return _Motion(identity + departure, shift - departure @ pivot)

    def _place(self, panel: PanelConfig, motion: _Motion | None) -> PanelPlace:
        origin = mm_to_m(vector(panel.origin_mm, self.device))
        fast, slow = unit(vector(panel.fast, self.device)), unit(vector(panel.slow, self.device))
        if motion is not None:
            origin = motion.rotation @ origin + motion.shift
            fast, slow = motion.rotation @ fast, motion.rotation @ slow
        across = unit(torch.linalg.cross(fast, slow))
        close = (origin * across).sum()
        away = torch.sign(close.detach())
        reach = number_of(torch.sqrt((origin * origin).sum())) or 0.0
        divisor(close, f"the sample lies in the plane of panel {panel.name!r}", MOVE, FLAT * reach)
        edges = torch.stack([mm_to_m(scalar(edge, self.device)) for edge in panel.edges_mm])
        return PanelPlace(panel.name, origin, fast, slow, away * across, edges, away * close)

    def _check_sight(self, beam: Tensor, places: Sequence[PanelPlace]) -> None:
        """Refuse panels that hide the beam or each other, unless these places have been seen before."""
        panels = tuple(self.config.panels)
        towards = [number_of(component) for component in beam]
        if None in towards or any(number_of(place.close_distance) is None for place in places):
            return
        views = _views(PanelledGeometry(beam, beam, beam, tuple(places)), panels)
        if views == self._seen:
            return
        masks = [None if panel.mask_array is None else panel.mask_array.cpu().numpy() for panel in panels]
        check_sight(views, masks, np.array(towards, dtype=float), self.config.may_overlap)
        self._seen = views


def _views(geometry: PanelledGeometry, panels: Sequence[PanelConfig]) -> list[View]:
    """Places of the panels as plain numbers."""
    rows = torch.stack(
        [torch.cat([p.origin, p.fast * p.edges[0], p.slow * p.edges[1], p.normal]) for p in geometry.panels]
    )
    return [
        View(panel.name, (panel.spixels, panel.fpixels), tuple(row))
        for panel, row in zip(panels, rows.detach().tolist(), strict=True)
    ]


def _within(first: int, last: int, count: int) -> tuple[int, int]:
    """First index and number of those from ``first`` to ``last``, the last excluded, that are below ``count``."""
    start = min(max(first, 0), count)
    return start, max(0, min(last, count) - start)


def one_panel(owner: str, detector: Detector | PanelledDetector, remedy: str) -> Detector:
    """The detector, where it is one of one panel. Raises ``ValueError`` with a ``remedy`` where it has several."""
    if isinstance(detector, PanelledDetector):
        count = len(tuple(detector.config.panels))
        raise ValueError(f"{owner}: the detector is one of {count} panels, must be one of a DetectorConfig. {remedy}")
    return detector


def detector_of(
    config: DetectorConfig | PanelledDetectorConfig,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    compat: str | Compat = "physical",
) -> Detector | PanelledDetector:
    """The detector of a config of either kind."""
    if isinstance(config, PanelledDetectorConfig):
        return PanelledDetector(config, device, dtype, compat)
    return Detector(config, device, dtype, compat)
