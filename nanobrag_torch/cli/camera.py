"""Detector of a command line: sizes, beam centre and near point reconciled into a config."""

import copy
import math
from dataclasses import dataclass, replace

import torch

from nanobrag_torch.cli.errors import CommandError
from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.compat import Compat
from nanobrag_torch.config import DetectorConfig, DetectorConvention
from nanobrag_torch.conventions import CONVENTIONS
from nanobrag_torch.io.mask import read_smv_mask
from nanobrag_torch.memory import check_memory
from nanobrag_torch.panels import PanelledDetectorConfig
from nanobrag_torch.sampling import rounded_up

#: Conventions whose default beam centre is the near point rather than the middle of the detector.
CENTRED_ON_NEAR_POINT = (DetectorConvention.XDS, DetectorConvention.DIALS, DetectorConvention.CUSTOM)

#: Fields of the sampling of pixels, alike in all panels.
_SHARED = ("oversample", "oversample_omega", "oversample_polar", "oversample_thick", "point_pixel")


@dataclass(frozen=True)
class Camera:
    """Sizes and places in mm: ``size`` and ``foot`` (of the normal through the crystal) along (fast, slow), and the
    published (X, Y) of the beam centre and of the near point, which only serves as a default of the former."""

    size: tuple[float, float]
    foot: tuple[float, float]
    beam_center: tuple[float, float]
    near_point: tuple[float, float]

    def pixels(self, pixel_size: float) -> tuple[int, int]:
        """(fast, slow) numbers of pixels."""
        fast, slow = (rounded_up(length / pixel_size - 0.5, "the number of pixels") for length in self.size)
        return fast, slow


def camera_of(settings: Settings) -> Camera:
    """Reconcile what was said about the detector. Raises ``CommandError`` for a detector without pixels."""
    s, row = settings, CONVENTIONS[settings.convention]
    size = _size(s)
    foot = tuple(
        length / 2 if origin is None else (origin - 0.5) * s.pixel_size_mm
        for origin, length in zip((s.orgx, s.orgy), size, strict=True)
    )
    near_point = _given_or((s.xclose_mm, s.yclose_mm), foot)
    if s.convention in CENTRED_ON_NEAR_POINT:
        default = near_point
    else:
        fast, slow = (row.default_centre(length, s.pixel_size_mm) for length in size)
        default = row.published(fast, slow, size[1])
    center = _given_or((s.beam_center_x_mm, s.beam_center_y_mm), default)
    if s.convention is DetectorConvention.CUSTOM:
        foot = center
    return Camera(size, (foot[0], foot[1]), center, near_point)


def _size(s: Settings) -> tuple[float, float]:
    """(fast, slow) size in mm: pixel counts override sizes."""
    pixel = s.pixel_size_mm
    if not pixel > 0:
        raise CommandError(f"-pixel {pixel:g}: must be a size greater than 0 mm.")
    size = (
        pixel * s.fpixels if s.fpixels else s.detsize_f_mm,
        pixel * s.spixels if s.spixels else s.detsize_s_mm,
    )
    if not all(math.isfinite(length) and length / pixel > 0.5 for length in size):
        raise CommandError(
            f"detector of {size[0]:g} x {size[1]:g} mm with pixels of {pixel:g} mm: must have a pixel each way. "
            "Check -detsize, -detpixels and -pixel."
        )
    return size


def _given_or(given: tuple[float | None, float | None], default: tuple[float, ...]) -> tuple[float, float]:
    x, y = (d if g is None else g for g, d in zip(given, default, strict=True))
    return x, y


def _roi(s: Settings, fpixels: int, spixels: int) -> tuple[int, int, int, int]:
    """xmin, xmax, ymin, ymax on a detector of that size; a bound below zero is not given."""
    xmin, xmax, ymin, ymax = s.roi
    last = fpixels - 1, spixels - 1
    xmax, ymax = (end if given < 0 else min(given, end) for given, end in zip((xmax, ymax), last, strict=True))
    return max(xmin, 0), xmax, max(ymin, 0), ymax


def read_mask(settings: Settings, camera: Camera, compat: Compat) -> tuple[torch.Tensor | None, str | None]:
    """The mask (slow, fast) in the byte order that ``compat`` takes [B29], and a notice where its size was not fitting.

    C takes the pixels of a mask of another size as they come, row by row, and reads on past their end [B46]. Raises
    ``ValueError`` or ``OSError`` for what is no mask.
    """
    if settings.mask_file is None:
        return settings.mask_pixels, None
    mask = read_smv_mask(settings.mask_file, native=compat.strict_c_files)[0]
    (rows, columns), (fast, slow) = mask.shape, camera.pixels(settings.pixel_size_mm)
    if (rows, columns) == (slow, fast) or compat.mask_layout == "exact":
        return mask, None
    laid = torch.zeros(slow * fast)
    count = min(mask.numel(), laid.numel())
    laid[:count] = mask.flatten()[:count]
    rest = f"; the last {laid.numel() - count} stay dark" if count < laid.numel() else ""
    notice = (
        f"-mask {settings.mask_file} has {columns} x {rows} pixels (fast x slow), the detector {fast} x {slow}. "
        f"They are laid out on it row by row, as in C{rest}. -compat physical refuses this."
    )
    return laid.reshape(slow, fast), notice


def detector_config(settings: Settings, camera: Camera, mask: torch.Tensor | None = None) -> DetectorConfig:
    """The detector's config, with a ``mask`` (slow, fast). Raises ``ValueError`` for an impossible detector."""
    s, custom = settings, settings.convention is DetectorConvention.CUSTOM
    fpixels, spixels = camera.pixels(s.pixel_size_mm)
    whole = s if s.panels is None else replace(s, roi=(-1, -1, -1, -1))  # of many panels it counts in the raw image
    xmin, xmax, ymin, ymax = _roi(whole, fpixels, spixels)
    inside = max(0, xmax - xmin + 1) * max(0, ymax - ymin + 1)
    for thing, count in (("pixel with its files", inside), ("pixel outside the region of interest", fpixels * spixels)):
        check_memory(thing, count, "DetectorConfig", "fpixels, spixels", (fpixels, spixels), "Take fewer pixels.")
    fast, slow = CONVENTIONS[s.convention].fast_slow(*camera.beam_center, camera.size[1])
    axis = s.twotheta_axis if custom else None
    return DetectorConfig(
        distance_mm=s.distance_mm,
        pixel_size_mm=s.pixel_size_mm,
        close_distance_mm=s.close_distance_mm,
        spixels=spixels,
        fpixels=fpixels,
        beam_center_s=slow,
        beam_center_f=fast,
        beam_center_source="explicit",
        near_point_s_mm=camera.foot[1],
        near_point_f_mm=camera.foot[0],
        detector_rotx_deg=s.detector_rotx_deg,
        detector_roty_deg=s.detector_roty_deg,
        detector_rotz_deg=s.detector_rotz_deg,
        detector_twotheta_deg=s.detector_twotheta_deg,
        twotheta_axis=None if axis is None else torch.tensor(axis, dtype=torch.float64),
        detector_convention=s.convention,
        detector_pivot=s.pivot,
        oversample=s.oversample if s.oversample > 0 else -1,
        oversample_omega=s.oversample_omega,
        oversample_polar=s.oversample_polar,
        oversample_thick=s.oversample_thick,
        curved_detector=s.curved_detector,
        point_pixel=s.point_pixel,
        pix0_override_m=s.pix0_vector_m if custom else None,
        custom_fdet_vector=s.fdet_vector,
        custom_sdet_vector=s.sdet_vector,
        custom_odet_vector=s.odet_vector,
        custom_beam_vector=s.beam_vector,
        detector_abs_um=s.detector_abs_um,
        detector_thick_um=max(s.detector_thick_um, 0.0),
        detector_thicksteps=-1
        if s.detector_thicksteps is None or s.detector_thicksteps <= 0
        else s.detector_thicksteps,
        roi_xmin=xmin,
        roi_xmax=xmax,
        roi_ymin=ymin,
        roi_ymax=ymax,
        mask_array=mask,
    )


def panels_config(settings: Settings, detector: DetectorConfig) -> PanelledDetectorConfig | None:
    """The panels of an experiment file that has several, sampled as ``detector`` is; None where it has one.

    Raises ``ValueError`` for a region of interest that is none, and where memory does not hold their pixels.
    """
    if settings.panels is None:
        return None
    found: PanelledDetectorConfig = copy.copy(settings.panels)
    count = found.spixels * found.fpixels
    check_memory("pixel with its files", count, "-expt", "panels", (found.spixels, found.fpixels), "Take fewer pixels.")
    for name in _SHARED:
        setattr(found, name, getattr(detector, name))
    for name, bound in zip(("roi_xmin", "roi_xmax", "roi_ymin", "roi_ymax"), settings.roi, strict=True):
        setattr(found, name, bound if bound >= 0 else None)
    found.validate()
    return found
