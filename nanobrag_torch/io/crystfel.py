"""CrystFEL: geometry files (``.geom``) and streams (``.stream``), in and out."""

from nanobrag_torch.io.crystfel_geometry import read_geometry
from nanobrag_torch.io.crystfel_stream import Stream, StreamCrystal, StreamImage, read_stream
from nanobrag_torch.io.crystfel_writer import write_geometry, write_stream

__all__ = [
    "Stream",
    "StreamCrystal",
    "StreamImage",
    "read_geometry",
    "read_stream",
    "write_geometry",
    "write_stream",
]
