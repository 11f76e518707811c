"""Answers of dxtbx about experiment lists, and a list that it writes; for the Python of DIALS, not for ours."""

import json
import sys

from dxtbx.model import Crystal, Detector, Experiment, Scan
from dxtbx.model.beam import BeamFactory
from dxtbx.model.experiment_list import ExperimentList, ExperimentListFactory
from dxtbx.model.goniometer import GoniometerFactory
from scitbx.array_family import flex


def panel_of(panel):
    fast, slow = panel.get_image_size()
    width, height = panel.get_image_size_mm()
    return {
        "grid": [panel.get_lab_coord((f * width / 2, s * height / 2)) for s in range(3) for f in range(3)],
        "size": [fast, slow],
        "pixel": panel.get_pixel_size(),
        "trusted": panel.get_trusted_range(),
        "parallax": "Parallax" in type(panel.get_px_mm_strategy()).__name__,
        "gain": panel.get_gain(),
        "pedestal": panel.get_pedestal(),
        "sensor": [panel.get_thickness(), panel.get_material(), panel.get_mu()],
        "mask": list(panel.get_mask()),
    }


def answers(experiment):
    """The models of an experiment in plain numbers."""
    beam, gonio, scan, crystal = experiment.beam, experiment.goniometer, experiment.scan, experiment.crystal
    images = experiment.imageset
    return {
        "panels": [panel_of(panel) for panel in experiment.detector],
        "direction": beam.get_unit_s0(),
        "wavelength": beam.get_wavelength(),
        "polarization": [beam.get_polarization_normal(), beam.get_polarization_fraction()],
        "goniometer": gonio
        and [gonio.get_rotation_axis_datum(), gonio.get_fixed_rotation(), gonio.get_setting_rotation()],
        "scan": scan and [scan.get_image_range(), scan.get_oscillation(), list(scan.get_exposure_times())],
        "A": crystal and crystal.get_A(),
        "varying": [crystal.get_A_at_scan_point(i) for i in range(crystal.num_scan_points)] if crystal else [],
        "group": crystal and crystal.get_space_group().type().hall_symbol(),
        "first image": [float(flex.sum(part.as_double())) for part in images.get_raw_data(0)] if images else None,
    }


def detector():
    """Two panels with pixels of their own in a hierarchy: a tilted group of one, and one on its own."""
    made = Detector()
    root = made.hierarchy()
    root.set_frame((0.6, 0.8, 0), (0.8, -0.6, 0), (3.0, -2.0, -150.0))
    arm = root.add_group()
    arm.set_name("arm")
    arm.set_local_frame((0.96, 0, 0.28), (0, 1, 0), (10.0, 1.0, 2.0))
    for node, name, origin in ((arm, "left", (-4.0, -3.0, 0.5)), (root, "right", (-30.0, 5.0, 0.0))):
        panel = node.add_panel()
        panel.set_name(name)
        panel.set_local_frame((1, 0, 0), (0, 0.8, 0.6), origin)
        panel.set_image_size((31, 17))
        panel.set_pixel_size((0.172, 0.2))
        panel.set_trusted_range((-1, 60000))
        panel.set_gain(1.5)
        panel.set_pedestal(3.0)
        panel.set_raw_image_offset((0, 20 if name == "right" else 0))
        panel.add_mask(2, 3, 5, 9)
    return made


def models():
    """Experiments that share their detector: one on a kappa goniometer, one whose crystal changes in the scan."""
    beam = BeamFactory.make_polarized_beam(
        sample_to_source=(0.02, -0.01, 1.0), wavelength=0.9763, polarization=(0.1, 1.0, 0.0), polarization_fraction=0.98
    )
    kappa = GoniometerFactory.multi_axis(
        flex.vec3_double([(1, 0, 0), (0.64279, 0, -0.76604), (0.8, 0.6, 0)]), flex.double([5.0, 30.0, 0.0]),
        flex.std_string(["phi", "kappa", "omega"]), 2,
    )  # fmt: skip
    single = GoniometerFactory.make_goniometer((0.1, 1.0, 0.0), (0, 1, 0, -1, 0, 0, 0, 0, 1))
    crystals = [Crystal((40.0, 3.0, 5.0), (-4.0, 50.0, 6.0), (1.0, 2.0, 62.0), "P 1") for _ in range(2)]
    scans = [Scan((3, 6), (12.5, 0.25)) for _ in range(2)]
    for scan in scans:
        scan.set_exposure_times(flex.double([0.2] * 4))
    matrices = [tuple(value * (1 + 1e-3 * k) for value in crystals[1].get_A()) for k in range(5)]
    crystals[1].set_A_at_scan_points(matrices)
    found, shared = ExperimentList(), detector()
    for goniometer, scan, crystal in zip((kappa, single), scans, crystals, strict=True):
        found.append(Experiment(beam=beam, detector=shared, goniometer=goniometer, scan=scan, crystal=crystal))
    return found


if __name__ == "__main__":
    made, *names = sys.argv[1:]
    models().as_file(made)
    said = {name: [answers(each) for each in ExperimentListFactory.from_json_file(name)] for name in [made, *names]}
    json.dump(said, sys.stdout, indent=1)
