"""Geometry in the words of the imgCIF dictionary, for CBF files whose mini-header cannot say it.

Coordinates are those of the dictionary: z from the crystal to the source, x along the spindle, y completing them.
"""

from collections.abc import Sequence

import numpy as np

from nanobrag_torch.conventions import Vector
from nanobrag_torch.io.exposure import Exposure
from nanobrag_torch.units import m_to_mm

#: Axes that say what the mini-header takes for granted: rows, columns, spindle.
_PLAIN = ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (1.0, 0.0, 0.0))


def imgcif_axes(exposure: Exposure) -> np.ndarray:
    """imgCIF x, y, z as rows (3, 3), in laboratory coordinates.

    A signed permutation where beam and spindle lie along laboratory axes; x lies along the E vector where the spindle
    lies along the beam.
    """
    z = -np.array(exposure.beam)
    for along in (exposure.spindle, exposure.polarization):
        across = np.array(along) - np.dot(along, z) * z
        if np.linalg.norm(across) > 1e-6:
            break
    x = across / np.linalg.norm(across)
    return np.array([x, np.cross(z, x), z])


def is_plain(exposure: Exposure) -> bool:
    """True where rows lie along the spindle, columns square to it and to the beam, and images are not mirrored.

    That is all that a mini-header can say.
    """
    axes = imgcif_axes(exposure)
    found = [axes @ direction for direction in (exposure.fast, exposure.slow, exposure.spindle)]
    return bool(np.allclose(found, _PLAIN, rtol=0, atol=1e-9))


def geometry_text(exposure: Exposure, date: str, overload: int) -> str:
    """The categories of the dictionary that place beam, spindle and detector, ``date`` in ISO."""
    axes, pixel = imgcif_axes(exposure), m_to_mm(exposure.pixel_size_m)
    fast, slow, spindle = (axes @ vector for vector in (exposure.fast, exposure.slow, exposure.spindle))
    origin = axes @ [m_to_mm(component) for component in exposure.origin_m]
    size = exposure.images.shape[:0:-1]
    nothing: Vector = (0.0, 0.0, 0.0)
    parts = [
        _items("diffrn", id="simulation", crystal_id="crystal"),
        _items("diffrn_source", diffrn_id="simulation", source="simulation", type="nanobrag_torch"),
        _items(
            "diffrn_radiation", diffrn_id="simulation", wavelength_id="wavelength", monochromator=".",
            polarizn_source_ratio=exposure.polarization_factor, polarizn_source_norm=_norm(exposure, axes),
        ),
        _items("diffrn_radiation_wavelength", id="wavelength", wavelength=exposure.wavelength_A, wt=1.0),
        _items("diffrn_detector", diffrn_id="simulation", id="detector", type="simulated", number_of_axes=2),
        _loop("diffrn_detector_axis", ("detector_id", "axis_id"), [("detector", name) for name in ("fast0", "slow0")]),
        _items("diffrn_detector_element", id="element", detector_id="detector"),
        _items(
            "diffrn_data_frame", id="frame", detector_element_id="element", array_id="image", binary_id=1,
        ),
        _items("diffrn_measurement", diffrn_id="simulation", id="goniometer", number_of_axes=1, method="rotation"),
        _items("diffrn_measurement_axis", measurement_id="goniometer", axis_id="phi"),
        _items("diffrn_scan", id="scan", frame_id_start="frame", frame_id_end="frame", frames=1),
        _items(
            "diffrn_scan_frame", frame_id="frame", frame_number=1, integration_time=exposure.exposure_s,
            scan_id="scan", date=date,
        ),
        _loop(
            "diffrn_scan_axis",
            ("scan_id", "axis_id", "angle_start", "angle_range", "angle_increment",
             "displacement_start", "displacement_range", "displacement_increment"),
            [("scan", "phi", exposure.phi_start_deg, exposure.phi_width_deg, exposure.phi_width_deg, 0.0, 0.0, 0.0)]
            + [("scan", name, *(0.0,) * 6) for name in ("fast0", "slow0")],
        ),
        _loop(
            "diffrn_scan_frame_axis", ("frame_id", "axis_id", "angle", "displacement"),
            [("frame", "phi", exposure.phi_start_deg, 0.0)] + [("frame", n, 0.0, 0.0) for n in ("fast0", "slow0")],
        ),
        _loop(
            "axis",
            ("id", "type", "equipment", "depends_on", *(f"vector[{i}]" for i in (1, 2, 3)),
             *(f"offset[{i}]" for i in (1, 2, 3))),
            [
                ("phi", "rotation", "goniometer", ".", *spindle, *nothing),
                ("source", ".", "source", ".", 0.0, 0.0, 1.0, *nothing),
                ("fast0", "translation", "detector", ".", *fast, *nothing),
                ("slow0", "translation", "detector", "fast0", *slow, *nothing),
                ("fast", "translation", "detector", "slow0", *fast, *origin),
                ("slow", "translation", "detector", "fast", *slow, *nothing),
            ],
        ),
        _loop(
            "array_structure_list",
            ("array_id", "index", "dimension", "precedence", "direction", "axis_set_id"),
            [("image", i, n, i, "increasing", name) for i, n, name in zip((1, 2), size, ("fast", "slow"), strict=True)],
        ),
        _loop(
            "array_structure_list_axis", ("axis_set_id", "axis_id", "displacement", "displacement_increment"),
            # Readers take the place of index 0 for the outer corner of the first pixel.
            [(name, name, 0.0, pixel) for name in ("fast", "slow")],
        ),
        _items(
            "array_intensities", array_id="image", binary_id=1, linearity="linear", gain=1.0, gain_esd=0.0,
            overload=overload, undefined_value=-1,
        ),
        _items(
            "array_structure", id="image", encoding_type="signed 32-bit integer", compression_type="byte_offset",
            byte_order="little_endian",
        ),
    ]  # fmt: skip
    return "".join(parts)


def _norm(exposure: Exposure, axes: np.ndarray) -> float:
    """Angle in degrees from y to the normal of the plane of polarization, the beam coming towards the observer."""
    e_vector = axes @ exposure.polarization
    normal = np.cross((0.0, 0.0, 1.0), e_vector)
    return float(np.degrees(np.arctan2(normal[0], normal[1])))


def _items(category: str, **items: object) -> str:
    return "".join(f"_{category}.{name} {_word(value)}\n" for name, value in items.items())


def _loop(category: str, names: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    head = "".join(f"_{category}.{name}\n" for name in names)
    return f"loop_\n{head}" + "".join(" ".join(map(_word, row)) + "\n" for row in rows)


def _word(value: object) -> str:
    if isinstance(value, str):
        return f'"{value}"' if " " in value else value
    return repr(float(value)) if isinstance(value, float) else str(value)
