"""Simulator: pixels chosen, a scene made of the models, the kernel asked for photons, the image assembled."""

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from nanobrag_torch.compat import Compat
from nanobrag_torch.config import BeamConfig, CrystalConfig, clip_to_beam, copy_fields
from nanobrag_torch.eager import eager
from nanobrag_torch.given import KnownNames, check_kind, whole
from nanobrag_torch.kernel.channels import JOINED
from nanobrag_torch.kernel.engine import ENGINES
from nanobrag_torch.kernel.memory import BYTES_PER_SAMPLE, budget_of
from nanobrag_torch.kernel.panels import drawn, render_panels
from nanobrag_torch.kernel.pixels import Pixels
from nanobrag_torch.kernel.sensitivities import sensitivities
from nanobrag_torch.memory import check_memory
from nanobrag_torch.models.as_tensor import device_of, dtype_of, scalar
from nanobrag_torch.models.beam import Beam
from nanobrag_torch.models.crystal import Crystal
from nanobrag_torch.models.detector import Detector
from nanobrag_torch.models.memo import Memo
from nanobrag_torch.models.panels import PanelledDetector
from nanobrag_torch.models.unit_cell import UnitCell
from nanobrag_torch.sampling import recommended_oversample
from nanobrag_torch.scene import Lattice, Scene, Weighing
from nanobrag_torch.slabs import assembled, shape_of
from nanobrag_torch.statistics import compute_statistics
from nanobrag_torch.units import R_E_SQUARED, angstrom_to_m
from nanobrag_torch.validation import check_choice, check_count, fail, number_of

Item = TypeVar("Item")

ROTATION_FIELDS = (
    "phi_start_deg",
    "osc_range_deg",
    "phi_step_deg",
    "phi_steps",
    "mosaic_spread_deg",
    "mosaic_domains",
    "mosaic_seed",
    "mosaic_model",
    "mosaic_eta_deg",
    "spindle_axis",
)


def _beam_scalar(name: str, doc: str) -> property:
    def value(self: "Simulator") -> Tensor:
        return scalar(getattr(self.beam_config, name), self.device).to(self.dtype)

    def assign(self: "Simulator", given: Any) -> None:
        setattr(self.beam_config, name, given)

    return property(value, assign, doc=doc)


class Simulator(KnownNames):
    """Diffraction of a crystal onto a detector.

    A simulator may run any number of times, with gradients, and sees what was assigned to the configs in between.
    What is assigned to ``wavelength``, ``fluence``, ``kahn_factor`` or ``polarization_axis`` goes into the beam's.

    Args:
        crystal: The crystal; it is moved to ``device``.
        detector: The detector, of one panel or many; it is moved to ``device``.
        crystal_config: Config that lends its rotation fields (phi, spindle, mosaic) to the crystal.
        beam_config: The beam; None is the crystal's, then the default beam. The two configs may change places.
        device: Device of the evaluation; None is the crystal's.
        dtype: torch.float64 is exact; torch.float32 keeps positions and Miller indices in float64, and rounds the rest.
        debug_config: Dict of ``printout``, ``printout_pixel`` and ``trace_pixel``: accepted, without effect, and with a
            warning where it asks for anything; :func:`nanobrag_torch.trace.trace_pixel` gives what it asks for.
        compat: Deviations of C: a preset's name or a :class:`~nanobrag_torch.compat.Compat`; None is "physical".
        engine: "auto" takes compiled loops on a CPU and Triton's kernels on a GPU where they can evaluate the scene;
            "numba" and "triton" insist on them, "torch" takes tiles of torch operations and "formula" the readable
            reference, all at once.
        memory_budget: Bytes that an evaluation may take beside image and gradient. None suits the device: 48 MiB on
            a CPU; on a GPU an eighth of the memory that is free, at most 8 GiB.

    Attributes:
        r_e_sqr: Square of the classical electron radius, m^2.

    Raises:
        ValueError: Another ``dtype``, ``engine``, ``compat`` or device than there is, or a config of another kind.

    Example:
        ```python
        a = torch.tensor(70.0, dtype=torch.float64, requires_grad=True)
        crystal = Crystal(CrystalConfig(a, 80.0, 90.0, N_cells=(5, 5, 5), default_F=100.0))
        detector = Detector(DetectorConfig(spixels=256, fpixels=256, pixel_size_mm=0.4))
        image = Simulator(crystal, detector, beam_config=BeamConfig(wavelength_A=1.0), dtype=torch.float64).run()
        image.sum().backward()  # a.grad: photons per Angstrom
        ```
    """

    r_e_sqr = R_E_SQUARED
    crystal: Crystal
    detector: Detector | PanelledDetector
    beam: Beam
    device: torch.device
    dtype: torch.dtype
    compat: Compat
    debug_config: dict[str, Any]
    engine: str
    memory_budget: int

    def __init__(
        self,
        crystal: Crystal,
        detector: Detector | PanelledDetector,
        crystal_config: CrystalConfig | BeamConfig | None = None,
        beam_config: BeamConfig | CrystalConfig | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype = torch.float32,
        debug_config: dict[str, Any] | None = None,
        compat: str | Compat | None = None,
        engine: str = "auto",
        memory_budget: int | None = None,
    ) -> None:
        if memory_budget is not None:
            check_count("Simulator", "memory_budget", memory_budget, remedy="Give a number of bytes.", high=2**62)
        check_choice("Simulator", "engine", engine, ENGINES, "Leave it to 'auto' unless you compare engines.")
        check_kind("Simulator", "crystal", crystal, Crystal)
        if not isinstance(detector, PanelledDetector):
            check_kind("Simulator", "detector", detector, Detector)
        self.device = device_of(device if device is not None else crystal.device)
        self.dtype = dtype_of(dtype)
        self.crystal = crystal.to(device=self.device)
        self.detector = detector.to(device=self.device)
        rotation, beam = _sorted_configs(crystal_config, beam_config)
        if rotation is not None and rotation is not crystal.config:
            copy_fields(rotation, crystal.config, ROTATION_FIELDS)
        self.beam = Beam(beam or crystal.beam_config or BeamConfig(), self.device)
        clip_to_beam(crystal.config, self.beam_config)
        self.debug_config = debug_config or {}
        check_kind("Simulator", "debug_config", self.debug_config, dict)
        if any(value is not None and value is not False for value in self.debug_config.values()):
            warnings.warn(
                f"Simulator.debug_config = {self.debug_config}: a simulator prints nothing. "
                "nanobrag_torch.trace.trace_pixel(simulator, slow, fast) gives every quantity of a pixel; "
                "the command prints them with -printout, -printout_pixel and -trace_pixel.",
                stacklevel=2,
            )
        self.compat = Compat.of(compat)
        self.engine = engine
        self.memory_budget = budget_of(self.device) if memory_budget is None else memory_budget
        self._remembered = Memo()

    @property
    def beam_config(self) -> BeamConfig:
        """The beam."""
        return self.beam.config

    @beam_config.setter
    def beam_config(self, config: BeamConfig) -> None:
        self.beam = Beam(config, self.device)

    wavelength = _beam_scalar("wavelength_A", "Wavelength in Angstrom, 0-d.")
    fluence = _beam_scalar("fluence", "Photons per square metre, 0-d.")
    kahn_factor = _beam_scalar("polarization_factor", "Polarization factor K, 0-d.")

    @property
    def polarization_axis(self) -> Tensor:
        """Unit direction (3,) of the E vector."""
        return self.beam.polarization(self.geometry().polarization).axis.to(self.dtype)

    @polarization_axis.setter
    def polarization_axis(self, axis: Any) -> None:
        self.beam_config.polarization_axis = axis

    @property
    def incident_beam_direction(self) -> Tensor:
        """Unit vector (3,) in which the beam propagates."""
        beam: Tensor = self.geometry().beam
        return beam.to(self.dtype)

    @eager
    def run(
        self,
        pixel_batch_size: int | None = None,
        stochastic_pixel_count: int | None = None,
        override_a_star: Tensor | None = None,
        oversample: int | None = None,
        oversample_omega: bool | None = None,
        oversample_polar: bool | None = None,
        oversample_thick: bool | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor | tuple[Tensor, Tensor, Tensor]:
        """Simulate the image; pixels outside the ROI and where the mask is zero are zero.

        Args:
            pixel_batch_size: Rows evaluated at a time, with the same result; None leaves it to the memory.
            stochastic_pixel_count: Number of rendered pixels to draw without replacement, instead of all.
            override_a_star: Reciprocal vector (3,) in 1/Angstrom in place of a*.
            oversample: Sub-pixels per axis, -1 automatic; None is the detector's.
            oversample_omega: Solid angle for every sub-pixel; None is the detector's.
            oversample_polar: Polarization factor for every sub-pixel; None is the detector's.
            oversample_thick: Capture fraction for every sub-pixel; None is the detector's.
            progress: Called with (pixels done, pixels in all).

        Returns:
            Image (spixels, fpixels) in photons per pixel, of many panels the raw image, which ``detector.split`` takes
            apart; or of the drawn pixels the intensities, slow indices and fast indices, each (n,).

        Raises:
            ValueError: Configs or arguments from which no image can be computed, before any work is done.
        """
        stochastic_pixel_count = whole(stochastic_pixel_count)
        if pixel_batch_size is not None and stochastic_pixel_count is not None:
            raise ValueError(
                f"pixel_batch_size = {pixel_batch_size} and stochastic_pixel_count = {stochastic_pixel_count}: "
                "only one of them may be given. A random subset is never batched by rows."
            )
        scenes = self.scenes(override_a_star, oversample, oversample_omega, oversample_polar, oversample_thick)
        if stochastic_pixel_count is None:
            return self.render(scenes, pixel_batch_size, progress)
        check_count("run", "stochastic_pixel_count", stochastic_pixel_count, remedy="Give a number of pixels.")
        pixels = self.panel_pixels()
        count = sum(map(len, pixels))
        if stochastic_pixel_count > count:
            allowed, remedy = f"at most the {count} rendered pixels", "Draw fewer, or widen ROI and mask."
            raise fail("run", "stochastic_pixel_count", stochastic_pixel_count, allowed, remedy)
        pixels, order = drawn(pixels, stochastic_pixel_count)
        order = order.to(self.device)
        photons = torch.cat(list(render_panels(scenes, pixels, self.engine, None, progress, self.memory_budget)))
        slow, fast = self._raw_indices(pixels)
        return photons[order], slow[order], fast[order]

    @eager
    def render(
        self,
        scene: Scene | Sequence[Scene],
        pixel_batch_size: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """The image (spixels, fpixels) of what :meth:`scene` or :meth:`scenes` made, in photons per pixel.

        ``pixel_batch_size`` and ``progress`` are those of :meth:`run`. Raises ``ValueError`` for an impossible number
        of rows.
        """
        rows = whole(pixel_batch_size)
        if rows is not None:
            check_count("run", "pixel_batch_size", rows, remedy="Give a number of rows.")
        pixels, slabs = self.panel_pixels(), self.detector.slabs
        check_memory(
            "pixel outside the region of interest", math.prod(shape_of(slabs)), "DetectorConfig", "spixels, fpixels",
            shape_of(slabs), "Simulate a smaller detector.", self.device,
        )  # fmt: skip
        scenes = [scene] if isinstance(scene, Scene) else scene
        parts = render_panels(scenes, pixels, self.engine, rows, progress, self.memory_budget)
        return assembled((part.image(photons) for part, photons in zip(pixels, parts, strict=True)), slabs)

    @eager
    def sensitivities(self, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Derivative of the image with respect to each of some parameters, in one sweep over the image.

        Args:
            parameters: Tensors of the configs (or ``hkl_data``) that require a gradient, under any names; each of their
                elements costs an image of memory.

        Returns:
            For each name a tensor (*shape of the parameter, slow, fast).

        Raises:
            ValueError: A tensor does not require a gradient, or no memory holds so many images.
        """
        for name, parameter in parameters.items():
            if not parameter.requires_grad:
                allowed = "a tensor of a config that requires a gradient"
                remedy = "Call requires_grad_() on it before it goes into the config."
                raise fail("sensitivities", f"parameters[{name!r}]", "a tensor without gradient", allowed, remedy)
        pixels, slabs = self.panel_pixels(), self.detector.slabs
        sizes = [parameter.numel() for parameter in parameters.values()]
        check_memory(
            "pixel", sum(sizes) * sum(map(len, pixels)), "sensitivities", "parameters",
            f"{sum(sizes)} elements in {sum(map(len, pixels))} pixels",
            "Each element costs an image: take fewer, or a region of interest.", self.device,
        )  # fmt: skip
        found = [
            torch.stack([part.image(row) for row in sensitivities(scene, part, list(parameters.values()), self.engine)])
            for scene, part in zip(self.scenes(), pixels, strict=True)
        ]
        rows = torch.split_with_sizes(assembled(found, slabs), sizes)
        return {
            name: moved.reshape(*parameter.shape, *shape_of(slabs))
            for (name, parameter), moved in zip(parameters.items(), rows, strict=True)
        }

    def panel_pixels(self) -> list[Pixels]:
        """The pixels of each panel in the ROI whose mask is not zero, row by row."""
        return self.detector.panel_pixels()

    def pixels(self) -> Pixels:
        """The pixels of a detector of one panel; ``ValueError`` where there are several."""
        return _only(self.panel_pixels(), "panel_pixels")

    def rendered_pixels(self) -> tuple[Tensor, Tensor]:
        """Slow and fast indices (n,) of the rendered pixels, in the raw image of many panels."""
        return self._raw_indices(self.panel_pixels())

    def _raw_indices(self, pixels: Sequence[Pixels]) -> tuple[Tensor, Tensor]:
        lists = [part.lists(self.device) for part in pixels]
        found = [
            (slow + slab.slow, fast + slab.fast) for (slow, fast), slab in zip(lists, self.detector.slabs, strict=True)
        ]
        return torch.cat([slow for slow, _ in found]), torch.cat([fast for _, fast in found])

    def geometry(self) -> Any:
        """Place of the detector; computed anew only when a number in its config has changed.

        It is a ``models.detector.Geometry``, or a ``models.panels.PanelledGeometry`` where there are many panels.
        """
        detector, compat = self.detector, self.compat
        numbers = (detector.numbers(), str(detector.device), compat)
        return self._remembered("geometry", lambda: detector.geometry(compat), numbers)

    def unit_cell(self) -> UnitCell:
        """Unit cell of the crystal with misset; computed anew only when a number in its config has changed."""
        crystal, compat = self.crystal, self.compat
        given = (crystal.config, crystal.turn, compat, str(crystal.device))
        return self._remembered("unit cell", lambda: crystal.unit_cell(compat), given)

    def oversample(self, geometry: Any = None) -> int:
        """Sub-pixels per axis: the detector's, or by C's rule where it is automatic."""
        if self.detector.config.oversample > 0:
            return self.detector.config.oversample
        return self.recommended_oversample(geometry or self.geometry())

    def recommended_oversample(self, geometry: Any) -> int:
        """Sub-pixels per axis that resolve the fringes of this crystal on this detector."""
        direct = angstrom_to_m(self.unit_cell().direct.detach())
        cells = [number_of(n) or 1.0 for n in self.crystal.config.N_cells]
        edges = torch.sqrt((direct * direct).sum(-1)).tolist()
        size = max(edge * n for edge, n in zip(edges, cells, strict=True))
        detector: Any = self.detector
        distance, pixel = detector.finest(geometry)
        wavelength = float(self.beam.wavelength.detach())
        return recommended_oversample(size, wavelength, distance, pixel, self.compat.count_tolerance)

    @eager
    def scene(
        self,
        override_a_star: Tensor | None = None,
        oversample: int | None = None,
        oversample_omega: bool | None = None,
        oversample_polar: bool | None = None,
        oversample_thick: bool | None = None,
    ) -> Scene:
        """The scene of a detector of one panel: all that decides the image, as SI tensors connected to the configs.

        The arguments are those of :meth:`run`. Raises ``ValueError`` as :meth:`scenes` does, and for several panels.
        """
        given = (override_a_star, oversample, oversample_omega, oversample_polar, oversample_thick)
        return _only(self.scenes(*given), "scenes")

    @eager
    def scenes(
        self,
        override_a_star: Tensor | None = None,
        oversample: int | None = None,
        oversample_omega: bool | None = None,
        oversample_polar: bool | None = None,
        oversample_thick: bool | None = None,
    ) -> list[Scene]:
        """The scene of each panel; they differ in the panel alone and share all other records.

        Args:
            override_a_star: As for :meth:`run`, like the others.
            oversample: Sub-pixels per axis.
            oversample_omega: Solid angle for every sub-pixel.
            oversample_polar: Polarization factor for every sub-pixel.
            oversample_thick: Capture fraction for every sub-pixel.

        Raises:
            ValueError: Configs or arguments from which no image can be computed.
        """
        compat, config, oversample = self.compat, self.detector.config, whole(oversample)
        check_count("run", "oversample", oversample, automatic=(-1,), optional=True)
        self._check_peak()
        flags = {
            "capture": config.oversample_thick if oversample_thick is None else oversample_thick,
            "polar": config.oversample_polar if oversample_polar is None else oversample_polar,
            "omega": config.oversample_omega if oversample_omega is None else oversample_omega,
        }
        keep, crystal, beam = self._remembered, self.crystal, self.beam_config
        geometry = self.geometry()
        number = oversample if oversample is not None and oversample > 0 else None
        if number is None:
            number = self.recommended_oversample(geometry) if oversample == -1 else self.oversample(geometry)
        overridden = compat.oversample_polar_overrides_nopolar and flags["polar"]
        polarization = keep(
            "polarization", lambda: self.beam.polarization(geometry.polarization, overridden),
            beam, geometry.polarization, overridden,
        )  # fmt: skip
        crystal_in = (crystal.config, crystal.turn, compat, geometry.spindle, override_a_star, str(crystal.device))

        def lattice(stale: bool) -> Lattice:
            return crystal.lattice(compat, geometry.spindle, stale, override_a_star)

        carried = compat.phi_zero_carryover and crystal.config.phi_steps > 1
        detector: Any = self.detector
        panels = keep(
            "panels", lambda: detector.scene_panels(geometry, number, compat),
            detector.numbers(), str(detector.device), compat, geometry, number,
        )  # fmt: skip
        made = Scene(
            panel=panels[0],
            sources=keep(
                "sources", lambda: self.beam.sources(geometry.beam, polarization.axis, compat),
                beam, geometry.beam, polarization.axis, compat,
            ),
            polarization=polarization,
            lattice=keep("lattice", lambda: lattice(True), crystal_in),
            amplitudes=crystal.amplitudes(compat),
            weighing=_weighing(compat, flags),
            fluence=self.beam.fluence,
            background=self.beam.background(compat),
            has_background=number_of(beam.water_size_um) != 0,
            dmin=beam.dmin * 1e-10,
            dtype=self.dtype,
            first_lattice=keep("first lattice", lambda: lattice(False), crystal_in) if carried else None,
        )  # fmt: skip
        self._check_channels(made)
        return [made, *(replace(made, panel=panel) for panel in panels[1:])]

    def _check_channels(self, scene: Scene) -> None:
        """Raise ``ValueError`` where tables of channels are not those of the beam, or depend on each other."""
        tables, spectrum = scene.amplitudes.channels, self.beam_config.spectrum
        if tables is None:
            return
        channels = None if spectrum is None else len(spectrum[0])
        if tables != channels:
            beam = "no spectrum" if channels is None else f"{channels} channels"
            raise ValueError(
                f"Crystal.hkl_data has {tables} tables, and the beam has {beam}: must be one table for each channel. "
                "Give one table, or a spectrum of as many wavelengths."
            )
        joined = next((reason for reason, holds in JOINED.items() if holds(scene)), None)
        if joined is not None:
            raise ValueError(
                f"Crystal.hkl_data has a table for each channel: must be one table here, since {joined}. "
                "Use compat='physical'."
            )

    def _check_peak(self) -> None:
        """Raise ``ValueError`` where the square of F times the number of cells overflows single precision."""
        if self.dtype is not torch.float32:
            return
        config = self.crystal.config
        cells = math.prod(number_of(count) or 1.0 for count in config.N_cells)
        peak = (abs(number_of(config.default_F) or 1.0) * cells) ** 2
        if peak > torch.finfo(torch.float32).max:
            raise ValueError(
                f"dtype = torch.float32: default_F and N_cells make a peak of (F Na Nb Nc)^2 = {peak:.3g}, more than "
                "single precision holds. Use torch.float64, or smaller values."
            )

    def compute_statistics(self, float_image: Tensor) -> dict[str, Any]:
        """Statistics of an image.

        Args:
            float_image: Image (spixels, fpixels), of which the rendered pixels count; or any other image or list of
                pixels, all of which count.

        Returns:
            A dict of ``max_I`` with its pixel ``max_I_fast``, ``max_I_slow`` and its place ``max_I_subpixel_fast``,
            ``max_I_subpixel_slow`` (metres), ``mean``, ``RMS``, ``RMSD`` and the number ``N`` of pixels that count.

        Raises:
            ValueError: The image has more than two dimensions.
        """
        return compute_statistics(float_image, self.detector.config, self.oversample()).as_dict()

    def estimate_memory(self, target_gpu_gb: float = 24.0) -> dict[str, Any]:
        """Memory that one image needs, in the earlier interface's terms; tiling means that any image fits.

        Args:
            target_gpu_gb: Memory of the device, gigabytes.

        Returns:
            A dict of ``batch_size`` (rows per tile), ``tricubic_peak_gb`` (held at once), ``recommended_chunk_size``
            (pixels whose samples fit ``target_gpu_gb``) and ``full_vectorization_ok`` (True where the image does).
        """
        per_pixel = max(scene.samples_per_pixel for scene in self.scenes()) * BYTES_PER_SAMPLE
        pixels = sum(map(len, self.panel_pixels()))
        chunk = max(1, min(pixels, int(target_gpu_gb * 1e9 / per_pixel)))
        return {
            "batch_size": max(1, chunk // self.detector.fpixels),
            "tricubic_peak_gb": chunk * per_pixel / 1e9,
            "recommended_chunk_size": chunk,
            "full_vectorization_ok": chunk == pixels,
        }


def _only(items: list[Item], name: str) -> Item:
    """The one item of a detector of one panel."""
    if len(items) != 1:
        raise ValueError(f"Simulator: the detector has {len(items)} panels. Simulator.{name}() has a list of them.")
    return items[0]


def _sorted_configs(*given: CrystalConfig | BeamConfig | None) -> tuple[CrystalConfig | None, BeamConfig | None]:
    """The configs of crystal and beam, in whichever order they were given."""
    found: dict[type, Any] = {CrystalConfig: None, BeamConfig: None}
    for config in given:
        kind = next((kind for kind in found if isinstance(config, kind)), None)
        if config is not None and (kind is None or found[kind] is not None):
            raise ValueError(
                f"Simulator: a {type(config).__name__} {'was given twice' if kind else 'is no config for it'}. After "
                "crystal and detector it takes one CrystalConfig and one BeamConfig, or either."
            )
        if kind is not None:
            found[kind] = config
    return found[CrystalConfig], found[BeamConfig]


def _weighing(compat: Compat, flags: dict[str, bool]) -> Weighing:
    """Sampling of the factors within a pixel: as ``compat`` says, per sample where a flag asks for it."""
    running = tuple(name for name, flag in flags.items() if flag) if compat.oversample_running_product else ()
    return Weighing(
        omega="per_sample" if flags["omega"] else compat.omega_sampling,
        polar="per_sample" if flags["polar"] else compat.polar_sampling,
        capture="per_layer" if flags["capture"] else compat.capture_sampling,
        running=running,
        blackout=flags["capture"] and compat.oversample_thick_blackout,
        background_model=compat.background_model,
        dmin_zeroes_background=compat.dmin_zeroes_background,
    )
