"""The options of the ``nanoBragg`` command: one table, from which parser, help and documentation are made.

A name that ends in ``*`` is one of the C program's substring patterns: it matches every token that contains it
(``-hkl*`` matches ``-hklfile``). A name without it matches that token alone.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nanobrag_torch.cli.settings import Settings
from nanobrag_torch.conventions import CrystalShape, DetectorConvention, DetectorPivot
from nanobrag_torch.units import energy_to_wavelength

Values = tuple[Any, ...]

#: First line of a run, and of the usage text after a mistake.
BANNER = "nanoBragg nanocrystal diffraction simulator - James Holton and Ken Frankel 5-17-17"


@dataclass(frozen=True)
class Flag:
    """One option: its ``names``, the values that follow it, and the settings that it changes.

    ``kind`` and ``count`` are the sort and the number of tokens that follow ("real", "whole", "text"; "cell" takes one
    to six numbers, "misset" three or a word). One value goes to every setting in ``sets``, several go to one as a
    tuple, after ``convert``. Numbers below ``least`` do not count, as in the C program. ``also`` are settings that take
    a fixed value. ``action`` replaces both where a rule needs more. ``instead_of`` are options that say the same in
    another way: not both may be given.
    """

    group: str
    names: tuple[str, ...]
    help: str
    sets: tuple[str, ...] = ()
    kind: str = "real"
    count: int = 1
    unit: str = ""
    default: str = ""
    also: Mapping[str, Any] = field(default_factory=dict)
    convert: Callable[[Any], Any] | None = None
    action: Callable[[Settings, Values], None] | None = None
    extension: bool = False
    instead_of: tuple[str, ...] = ()
    least: float | None = None

    @property
    def name(self) -> str:
        """The name under which the option is listed."""
        return self.names[0].rstrip("*")

    def apply(self, settings: Settings, values: Values) -> None:
        """Enter the option's values into ``settings``."""
        if self.action is not None:
            self.action(settings, values)
            return
        if values:
            value = values[0] if self.count == 1 else values
            value = self.convert(value) if self.convert else value
            for name in self.sets:
                setattr(settings, name, value)
        for name, value in self.also.items():
            setattr(settings, name, value)


def _set_misset(settings: Settings, values: Values) -> None:
    settings.misset_random = isinstance(values[0], str)
    if not settings.misset_random:
        settings.misset_deg = values


#: Stands for a sensor that absorbs nothing: the reciprocal is zero to double precision against any thickness.
NO_ATTENUATION_UM = 1e30


def _set_attenuation(settings: Settings, values: Values) -> None:
    depth = values[0]
    if depth == 0 or depth == float("inf"):
        settings.detector_thick_um = 0.0
        settings.detector_abs_um = NO_ATTENUATION_UM
    else:
        settings.detector_abs_um = depth


def _set_pivot(settings: Settings, values: Values) -> None:
    for pivot in DetectorPivot:
        if pivot.value in values[0]:
            settings.pivot = pivot
            return
    raise ValueError(f"-pivot {values[0]}: allowed are 'beam' and 'sample'. Name the point that stays put.")


def _wavelength_of(energy: float) -> float:
    if not energy > 0:
        raise ValueError(f"-energy {energy:g}: must be greater than 0 eV. Give the photon energy, or -lambda.")
    return energy_to_wavelength(energy)


FILES, CRYSTAL, BEAM, DETECTOR = "Input files", "Crystal", "Beam", "Detector"
SAMPLING, OUTPUT, EXTENSIONS = "Sampling", "Output and control", "Beyond the C program"

_AT_BEAM: dict[str, Any] = {"pivot": DetectorPivot.BEAM}
_AT_SAMPLE: dict[str, Any] = {"pivot": DetectorPivot.SAMPLE}
_CUSTOM: dict[str, Any] = {"convention": DetectorConvention.CUSTOM}
_SIZES = ("sample_x_mm", "sample_y_mm", "sample_z_mm")


def _file(names: tuple[str, ...], sets: str, help: str, default: str = "", **more: Any) -> Flag:
    return Flag(more.pop("group", FILES), names, help, (sets,), "text", default=default, **more)


def _switch(group: str, names: tuple[str, ...], help: str, default: str = "", /, **also: Any) -> Flag:
    return Flag(group, names, help, kind="text", count=0, default=default, also=also)


def _vector(names: tuple[str, ...], sets: str, help: str, also: Mapping[str, Any] = _CUSTOM) -> Flag:
    return Flag(DETECTOR, names, help, (sets,), count=3, also=also)


def _idle(group: str, names: tuple[str, ...], kind: str = "real", count: int = 1) -> Flag:
    return Flag(group, names, "accepted and without effect, as in the C program", (), kind, count)


def _append_value(settings: Settings, values: Values) -> None:
    name, text = values
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"-geom_value {name} {text}: must end in a number. Give the location and its value.") from None
    settings.geometry_values = (*settings.geometry_values, (name, number))


def _append_waiver(settings: Settings, values: Values) -> None:
    settings.experiment_without = (*settings.experiment_without, values[0])


#: Options that say what an experiment file says, which may not be given beside it.
_PLACED_BY_FILE = (
    "-img", "-distance", "-close_distance", "-detsize", "-detsize_f", "-detsize_s", "-detpixels", "-detpixels_f",
    "-detpixels_s", "-pixel", "-Xbeam", "-Ybeam", "-Xclose", "-Yclose", "-ORGX", "-ORGY", "-pivot", "-mosflm", "-adxv",
    "-denzo", "-xds", "-dials", "-fdet_vector", "-sdet_vector", "-odet_vector", "-beam_vector", "-twotheta_axis",
    "-pix0_vector", "-pix0_vector_mm", "-twotheta", "-detector_rotx", "-detector_roty", "-detector_rotz",
    "-curved_det", "-mask",
)  # fmt: skip
#: Options of experiment files, and settings that say which part of one counts.
EXPERIMENTS = ("-expt", "-geom", "-stream", "-nexus")
OF_EXPERIMENTS = ("experiment_index", "experiment_image", "experiment_without", "geometry_values")


def _experiment(name: str, help: str) -> "Flag":
    others = tuple(other for other in EXPERIMENTS if other != name)
    also = {"experiment_kind": name.removeprefix("-")}
    return _ours((name,), help, ("experiment_file",), also=also, instead_of=(*others, *_PLACED_BY_FILE))


def _ours(names: tuple[str, ...], help: str, sets: tuple[str, ...] = (), kind: str = "text", **more: Any) -> Flag:
    return Flag(EXTENSIONS, names, help, sets, kind, extension=True, **more)


FLAGS: tuple[Flag, ...] = (
    _file(("-hkl*",), "hkl_file",
          "text of h k l F, MTZ, CIF, PDB, SHELX, XDS, CrystFEL or Scalepack file; also (re)writes the dump"),
    _file(("-dump*",), "dump_file", "binary dump of structure factors: read without -hkl, else written", "Fdump.bin"),
    _file(("-mat*",), "matrix_file", "orientation matrix in MOSFLM's manner: nine numbers, wavelength times A"),
    _file(("-img*",), "image_file", "take the camera from the header of this SMV image"),
    _file(("-mask*",), "mask_file", "SMV image whose zero pixels are not rendered; its header is read too"),
    _file(("-sourcefile*",), "source_file", "sources, one a line: X Y Z weight wavelength, in metres"),
    _file(("-stol",), "stol_file", "amplitudes of a molecule over sin(theta)/lambda, used with -stol_thick alone",
          also={"stol_scale": 1.0}),
    _file(("-4stol",), "stol_file", "the same over 4 sin(theta)/lambda", also={"stol_scale": 1 / 4}),
    _file(("-Q",), "stol_file", "the same over 4 pi sin(theta)/lambda", also={"stol_scale": 1 / (4 * math.pi)}),
    _idle(FILES, ("-stolout*",), "text"),
    Flag(CRYSTAL, ("-cell*",), "unit cell a b c alpha beta gamma; b and c default to a, angles to 90", ("cell",),
         "cell", 6, "A, deg"),
    Flag(CRYSTAL, ("-misset*",), "rotations about x, y, z, or the word random", ("misset_deg", "misset_random"),
         "misset", 3, "deg", default="0 0 0", action=_set_misset),
    Flag(CRYSTAL, ("-misset_seed*",), "seed of a random misset", ("misset_seed",), "whole", default="clock"),
    Flag(CRYSTAL, ("-Na*",), "unit cells along a", ("Na",), "whole", default="1", least=1),
    Flag(CRYSTAL, ("-Nb*",), "unit cells along b", ("Nb",), "whole", default="1", least=1),
    Flag(CRYSTAL, ("-Nc*",), "unit cells along c", ("Nc",), "whole", default="1", least=1),
    Flag(CRYSTAL, ("-N",), "unit cells along a, b and c", ("Na", "Nb", "Nc"), "whole", default="1", least=1),
    Flag(CRYSTAL, ("-samplesize*", "-sample_size*", "-xtalsize*", "-xtal_size*"),
         "size of the crystal in all directions; overrides -N", _SIZES, unit="mm", least=0),
    Flag(CRYSTAL, ("-sample_thick*", "-sample_x*", "-xtal_thick*", "-xtal_x*"), "size along a", _SIZES[:1],
         unit="mm", least=0),
    Flag(CRYSTAL, ("-sample_width*", "-sample_y*", "-width*", "-xtal_width*", "-xtal_y*"), "size along b", _SIZES[1:2],
         unit="mm", least=0),
    Flag(CRYSTAL, ("-sample_heigh*", "-sample_z*", "-heigh*", "-xtal_heigh*", "-xtal_z*"), "size along c", _SIZES[2:],
         unit="mm", least=0),
    _idle(CRYSTAL, ("-density*", "-sample_den*")),
    _idle(CRYSTAL, ("-MW", "-molec*")),
    _switch(CRYSTAL, ("-square_xtal*",), "parallelepiped", "on", shape=CrystalShape.SQUARE),
    _switch(CRYSTAL, ("-round_xtal*",), "sphere", shape=CrystalShape.ROUND),
    _switch(CRYSTAL, ("-gauss_xtal*",), "Gaussian spots without fringes", shape=CrystalShape.GAUSS),
    _switch(CRYSTAL, ("-binary_spots*", "-tophat_spots*"), "spots cut off at half height, without fringes",
            shape=CrystalShape.TOPHAT),
    Flag(CRYSTAL, ("-fudge*",), "scale of the spot size of all shapes but the first", ("fudge",), default="1"),
    Flag(CRYSTAL, ("-mosaic", "-mosaici*", "-mosaic_spr*"), "largest rotation of a mosaic domain",
         ("mosaic_spread_deg",), unit="deg", default="0", least=0),
    Flag(CRYSTAL, ("-mosaic_dom*",), "number of mosaic domains", ("mosaic_domains",), "whole",
         default="10 with a spread, else 1", least=0),
    Flag(CRYSTAL, ("-mosaic_seed*",), "seed of the mosaic domains", ("mosaic_seed",), "whole", default="12345678"),
    Flag(CRYSTAL, ("-default_F*",), "amplitude of reflections that are not listed", ("default_F",), default="0"),
    _switch(CRYSTAL, ("-interpolate*",), "interpolate between structure factors", "on if any of -N is below 3",
            interpolate=True),
    _switch(CRYSTAL, ("-nointerpolate*",), "take the nearest structure factor", interpolate=False),
    Flag(BEAM, ("-lambda*", "-wave*"), "wavelength", ("wavelength_A",), unit="A", default="1"),
    Flag(BEAM, ("-energy*",), "photon energy, instead of the wavelength", ("wavelength_A",), unit="eV",
         convert=_wavelength_of),
    Flag(BEAM, ("-dispersion*",), "full relative width of the spectrum", ("dispersion_pct",),
         unit="%", default="0", least=0),
    Flag(BEAM, ("-dispsteps*",), "number of wavelengths", ("dispersion_steps",), "whole", default="auto", least=0),
    Flag(BEAM, ("-divergence*",), "full range of directions, horizontal and vertical",
         ("hdiv_range_mrad", "vdiv_range_mrad"), unit="mrad", least=0),
    Flag(BEAM, ("-hdivrange*",), "full range of horizontal directions", ("hdiv_range_mrad",), unit="mrad", least=0),
    Flag(BEAM, ("-vdivrange*",), "full range of vertical directions", ("vdiv_range_mrad",), unit="mrad", least=0),
    Flag(BEAM, ("-hdivstep",), "step between horizontal directions", ("hdiv_step_mrad",), unit="mrad", least=0),
    Flag(BEAM, ("-vdivstep",), "step between vertical directions", ("vdiv_step_mrad",), unit="mrad", least=0),
    Flag(BEAM, ("-hdivsteps*",), "number of horizontal directions", ("hdiv_steps",), "whole", default="auto", least=0),
    Flag(BEAM, ("-vdivsteps*",), "number of vertical directions", ("vdiv_steps",), "whole", default="auto", least=0),
    Flag(BEAM, ("-divsteps*",), "number of directions, horizontal and vertical", ("hdiv_steps", "vdiv_steps"), "whole",
         default="auto", least=0),
    _switch(BEAM, ("-round_div*",), "leave out the corners of the grid of directions", "on", round_div=True),
    _switch(BEAM, ("-square_div*",), "keep the whole grid of directions", round_div=False),
    Flag(BEAM, ("-polar",), "Kahn polarization factor; cancels -nopolar", ("polarization_factor",), default="0",
         also={"nopolar": False}),
    _switch(BEAM, ("-nopolar*",), "no polarization factor", nopolar=True),
    Flag(BEAM, ("-fluence*",), "photons per square metre", ("fluence",), default="1.25932e+29"),
    Flag(BEAM, ("-flux*",), "photons per second; with -exposure and -beamsize instead of -fluence", ("flux",),
         default="0"),
    Flag(BEAM, ("-exposure*",), "exposure time", ("exposure",), unit="s", default="1"),
    Flag(BEAM, ("-beamsize*",), "beam size: fluence from flux, and largest size along b and c", ("beamsize_mm",),
         unit="mm", default="0.1"),
    _idle(BEAM, ("-coherent*",), "text", 0),
    Flag(BEAM, ("-water*",), "size of the water drop around the crystal", ("water_size_um",), unit="um", default="0"),
    Flag(DETECTOR, ("-distance*",), "distance from the crystal along the beam", ("distance_mm",), unit="mm",
         default="100", also=_AT_BEAM),
    Flag(DETECTOR, ("-close_distance*",), "distance along the detector's normal", ("close_distance_mm",), unit="mm",
         also=_AT_SAMPLE),
    Flag(DETECTOR, ("-detsize",), "size of the detector", ("detsize_f_mm", "detsize_s_mm"), unit="mm", default="102.4"),
    Flag(DETECTOR, ("-detsize_f*",), "size along fast", ("detsize_f_mm",), unit="mm"),
    Flag(DETECTOR, ("-detsize_s*",), "size along slow", ("detsize_s_mm",), unit="mm"),
    Flag(DETECTOR, ("-detpixels",), "number of pixels per axis; overrides -detsize", ("fpixels", "spixels"), "whole",
         default="1024"),
    Flag(DETECTOR, ("-detpixels_f*", "-detpixels_x*"), "pixels along fast", ("fpixels",), "whole"),
    Flag(DETECTOR, ("-detpixels_s*", "-detpixels_y*"), "pixels along slow", ("spixels",), "whole"),
    Flag(DETECTOR, ("-pixel*",), "pixel size", ("pixel_size_mm",), unit="mm", default="0.1"),
    Flag(DETECTOR, ("-Xbeam*",), "beam centre, X of the convention", ("beam_center_x_mm",), unit="mm",
         default="by convention", also=_AT_BEAM),
    Flag(DETECTOR, ("-Ybeam*",), "beam centre, Y of the convention", ("beam_center_y_mm",), unit="mm",
         default="by convention", also=_AT_BEAM),
    Flag(DETECTOR, ("-Xclose*",), "default of -Xbeam in -xds, -dials and custom conventions", ("xclose_mm",), unit="mm",
         also=_AT_SAMPLE),
    Flag(DETECTOR, ("-Yclose*",), "default of -Ybeam in -xds, -dials and custom conventions", ("yclose_mm",), unit="mm",
         also=_AT_SAMPLE),
    Flag(DETECTOR, ("-ORGX*",), "foot of the detector's normal along fast, as XDS counts", ("orgx",), unit="pixels",
         also=_AT_SAMPLE),
    Flag(DETECTOR, ("-ORGY*",), "foot of the detector's normal along slow, as XDS counts", ("orgy",), unit="pixels",
         also=_AT_SAMPLE),
    Flag(DETECTOR, ("-pivot*",), "what stays put when the detector turns: beam or sample", ("pivot",), kind="text",
         default="by convention", action=_set_pivot),
    _switch(DETECTOR, ("-mosflm*",), "convention of MOSFLM", "on", convention=DetectorConvention.MOSFLM, **_AT_BEAM),
    _switch(DETECTOR, ("-adxv*",), "convention of ADXV", convention=DetectorConvention.ADXV, **_AT_BEAM),
    _switch(DETECTOR, ("-denzo*",), "convention of DENZO", convention=DetectorConvention.DENZO, **_AT_BEAM),
    _switch(DETECTOR, ("-xds*",), "convention of XDS", convention=DetectorConvention.XDS, **_AT_SAMPLE),
    _switch(DETECTOR, ("-dials*",), "convention of DIALS", convention=DetectorConvention.DIALS, **_AT_BEAM),
    _vector(("-fdet_vector*",), "fdet_vector", "direction of fast; selects the custom convention"),
    _vector(("-sdet_vector*",), "sdet_vector", "direction of slow; selects the custom convention"),
    _vector(("-odet_vector*",), "odet_vector", "direction of the normal; selects the custom convention"),
    _vector(("-beam_vector*",), "beam_vector", "direction of the beam; selects the custom convention"),
    _vector(("-polar_vector*",), "polar_vector", "direction of the E vector; selects the custom convention"),
    _vector(("-spindle_axis*",), "spindle_axis", "axis of phi; selects the custom convention"),
    _vector(("-twotheta_axis*",), "twotheta_axis", "axis of -twotheta; selects the custom convention",
            {**_CUSTOM, **_AT_SAMPLE}),
    _vector(("-pix0_vector*",), "pix0_vector_m",
            "position of the first pixel in m; selects the custom convention, and is used only with -compat physical"),
    Flag(DETECTOR, ("-twotheta*",), "rotation of the detector about the two-theta axis", ("detector_twotheta_deg",),
         unit="deg", default="0", also=_AT_SAMPLE),
    Flag(DETECTOR, ("-detector_rotx*",), "rotation of the detector about x", ("detector_rotx_deg",), unit="deg",
         default="0"),
    Flag(DETECTOR, ("-detector_roty*",), "rotation of the detector about y", ("detector_roty_deg",), unit="deg",
         default="0"),
    Flag(DETECTOR, ("-detector_rotz*",), "rotation of the detector about z", ("detector_rotz_deg",), unit="deg",
         default="0"),
    _switch(DETECTOR, ("-curved_det*",), "all pixels at the same distance", curved_detector=True),
    _switch(DETECTOR, ("-point_pixel*",), "solid angle 1/R^2, whatever the pixel's size and tilt", point_pixel=True),
    Flag(DETECTOR, ("-detector_abs*",), "attenuation depth of the sensor; inf or 0: no sensor", ("detector_abs_um",),
         kind="depth", unit="um", default="the thickness", action=_set_attenuation),
    Flag(DETECTOR, ("-detector_thick",), "thickness of the sensor", ("detector_thick_um",),
         unit="um", default="0", least=0),
    Flag(DETECTOR, ("-detector_thicksteps*", "-thicksteps*"), "layers of the sensor", ("detector_thicksteps",), "whole",
         default="auto", least=0),
    Flag(DETECTOR, ("-roi*",), "render only xmin xmax ymin ymax: inclusive pixel indices, fast then slow", ("roi",),
         "whole", 4, "pixels", default="all", least=-1),
    Flag(SAMPLING, ("-phi",), "start of the sweep", ("phi_deg",), unit="deg", default="0"),
    Flag(SAMPLING, ("-osc*",), "range of the sweep", ("osc_deg",), unit="deg", default="0", least=0),
    Flag(SAMPLING, ("-phistep",), "step of the sweep", ("phistep_deg",), unit="deg", default="auto", least=0),
    Flag(SAMPLING, ("-phisteps*",), "number of steps of the sweep", ("phisteps",), "whole", default="auto", least=0),
    Flag(SAMPLING, ("-dmin*",), "leave out what lies beyond this resolution", ("dmin",), unit="A", default="0"),
    Flag(SAMPLING, ("-oversample",), "sub-pixels per axis", ("oversample",), "whole", default="auto", least=0),
    _switch(SAMPLING, ("-oversample_thick*",), "capture fraction for every sub-pixel", oversample_thick=True),
    _switch(SAMPLING, ("-oversample_polar*",), "polarization factor for every sub-pixel", oversample_polar=True),
    _switch(SAMPLING, ("-oversample_omega*",), "solid angle for every sub-pixel", oversample_omega=True),
    _file(("-floatfile*", "-floatimage*"), "float_file", "raw image, float32", "floatimage.bin", group=OUTPUT),
    _file(("-intfile*", "-intimage*"), "int_file", "SMV image without noise", "intimage.img", group=OUTPUT),
    _file(("-pgmfile*", "-pgmimage*"), "pgm_file", "grey picture; enables it", "image.pgm", group=OUTPUT,
          also={"write_pgm": True}),
    _file(("-noisefile*", "-noiseimage*"), "noise_file", "SMV image with photon noise; enables it", "noiseimage.img",
          group=OUTPUT, also={"write_noise": True}),
    _switch(OUTPUT, ("-nonoise*",), "no image with noise", write_noise=False),
    _switch(OUTPUT, ("-nopgm*",), "no grey picture", write_pgm=False),
    Flag(OUTPUT, ("-scale*",), "scale of the image without noise", ("intfile_scale",), default="auto", least=0),
    Flag(OUTPUT, ("-pgmscale*",), "scale of the grey picture; enables it", ("pgm_scale",), default="auto",
         also={"write_pgm": True}, least=0),
    Flag(OUTPUT, ("-adc*",), "offset of the SMV images", ("adc_offset",), default="40"),
    Flag(OUTPUT, ("-seed*",), "seed of the noise", ("seed",), "whole", default="clock"),
    _switch(OUTPUT, ("-printout*",), "print every pixel", printout=True),
    Flag(OUTPUT, ("-printout_pixel*",), "print one pixel: fast slow", ("printout_pixel",), "whole", 2, "pixels",
         also={"printout": True}),
    _switch(OUTPUT, ("-noprogress*",), "no progress report", progress=False),
    _switch(OUTPUT, ("-progress*",), "progress report", "on", progress=True),
    _ours(("-compat",), "whose rules: c, physical, legacy_torch", ("compat",), default="c"),
    _ours(("-strict_c", "-strict_c_cli"), "follow the C program in its accidents of parsing and of files too",
          count=0, also={"strict_c": True}),
    _ours(("-strict", "-strict_options"), "an unknown option is an error", count=0, also={"strict_options": True}),
    _ours(("-gauss_star",), "Gaussian spots that are round in reciprocal space", count=0,
          also={"shape": CrystalShape.GAUSS_STAR}),
    _ours(("-N_offdiagonal",), "Nd Ne Nf of the domain matrix of -gauss_xtal and -tophat_spots, with -compat physical",
          ("N_offdiagonal",), "real", count=3, unit="cells", default="0 0 0"),
    _ours(("-cutoff",), "part of its peak below which a spot counts as zero and is not evaluated", ("cutoff",), "real",
          least=0, default="1e-16 for Gaussian and top-hat spots with -compat physical, else 0"),
    _ours(("-mosaic_eta",), "standard deviation of a gaussian mosaicity, instead of -mosaic", ("mosaic_eta_deg",),
          "real", unit="deg", least=0, convert=lambda eta: (eta, eta, eta), instead_of=("-mosaic",)),
    _ours(("-mosaic_eta_abc",), "the same about a*, b* made orthogonal to it, and their product", ("mosaic_eta_deg",),
          "real", count=3, unit="deg", least=0, instead_of=("-mosaic",)),
    _ours(("-spectrumfile",), "spectrum, two columns: energy in eV or wavelength in A, and weight", ("spectrum_file",),
          instead_of=("-lambda", "-energy", "-dispersion", "-dispsteps", "-sourcefile")),
    _ours(("-dtype",), "float64, or float32 for speed", ("dtype",), default="float64"),
    _ours(("-device",), "cpu, or cuda", ("device",), default="cpu"),
    _ours(("-pixel_batch_size", "--pixel-batch-size"), "rows rendered at a time", ("pixel_batch_size",), "whole",
          default="auto"),
    _ours(("-hkl_columns",), "amplitudes of -hkl from these columns of an MTZ or mmCIF file, with a comma between two",
          ("hkl_columns",), default="the first that serve"),
    _ours(("-hkl_orientation",), "orient the crystal as the axes of the -hkl file do, before -misset", count=0,
          also={"hkl_orientation": True}),
    _ours(("-hkl_values",), "what a text file or SHELX list of -hkl holds: amplitudes (F) or intensities (F squared)",
          ("hkl_values",), default="amplitudes; intensities in a SHELX list, with a warning"),
    _ours(("-hkl_space_group",), "space group by which a text file or SHELX list of -hkl is expanded",
          ("hkl_space_group",), default="none: taken as it is"),
    _ours(("-anomalous",), "let the atoms of -hkl scatter anomalously, f' and f'' as calculated for the wavelength",
          count=0, also={"anomalous": True}),
    _ours(("-anomalous_table",), "f' and f'' from this file: element, f', f'' on each line", ("anomalous_table",),
          instead_of=("-anomalous",)),
    _ours(("-bulk_solvent",), "fill the space between the atoms of -hkl with flat solvent", count=0,
          also={"bulk_solvent": True}),
    _experiment("-expt", "experiment of DIALS: beam, detector, goniometer, scan and crystal of an experiment list"),
    _experiment("-geom", "detector and beam of a geometry file of CrystFEL"),
    _experiment("-stream", "detector, beam and crystal of a stream of CrystFEL"),
    _experiment("-nexus", "detector, beam, goniometer and crystal of an NXmx file, of any number of modules"),
    _ours(("-expt_index",), "experiment of the file, or crystal of the stream, from 0", ("experiment_index",), "whole",
          least=0, default="0"),
    _ours(("-expt_image",), "image of its scan, from 0", ("experiment_image",), "whole", least=0, default="0"),
    _ours(("-expt_without",), "leave out what is refused, under the name that the error gives; may be repeated",
          ("experiment_without",), action=_append_waiver),
    _ours(("-geom_value",), "LOCATION NUMBER: a number for a location in image files that the geometry names, such as "
          "/LCLS/EncoderValue -450; may be repeated", ("geometry_values",), count=2, action=_append_value),
    _ours(("-solvent_thick",), "water in the beam, by its scattering over resolution", ("solvent_thick_mm",), "real",
          unit="mm", default="0", least=0),
    _ours(("-air_thick",), "air in the beam between collimator and beam stop, likewise", ("air_thick_mm",), "real",
          unit="mm", default="0", least=0),
    _ours(("-stol_thick",), "material of the table of -stol, -4stol or -Q in the beam", ("stol_thick_mm",), "real",
          unit="mm", default="0", least=0),
    _ours(("-stol_density",), "its density", ("stol_density",), "real", unit="g/cm^3", default="1"),
    _ours(("-stol_MW",), "its molar mass", ("stol_mass",), "real", unit="g/mol", default="18"),
    _ours(("-gain",), "pixel value of a photon in the image with noise", ("gain",), "real", default="1"),
    _ours(("-readout_noise",), "standard deviation of the readout noise of that image", ("readout_noise",), "real",
          default="0"),
    _ours(("-overload",), "largest pixel value of that image, at most 65535", ("overload",), "real", default="65535"),
    _ours(("-psf",), "point spread of that image: gaussian, fibre or none", ("psf",), default="none",
          convert=lambda law: "fibre" if law == "fiber" else law),
    _ours(("-psf_fwhm",), "full width at half maximum of the point spread", ("psf_fwhm_um",), "real", unit="um",
          default="46"),
    _ours(("-dead_value",), "pixel value, in that image, where -mask is zero", ("dead_value",), "whole",
          default="as a dark pixel"),
    _ours(("-nexusfile",), "image as NXmx: photons, float32; of a series counts, and of several panels whose "
          "readout is asked for", ("nexus_file",)),
    _ours(("-exptfile",), "experiment list of DIALS that belongs to the images: beam, detector, scan, and the "
          "crystal as it is, of -shots one for each still", ("expt_file",)),
    _ours(("-cbffile",), "whole counts as CBF: with noise, or rounded photons after -nonoise", ("cbf_file",)),
    _ours(("-frames",), "rotation series of so many images, each -osc wide, the first at -phi", ("frames",), "whole",
          least=1, instead_of=("-shots",)),
    _ours(("-shots",), "series of so many stills", ("shots",), "whole", least=1),
    _ours(("-random_orientations",), "each of -shots in an orientation of its own", count=0,
          also={"random_orientations": True}, instead_of=("-misset", "-mat", "-hkl_orientation")),
    _ours(("-spectra",), "spectra of -shots in turn: energies in eV or wavelengths in A, then a column of weights each",
          ("spectra_file",),
          instead_of=("-lambda", "-energy", "-dispersion", "-dispsteps", "-sourcefile", "-spectrumfile")),
    _ours(("-jitter_fluence",), "standard deviation of the fluence of -shots", ("jitter_fluence_pct",), "real",
          unit="%", least=0, default="0"),
    _ours(("-jitter_lambda",), "standard deviation of the wavelength of -shots", ("jitter_wavelength_pct",), "real",
          unit="%", least=0, default="0"),
    _ours(("-jitter_cell",), "standard deviation of the edges of the cell of -shots, all three alike",
          ("jitter_cell_pct",), "real", unit="%", least=0, default="0"),
    _ours(("-nodump",), "neither read nor write the dump of structure factors", count=0, also={"use_dump": False}),
    _ours(("-show_config", "-echo_config"), "print what was resolved", count=0, also={"show_config": True}),
    _ours(("-pix0_vector_mm",), "-pix0_vector in mm", ("pix0_vector_m",), "real", count=3, unit="mm", also=_CUSTOM,
          convert=lambda mm: tuple(value / 1000 for value in mm), instead_of=("-pix0_vector",)),
    _ours(("-trace_pixel",), "print every step for one pixel: slow fast", ("trace_pixel",), "whole", count=2,
          unit="pixels"),
    _ours(("-h", "-help", "--help"), "print this text and stop", count=0),
    _ours(("-version", "--version"), "print the version and stop", count=0),
)  # fmt: skip


def flag_named(name: str) -> Flag:
    """The option that is listed under ``name``."""
    return next(flag for flag in FLAGS if flag.name == name)


def format_help(program: str = "nanoBragg") -> str:
    """The table as text for a terminal, one option a line."""
    lines = [
        f"usage: {program} -mat auto.mat -hkl Fs.hkl [options]",
        f"       {program} -cell a b c alpha beta gamma -default_F F [options]",
        f"       {program} -hkl model.pdb [options]",
    ]
    for group in dict.fromkeys(flag.group for flag in FLAGS):
        lines += ["", f"{group}:"]
        for flag in (flag for flag in FLAGS if flag.group == group):
            names = ", ".join(name.rstrip("*") for name in flag.names)
            details = "; ".join(part for part in (flag.unit, f"default {flag.default}" if flag.default else "") if part)
            lines.append(f"  {names:<28} {flag.help}{f' [{details}]' if details else ''}")
    return "\n".join(lines) + "\n"


def format_markdown() -> str:
    """The table as Markdown, one table a group, for docs/command.md."""
    lines = []
    for group in dict.fromkeys(flag.group for flag in FLAGS):
        lines += ["", f"## {group}", "", "| option | values | unit | default | effect |", "|---|---|---|---|---|"]
        for flag in (flag for flag in FLAGS if flag.group == group):
            names = ", ".join(f"`{name.rstrip('*')}`" for name in flag.names)
            lines.append(f"| {names} | {flag.count} | {flag.unit} | {flag.default} | {flag.help} |")
    return "\n".join(lines).lstrip() + "\n"
