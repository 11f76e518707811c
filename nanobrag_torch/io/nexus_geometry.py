"""Geometry of NXmx files: detectors of any number of modules, beam, goniometer, scan and crystal, in and out.

The frame is McStas': z along the beam, y up. Groups of a description are the transformations that several modules
depend on. Source: the NeXus application definition NXmx.
"""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from nanobrag_torch.conventions import Vector
from nanobrag_torch.io.description import (
    SURFACE_MM,
    BeamDescription,
    CrystalDescription,
    Description,
    GoniometerDescription,
    GroupDescription,
    PanelDescription,
    ScanDescription,
)
from nanobrag_torch.io.files import check_ordinary, reading, require
from nanobrag_torch.io.frames import as_vector
from nanobrag_torch.io.nexus_chain import (
    ANGSTROM,
    DEGREES,
    METRES,
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

WHAT = "NXmx file"
REMEDY = "Check the file; the application definition NXmx says what it must have."

_MILLIMETRES = {unit: factor * 1e3 for unit, factor in METRES.items()}
_SECONDS = {"s": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "us": 1e-6}
_PER_SECOND = {"hz": 1.0, "s^-1": 1.0, "s-1": 1.0, "1/s": 1.0}
#: Symbols of sensors by the names that files give to them.
_MATERIALS = {"silicon": "Si"}


def read_nexus_geometry(filepath: str | os.PathLike[str]) -> Description:
    """Detector, beam, goniometer, scan and crystal of an NXmx file, in McStas' frame; its images are not read.

    Raises ``ValueError`` for what is no NXmx file, or has what cannot be represented, ``OSError`` where there is no
    file, ``ImportError`` without h5py.
    """
    h5py = require("h5py", "NXmx files")
    check_ordinary(filepath, WHAT)
    with reading(filepath, WHAT, REMEDY) as path, h5py.File(path, "r") as file:
        entry = _one(file, "NXentry")
        definition = text(entry["definition"][()]) if "definition" in entry else ""
        if definition != "NXmx":
            raise ValueError(f"its definition is {definition!r}, not 'NXmx'")
        return _description(file, entry, str(filepath))


def _description(file: Any, entry: Any, path: str) -> Description:
    instrument = _one(entry, "NXinstrument")
    beam = _of_class(instrument, "NXbeam") or _of_class(entry, "NXbeam")
    detectors = [each for each in _of_class(instrument, "NXdetector") if _of_class(each, "NXdetector_module")]
    if not detectors:
        raise ValueError(f"{instrument.name} has no NXdetector with an NXdetector_module")
    modules = [(each, module) for each in detectors for module in _of_class(each, "NXdetector_module")]
    groups, owners = _groups(file, [module for _, module in modules])
    names = [module.name.removeprefix(f"{instrument.name}/") for _, module in modules]
    single = len(detectors) == 1
    panels = tuple(
        _panel(file, detector, module, name, owners.get(module.name, ""), single)
        for (detector, module), name in zip(modules, names, strict=True)
    )
    samples = _of_class(entry, "NXsample")
    goniometer, scan, carried = _sample(file, samples[0], detectors[0]) if samples else (None, None, {})
    if not beam:
        raise ValueError(f"{instrument.name} has no NXbeam")
    return Description(
        frame="McStas",
        beam=_beam(beam[0]),
        panels=panels,
        groups=groups,
        goniometer=goniometer,
        scan=scan,
        crystal=_crystal(samples[0], goniometer, scan) if samples else None,
        images=(path,),
        carried=carried,
    )


def _of_class(group: Any, nx_class: str) -> list[Any]:
    """Members of a group that are of that class; links that lead nowhere count as absent."""
    found = (group.get(name) for name in group)
    return [each for each in found if each is not None and text(each.attrs.get("NX_class", "")) == nx_class]


def _one(group: Any, nx_class: str) -> Any:
    found = _of_class(group, nx_class)
    if len(found) != 1:
        raise ValueError(f"{group.name} has {len(found)} members of class {nx_class}, and must have one")
    return found[0]


def _panel(file: Any, detector: Any, module: Any, name: str, group: str, single: bool) -> PanelDescription:
    axes: list[np.ndarray] = []
    for side in ("fast", "slow"):
        link = module[f"{side}_pixel_direction"]
        turned, origin = pose(file, _parent(link), module)
        if np.abs(np.array(link.attrs.get("offset", np.zeros(3)), float)).max() > 0:
            raise ValueError(f"{link.name}@offset must be zero: the module_offset says where the first pixel is")
        axes += [turned @ vector(link), origin]
    if not np.allclose(axes[1], axes[3], rtol=0, atol=1e-12):
        raise ValueError(f"{module.name}: fast_pixel_direction and slow_pixel_direction must have one origin")
    first, size = (
        array(module[key]).astype(np.int64).reshape(-1)[-2:].tolist() for key in ("data_origin", "data_size")
    )
    if min(first) < 0 or min(size) < 1:
        raise ValueError(f"{module.name}/data_size must be at least one pixel, not {size} from {first}")
    thickness = number(detector["sensor_thickness"], _MILLIMETRES) if "sensor_thickness" in detector else 0.0
    material = text(detector["sensor_material"][()]) if "sensor_material" in detector else ""
    edges = [number(module[f"{side}_pixel_direction"], _MILLIMETRES) for side in ("fast", "slow")]
    return PanelDescription(
        name=name,
        size=(size[1], size[0]),
        pixel_mm=(edges[0], edges[1]),
        origin_mm=as_vector(1e3 * axes[1]),
        fast=as_vector(axes[0]),
        slow=as_vector(axes[2]),
        group=group,
        thickness_mm=thickness if thickness > SURFACE_MM else 0.0,
        material=_MATERIALS.get(material.lower(), material),
        trusted=_trusted(detector),
        mask=_mask(detector, first, size),
        slab=(first[1], first[0]) if single else None,
    )


def _parent(link: Any) -> str:
    if "depends_on" not in link.attrs:
        raise ValueError(f"{link.name}@depends_on must be given: '.' where it is the laboratory's")
    return text(link.attrs["depends_on"])


def _trusted(detector: Any) -> tuple[float, float] | None:
    if "saturation_value" not in detector:
        return None
    low = float(array(detector["underload_value"]).reshape(-1)[0]) if "underload_value" in detector else -1e30
    return low, float(array(detector["saturation_value"]).reshape(-1)[0])


def _mask(detector: Any, first: Sequence[int], size: Sequence[int]) -> np.ndarray | None:
    """Pixels (slow, fast) of a module that count; None where all do."""
    if "pixel_mask" not in detector:
        return None
    values = array(detector["pixel_mask"])
    part = values[..., first[0] : first[0] + size[0], first[1] : first[1] + size[1]]
    if part.shape != tuple(size):
        given = f"{detector.name}/pixel_mask has shape {values.shape}"
        raise ValueError(f"{given}, and must hold every module once, here {tuple(size)} pixels from {tuple(first)}")
    good: np.ndarray = part == 0
    return None if good.all() else good


def _groups(file: Any, modules: Sequence[Any]) -> tuple[tuple[GroupDescription, ...], dict[str, str]]:
    """Transformations that several modules depend on, outermost first, and the innermost of each module."""
    chains = {
        module.name: [link.name for link in chain(file, _parent(module["fast_pixel_direction"]), module)][::-1]
        for module in modules
    }
    users: dict[str, list[str]] = {}
    parents: dict[str, str] = {}
    for module, links in chains.items():
        for before, link in zip(["", *links], links, strict=False):
            users.setdefault(link, []).append(module)
            parents.setdefault(link, before)
    shared = {link for link, found in users.items() if len(found) > 1}
    # Of links in a row with the same modules, one group is enough: the innermost.
    inner = {parents[link] for link in shared if users.get(parents[link]) == users[link]}
    kept = [link for link in users if link in shared and link not in inner]

    def outer(link: str) -> str:
        link = parents.get(link, "")
        while link and link not in kept:
            link = parents[link]
        return link

    groups = []
    for link in kept:
        turned, origin = pose(file, link, file)
        fast, slow = as_vector(turned[:, 0]), as_vector(turned[:, 1])
        groups.append(GroupDescription(link, outer(link), as_vector(1e3 * origin), fast, slow))
    owners = {}
    for module, links in chains.items():
        mine = [link for link in links if link in kept]
        owners[module] = mine[-1] if mine else ""
    return tuple(groups), owners


def _beam(beam: Any) -> BeamDescription:
    waves = array(beam["incident_wavelength"]).astype(float).reshape(-1) * scale(beam["incident_wavelength"], ANGSTROM)
    spectrum = None
    if "incident_wavelength_weights" in beam:
        weights = array(beam["incident_wavelength_weights"]).astype(float)
        if weights.shape != waves.shape or not len(waves) or not (waves > 0).all() or not (weights >= 0).all():
            raise ValueError(f"{beam.name}/incident_wavelength_weights must be one weight for each wavelength")
        spectrum = (tuple(waves.tolist()), tuple(weights.tolist()))
        waves = waves[[int(np.argmax(weights))]]
    if not len(waves) or not (waves == waves[0]).all():
        name = f"{beam.name}/incident_wavelength"
        raise ValueError(
            f"{name} must be one wavelength, not {len(waves)}: images of different wavelengths have no beam"
        )
    polarized, axis = 0.5, (1.0, 0.0, 0.0)
    if "incident_polarisation_stokes" in beam:
        total, along, diagonal = array(beam["incident_polarisation_stokes"]).astype(float).reshape(-1)[:3].tolist()
        if not total > 0 or along**2 + diagonal**2 > 1.000001 * total**2:
            raise ValueError(f"{beam.name}/incident_polarisation_stokes must begin with the whole intensity")
        angle = np.arctan2(diagonal, along) / 2
        polarized = float(min(1.0, (1 + np.hypot(along, diagonal) / total) / 2))
        axis = (float(np.cos(angle)), float(np.sin(angle)), 0.0)
    flux = number(beam["total_flux"], _PER_SECOND) if "total_flux" in beam else 0.0
    return BeamDescription(float(waves[0]), (0.0, 0.0, 1.0), axis, polarized, flux=flux, spectrum=spectrum)


def _sample(
    file: Any, sample: Any, detector: Any
) -> tuple[GoniometerDescription | None, ScanDescription | None, dict[str, Any]]:
    """Goniometer, scan, and the translations of the sample, which turn nothing and are carried along."""
    exposure = 0.0
    for name in ("count_time", "frame_time"):
        if name in detector and not exposure:
            exposure = number(detector[name], _SECONDS)
    start = text(sample["depends_on"][()]) if "depends_on" in sample else "."
    links = list(chain(file, start, sample))
    moved = {link.name: array(link).astype(float).tolist() for link in links if kind(link) == "translation"}
    carried: dict[str, Any] = {"sample_translations": moved} if moved else {}
    rotations = [link for link in links if kind(link) == "rotation"]
    if not rotations:
        return None, None, carried
    settings = [array(link).astype(float).reshape(-1) * scale(link, DEGREES) for link in rotations]
    if any(not len(each) for each in settings):
        raise ValueError(f"{sample.name}: a rotation of the sample has no setting")
    moving = [index for index, each in enumerate(settings) if len(each) > 1 and not (each == each[0]).all()]
    if len(moving) > 1:
        names = ", ".join(rotations[index].name for index in moving)
        raise ValueError(f"{names} must stand still but for one: a scan turns about one axis")
    stepped = [index for index, link in enumerate(rotations) if f"{link.name}_increment_set" in file]
    axis = (moving or stepped or [0])[0]
    width = _width(file, rotations[axis], settings[axis])
    goniometer = GoniometerDescription(
        axes=tuple(_unit(link) for link in rotations),
        angles_deg=tuple(float(each[0]) for each in settings),
        names=tuple(link.name.rsplit("/", 1)[-1] for link in rotations),
        scan_axis=axis,
    )
    count = max(len(each) for each in settings)
    times = (exposure,) * count if exposure > 0 else ()
    return goniometer, ScanDescription((1, count), float(settings[axis][0]), width, times), carried


def _unit(link: Any) -> Vector:
    return as_vector(vector(link))


def _width(file: Any, link: Any, settings: np.ndarray) -> float:
    """Rotation of each image in degrees; 0 for stills. Raises ``ValueError`` where images differ."""
    if len(settings) > 1:
        steps = np.diff(settings)
        if np.abs(steps - steps[0]).max() > 1e-3 * max(abs(steps[0]), 1e-6):
            raise ValueError(f"{link.name} must turn in equal steps")
        return float((settings[-1] - settings[0]) / (len(settings) - 1))
    for name in (f"{link.name}_increment_set", f"{link.name}_end"):
        if name in file:
            value = number(file[name], DEGREES)
            return value if name.endswith("set") else value - float(settings[0])
    return 0.0


def _crystal(
    sample: Any, goniometer: GoniometerDescription | None, scan: ScanDescription | None
) -> CrystalDescription | None:
    """The crystal of a UB matrix, turned to where a still shows it; None where the sample has none."""
    stars = ub_matrix(sample)
    if stars is None:
        return None
    direct = np.linalg.inv(stars).T
    if goniometer is not None and scan is not None and scan.width_deg == 0:
        direct = direct @ goniometer.turn(scan.start_deg).T
    a, b, c = (as_vector(row) for row in direct)
    group = text(sample["space_group"][()]) if "space_group" in sample else ""
    return CrystalDescription((a, b, c), carried={"space_group_name": group} if group else {})
