"""Writer of NXmx files of any number of modules, with or without images."""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nanobrag_torch.io.description import Description, PanelDescription
from nanobrag_torch.io.files import check_ordinary
from nanobrag_torch.io.nexus import _axis, _field, _group, begin_entry, create_stack, creating

_DETECTOR = "/entry/instrument/detector"
_CHAIN = f"{_DETECTOR}/transformations"
_SAMPLE = "/entry/sample"
#: Filters that are a part of HDF5 itself, so that every program finds the pixels.
_COMPRESSION: dict[str, Any] = {"compression": "gzip", "shuffle": True}
#: Thickness of a detector that is a surface: readers divide by it, and such a one shifts no spot.
_SURFACE_M = 1e-9
_NO_PIXEL = 1


def write_nexus_geometry(
    filepath: str | os.PathLike[str], experiment: Description, images: np.ndarray | None = None
) -> None:
    """Write an experiment as an NXmx file: one detector, a module for each panel, groups as transformations.

    Args:
        filepath: File to write.
        experiment: Beam and panels; goniometer, scan and crystal where it has them.
        images: Raw images (n, slow, fast), which hold every panel at its slab, or stacked along slow in their order
            where panels have none; None writes the geometry alone.

    Raises:
        ValueError: The experiment has no wavelength or panel, or the images do not hold its panels.
        OSError: The file cannot be written.
        ImportError: h5py is not installed.
    """
    _checked(filepath, experiment)
    if images is not None and (images.ndim != 3 or not len(images)):
        raise ValueError(f"{filepath}: images of shape {images.shape} must be (n, slow, fast). Give one image or more.")
    with creating(filepath) as file:
        count = 1 if images is None else len(images)
        stack = write_layout(file, experiment, count, None if images is None else images[0])
        for index in range(0 if images is None else count):
            stack[index] = images[index]  # type: ignore[index]


def write_layout(
    file: Any,
    experiment: Description,
    count: int,
    image: np.ndarray | None = None,
    wavelengths_A: Sequence[float] | None = None,
) -> Any:
    """Write all of an NXmx file but its ``count`` images, as :func:`write_nexus_geometry` does.

    Args:
        file: The open HDF5 file.
        experiment: Beam and panels; goniometer, scan and crystal where it has them.
        count: Number of images.
        image: The first image (slow, fast), whose shape and kind are those of all; None leaves images out.
        wavelengths_A: Wavelength of each image; None is that of the experiment, or its spectrum, for all.

    Returns:
        The empty dataset (count, slow, fast) of the images; None where there are none.

    Raises:
        ValueError: The experiment has no wavelength or panel, or the image does not hold its panels.
    """
    each, shape = _along_beam(file.filename, experiment)
    if image is not None and (image.ndim != 2 or image.shape[0] < shape[0] or image.shape[1] < shape[1]):
        raise ValueError(f"images of shape (n, *{image.shape}) must be (n, slow, fast) and hold {shape} pixels.")
    begin_entry(file)
    stack = None if image is None else create_stack(file, "/entry/data/data", count, image)
    _write_beam(file, each, wavelengths_A)
    _write_sample(file, each, count)
    _write_detector(file, each, shape if image is None else image.shape)
    return stack


def check_nexus_geometry(filepath: str | os.PathLike[str], experiment: Description) -> None:
    """Raise ``ValueError`` where :func:`write_nexus_geometry` would refuse the experiment, or the name of the file."""
    _checked(filepath, experiment)


def _checked(filepath: str | os.PathLike[str], experiment: Description) -> tuple[Description, tuple[int, int]]:
    """The experiment along the beam and the shape of its raw image, once it is known that the file can hold it."""
    check_ordinary(filepath, "NXmx file")
    return _along_beam(filepath, experiment)


def _along_beam(filepath: str | os.PathLike[str], experiment: Description) -> tuple[Description, tuple[int, int]]:
    """The experiment along the beam and the shape of its raw image. Raises ``ValueError`` for what no file holds."""
    each = experiment.along_beam()
    if each.beam is None or each.beam.wavelength_A is None or not each.panels:
        raise ValueError(f"{filepath}: an NXmx file needs a wavelength and a panel. Give the experiment both.")
    _check_common(each.panels)
    goniometer = each.goniometer
    sides = () if goniometer is None else (goniometer.fixed, goniometer.setting)
    if any(
        not np.allclose(np.reshape(side, (3, 3)), np.eye(3), rtol=0, atol=1e-15) for side in sides if side is not None
    ):
        raise ValueError(
            "goniometer.fixed, goniometer.setting: must be rotations about axes with names and angles in an NXmx file. "
            "Give all axes of the goniometer."
        )
    return each, _raw_shape(each.panels)


def slabs(panels: tuple[PanelDescription, ...]) -> list[tuple[int, int]]:
    """First pixel (fast, slow) of every panel in the raw image; without slabs of their own they stand along slow."""
    if all(panel.slab is not None for panel in panels) and (len(panels) == 1 or len({p.slab for p in panels}) > 1):
        return [panel.slab or (0, 0) for panel in panels]
    starts = np.cumsum([0, *(panel.size[1] for panel in panels)])[:-1].tolist()
    return [(0, start) for start in starts]


def _raw_shape(panels: tuple[PanelDescription, ...]) -> tuple[int, int]:
    places = list(zip(slabs(panels), panels, strict=True))
    return max(s + panel.size[1] for (_, s), panel in places), max(f + panel.size[0] for (f, _), panel in places)


def _write_beam(file: Any, each: Description, wavelengths_A: Sequence[float] | None) -> None:
    beam = each.beam
    assert beam is not None
    _group(file, "/entry/instrument", "NXinstrument")
    _field(file, "/entry/instrument/name", "nanobrag_torch", short_name="nanobrag_torch")
    _group(file, "/entry/source", "NXsource")
    _field(file, "/entry/source/name", "simulation")
    path = "/entry/instrument/beam"
    _group(file, path, "NXbeam")
    waves: Any = beam.wavelength_A
    if wavelengths_A is not None and (beam.spectrum is None or np.ptp(wavelengths_A) > 0):
        waves = np.array(wavelengths_A)
    elif beam.spectrum is not None:
        waves = np.array(beam.spectrum[0])
        _field(file, f"{path}/incident_wavelength_weights", np.array(beam.spectrum[1]))
    _field(file, f"{path}/incident_wavelength", waves, units="angstrom")
    x, y, _ = beam.polarization
    angle, factor = 2 * np.arctan2(y, x), beam.kahn_factor
    stokes = np.array([1.0, factor * np.cos(angle), factor * np.sin(angle), 0.0])
    _field(file, f"{path}/incident_polarisation_stokes", stokes)
    if beam.flux > 0:
        _field(file, f"{path}/total_flux", beam.flux * beam.transmission, units="Hz")


def _write_sample(file: Any, each: Description, images: int) -> None:
    _group(file, _SAMPLE, "NXsample")
    _field(file, f"{_SAMPLE}/name", each.identifier or "crystal")
    if each.crystal is not None:
        stars = each.crystal.stars()
        if each.is_still and each.goniometer is not None:  # the matrix of the format is that at the angles' zero
            stars = stars @ each.goniometer.turn(0.0 if each.scan is None else each.scan.start_deg)
        _field(file, f"{_SAMPLE}/ub_matrix", stars.T[None], units="1/angstrom")
    goniometer, scan = each.goniometer, each.scan
    if goniometer is None:
        _field(file, f"{_SAMPLE}/depends_on", ".")
        return
    _group(file, f"{_SAMPLE}/transformations", "NXtransformations")
    paths = [f"{_SAMPLE}/transformations/{name}" for name in goniometer.names]
    _field(file, f"{_SAMPLE}/depends_on", paths[0])
    count = images if scan is None else scan.images
    for index, (path, parent) in enumerate(zip(paths, [*paths[1:], "."], strict=True)):
        value: Any = goniometer.angles_deg[index]
        turns = scan is not None and index == goniometer.scan_axis
        if turns and scan is not None:
            value = scan.start_deg + np.arange(count) * scan.width_deg
        axis = np.array(goniometer.axes[index])
        _axis(file, path, value, "deg", "rotation", axis, parent, equipment="goniometer")
        if turns and scan is not None:
            _field(file, f"{path}_end", value + scan.width_deg, units="deg")
            _field(file, f"{path}_increment_set", scan.width_deg, units="deg")


def _write_detector(file: Any, each: Description, shape: tuple[int, ...]) -> None:
    first = each.panels[0]
    _group(file, _DETECTOR, "NXdetector")
    time = each.scan.exposures_s[0] if each.scan is not None and each.scan.exposures_s else 1.0
    for name, value, units in (
        ("count_time", time, "s"),
        ("frame_time", time, "s"),
        ("sensor_thickness", max(first.thickness_mm * 1e-3, _SURFACE_M), "m"),
        ("distance", abs(first.origin_mm[2]) * 1e-3, "m"),
        ("beam_center_x", -first.origin_mm[0] / first.pixel_mm[0], "pixel"),
        ("beam_center_y", -first.origin_mm[1] / first.pixel_mm[1], "pixel"),
        ("x_pixel_size", first.pixel_mm[0] * 1e-3, "m"),
        ("y_pixel_size", first.pixel_mm[1] * 1e-3, "m"),
    ):
        _field(file, f"{_DETECTOR}/{name}", value, units=units)
    _field(file, f"{_DETECTOR}/description", "simulated detector")
    _field(file, f"{_DETECTOR}/type", "PIXEL")
    _field(file, f"{_DETECTOR}/sensor_material", first.material or "Si")
    if first.trusted is not None:
        _field(file, f"{_DETECTOR}/saturation_value", first.trusted[1])
        if first.trusted[0] > -1e30:
            _field(file, f"{_DETECTOR}/underload_value", first.trusted[0])
    bad = np.full(shape, _NO_PIXEL, np.uint32)
    for (f, s), panel in zip(slabs(each.panels), each.panels, strict=True):
        good = panel.counting()
        bad[s : s + panel.size[1], f : f + panel.size[0]] = 0 if good is None else ~good * _NO_PIXEL
    file.create_dataset(f"{_DETECTOR}/pixel_mask", data=bad, **_COMPRESSION)
    _group(file, _CHAIN, "NXtransformations")
    places = _write_groups(file, each)
    for index, (slab, panel) in enumerate(zip(slabs(each.panels), each.panels, strict=True)):
        _write_module(file, index, panel, slab, places[panel.group])
    _field(file, f"{_DETECTOR}/depends_on", places[""].link)


def _check_common(panels: tuple[PanelDescription, ...]) -> None:
    """Refuse what an NXmx file has one of for all modules, where panels differ in it."""
    kinds: tuple[tuple[str, Callable[[PanelDescription], Any]], ...] = (
        ("thickness_mm", lambda panel: panel.thickness_mm),
        ("material", lambda panel: panel.material),
        ("trusted", lambda panel: panel.trusted),
    )
    for name, of in kinds:
        for panel in panels:
            if of(panel) != of(panels[0]):
                other = panels[0]
                raise ValueError(
                    f"panel {panel.name!r}: {name} = {of(panel)} must be that of panel {other.name!r}, {of(other)}: an "
                    "NXmx file has one for all modules. Make them the same, or write a file for each."
                )
    for panel in panels:
        if panel.pedestal != 0 or panel.gain != 1:
            remedy = "Divide the images by the gain and subtract the pedestal first."
            raise ValueError(f"panel {panel.name!r}: an NXmx file has no gain or pedestal. {remedy}")


class _Place(NamedTuple):
    """Path of a group's transformation, and its frame: axes (3, 3), one a column, and origin in mm."""

    link: str
    axes: np.ndarray
    origin: np.ndarray


def _write_groups(file: Any, each: Description) -> dict[str, _Place]:
    """A shift and a turn for every group, depending on those of its parent; "" is the detector's own."""
    root = f"{_CHAIN}/detector"
    _axis(file, root, 0.0, "m", "translation", np.array([1.0, 0.0, 0.0]), ".", equipment="detector")
    places = {"": _Place(root, np.eye(3), np.zeros(3))}
    for index, group in enumerate(each.groups):
        outer = places[group.parent]
        axes = np.array([group.fast, group.slow, np.cross(group.fast, group.slow)]).T
        place = _Place(f"{_CHAIN}/group_{index}", axes, np.array(group.origin_mm))
        axis, angle = _axis_and_angle(outer.axes.T @ axes)
        more = {"equipment": "detector", "long_name": group.name}
        _axis(file, place.link, angle, "deg", "rotation", axis, outer.link, **more)
        file[place.link].attrs["offset"] = 1e-3 * (outer.axes.T @ (place.origin - outer.origin))
        places[group.name] = place
    return places


def _axis_and_angle(turn: np.ndarray) -> tuple[np.ndarray, float]:
    """Axis (3,) and angle in degrees of a rotation (3, 3)."""
    odd = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]]) / 2
    sine, cosine = float(np.linalg.norm(odd)), (float(np.trace(turn)) - 1) / 2
    if sine > 1e-9:
        return odd / sine, float(np.degrees(np.arctan2(sine, cosine)))
    if cosine > 0:
        return np.array([1.0, 0.0, 0.0]), 0.0
    values, vectors = np.linalg.eigh((turn + turn.T) / 2)
    return vectors[:, int(np.argmax(values))], 180.0


def _write_module(file: Any, index: int, panel: PanelDescription, slab: tuple[int, int], group: _Place) -> None:
    module = f"{_DETECTOR}/module_{index:03d}"
    _group(file, module, "NXdetector_module", long_name=panel.name)
    place = 1e-3 * (group.axes.T @ (np.array(panel.origin_mm) - group.origin))
    length = float(np.linalg.norm(place))
    offset = f"{module}/module_offset"
    direction = place / length if length > 0 else np.array([1.0, 0.0, 0.0])
    _axis(file, offset, length, "m", "translation", direction, group.link)
    for name, axis, edge in (("fast", panel.fast, panel.pixel_mm[0]), ("slow", panel.slow, panel.pixel_mm[1])):
        path = f"{module}/{name}_pixel_direction"
        _axis(file, path, edge * 1e-3, "m", "translation", group.axes.T @ np.array(axis), offset)
    _field(file, f"{module}/data_origin", np.array(slab[::-1], np.int64))
    _field(file, f"{module}/data_size", np.array(panel.size[::-1], np.int64))
