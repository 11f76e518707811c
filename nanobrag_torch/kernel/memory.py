"""Memory of an evaluation: its budget, and the refusal of images and samples that no memory holds."""

from nanobrag_torch.memory import BYTES_PER, check_memory
from nanobrag_torch.scene import Panel, Scene

#: Bytes beside image and gradient that an evaluation takes unless told otherwise; more makes nothing faster.
MEMORY_BUDGET = 48 << 20
#: Bytes that torch operations hold for one sample: float64 temporaries, interpolation included.
BYTES_PER_SAMPLE = BYTES_PER["sample"]


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
