"""Exposures whose geometry is round in no frame, for the formats that carry geometry."""

import math

import numpy as np

from nanobrag_torch.conventions import CONVENTIONS
from nanobrag_torch.io.exposure import Exposure


def turned(vector, angle=0.1):
    """The vector after a rotation about (1, 2, 3), so that no component stays round."""
    axis = np.array([1.0, 2.0, 3.0]) / math.sqrt(14)
    v = np.array(vector)
    return axis * (axis @ v) * (1 - math.cos(angle)) + v * math.cos(angle) + np.cross(axis, v) * math.sin(angle)


def exposure_of(convention, **changes):
    """A tilted detector at a place that is round in no frame, in the laboratory frame of a convention."""
    row = CONVENTIONS[convention]
    fast, slow, normal = (turned(v) for v in (row.fast, row.slow, row.normal))
    images = np.random.default_rng(0).poisson(20.0, (3, 11, 13)).astype(np.uint16)
    images[:, 5] = 0
    fields = {
        "images": images,
        "pixel_size_m": 172e-6,
        "origin_m": tuple((-0.0123 * fast - 0.0456 * slow + 0.1789 * normal).tolist()),
        "fast": tuple(fast.tolist()),
        "slow": tuple(slow.tolist()),
        "wavelength_A": 0.9791234567,
        "beam": row.beam,
        "polarization": row.polarization,
        "polarization_factor": 0.987,
        "spindle": tuple(turned(row.spindle, 0.01).tolist()),
        "phi_start_deg": 12.3,
        "phi_width_deg": 0.1,
        "exposure_s": 0.02,
        "saturation": 65535.0,
        "sensor_thickness_m": 320e-6,
        "sensor_material": "CdTe",
        "mask": np.arange(143).reshape(11, 13) % 7 != 0,
    }
    return Exposure(**fields | changes)
