"""Images of the C program, reproduced through the Python API (the command has a suite of its own)."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nanobrag_torch.config import (
    BeamConfig,
    CrystalConfig,
    CrystalShape,
    DetectorConfig,
    DetectorConvention,
    DetectorPivot,
)
from nanobrag_torch.io.hkl import read_hkl_file
from nanobrag_torch.io.mosflm import read_mosflm_matrix
from nanobrag_torch.io.source import read_sourcefile
from nanobrag_torch.models import Crystal, Detector
from nanobrag_torch.simulator import Simulator

GOLDEN = Path(__file__).parent / "golden"

TRICLINIC = {
    "cell_a": 70.0, "cell_b": 80.0, "cell_c": 90.0, "cell_alpha": 75.0, "cell_beta": 85.0, "cell_gamma": 95.0,
    "misset_deg": (12.0, -7.0, 33.0), "default_F": 100.0, "N_cells": (5, 5, 5),
}  # fmt: skip
MONOCLINIC = {
    "cell_a": 30.0, "cell_b": 36.0, "cell_c": 41.0, "cell_alpha": 90.0, "cell_beta": 95.0, "cell_gamma": 90.0,
    "misset_deg": (4.0, 9.0, -3.0),
}  # fmt: skip
PANEL = {"spixels": 96, "fpixels": 96, "pixel_size_mm": 0.2, "distance_mm": 60.0, "oversample": 1}
BEAM = {"wavelength_A": 1.3}
TURNED = {"detector_rotx_deg": 3.0, "detector_roty_deg": -4.0, "detector_rotz_deg": 5.0, "detector_twotheta_deg": 6.0}
SENSOR = {"detector_abs_um": 300.0, "detector_thick_um": 450.0, "detector_thicksteps": 4}
STRAIGHT = (0.0, 0.0, 0.0)
FLAT_N = {"N_cells": (6, 5, 4)}


def convention(name: DetectorConvention, **changes: Any) -> dict[str, Any]:
    return {"detector_convention": name} | changes


# Where the C program puts the near point of an XDS or DIALS detector: its middle, whatever the beam centre.
MIDDLE = {"near_point_s_mm": 9.6, "near_point_f_mm": 9.6}


# name of the case -> what differs from the triclinic crystal, the plain panel and the plain beam
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "base_cubic": (
        dict.fromkeys(("cell_a", "cell_b", "cell_c"), 60.0)
        | dict.fromkeys(("cell_alpha", "cell_beta", "cell_gamma"), 90.0)
        | {"misset_deg": (0.0, 0.0, 0.0)},
        {},
        {},
    ),
    "base_triclinic": ({}, {}, {}),
    "oversample_auto": ({"N_cells": (12, 12, 12)}, {"oversample": -1}, {}),
    "conv_adxv": ({}, convention(DetectorConvention.ADXV, beam_center_f=7.7, beam_center_s=19.2 - 10.3), {}),
    "conv_adxv_default_centre": ({}, convention(DetectorConvention.ADXV, **TURNED), {}),
    "conv_mosflm": ({}, convention(DetectorConvention.MOSFLM, beam_center_s=7.7, beam_center_f=10.3), {}),
    "conv_mosflm_default_centre": ({}, convention(DetectorConvention.MOSFLM, **TURNED), {}),
    "conv_denzo": ({}, convention(DetectorConvention.DENZO, beam_center_s=7.7, beam_center_f=10.3), {}),
    "conv_denzo_default_centre": ({}, convention(DetectorConvention.DENZO, **TURNED), {}),
    "conv_xds": ({}, convention(DetectorConvention.XDS, beam_center_f=7.7, beam_center_s=10.3, **MIDDLE), {}),
    "conv_xds_default_centre": ({}, convention(DetectorConvention.XDS, **TURNED), {}),
    "conv_dials": ({}, convention(DetectorConvention.DIALS, beam_center_f=7.7, beam_center_s=10.3, **MIDDLE), {}),
    "conv_dials_default_centre": ({}, convention(DetectorConvention.DIALS, **TURNED), {}),
    "close_distance": (
        {}, {"close_distance_mm": 55.0, "detector_roty_deg": 12.0, "detector_twotheta_deg": 8.0}, {}
    ),
    "orgx_orgy": (
        {},
        convention(DetectorConvention.XDS, near_point_f_mm=(40.3 - 0.5) * 0.2, near_point_s_mm=(55.1 - 0.5) * 0.2),
        {},
    ),
    "non_square": ({}, {"fpixels": 120, "spixels": 72}, {}),
    "custom_vectors": (
        {"spindle_axis": (0.0, 1.0, 0.0), "phi_start_deg": 4.0},
        convention(
            DetectorConvention.CUSTOM,
            custom_fdet_vector=(0.02, 0.9998, 0.0),
            custom_sdet_vector=(0.0, 0.02, 0.9998),
            custom_odet_vector=(0.9998, -0.02, 0.0004),
            custom_beam_vector=(1.0, 0.0, 0.0),
            detector_pivot=DetectorPivot.BEAM,
        ),
        {"polarization_axis": (0.0, 0.0, 1.0)},
    ),
    "curved_det": ({}, {"curved_detector": True}, {}),
    "point_pixel": ({}, {"point_pixel": True}, {}),
    "absorption": ({}, SENSOR, {}),
    "absorption_oversampled": ({}, SENSOR | {"oversample_thick": True}, {}),
    "oversample_3": ({"N_cells": (8, 8, 8)}, {"oversample": 3}, {}),
    "oversample_3_omega_polar": (
        {"N_cells": (8, 8, 8)}, {"oversample": 3, "oversample_omega": True, "oversample_polar": True}, {}
    ),
    "polar": ({}, {}, {"polarization_factor": 0.9}),
    "nopolar": ({}, {}, {"nopolar": True}),
    "misset_random": ({"misset_deg": (0.0, 0.0, 0.0), "misset_random": True, "misset_seed": 271828}, {}, {}),
    "shape_round_xtal": (FLAT_N | {"shape": CrystalShape.ROUND}, {}, {}),
    "shape_gauss_xtal": (FLAT_N | {"shape": CrystalShape.GAUSS}, {}, {}),
    "shape_tophat_spots": (FLAT_N | {"shape": CrystalShape.TOPHAT}, {}, {}),
    "shape_round_fudge": ({"shape": CrystalShape.ROUND, "fudge": 1.7}, {}, {}),
    "shape_gauss_fudge": ({"shape": CrystalShape.GAUSS, "fudge": 0.6}, {}, {}),
    "mosaic": ({"N_cells": (8, 8, 8), "mosaic_spread_deg": 1.5, "mosaic_domains": 20}, {}, {}),
    "mosaic_seed": (
        {"N_cells": (8, 8, 8), "mosaic_spread_deg": 1.5, "mosaic_domains": 20, "mosaic_seed": -4242}, {}, {}
    ),
    "phi_osc": ({"N_cells": (8, 8, 8), "phi_start_deg": 10.0, "osc_range_deg": 2.0, "phi_steps": 8}, {}, {}),
    "divergence": (
        {}, {}, {"hdiv_range_mrad": 8.0, "vdiv_range_mrad": 6.0, "hdiv_steps": 5, "vdiv_steps": 4}
    ),
    "divergence_square": (
        {}, {},
        {"hdiv_range_mrad": 7.0, "vdiv_range_mrad": 7.0, "hdiv_steps": 4, "vdiv_steps": 4, "round_div": False},
    ),
    "divergence_step": (
        {}, {}, {"hdiv_range_mrad": 6.0, "hdiv_step_mrad": 2.0, "vdiv_range_mrad": 4.0, "vdiv_step_mrad": 1.5}
    ),
    "dispersion": ({}, {}, {"dispersion_pct": 4.0, "dispersion_steps": 5}),
    "dispersion_divergence": (
        {"mosaic_spread_deg": 0.6, "mosaic_domains": 5, "osc_range_deg": 0.5, "phi_steps": 3},
        {},
        {
            "dispersion_pct": 3.0, "dispersion_steps": 3, "hdiv_range_mrad": 5.0, "vdiv_range_mrad": 5.0,
            "hdiv_steps": 3, "vdiv_steps": 3,
        },
    ),
    "dmin": ({}, {}, {"dmin": 9.0}),
    "water": ({}, {}, {"water_size_um": 0.02}),
    "long_detector_distance": ({}, {"distance_mm": 10000.0}, {"wavelength_A": 1.0}),
    "short_wavelength_large_N": (
        {"N_cells": (100, 100, 100)}, {"pixel_size_mm": 0.05, "distance_mm": 40.0}, {"wavelength_A": 0.5}
    ),
    "grazing": ({}, {"detector_rotx_deg": 50.0, "detector_roty_deg": 45.0, "detector_twotheta_deg": 60.0}, {}),
}  # fmt: skip


def simulate(crystal: Crystal, detector: dict[str, Any], beam: BeamConfig) -> np.ndarray:
    model = Detector(DetectorConfig(**(PANEL | detector)))
    with torch.no_grad():
        image = Simulator(crystal, model, beam_config=beam, dtype=torch.float64, compat="c").run()
    assert isinstance(image, torch.Tensor)
    return image.numpy()


def assert_agrees(image: np.ndarray, name: str) -> None:
    """The C program stores single precision: agreement to 1e-6, relaxed in the deepest interference minima."""
    reference = np.load(GOLDEN / f"{name}.npz")["float"].astype(np.float64)
    assert reference.max() > 0
    tolerance = 1e-6 * np.abs(reference) + 1e-9 * reference.max()
    beyond = np.abs(image - reference) > tolerance
    assert not beyond.any(), (
        f"{beyond.sum()} pixels differ, worst {np.abs(image - reference).max() / reference.max():.1e}"
    )


@pytest.mark.parametrize("name", CASES)
def test_an_image_agrees_with_the_c_program(name):
    crystal, detector, beam = CASES[name]
    assert_agrees(
        simulate(
            Crystal(CrystalConfig(**(TRICLINIC | crystal)), dtype=torch.float64), detector, BeamConfig(**(BEAM | beam))
        ),
        name,
    )


@pytest.mark.parametrize(
    ("name", "file", "changes", "interpolate", "close_up"),
    [
        ("hkl_nearest", "full.hkl", {"N_cells": (6, 6, 6)}, False, False),
        (
            "hkl_sparse_default", "sparse.hkl",
            {"N_cells": (6, 6, 6), "default_F": 7.0, "misset_deg": STRAIGHT}, False, False,
        ),
        ("interpolate_small_crystal", "full.hkl", {"N_cells": (1, 1, 1)}, True, True),
        ("interpolate_forced", "full.hkl", {"N_cells": (5, 5, 5)}, True, True),
        ("nointerpolate", "full.hkl", {"N_cells": (1, 1, 1)}, False, True),
        (
            "interpolate_out_of_range", "full.hkl",
            {"N_cells": (2, 2, 2), "default_F": 50.0, "misset_deg": STRAIGHT}, True, False,
        ),
    ],
)  # fmt: skip
def test_tabulated_amplitudes_agree_with_the_c_program(name, file, changes, interpolate, close_up):
    crystal = Crystal(CrystalConfig(**(MONOCLINIC | changes)), dtype=torch.float64)
    crystal.hkl_data, crystal.hkl_metadata = read_hkl_file(
        str(GOLDEN / "inputs" / file), default_F=changes.get("default_F", 0.0), dtype=torch.float64
    )
    crystal.interpolate = interpolate
    panel, wavelength = ({"pixel_size_mm": 0.1, "distance_mm": 120.0}, 2.5) if close_up else ({}, 1.3)
    assert_agrees(simulate(crystal, panel, BeamConfig(wavelength_A=wavelength)), name)


@pytest.mark.parametrize(
    ("name", "wavelength", "misset"), [("matrix", 1.2, (0.0, 0.0, 0.0)), ("matrix_other_lambda", 0.9, (5.0, 6.0, 7.0))]
)
def test_an_orientation_matrix_agrees_with_the_c_program(name, wavelength, misset):
    stars = read_mosflm_matrix(str(GOLDEN / "inputs" / "orient.mat"), wavelength)
    config = CrystalConfig(
        **dict(zip(("mosflm_a_star", "mosflm_b_star", "mosflm_c_star"), stars, strict=True)),
        misset_deg=misset,
        N_cells=(6, 6, 6),
        default_F=100.0,
    )
    assert_agrees(simulate(Crystal(config, dtype=torch.float64), {}, BeamConfig(wavelength_A=wavelength)), name)


def test_a_source_file_agrees_with_the_c_program():
    directions, weights, wavelengths = read_sourcefile(
        str(GOLDEN / "inputs" / "sources.txt"),
        default_wavelength_m=1.3e-10,
        beam_direction=torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64),
        dtype=torch.float64,
    )
    beam = BeamConfig(
        wavelength_A=1.3, source_directions=directions, source_weights=weights, source_wavelengths=wavelengths
    )
    assert_agrees(simulate(Crystal(CrystalConfig(**TRICLINIC), dtype=torch.float64), {}, beam), "sourcefile")
