"""Beam: a config made into sources, polarization and fluence, once per evaluation."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from nanobrag_torch import scene
from nanobrag_torch.compat import Compat
from nanobrag_torch.config import SOURCE_LISTS, BeamConfig
from nanobrag_torch.memory import check_memory
from nanobrag_torch.models.as_tensor import device_of, scalar, vector
from nanobrag_torch.physics.background import water_intensity, water_intensity_c
from nanobrag_torch.physics.safe import unit
from nanobrag_torch.physics.sources import incident_directions, is_within_round_divergence
from nanobrag_torch.sampling import Steps, angular_range
from nanobrag_torch.units import angstrom_to_m, mrad_to_radians, um_to_m
from nanobrag_torch.validation import divisor, fail, number_of


@dataclass(frozen=True)
class Divergence:
    """The grid from which sources were generated: angles in radians, dispersion as a fraction of the wavelength."""

    horizontal: Steps
    vertical: Steps
    dispersion: Steps


class Beam:
    """The beam of a config; nothing is kept between evaluations.

    Args:
        config: The beam; None is the default one.
        device: Device of the tensors; None is the CPU.

    Raises:
        ValueError: The config describes no beam.
    """

    def __init__(self, config: BeamConfig | None = None, device: torch.device | str | None = None) -> None:
        self.config = config if config is not None else BeamConfig()
        self.config.validate()
        self.device = device_of(device)

    @property
    def wavelength(self) -> Tensor:
        """Central wavelength in metres: of a spectrum its mean."""
        return angstrom_to_m(scalar(self.config.central_wavelength(), self.device))

    @property
    def fluence(self) -> Tensor:
        """Photons per square metre."""
        return scalar(self.config.fluence, self.device)

    def divergence(self, compat: Compat) -> Divergence:
        """The step rules applied to divergence and dispersion; one step each where a source list is given.

        A spectrum is a dispersion of as many points, without a step.
        """
        c = self.config
        steps = partial(angular_range, tolerance=compat.count_tolerance)
        return Divergence(
            steps(c.hdiv_steps, _radians(c.hdiv_range_mrad), _radians(c.hdiv_step_mrad)),
            steps(c.vdiv_steps, _radians(c.vdiv_range_mrad), _radians(c.vdiv_step_mrad)),
            steps(c.dispersion_steps, c.dispersion_pct / 100, default_full=0.0)
            if c.spectrum is None
            else self._width(c.spectrum[0]),
        )

    def sources(self, beam: Tensor, polarization: Tensor, compat: Compat) -> scene.Sources:
        """All sources: those of the list, on ``beam`` (3,) where it has no directions, or the grid around it.

        Wavelengths run innermost.
        """
        self.config.validate()
        if any(getattr(self.config, name) is not None for name in SOURCE_LISTS):
            return self._listed(beam, compat)
        return self._generated(beam, polarization, self.divergence(compat))

    def polarization(self, convention_axis: Tensor, overridden: bool = False) -> scene.Polarization:
        """Polarization along the config's axis, else the convention's; ``overridden`` cancels ``nopolar`` [B07]."""
        axis = self.config.polarization_axis
        return scene.Polarization(
            axis=unit(vector(axis, self.device)) if axis is not None else convention_axis,
            kahn=scalar(self.config.polarization_factor, self.device),
            enabled=not self.config.nopolar or overridden,
        )

    def background(self, compat: Compat) -> Tensor:
        """The water term that the accumulation starts from."""
        size = um_to_m(scalar(self.config.water_size_um, self.device))
        if compat.background_model == "c":
            return water_intensity_c(size, self.fluence)
        return water_intensity(size)

    def _listed(self, beam: Tensor, compat: Compat) -> scene.Sources:
        config = self.config
        count = next(len(values) for name in SOURCE_LISTS if (values := getattr(config, name)) is not None)
        check_memory(
            "source", count, "BeamConfig", "source_directions", f"{count} sources", "List fewer sources.", self.device
        )
        if config.source_directions is None:
            directions = beam.expand(count, 3)
        else:
            directions = -unit(torch.as_tensor(config.source_directions).to(self.device, torch.float64))
        wavelengths = (
            self.wavelength.expand(count)
            if config.source_wavelengths is None
            else vector(config.source_wavelengths, self.device)
        )
        weights = torch.ones(count, dtype=torch.float64, device=self.device)
        if config.source_weights is not None and compat.source_weights == "use":
            given = vector(config.source_weights, self.device)
            if not bool(given.detach().sum() > 0) or bool((given.detach() < 0).any()):
                raise ValueError(
                    f"BeamConfig.source_weights sum to {float(given.detach().sum())}, the least is "
                    f"{float(given.detach().min())}: must be at least 0, and not all 0. Give relative intensities."
                )
            weights = given / given.mean()
        return scene.Sources(directions, wavelengths, weights)

    def divergence_angles(self, grid: Divergence) -> tuple[Tensor, Tensor]:
        """Horizontal and vertical angles (n,) in radians of the grid's directions, horizontal outermost.

        Raises ``ValueError`` for more sources, wavelengths included, than memory holds, and where none is left.
        """
        h, v = grid.horizontal, grid.vertical
        counts = (h.count, v.count, grid.dispersion.count)
        names = "hdiv_steps, vdiv_steps, dispersion_steps"
        remedy = "Take fewer of any: every direction shines at every wavelength."
        check_memory("source", math.prod(counts), "BeamConfig", names, counts, remedy, self.device)
        horizontal, vertical = self._centred(h), self._centred(v)
        horizontal, vertical = (x.reshape(-1) for x in torch.meshgrid(horizontal, vertical, indexing="ij"))
        if self.config.round_div:
            kept = is_within_round_divergence(
                horizontal.detach(), vertical.detach(),
                (number_of(h.range) or 0.0, number_of(v.range) or 0.0),
                (number_of(h.step) or 0.0, number_of(v.step) or 0.0),
                (h.count, v.count),
            )  # fmt: skip
            if not bool(kept.any()):
                raise fail(
                    "BeamConfig", names, counts, "a grid with directions inside the circle that round_div keeps",
                    "Take more steps, or keep the corners of the grid.",
                )  # fmt: skip
            horizontal, vertical = horizontal[kept], vertical[kept]
        return horizontal, vertical

    def _generated(self, beam: Tensor, polarization: Tensor, grid: Divergence) -> scene.Sources:
        horizontal, vertical = self.divergence_angles(grid)
        across = torch.linalg.cross(beam, polarization).norm()
        if grid.horizontal.count > 1:
            words = "the polarization lies along the beam and there is no horizontal"
            divisor(across, words, "Give another polarization axis, or no horizontal divergence.", 1e-12)
        directions = incident_directions(beam, polarization, horizontal, vertical)
        wavelengths, weights = self._channels(grid.dispersion)
        count = len(horizontal)
        return scene.Sources(
            directions.repeat_interleave(len(wavelengths), 0), wavelengths.repeat(count), weights.repeat(count)
        )

    def _channels(self, dispersion: Steps) -> tuple[Tensor, Tensor]:
        """Wavelengths (n,) in metres of every direction, and their weights (n,) of mean 1."""
        if self.config.spectrum is None:
            wavelengths = self.wavelength * (1 + self._centred(dispersion))
            return wavelengths, torch.ones_like(wavelengths)
        wavelengths, weights = (vector(item, self.device) for item in self.config.spectrum)
        return angstrom_to_m(wavelengths), weights / weights.mean()

    def _width(self, wavelengths: Tensor) -> Steps:
        """Points of a spectrum, and its full width as a part of its mean."""
        width = number_of(wavelengths.detach().max() - wavelengths.detach().min()) or 0.0
        return Steps(len(wavelengths), width / (number_of(self.config.central_wavelength()) or 1.0), 0.0)

    def _centred(self, steps: Steps) -> Tensor:
        """step * i - range/2 for i = 0 ... count - 1."""
        index = torch.arange(steps.count, dtype=torch.float64, device=self.device)
        return scalar(steps.step, self.device) * index - scalar(steps.range, self.device) / 2


def _radians(mrad: Any) -> Any:
    return None if mrad is None else mrad_to_radians(mrad)
