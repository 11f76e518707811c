"""Memory of an evaluation: its budget, and the refusal of images and samples that no memory holds."""

import torch

from nanobrag_torch.memory import BYTES_PER, check_memory
from nanobrag_torch.scene import Panel, Scene

#: Bytes beside image and gradient that an evaluation takes on a CPU unless told otherwise: more makes nothing faster.
MEMORY_BUDGET = 48 << 20
#: Part of a GPU's free memory that it takes there, and the most: a GPU is busy when whole images are evaluated at once.
GPU_SHARE, GPU_BUDGET = 8, 8 << 30
#: Bytes that torch operations hold for one sample: float64 temporaries, interpolation included.
BYTES_PER_SAMPLE = BYTES_PER["sample"]


def budget_of(device: torch.device) -> int:
    """Bytes beside image and gradient that an evaluation on a device takes unless told otherwise."""
    if device.type != "cuda":
        return MEMORY_BUDGET
    free, _ = torch.cuda.mem_get_info(device)
    return max(MEMORY_BUDGET, min(GPU_BUDGET, free // GPU_SHARE))


def check_pixels(scene: Scene, pixels: int) -> None:
    """Raise ``ValueError`` for an image of more ``pixels`` than the memory of the scene's device holds."""
    check_memory(
        "pixel", pixels, "DetectorConfig", "spixels, fpixels", f"{pixels} pixels", "Render a region of interest.",
        scene.panel.origin.device,
    )  # fmt: skip


def check_positions(panel: Panel, pixels: int, sources: int = 1) -> None:
    """Raise ``ValueError`` where the positions of all samples of so many pixels cannot be held at once."""
    check_memory(
        "position", pixels * panel.samples * sources, "DetectorConfig", "oversample, detector_thicksteps",
        (panel.oversample, panel.layers), "Take fewer sub-pixels, layers or sources.", panel.origin.device,
    )  # fmt: skip


def check_samples(scene: Scene, pixels: int) -> None:
    """Raise ``ValueError`` where the samples of so many pixels cannot be held at once."""
    panel, lattice, sources = scene.panel, scene.lattice, scene.sources
    check_memory(
        "sample", pixels * scene.samples_per_pixel, "DetectorConfig", "oversample",
        f"{panel.oversample} (in {panel.layers} layers, {sources.count} sources, {lattice.orientations} orientations, "
        f"{pixels} pixels at once)",
        "Take fewer samples of a pixel; engine='auto' evaluates most scenes sample by sample.", panel.origin.device,
    )  # fmt: skip
