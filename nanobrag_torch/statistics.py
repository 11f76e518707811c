"""Statistics of an image as the C program reports them: maximum, mean, spread, and the detector's solid angle.

Ids in brackets are explained in docs/deviations-of-c.md.
"""

from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor

from nanobrag_torch.config import DetectorConfig
from nanobrag_torch.kernel.geometry import sample_positions
from nanobrag_torch.kernel.weights import sample_solid_angles
from nanobrag_torch.scene import Panel, Scene
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
        max_I_subpixel_fast: distance of its last sub-pixel from the detector's edge along the fast axis, in metres.
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


def compute_statistics(image: Tensor, config: DetectorConfig, oversample: int = 1) -> ImageStatistics:
    """Compute the statistics of an image, outside any graph (docs/physics.md, Statistics).

    Args:
        image: photons or any other unit (spixels, fpixels), on any device. In an image of another shape (slow, fast),
            or a list of pixels (n,), all pixels count: region of interest and mask belong to the detector.
        config: detector, with region of interest and mask.
        oversample: sub-pixels per axis of the image, for the place of the brightest one.

    Raises:
        ValueError: the image has more than two dimensions.

    Example:
        ```python
        compute_statistics(image, detector.config).mean  # photons
        ```
    """
    whole = torch.as_tensor(image).detach().to("cpu", torch.float64)
    whole = whole if whole.ndim > 1 else whole.reshape(1, -1)
    if whole.ndim != 2:
        raise ValueError(
            f"image of shape {tuple(image.shape)}: must be (slow, fast), or a list of pixels (n,). "
            f"This detector's images are ({config.spixels}, {config.fpixels})."
        )
    own = tuple(image.shape) == (config.spixels, config.fpixels)
    (ymin, ymax), (xmin, xmax) = config.roi() if own else ((0, whole.shape[0] - 1), (0, whole.shape[1] - 1))
    window = (slice(ymin, ymax + 1), slice(xmin, xmax + 1))
    values = whole[window]
    rendered = torch.ones_like(values, dtype=torch.bool)
    if own and config.mask_array is not None:
        rendered = config.mask_array.to("cpu")[window] != 0
    counted = values[rendered]
    mean = float(counted.sum()) / max(1, len(counted))
    slow = fast = 0
    peak = float(counted.max()) if len(counted) else 0.0
    if peak > 0:
        top = int(torch.where(rendered, values, torch.zeros_like(values)).flatten().argmax())
        slow, fast = ymin + top // values.shape[1], xmin + top % values.shape[1]
    else:
        peak = 0.0
    return ImageStatistics(
        max_I=peak,
        max_I_fast=fast,
        max_I_slow=slow,
        max_I_subpixel_fast=_last_subpixel(fast, config, oversample) if peak > 0 else 0.0,
        max_I_subpixel_slow=_last_subpixel(slow, config, oversample) if peak > 0 else 0.0,
        mean=mean,
        RMS=_root_of_mean(counted, 0.0),
        RMSD=_root_of_mean(values.flatten(), mean),
        N=len(counted),
    )


def _last_subpixel(index: int, config: DetectorConfig, oversample: int) -> float:
    """Distance in metres from the detector's edge to the last sub-pixel of a pixel."""
    size: float = mm_to_m(number_of(config.pixel_size_mm) or 0.0) / oversample
    return size * (index * oversample + oversample - 1) + size / 2


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
