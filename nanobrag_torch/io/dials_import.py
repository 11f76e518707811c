"""Parameters for ``dials.import``: what an image's own header does not tell DIALS, or tells it wrongly.

An SMV header has no tilted detector, and DIALS takes its beam centre for ADXV's and moves it by a pixel; neither NXmx
nor a mini-CBF header hands it the polarization. Where a header names no sensor, DIALS estimates background as for a
CCD, which leaves tails of strong spots in it. And NXmx must have a sensor of some thickness, by whose absorption DIALS
divides: to it, a surface that absorbs all is a sensor without end and without parallax.
"""

import os
from collections.abc import Iterable

from nanobrag_torch.io.description import ABSORBS_ALL_MM
from nanobrag_torch.io.exposure import Exposure
from nanobrag_torch.io.files import replacing
from nanobrag_torch.io.imgcif import imgcif_axes
from nanobrag_torch.units import m_to_mm

_TEMPLATE = """\
geometry {{
  beam {{
    wavelength = {wavelength!r}
    direction = 0,0,1
    polarization_normal = {normal}
    polarization_fraction = {fraction!r}
  }}
  goniometer.axis = {spindle}
  detector.panel {{
    pixel_size = {pixel!r},{pixel!r}
    fast_axis = {fast}
    slow_axis = {slow}
    origin = {origin}
    type = SENSOR_PAD
    {sensor}
    gain = {gain!r}
    pedestal = {pedestal!r}
  }}
}}
"""


_SURFACE = f"thickness = {ABSORBS_ALL_MM!r}\n    parallax_correction = False"
_SENSOR = "thickness = {thickness!r}\n    material = {material}\n    parallax_correction = True"


def import_parameters(exposure: Exposure, pedestal: float = 0.0, gain: float = 1.0) -> str:
    """Geometry of an exposure as text for ``dials.import``, in the coordinates of the imgCIF dictionary, mm.

    ``pedestal`` is the pixel value of no photon, the offset of an SMV image; ``gain`` is what each photon adds to it.
    DIALS's fraction of polarization is (1 + K) / 2 of Kahn's K.
    """
    axes = imgcif_axes(exposure)
    e_vector = axes @ exposure.polarization
    thickness = m_to_mm(exposure.sensor_thickness_m)
    sensor = _SENSOR.format(thickness=thickness, material=exposure.sensor_material) if thickness > 0 else _SURFACE
    return _TEMPLATE.format(
        wavelength=exposure.wavelength_A,
        normal=_written((-e_vector[1], e_vector[0], 0.0)),
        fraction=(1 + exposure.polarization_factor) / 2,
        spindle=_written(axes @ exposure.spindle),
        pixel=m_to_mm(exposure.pixel_size_m),
        fast=_written(axes @ exposure.fast),
        slow=_written(axes @ exposure.slow),
        origin=_written(axes @ [m_to_mm(component) for component in exposure.origin_m]),
        sensor=sensor,
        gain=float(gain),
        pedestal=float(pedestal),
    )


def write_import_parameters(
    filepath: str | os.PathLike[str], exposure: Exposure, pedestal: float = 0.0, gain: float = 1.0
) -> None:
    """Write :func:`import_parameters` to a file, which ``dials.import`` takes beside the images.

    Raises ``OSError`` where it cannot be written.
    """
    with replacing(filepath) as part:
        part.write_text(import_parameters(exposure, pedestal, gain), encoding="ascii")


def _written(vector: Iterable[float]) -> str:
    return ",".join(repr(float(component)) for component in vector)
