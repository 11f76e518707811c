"""Memory: the budget of an evaluation, and the refusal of an image that no memory holds."""

import os

import torch

from nanobrag_torch.scene import Scene
from nanobrag_torch.validation import fail

#: Bytes beside image and gradient that an evaluation takes unless told otherwise; more makes nothing faster.
MEMORY_BUDGET = 48 << 20
#: Bytes that torch operations hold for one sample: float64 temporaries, interpolation included.
BYTES_PER_SAMPLE = 8 * 96


def memory_of(device: torch.device) -> int | None:
    """Bytes of memory of a device in all, or None where that cannot be known."""
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def check_memory(scene: Scene, pixels: int) -> None:
    """Raise ``ValueError`` for an image of more ``pixels`` than the memory of the scene's device holds."""
    memory = memory_of(scene.panel.origin.device)
    needed = pixels * scene.dtype.itemsize
    if memory is not None and needed > memory:
        raise fail(
            "DetectorConfig", "spixels * fpixels", pixels,
            f"an image that fits into memory: it needs {needed / 2**30:.1f} GiB and there are {memory / 2**30:.1f}",
            "Render a region of interest, or use float32.",
        )  # fmt: skip
