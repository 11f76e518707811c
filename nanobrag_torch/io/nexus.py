"""NXmx: the NeXus format of macromolecular crystallography, in HDF5.

Geometry is written as the application definition asks: vectors in McStas coordinates (z along the beam, x along its E
vector, y completing them), every position and axis at the end of a chain of transformations. The file also holds the
laboratory axes, so that what is read back is in the frame that went in.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import numpy as np

from nanobrag_torch.conventions import Vector
from nanobrag_torch.io.exposure import Exposure
from nanobrag_torch.io.files import check_ordinary, reading, replacing, require
from nanobrag_torch.io.nexus_chain import (
    ANGSTROM,
    DEGREES,
    METRES,
    SECONDS,
    array,
    chain,
    kind,
    number,
    pose,
    scale,
    text,
    ub_matrix,
    vector,
)

_log = logging.getLogger(__name__)

_PURPOSE = "NXmx files"
_DETECTOR = "/entry/instrument/detector"
_LABORATORY = "/entry/instrument/laboratory"
#: Versions of HDF5 structures that carry checksums, so that a damaged file is refused and not misread.
_CHECKSUMMED = ("v110", "v110")
#: Filters that are a part of HDF5 itself: programs without plugins would find the images, and no pixels.
_COMPRESSION: dict[str, Any] = {"compression": "gzip", "shuffle": True}
#: A pixel of the mask that does not count: bit 0, "no sensor there".
_NO_PIXEL = 1
#: Thickness of a detector that is a surface: readers divide by it, and such a one shifts no spot.
_SURFACE_M = 1e-9


def write_nexus(filepath: str | os.PathLike[str], exposure: Exposure, *, sample: str = "simulated crystal") -> None:
    """Write a sweep as one NXmx file, images compressed with shuffle and deflate, which every HDF5 library reads.

    Raises ``OSError`` where the file cannot be written, ``ImportError`` without h5py.
    """
    with creating(filepath) as file:
        images = write_sweep(file, exposure, len(exposure.images), sample)
        for index, image in enumerate(exposure.images):
            images[index] = image


@contextmanager
def creating(filepath: str | os.PathLike[str]) -> Iterator[Any]:
    """An open HDF5 file that takes the place of ``filepath`` when the block ends without an error.

    Raises as :func:`write_nexus`, and ``ValueError`` where ``filepath`` is no ordinary file.
    """
    h5py = require("h5py", _PURPOSE)
    check_ordinary(filepath, "NXmx file")
    with replacing(filepath) as part, h5py.File(part, "w", libver=_CHECKSUMMED) as file:
        yield file


def write_sweep(
    file: Any, exposure: Exposure, count: int, sample: str, wavelengths_A: Sequence[float] | None = None
) -> Any:
    """Write all of an NXmx file but its ``count`` images, of which ``exposure`` is the first; the dataset of them.

    Several images without a width in phi are stills: the file then names no goniometer. ``wavelengths_A`` gives each
    image a wavelength of its own.
    """
    axes = mcstas_axes(exposure)
    begin_entry(file)
    images = create_stack(file, "/entry/data/data", count, exposure.images[0])
    _write_beam(file, exposure, wavelengths_A)
    _write_sample(file, exposure, count, axes, sample)
    _write_detector(file, exposure, axes)
    _group(file, _LABORATORY, "NXcollection")
    _field(file, f"{_LABORATORY}/mcstas_axes", axes, description="rows: McStas x, y, z in laboratory coordinates")
    return images


def begin_entry(file: Any) -> None:
    """Label an open HDF5 file as NXmx, with its entry and the group of its images."""
    _group(file, "/entry", "NXentry", default="data")
    _label(file, NX_class="NXroot", default="entry", creator="nanobrag_torch")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for name, value in (("definition", "NXmx"), ("start_time", now), ("end_time_estimated", now)):
        _field(file, f"/entry/{name}", value)
    _group(file, "/entry/data", "NXdata", signal="data")


def create_stack(file: Any, path: str, count: int, image: np.ndarray) -> Any:
    """An empty dataset of ``count`` images like ``image``, each a compressed chunk of its own."""
    return file.create_dataset(path, (count, *image.shape), image.dtype, chunks=(1, *image.shape), **_COMPRESSION)


def read_nexus(filepath: str | os.PathLike[str]) -> Exposure:
    """The sweep of an NXmx file, in the laboratory frame of its writer, in McStas coordinates where it names none.

    Raises ``ValueError`` for what is no NXmx file of one flat module, ``OSError`` where there is no file,
    ``ImportError`` without h5py.
    """
    h5py = require("h5py", _PURPOSE)
    _import_filters()
    remedy = "Give an NXmx file with one detector module."
    with reading(filepath, "NXmx file", remedy) as path, h5py.File(path, "r") as file:
        return _read(file)


def mcstas_axes(exposure: Exposure) -> np.ndarray:
    """McStas x, y, z as rows (3, 3), in laboratory coordinates: x lies along the E vector, z along the beam.

    A signed permutation where beam and E vector lie along laboratory axes, as in every named detector convention; then
    no digit is lost on the way to the file and back.
    """
    z = np.array(exposure.beam)
    across = np.array(exposure.polarization) - np.dot(exposure.polarization, z) * z
    if np.linalg.norm(across) < 1e-6:
        across = np.eye(3)[np.argmin(np.abs(z))]
        across = across - np.dot(across, z) * z
    x = across / np.linalg.norm(across)
    return np.array([x, np.cross(z, x), z])


def _group(file: Any, path: str, nx_class: str, **attributes: Any) -> None:
    _label(file.require_group(path), NX_class=nx_class, **attributes)


def _field(file: Any, path: str, value: Any, **attributes: Any) -> None:
    file[path] = _stored(value)
    _label(file[path], **attributes)


def _label(node: Any, **attributes: Any) -> None:
    node.attrs.update({name: _stored(value) for name, value in attributes.items()})


def _stored(value: Any) -> Any:
    """The value itself; text in fixed length, since HDF5 keeps other text outside what its checksums protect."""
    if not isinstance(value, str):
        return value
    content = value.encode()
    return np.array(content, dtype=require("h5py", _PURPOSE).string_dtype("utf-8", max(1, len(content))))


def _axis(
    file: Any, path: str, value: Any, units: str, kind: str, vector: np.ndarray, depends_on: str, **more: Any
) -> None:
    _field(
        file, path, value, units=units, transformation_type=kind, vector=vector, depends_on=depends_on,
        offset=np.zeros(3), offset_units="m", **more,
    )  # fmt: skip


def _write_beam(file: Any, exposure: Exposure, wavelengths_A: Sequence[float] | None) -> None:
    _group(file, "/entry/instrument", "NXinstrument")
    _field(file, "/entry/instrument/name", "nanobrag_torch", short_name="nanobrag_torch")
    _group(file, "/entry/source", "NXsource")
    _field(file, "/entry/source/name", "simulation")
    _group(file, "/entry/instrument/beam", "NXbeam")
    wavelength = exposure.wavelength_A if wavelengths_A is None else np.array(wavelengths_A)
    _field(file, "/entry/instrument/beam/incident_wavelength", wavelength, units="angstrom")
    stokes = np.array([1.0, exposure.polarization_factor, 0.0, 0.0])
    _field(file, "/entry/instrument/beam/incident_polarisation_stokes", stokes)


def _write_sample(file: Any, exposure: Exposure, count: int, axes: np.ndarray, name: str) -> None:
    _group(file, "/entry/sample", "NXsample")
    _field(file, "/entry/sample/name", name)
    if count > 1 and exposure.phi_width_deg == 0:
        _field(file, "/entry/sample/depends_on", ".")
        return
    if exposure.stars is not None:
        _field(file, "/entry/sample/ub_matrix", (axes @ exposure.stars.T)[None], units="1/angstrom")
    _group(file, "/entry/sample/transformations", "NXtransformations")
    _field(file, "/entry/sample/depends_on", "/entry/sample/transformations/phi")
    starts = np.array([exposure.phi_start(index) for index in range(count)])
    phi = "/entry/sample/transformations/phi"
    _axis(file, phi, starts, "deg", "rotation", axes @ exposure.spindle, ".", equipment="goniometer")
    _field(file, f"{phi}_end", starts + exposure.phi_width_deg, units="deg")
    _field(file, f"{phi}_increment_set", exposure.phi_width_deg, units="deg")


def _write_detector(file: Any, exposure: Exposure, axes: np.ndarray) -> None:
    _group(file, _DETECTOR, "NXdetector")
    fast_px, slow_px = exposure.beam_centre_px
    for name, value, units in (
        ("distance", exposure.distance_m, "m"),
        ("beam_center_x", fast_px, "pixel"),
        ("beam_center_y", slow_px, "pixel"),
        ("x_pixel_size", exposure.pixel_size_m, "m"),
        ("y_pixel_size", exposure.pixel_size_m, "m"),
        ("count_time", exposure.exposure_s, "s"),
        ("frame_time", exposure.exposure_s, "s"),
        ("sensor_thickness", max(exposure.sensor_thickness_m, _SURFACE_M), "m"),
    ):
        _field(file, f"{_DETECTOR}/{name}", value, units=units)
    for name, plain in (
        ("description", "simulated flat detector"),
        ("type", "PIXEL"),
        ("sensor_material", exposure.sensor_material),
        ("bit_depth_readout", 8 * exposure.images.dtype.itemsize),
        ("saturation_value", exposure.saturation),
        ("pixel_mask_applied", False),
    ):
        if plain is not None:
            _field(file, f"{_DETECTOR}/{name}", plain)
    bad = np.zeros(exposure.images.shape[1:], bool) if exposure.mask is None else ~exposure.mask.astype(bool)
    file.create_dataset(f"{_DETECTOR}/pixel_mask", data=bad.astype(np.uint32) * _NO_PIXEL, **_COMPRESSION)
    file[f"{_DETECTOR}/data"] = file["/entry/data/data"]
    _write_module(file, exposure, axes)


def _write_module(file: Any, exposure: Exposure, axes: np.ndarray) -> None:
    """The chain from the first pixel to the sample: module, then one translation along each McStas axis."""
    transformations, module = f"{_DETECTOR}/transformations", f"{_DETECTOR}/module"
    _group(file, transformations, "NXtransformations")
    _group(file, module, "NXdetector_module")
    links = [f"{transformations}/det_{name}" for name in "xyz"]
    parents = [*links[1:], "."]
    for link, parent, value, unit in zip(links, parents, axes @ exposure.origin_m, np.eye(3), strict=True):
        _axis(file, link, value, "m", "translation", unit, parent, equipment="detector")
    _field(file, f"{_DETECTOR}/depends_on", links[0])
    offset = f"{module}/module_offset"
    _axis(file, offset, 0.0, "m", "translation", np.eye(3)[0], links[0])
    for name, direction in (("fast", exposure.fast), ("slow", exposure.slow)):
        path = f"{module}/{name}_pixel_direction"
        _axis(file, path, exposure.pixel_size_m, "m", "translation", axes @ direction, offset)
    _field(file, f"{module}/data_origin", np.zeros(2, np.int64))
    _field(file, f"{module}/data_size", np.array(exposure.images.shape[1:], np.int64))


def _import_filters() -> Any:
    """hdf5plugin, which registers its filters with h5py, or None where it is not installed."""
    try:
        return require("hdf5plugin", _PURPOSE)
    except ImportError:
        return None


def _read(file: Any) -> Exposure:
    detector = _only(file["/entry/instrument"], "NXdetector")
    module = _only(detector, "NXdetector_module")
    beam = _only(file["/entry/instrument"], "NXbeam")
    frame = f"{_LABORATORY}/mcstas_axes"
    to_laboratory = array(file[frame]).T if frame in file else np.eye(3)
    fast, slow = (module[f"{name}_pixel_direction"] for name in ("fast", "slow"))
    turned, origin = pose(file, _start_of_module(detector, module), module)
    factor, polarization = _polarization(beam)
    sweep, width, spindle = _sweep(file)
    images = _images(file)
    _check_alike(file, module, beam)
    mask = array(detector["pixel_mask"]) == 0 if "pixel_mask" in detector else np.ones(images.shape[1:], bool)

    def laboratory(direction: np.ndarray) -> Vector:
        x, y, z = (to_laboratory @ direction).tolist()
        return x, y, z

    return Exposure(
        images=images,
        pixel_size_m=number(fast, METRES),
        origin_m=laboratory(origin),
        fast=laboratory(turned @ vector(fast)),
        slow=laboratory(turned @ vector(slow)),
        wavelength_A=number(beam["incident_wavelength"], ANGSTROM),
        beam=laboratory(np.eye(3)[2]),
        polarization=laboratory(polarization),
        polarization_factor=factor,
        spindle=laboratory(spindle),
        phi_start_deg=sweep,
        phi_width_deg=width,
        exposure_s=number(detector["count_time"], SECONDS) if "count_time" in detector else 1.0,
        saturation=float(detector["saturation_value"][()]) if "saturation_value" in detector else None,
        sensor_thickness_m=_thickness(detector),
        sensor_material=text(detector["sensor_material"][()]) if "sensor_material" in detector else "Si",
        mask=None if mask.all() else mask,
        stars=_stars(file, to_laboratory),
    )


def _stars(file: Any, to_laboratory: np.ndarray) -> np.ndarray | None:
    stars = ub_matrix(file["/entry/sample"]) if "/entry/sample" in file else None
    return None if stars is None else stars @ to_laboratory.T


def _start_of_module(detector: Any, module: Any) -> Any:
    """The first link from the module's corner outwards: pixel directions that depend on nothing leave it to others."""
    starts = [module[f"{name}_pixel_direction"].attrs.get("depends_on", ".") for name in ("fast", "slow")]
    if len({text(start) for start in starts}) > 1:
        raise ValueError(f"fast and slow pixel direction of {module.name} depend on different transformations")
    if text(starts[0]) != ".":
        return starts[0]
    if "module_offset" in module:
        return module["module_offset"].name
    if "depends_on" in detector and text(detector["depends_on"][()]) != ".":
        start = text(detector["depends_on"][()])
        return start if start.startswith("/") else f"{detector.name}/{start}"
    raise ValueError(f"{module.name} depends on no transformation, so that the place of the detector is not known")


def _check_alike(file: Any, module: Any, beam: Any) -> None:
    """Raise ``ValueError`` for pixels that are no squares; warn of images whose wavelengths differ."""
    sides = [number(module[f"{name}_pixel_direction"], METRES) for name in ("fast", "slow")]
    if abs(sides[0] - sides[1]) > 1e-6 * abs(sides[0]):
        raise ValueError(f"pixels of {sides[0]:g} x {sides[1]:g} m are no squares")
    wavelengths = array(beam["incident_wavelength"]).reshape(-1)
    if np.ptp(wavelengths) > 0:
        _log.warning(
            "%s: its %d images have wavelengths from %g to %g; the first one is taken for all.",
            file.filename, len(wavelengths), wavelengths.min(), wavelengths.max(),
        )  # fmt: skip


def _thickness(detector: Any) -> float:
    thickness = number(detector["sensor_thickness"], METRES) if "sensor_thickness" in detector else 0.0
    return thickness if thickness > _SURFACE_M else 0.0


def _only(group: Any, nx_class: str) -> Any:
    """The only member of a group that is of that class. Raises ``ValueError`` where there are none or several."""
    found = [member for member in group.values() if text(member.attrs.get("NX_class", "")) == nx_class]
    if len(found) != 1:
        raise ValueError(f"{group.name} has {len(found)} members of class {nx_class}")
    return found[0]


def _images(file: Any) -> np.ndarray:
    """All images: one dataset, or those that a detector spread over data_000001, data_000002, ..."""
    data = file["/entry/data"]
    names = ["data"] if "data" in data else sorted(name for name in data if name.startswith("data_"))
    return np.concatenate([array(data[name]) for name in names])


def _polarization(beam: Any) -> tuple[float, np.ndarray]:
    """Kahn's factor and the direction of the E vector from Stokes' parameters; unpolarised where there are none."""
    if "incident_polarisation_stokes" not in beam:
        return 0.0, np.eye(3)[0]
    total, along_x, diagonal = array(beam["incident_polarisation_stokes"]).astype(float).reshape(-1)[:3] + 0.0
    if diagonal == 0:
        return float(along_x / total), np.eye(3)[0]
    angle = np.arctan2(diagonal, along_x) / 2
    return float(np.hypot(along_x, diagonal) / total), np.array([np.cos(angle), np.sin(angle), 0.0])


def _sweep(file: Any) -> tuple[float, float, np.ndarray]:
    """Start and width of phi in degrees, and the spindle: the rotation of the sample with the most settings."""
    sample = file["/entry/sample"]
    links = list(chain(file, sample["depends_on"][()] if "depends_on" in sample else ".", sample))
    rotations = [link for link in links if kind(link) == "rotation"]
    if not rotations:
        return 0.0, 0.0, np.eye(3)[0]
    phi = max(rotations, key=lambda link: link.size)
    turned, _ = pose(file, phi.attrs["depends_on"], phi.parent)
    settings = array(phi).astype(float).reshape(-1) * scale(phi, DEGREES)
    increment = f"{phi.name}_increment_set"
    if increment in file:
        width = float(array(file[increment]).reshape(-1)[0]) * scale(file[increment], DEGREES)
    else:
        width = float(settings[1] - settings[0]) if len(settings) > 1 else 0.0
    return float(settings[0]), width, turned @ vector(phi)
