"""Statistics of an image as the C program reports them: maximum, mean, spread, and the detector's solid angle.

Ids in brackets are explained in docs/deviations-of-c.md.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from nanobrag_torch.config import DetectorConfig
from nanobrag_torch.kernel.geometry import sample_positions
from nanobrag_torch.kernel.weights import sample_solid_angles
from nanobrag_torch.panels import PanelledDetectorConfig
from nanobrag_torch.scene import Panel, Scene
from nanobrag_torch.slabs import Slab, assembled, shape_of, stacked
from nanobrag_torch.units import mm_to_m
from nanobrag_torch.validation import number_of

#: Samples whose solid angle is evaluated at once.
SAMPLES_AT_ONCE = 1 << 15


@dataclass(frozen=True)
class ImageStatistics:
    """Brightest pixel, mean and spread of an image, in its units.

    Attributes:
        max_I: largest pixel, 0 where no pixel is positive.
        max_I_fast: fast index of the first pixel, row by row, that has this value.
        max_I_slow: its slow index.
        max_I_subpixel_fast: distance of its last sub-pixel from its panel's edge along the fast axis, in metres.
        max_I_subpixel_slow: the same along the slow axis.
        mean: mean of the rendered pixels.
        RMS: root of their summed squares over N - 1.
        RMSD: root of the summed squared deviations from the mean, over all pixels of the region of interest less one;
            masked ones count as zeros, as in C [B34].
        N: number of rendered pixels.
    """

    max_I: float
    max_I_fast: int
    max_I_slow: int
    max_I_subpixel_fast: float
    max_I_subpixel_slow: float
    mean: float
    RMS: float
    RMSD: float
    N: int

    def as_dict(self) -> dict[str, float | int]:
        """Convert to a dict of all fields."""
        return asdict(self)


def compute_statistics(
    image: Tensor, config: DetectorConfig | PanelledDetectorConfig, oversample: int = 1
) -> ImageStatistics:
    """Compute the statistics of an image, outside any graph (docs/physics.md, Statistics).

    Args:
        image: photons or any other unit (spixels, fpixels), on any device. In an image of another shape (slow, fast),
            or a list of pixels (n,), all pixels count: region of interest and mask belong to the detector.
        config: detector, with region of interest and mask or masks; of many panels the image is the raw one.
        oversample: sub-pixels per axis of the image, for the place of the brightest one.

    Raises:
        ValueError: the image has more than two dimensions.

    Example:
        ```python
        compute_statistics(image, detector.config).mean  # photons
        ```
    """
    slabs = (
        config.slabs() if isinstance(config, PanelledDetectorConfig) else stacked([(config.spixels, config.fpixels)])
    )
    shape = shape_of(slabs)
    whole = torch.as_tensor(image).detach().to("cpu", torch.float64)
    whole = whole if whole.ndim > 1 else whole.reshape(1, -1)
    if whole.ndim != 2:
        raise ValueError(
            f"image of shape {tuple(image.shape)}: must be (slow, fast), or a list of pixels (n,). "
            f"This detector's images are {shape}."
        )
    own = tuple(image.shape) == shape
    (ymin, ymax), (xmin, xmax) = config.roi() if own else ((0, whole.shape[0] - 1), (0, whole.shape[1] - 1))
    window = (slice(ymin, ymax + 1), slice(xmin, xmax + 1))
    values = whole[window]
    masks = _masks(config) if own else None
    rendered = torch.ones_like(values, dtype=torch.bool) if masks is None else assembled(masks, slabs)[window] != 0
    counted = values[rendered]
    mean = float(counted.sum()) / max(1, len(counted))
    slow = fast = 0
    peak = float(counted.max()) if len(counted) else 0.0
    if peak > 0:
        top = int(torch.where(rendered, values, torch.zeros_like(values)).flatten().argmax())
        slow, fast = ymin + top // values.shape[1], xmin + top % values.shape[1]
    else:
        peak = 0.0
    place = _last_subpixel(slow, fast, config, slabs, oversample) if peak > 0 else (0.0, 0.0)
    return ImageStatistics(
        max_I=peak,
        max_I_fast=fast,
        max_I_slow=slow,
        max_I_subpixel_fast=place[0],
        max_I_subpixel_slow=place[1],
        mean=mean,
        RMS=_root_of_mean(counted, 0.0),
        RMSD=_root_of_mean(values.flatten(), mean),
        N=len(counted),
    )


def _masks(config: DetectorConfig | PanelledDetectorConfig) -> list[Tensor] | None:
    """Mask of each panel on the CPU, or None for a detector of one panel without a mask."""
    if isinstance(config, DetectorConfig):
        return None if config.mask_array is None else [config.mask_array.to("cpu")]
    return [
        torch.ones(panel.spixels, panel.fpixels, dtype=torch.bool)
        if panel.mask_array is None
        else panel.mask_array.to("cpu") != 0
        for panel in config.panels
    ]


def _last_subpixel(
    slow: int, fast: int, config: DetectorConfig | PanelledDetectorConfig, slabs: Sequence[Slab], oversample: int
) -> tuple[float, float]:
    """Distances (fast, slow) in metres from the panel's edge to the last sub-pixel of a pixel."""
    edges = (config.pixel_size_mm, config.pixel_size_mm) if isinstance(config, DetectorConfig) else None
    indices = (fast, slow)
    for number, slab in enumerate(slabs):
        inside = (fast - slab.fast, slow - slab.slow)
        if 0 <= inside[0] < slab.width and 0 <= inside[1] < slab.height:
            indices = inside
            edges = edges or tuple(config.panels)[number].edges_mm  # type: ignore[union-attr]
    found = []
    for edge, index in zip(edges or (0.0, 0.0), indices, strict=True):
        size: float = mm_to_m(number_of(edge) or 0.0) / oversample
        found.append(size * (index * oversample + oversample - 1) + size / 2)
    return found[0], found[1]


def _root_of_mean(values: Tensor, centre: float) -> float:
    """Root of the sum of squares over n - 1, or over 1 where there are fewer than two values."""
    return float(torch.sqrt(((values - centre) ** 2).sum() / max(1, len(values) - 1)))


def subtended_solid_angle(scene: Scene, slow: Tensor, fast: Tensor) -> float:
    """Add up the solid angle of pixels as the C program does [B32].

    It is the sum over all samples of the solid angle that weighs each, over the number of steps: right for one source,
    one orientation and one layer.

    Args:
        scene: the scene, whose panel and weighing count.
        slow: slow indices (n,) of the pixels.
        fast: fast indices (n,).

    Returns:
        Solid angle in steradian.
    """
    panel = scene.panel if scene.weighing.omega == "per_sample" else _one_sample(scene.panel, scene.weighing.omega)
    chunk = max(1, SAMPLES_AT_ONCE // panel.samples)
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(slow), chunk):
            position = sample_positions(panel, slow[start : start + chunk], fast[start : start + chunk])
            distance = torch.sqrt((position * position).sum(-1))
            total += float(sample_solid_angles(panel, distance).sum())
    return total * (scene.panel.samples / panel.samples) / scene.steps


def _one_sample(panel: Panel, which: str) -> Panel:
    """Copy of a panel with one sample a pixel, where its first or last sub-pixel of the first or last layer was."""
    last = which == "last"
    shift = (panel.pixel_size / panel.oversample - panel.pixel_size) / 2
    along = -shift if last else shift
    depth = panel.layer_step * (panel.layers - 1 if last else 0)
    return replace(
        panel,
        origin=panel.origin + along * (panel.fast + panel.slow) + depth * panel.normal,
        oversample=1,
        layers=1,
    )
