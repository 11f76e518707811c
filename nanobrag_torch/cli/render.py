"""The image of a prepared run, crystal and amorphous background, alike for one image and for a series."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from nanobrag_torch.amorphous import background_image
from nanobrag_torch.cli.prepare import Prepared
from nanobrag_torch.cli.progress import Reporter

#: In the message of what torch raises where the CPU's memory cannot be allocated, a bare RuntimeError.
_NO_MEMORY = "DefaultCPUAllocator"


def photons(run: Prepared, progress: Reporter | None = None) -> Tensor:
    """Expected photons (slow, fast) of a run, with the materials in its beam.

    Raises ``MemoryError`` where the device runs out of memory.
    """
    with memory_errors():
        image = run.simulator.render(run.scenes, run.settings.pixel_batch_size, progress)
        return image + background_image(run.simulator, run.conf.materials) if run.conf.materials else image


@contextmanager
def memory_errors() -> Iterator[None]:
    """Make one kind of error of what torch raises where a device runs out of memory."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise MemoryError(str(error)) from error
    except RuntimeError as error:
        if _NO_MEMORY in str(error):
            raise MemoryError(f"out of memory: {str(error).splitlines()[0]}. Free some, or simulate less.") from error
        raise
