"""Settings of a run: all that a command line or an image header can say, in the units in which users say it.

One mutable record: an image header and the options are entered into it in the order of precedence. None is "not given"
wherever the C program tells a missing value from a default.
"""

from dataclasses import dataclass
from typing import Any

from nanobrag_torch.conventions import CrystalShape, DetectorConvention, DetectorPivot, Vector
from nanobrag_torch.units import DEFAULT_FLUENCE


@dataclass
class Settings:
    """Settings in the units of users.

    Lengths in mm unless the name says otherwise, angles in degrees, wavelengths in Angstrom, divergence in mrad.
    """

    hkl_file: str | None = None
    hkl_columns: str | None = None
    hkl_orientation: bool = False
    hkl_values: str | None = None
    hkl_space_group: str | None = None
    bulk_solvent: bool = False
    anomalous: bool = False
    anomalous_table: str | None = None
    dump_file: str = "Fdump.bin"
    use_dump: bool = True
    matrix_file: str | None = None
    image_file: str | None = None
    mask_file: str | None = None
    source_file: str | None = None
    spectrum_file: str | None = None
    stol_file: str | None = None
    experiment_file: str | None = None
    experiment_kind: str = ""
    experiment_index: int = 0
    experiment_image: int = 0
    experiment_without: tuple[str, ...] = ()
    geometry_values: tuple[tuple[str, float], ...] = ()
    #: What an experiment file brings that no option says: itself, panels, matrix, mask and spectrum as they are.
    experiment: Any = None
    panels: Any = None
    stars: Any = None
    mask_pixels: Any = None
    spectrum: Any = None
    stol_scale: float = 1.0
    stol_thick_mm: float = 0.0
    stol_density: float = 1.0
    stol_mass: float = 18.0
    solvent_thick_mm: float = 0.0
    air_thick_mm: float = 0.0

    cell: tuple[float, ...] | None = None
    misset_deg: Vector = (0.0, 0.0, 0.0)
    misset_random: bool = False
    misset_seed: int | None = None
    Na: int = 1
    Nb: int = 1
    Nc: int = 1
    sample_x_mm: float = 0.0
    sample_y_mm: float = 0.0
    sample_z_mm: float = 0.0
    shape: CrystalShape = CrystalShape.SQUARE
    fudge: float = 1.0
    N_offdiagonal: Vector = (0.0, 0.0, 0.0)
    cutoff: float | None = None
    mosaic_spread_deg: float | None = None
    mosaic_domains: int | None = None
    mosaic_seed: int | None = None
    mosaic_eta_deg: Vector | None = None
    default_F: float = 0.0
    interpolate: bool | None = None

    wavelength_A: float = 1.0
    dispersion_pct: float = 0.0
    dispersion_steps: int | None = None
    hdiv_range_mrad: float | None = None
    vdiv_range_mrad: float | None = None
    hdiv_step_mrad: float | None = None
    vdiv_step_mrad: float | None = None
    hdiv_steps: int | None = None
    vdiv_steps: int | None = None
    round_div: bool = True
    polarization_factor: float = 0.0
    nopolar: bool = False
    fluence: float = DEFAULT_FLUENCE
    flux: float = 0.0
    exposure: float = 1.0
    beamsize_mm: float = 0.1
    water_size_um: float = 0.0

    distance_mm: float = 100.0
    close_distance_mm: float | None = None
    pixel_size_mm: float = 0.1
    detsize_f_mm: float = 102.4
    detsize_s_mm: float = 102.4
    fpixels: int = 0
    spixels: int = 0
    beam_center_x_mm: float | None = None
    beam_center_y_mm: float | None = None
    xclose_mm: float | None = None
    yclose_mm: float | None = None
    orgx: float | None = None
    orgy: float | None = None
    pivot: DetectorPivot = DetectorPivot.BEAM
    convention: DetectorConvention = DetectorConvention.MOSFLM
    fdet_vector: Vector | None = None
    sdet_vector: Vector | None = None
    odet_vector: Vector | None = None
    beam_vector: Vector | None = None
    polar_vector: Vector | None = None
    spindle_axis: Vector | None = None
    twotheta_axis: Vector | None = None
    pix0_vector_m: Vector | None = None
    detector_twotheta_deg: float = 0.0
    detector_rotx_deg: float = 0.0
    detector_roty_deg: float = 0.0
    detector_rotz_deg: float = 0.0
    curved_detector: bool = False
    point_pixel: bool = False
    detector_abs_um: float | None = None
    detector_thick_um: float = 0.0
    detector_thicksteps: int | None = None
    roi: tuple[int, int, int, int] = (-1, -1, -1, -1)

    phi_deg: float = 0.0
    osc_deg: float | None = None
    phistep_deg: float | None = None
    phisteps: int | None = None
    dmin: float = 0.0
    oversample: int = -1
    oversample_thick: bool = False
    oversample_polar: bool = False
    oversample_omega: bool = False

    float_file: str = "floatimage.bin"
    int_file: str = "intimage.img"
    pgm_file: str = "image.pgm"
    noise_file: str = "noiseimage.img"
    nexus_file: str | None = None
    expt_file: str | None = None
    cbf_file: str | None = None
    write_pgm: bool = True
    write_noise: bool = True
    intfile_scale: float = 0.0
    pgm_scale: float = 0.0
    adc_offset: float = 40.0
    gain: float = 1.0
    readout_noise: float = 0.0
    overload: float = 65535.0
    psf: str = "none"
    psf_fwhm_um: float = 46.0
    dead_value: int | None = None
    seed: int | None = None
    printout: bool = False
    printout_pixel: tuple[int, int] | None = None
    progress: bool = True

    compat: str = "c"
    strict_c: bool = False
    strict_options: bool = False
    dtype: str = "float64"
    device: str = "cpu"
    pixel_batch_size: int | None = None
    show_config: bool = False

    frames: int | None = None
    shots: int | None = None
    random_orientations: bool = False
    spectra_file: str | None = None
    jitter_fluence_pct: float = 0.0
    jitter_wavelength_pct: float = 0.0
    jitter_cell_pct: float = 0.0
    #: Names of the settings that options gave.
    given: frozenset[str] = frozenset()
    trace_pixel: tuple[int, int] | None = None
