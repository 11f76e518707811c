"""Starts of refinements: words for what is free, counts from files, images drawn at a known truth."""

import dataclasses

import numpy as np
import pytest
import refined
from exposures import exposure_of

from nanobrag_torch.config import BeamConfig, CrystalConfig, DetectorConfig
from nanobrag_torch.conventions import DetectorConvention
from nanobrag_torch.data import EXAMPLE_STRUCTURE
from nanobrag_torch.experiments import describe
from nanobrag_torch.io import write_cbf, write_nexus, write_smv
from nanobrag_torch.io.dials_writer import write_experiments
from nanobrag_torch.workbook.cells.refinement_case import free_names, prepare, read_counts
from nanobrag_torch.workbook.errors import InputError

FREE = "cell misset N scale"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def smv(path, pixels, **options):
    write_smv(path, pixels, 0.5, 60.0, 1.2, 16.0, 16.0, adc_offset=0.0, **options)


def test_words_stand_for_quantities_and_names_for_themselves():
    scenario = refined.case().start
    assert free_names("misset, detector.distance_mm,misset", scenario) == (
        "crystal.misset_deg[0]", "crystal.misset_deg[1]", "crystal.misset_deg[2]", "detector.distance_mm",
    )  # fmt: skip
    for wrong, words in (("cel", "got 'cel'"), (" ", "allowed: cell, misset"), ("detector.detector_abs_um", "None")):
        with pytest.raises(InputError, match=words) as error:
            free_names(wrong, scenario)
        assert "\n" not in str(error.value)


def test_a_drawn_image_has_the_noise_of_counting_around_its_truth_and_a_start_beside_it(folder):
    refined.scenario_file(folder)
    case = prepare("", 1, "", "", "still.json", FREE, drawn_background=refined.BACKGROUND, seed=5)
    photons = refined.expected().numpy()
    off = (case.counts.values - photons) / np.sqrt(photons)
    # Each pixel has variance 1, and there are 4096 of them.
    assert abs(off.mean()) < 4 / 64 and off.var() == pytest.approx(1, abs=0.15)
    assert case.truth["crystal.cell_a"] == 40 and case.start.crystal.cell_a == pytest.approx(40.04)
    assert case.start.crystal.misset_deg[0] == pytest.approx(12.05)
    again = prepare("", 1, "", "", "still.json", FREE, off=0, drawn_background=refined.BACKGROUND, seed=5)
    assert {name: again.start.value(name) for name in again.truth} == again.truth
    np.testing.assert_array_equal(again.counts.values, case.counts.values)


def test_the_example_structure_gives_structure_factors_and_the_space_group(folder):
    crystal = {"cell_a": 34.77, "cell_b": 39.17, "cell_c": 48.31, "N_cells": [3, 3, 3], "shape": "gauss"}
    detector = {**refined.SCENARIO["detector"], "spixels": 4, "fpixels": 4}
    refined.scenario_file(folder, crystal=crystal, detector=detector)
    case = prepare("", 1, "", "", "still.json", FREE, dmin=6)
    assert case.space_group == "P 21 21 21" and float(case.start.hkl_data.max()) > 0


def test_counts_of_every_format_are_those_that_were_written(folder):
    exposure = exposure_of(DetectorConvention.MOSFLM)
    write_nexus(folder / "i.nxs", exposure)
    write_cbf(folder / "i.cbf", exposure.single(1))
    pixels = exposure.images[1].astype(np.uint16)
    smv(folder / "i.img", pixels)
    smv(folder / "mask.img", exposure.mask.astype(np.uint16))
    for file, index in (("i.nxs", 1), ("i.cbf", 0), ("i.img", 0)):
        counts = read_counts(file, index, offset=3.0, mask_file="mask.img")
        np.testing.assert_array_equal(counts.mask, exposure.mask)
        np.testing.assert_array_equal(counts.values[counts.mask], pixels[exposure.mask] - 3.0)
    # The largest number of the pixels' type is no count.
    assert read_counts("i.img", offset=3.0).saturation == 65532


def test_a_file_that_does_not_go_with_the_others_is_told_in_a_line(folder):
    exposure = exposure_of(DetectorConvention.MOSFLM)
    write_nexus(folder / "i.nxs", exposure)
    smv(folder / "i.img", exposure.images[0].astype(np.uint16))
    smv(folder / "small.img", np.ones((3, 4), np.uint16))
    (folder / "broken.img").write_bytes(b"no image")
    for arguments, words in (
        (("i.nxs", 3), "it has 3 images, and no image 4"),
        (("broken.img",), "image_file: got 'broken.img'; "),
        (("none.cbf",), "image_file: got 'none.cbf'; "),
        (("i.img", 0, 0.0, "small.img"), r"mask_file: got '\(3, 4\) pixels'; allowed: \(11, 13\)"),
    ):
        with pytest.raises(InputError, match=words) as error:
            read_counts(*arguments)
        assert "\n" not in str(error.value)


@pytest.fixture
def measured(folder):
    """An image of a scan of three, its experiment, and a scenario of what the experiment does not say."""
    crystal = CrystalConfig(40, 50, 60, misset_deg=(12, 25, 37), phi_start_deg=5, osc_range_deg=0.5)
    detector = DetectorConfig(spixels=64, fpixels=64, pixel_size_mm=0.5, distance_mm=60)
    described = describe(crystal, detector, BeamConfig(wavelength_A=1.2), images=3)
    write_experiments(folder / "start.expt", [described])
    smv(folder / "i.img", np.ones((64, 64), np.uint16))
    return folder


def test_a_measured_image_takes_its_place_in_the_scan_of_its_experiment(measured):
    case = prepare("i.img", 2, "start.expt", str(EXAMPLE_STRUCTURE), "", FREE, cells=7, dmin=6)
    assert case.start.crystal.phi_start_deg == pytest.approx(5.5)
    assert case.start.crystal.N_cells == (7, 7, 7)
    assert (case.start.value("crystal.cell_b"), case.truth, case.frame) == (pytest.approx(50), None, "imgCIF")
    assert (case.image, case.space_group) == ("i.img", "P 21 21 21")
    for free, group in (("misset", ""), (FREE, "none")):
        others = {"cells": 7, "dmin": 6, "space_group": group}
        assert prepare("i.img", 2, "start.expt", str(EXAMPLE_STRUCTURE), "", free, **others).space_group is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"experiment_file": ""}, "experiment_file: got ''; .*--expt"),
        ({"structure_factors_file": ""}, "structure_factors_file: got ''; .*--hkl"),
        ({"cells": 0}, "cells: got '0'; .*--cells 20"),
        ({"image": 4}, "image = 3"),
        ({"structure_factors_file": "start.expt"}, "structure_factors_file: got 'start.expt'; "),
    ],
)
def test_an_image_without_what_it_needs_is_refused(measured, changes, words):
    given = {
        "image_file": "i.img", "image": 1, "experiment_file": "start.expt", "scenario_file": "", "free": FREE,
        "structure_factors_file": str(EXAMPLE_STRUCTURE), "cells": 7, "dmin": 6,
    }  # fmt: skip
    with pytest.raises(InputError, match=words):
        prepare(**(given | changes))


def test_a_scenario_with_a_constant_amplitude_needs_no_structure_factors(measured):
    refined.scenario_file(measured)
    case = prepare("i.img", 1, "", "", "still.json", FREE)
    assert case.start.hkl_data is None and dataclasses.asdict(case.counts)["saturation"] == 65535
