"""Experiments of files as configs: a rendered spot lies where the matrix of the file predicts it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from nanobrag_torch import CrystalConfig, DetectorConfig
from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig
from nanobrag_torch.experiments import Experiment, describe, load_experiments
from nanobrag_torch.io.crystfel import write_geometry, write_stream
from nanobrag_torch.io.description import (
    BeamDescription,
    CrystalDescription,
    Description,
    GoniometerDescription,
    PanelDescription,
    ScanDescription,
)
from nanobrag_torch.io.dials_writer import write_experiments
from nanobrag_torch.io.frames import about, as_vector
from nanobrag_torch.io.nexus_geometry_writer import write_nexus_geometry
from nanobrag_torch.models.unit_cell import unit_cell_of

WAVELENGTH, EDGE = 1.2, 40.0
HKL = (2, -1, 0)


def spot_of(stars, beam):
    """Unit vector of the reflection HKL: incident and scattering vector added, on Ewald's sphere or near it."""
    outgoing = np.array(beam) / WAVELENGTH + np.array(HKL) @ stars
    return outgoing / np.linalg.norm(outgoing)


def reflecting(axis, beam):
    """Direct vectors (3, 3) that bring HKL onto Ewald's sphere: turned about an axis until its length is the beam's."""
    cubic = about(as_vector(np.array([3.0, 1.0, 2.0]) / np.sqrt(14)), 20.0) * EDGE
    angles = np.linspace(-180, 180, 7201)
    lengths = []
    for angle in angles:
        stars = np.linalg.inv(cubic).T @ about(axis, angle).T
        lengths.append(np.linalg.norm(np.array(beam) / WAVELENGTH + np.array(HKL) @ stars) - 1 / WAVELENGTH)
    best = angles[int(np.argmin(np.abs(lengths)))]
    return cubic, float(best)


BEAM = as_vector(np.array([0.05, -0.02, -1.0]) / np.linalg.norm([0.05, -0.02, -1.0]))
SPINDLE = (0.0, 1.0, 0.0)


def experiment(panel_count=1):
    """A crystal on a goniometer whose setting turns it, and small panels around the spot of HKL."""
    direct, phi = reflecting(SPINDLE, BEAM)
    fixed = about((1.0, 0.0, 0.0), 90.0)
    mounted = direct @ fixed  # rows in the frame before the fixed rotation: F row = what is seen at angle 0
    stars = np.linalg.inv(direct).T @ about(SPINDLE, phi).T
    toward = spot_of(stars, BEAM)
    centre = 100 / -toward[2] * toward
    panels = tuple(
        PanelDescription(
            f"p{n}", (20, 24), (0.1, 0.1), as_vector(centre + np.array([-1.03 + 3 * n, 1.27, 0.0])), (1.0, 0.0, 0.0),
            (0.0, -1.0, 0.0), slab=(0, 24 * n),
        )
        for n in range(panel_count)
    )  # fmt: skip
    across = np.cross(BEAM, (0, 1, 0))
    return Description(
        frame="imgCIF",
        beam=BeamDescription(WAVELENGTH, BEAM, as_vector(across / np.linalg.norm(across))),
        panels=panels,
        goniometer=GoniometerDescription((SPINDLE,), fixed=tuple(fixed.ravel())),
        scan=ScanDescription((1, 2), phi - 0.05, 0.1),
        crystal=CrystalDescription(tuple(as_vector(row) for row in mounted)),
    )


def peak_of(image):
    slow, fast = np.unravel_index(int(np.argmax(image)), image.shape)
    return int(fast), int(slow)


def render(found):
    """The image at the middle of the sweep, where HKL reflects."""
    crystal = found.crystal
    crystal.N_cells, crystal.default_F, crystal.phi_steps = (60, 60, 60), 100.0, 1
    crystal.phi_start_deg, crystal.osc_range_deg = crystal.phi_start_deg + crystal.osc_range_deg / 2, 0.0
    found.detector.oversample = 1
    with torch.no_grad():
        return found.simulator(engine="torch").run().numpy()


@pytest.mark.parametrize("kind", ["expt", "nxs", "geom and stream"])
def test_a_spot_lies_where_the_matrix_of_the_file_predicts_it(tmp_path, kind):
    description = experiment()
    if kind == "expt":
        write_experiments(tmp_path / "t.expt", [description])
        (found,) = load_experiments(tmp_path / "t.expt")
    elif kind == "nxs":
        goniometer = GoniometerDescription(((1.0, 0.0, 0.0), SPINDLE), (90.0, 0.0), ("kappa", "omega"), 1)
        write_nexus_geometry(tmp_path / "t.nxs", replace(description, goniometer=goniometer))
        (found,) = load_experiments(tmp_path / "t.nxs")
    else:
        turned = description.direct_at_start() @ about(SPINDLE, 0.05).T
        crystal = CrystalDescription(tuple(as_vector(row) for row in turned))
        still = replace(description, crystal=crystal, goniometer=None, scan=None)
        write_stream(tmp_path / "t.stream", [still])
        (found,) = load_experiments(tmp_path / "t.stream")
    assert isinstance(found.detector, DetectorConfig)
    assert peak_of(render(found)) == (10, 12)


def test_a_detector_of_panels_has_the_spot_on_the_panel_that_is_hit():
    description = experiment(panel_count=2)
    found = Experiment.of(description)
    assert peak_of(render(found)) == (10, 12)
    assert [panel.name for panel in found.detector.panels] == ["p0", "p1"]


def test_a_crystal_that_changes_is_that_of_the_middle_of_its_image():
    description = experiment()
    stars = description.crystal.stars()
    varying = np.stack([stars * (1 + 0.01 * k) for k in range(3)])
    found = Experiment.of(replace(description, crystal=replace(description.crystal, stars_at_images=varying)))
    assert found.crystal.cell_a == pytest.approx(EDGE / 1.005)
    assert found.at(1).crystal.cell_a == pytest.approx(EDGE / 1.015)
    assert found.at(1).crystal.phi_start_deg == pytest.approx(found.crystal.phi_start_deg + 0.1)


def test_an_experiment_without_crystal_says_what_is_missing():
    description = experiment()
    found = Experiment.of(replace(description, crystal=None))
    with pytest.raises(ValueError, match=r"Experiment.crystal = None: must be given"):
        found.simulator()
    with pytest.raises(ValueError, match=r"Experiment.image = 2: .*Images count from 0"):
        Experiment.of(description, 2)


def test_a_file_of_another_kind_is_refused_by_its_ending(tmp_path):
    with pytest.raises(ValueError, match=r"t\.xml: this experiment cannot be read .*\.expt, \.json, \.geom"):
        load_experiments(tmp_path / "t.xml")


def test_a_bandwidth_becomes_a_spectrum_of_that_width(tmp_path):
    description = experiment()
    wide = replace(description, beam=replace(description.beam, bandwidth=0.01), goniometer=None, scan=None)
    write_geometry(tmp_path / "t.geom", wide)
    (found,) = load_experiments(tmp_path / "t.geom")
    waves, weights = (each.numpy() for each in found.beam.spectrum)
    mean = np.average(waves, weights=weights)
    deviation = np.sqrt(np.average((waves - mean) ** 2, weights=weights))
    assert (mean, deviation) == (pytest.approx(WAVELENGTH), pytest.approx(0.01 * WAVELENGTH, rel=0.02))


def test_configs_are_described_in_the_frame_of_imgcif_with_their_distances_and_angles():
    """Crystal, beam and spindle keep their scalar products; z is against the beam, x along the spindle."""
    crystal = CrystalConfig(cell_a=40, cell_b=50, cell_c=60, cell_beta=100, misset_deg=(10, 20, 30), osc_range_deg=1.0)
    detector, beam = DetectorConfig(spixels=20, fpixels=30, distance_mm=90), BeamConfig(wavelength_A=1.1)
    found = describe(crystal, detector, beam, images=4)
    np.testing.assert_allclose(found.beam.direction, (0, 0, -1), atol=1e-15)
    np.testing.assert_allclose(found.goniometer.axes[0], (1, 0, 0), atol=1e-15)
    assert found.scan.image_range == (1, 4)
    direct = unit_cell_of(crystal, Compat.of("physical")).direct.numpy()
    ours = np.array(found.crystal.direct_A)
    np.testing.assert_allclose(ours @ ours.T, direct @ direct.T, atol=1e-9)
    # In MOSFLM's convention the beam is x and the spindle z.
    np.testing.assert_allclose(ours @ (0, 0, -1), direct @ (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(ours @ (1, 0, 0), direct @ (0, 0, 1), atol=1e-12)
    assert abs(found.panels[0].positions(0, 0)[2]) == pytest.approx(90)
